"""Every notebook runs from top to bottom in a real kernel, against the sandbox that it starts itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def stored(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.param, as_version=4)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)]


# A kernel speaks over sockets that the interpreter closes late, and jupyter_client warns of its own plans.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_runs(stored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    # The kernel of this interpreter, whatever else is installed under the name that the notebook asks for.
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    spec = tmp_path / "jupyter" / "kernels" / "tested" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    spec.write_text(f'{{"argv": {argv}, "display_name": "tested", "language": "python"}}')
    folder = tmp_path / "cwd"
    folder.mkdir()
    client = NotebookClient(stored, timeout=300, kernel_name="tested", resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in _code(stored):
        for output in cell.outputs:
            assert output.output_type != "error", output
            assert output.get("name") != "stderr", f"{cell.source}\nwrites to stderr: {output.text}"


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


def test_a_notebook_holds_nothing_of_its_writer(stored: Any) -> None:
    text = nbformat.writes(stored)
    assert "PRIVATE KEY" not in text
    assert str(Path.home()) not in text
    assert set(stored.metadata) <= {"kernelspec", "language_info"}
