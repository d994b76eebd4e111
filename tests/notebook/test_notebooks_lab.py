"""Every notebook in JupyterLab, as a reader opens it: all cells run, all they show is there, nobody else is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._helpers.jupyterlab import Lab
from tests.notebooks import NOTEBOOKS, wrong

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lab")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_jupyterlab(path: Path, lab: Lab) -> None:
    import nbformat

    notebook = lab.open(lab.copy(path))
    notebook.run_all()
    assert wrong(notebook.save(), nbformat.read(path, as_version=4)) == []
    shown = notebook.page.locator(".jp-Notebook")
    # What cannot be drawn says so in words.
    for complaint in ("Error displaying widget", "Loading widget", "Javascript Error", "could not be rendered"):
        assert shown.get_by_text(complaint).count() == 0
    broken = "[...document.querySelectorAll('.jp-OutputArea img')].filter(i => !i.naturalWidth).length"
    assert notebook.page.evaluate(broken) == 0
    notebook.screenshot(path.stem)
