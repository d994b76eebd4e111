"""The notebooks in JupyterLab: every cell runs, nothing is wrong on the console, and nobody else is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebook.lab import Lab

pytestmark = pytest.mark.xdist_group("lab")


def test_the_quickstart_runs_in_jupyterlab(lab: Lab, repository: Path) -> None:
    notebook = lab.open(lab.copy(repository / "notebooks" / "01_quickstart.ipynb"))
    notebook.run_all()
    notebook.screenshot("quickstart-light")
    notebook.theme("dark")
    notebook.screenshot("quickstart-dark")


def test_the_harness_sees_what_is_wrong(lab: Lab) -> None:
    notebook = lab.open(
        lab.write(
            "from IPython.display import HTML, display\n"
            'display(HTML(\'<script>console.error("oh")</script><img src="http://elsewhere.example/x.png">\'))',
            "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
            "except OSError as error:\n    found = str(error)",
            "1 / 0",
        )
    )
    notebook.command("notebook:run-all-cells")
    notebook.settle()
    assert notebook.errors() == ["ZeroDivisionError: division by zero"]
    assert "192.0.2.1" in notebook.value("found")
    lab.close()
    wrong, lab.wrong = lab.wrong, []
    assert "oh" in wrong
    assert "http://elsewhere.example/x.png" in wrong
    assert "socket.getaddrinfo 192.0.2.1" in wrong
