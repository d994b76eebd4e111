"""Every notebook runs from top to bottom in a real kernel, and what is stored of it is what it shows."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import notebooks
from tests._helpers.jupyterlab import chromium
from tests.notebooks import NOTEBOOKS, ROOT


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def stored(request: pytest.FixtureRequest) -> Any:
    import nbformat

    return nbformat.read(request.param, as_version=4)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)]


@pytest.mark.skipif(chromium() is not None, reason="run in JupyterLab: tests/notebook/test_notebooks_lab.py")
# A kernel speaks over sockets that the interpreter closes late, and jupyter_client warns of its own plans.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_runs_and_shows_what_is_stored(stored: Any, tmp_path: Path) -> None:
    assert notebooks.wrong(notebooks.run(stored, tmp_path), stored) == []


@pytest.mark.slow
def test_what_is_stored_differs_on_no_machine() -> None:
    import nbformat

    stream = partial(nbformat.v4.new_output, "stream", name="stdout")
    data = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "1f"},
        "text/plain": "Sandbox(http://127.0.0.1:41234)",
    }
    block = "9 of 9 conversations, 40 events, 10 requests (1 repeated), 6.7 conversations/s, in 1 min 15 s"
    cell = nbformat.v4.new_code_cell("1", execution_count=7, outputs=[
        stream(text="complete: 9 conversations in 1,234.5 s, 10 requests\n"), stream(text="more\n"),
        nbformat.v4.new_output("display_data", data={"text/plain": block}),
        nbformat.v4.new_output("execute_result", data=data, execution_count=7, metadata={"x": 1}),
    ])  # fmt: skip
    cell.metadata = nbformat.from_dict({"tags": ["varies"], "execution": {"iopub.status.idle": "2026-11-20T09:00:00Z"}})
    made = nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {}, "kernelspec": {"name": "mine", "display_name": "Mine"}}
    )
    (kept,) = notebooks.cleaned(made).cells
    assert [output.get("text") or output["data"] for output in kept.outputs] == [
        "complete: 9 conversations, 10 requests\nmore\n",
        {"text/plain": "9 of 9 conversations, 40 events, 10 requests (1 repeated)"},
        {"text/plain": "Sandbox(http://127.0.0.1:8080)"},
    ]
    assert (kept.execution_count, kept.outputs[-1].execution_count, kept.outputs[-1].metadata) == (1, 1, {})
    assert kept.metadata == {"tags": ["varies"]}
    assert cell.outputs[-1].execution_count == 7, "the notebook that was given stays as it is"


def test_what_changed_is_told() -> None:
    import nbformat

    def shows(text: str) -> Any:
        outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": text}, execution_count=1)]
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("len(x)", outputs=outputs, execution_count=1)])

    assert notebooks.wrong(shows("3"), shows("3")) == []
    (told,) = notebooks.wrong(shows("4"), shows("3"))
    assert "shows\n4\ninstead of\n3" in told


def test_a_notebook_shows_what_it_gives(stored: Any) -> None:
    cells = _code(stored)
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), "execute it from top to bottom before committing it"
    # A cell whose last line is an expression has something to show.
    assert sum(bool(cell.outputs) for cell in cells) > len(cells) / 2


def test_a_notebook_teaches(stored: Any) -> None:
    first, *_ = stored.cells
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    prose = [cell for cell in stored.cells if cell.cell_type == "markdown"]
    assert len(prose) >= len(stored.cells) / 3
    assert max(len(cell.source.splitlines()) for cell in _code(stored)) <= 15, "cells are short"


def test_links_of_a_notebook_lead_somewhere(stored: Any) -> None:
    for cell in stored.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", cell.source):
                assert "://" in target or (ROOT / "notebooks" / target).exists(), target


def test_a_notebook_holds_nothing_of_its_writer(stored: Any) -> None:
    import nbformat

    text = nbformat.writes(stored)
    assert "PRIVATE KEY" not in text
    assert str(Path.home()) not in text
    assert set(stored.metadata) <= {"kernelspec", "language_info"}
    assert notebooks.cleaned(stored) == stored, "run `python -m tests.notebooks`"
