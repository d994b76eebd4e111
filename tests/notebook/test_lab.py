"""The harness of JupyterLab: what is wrong in a page, a server or a kernel does not pass unseen."""

from __future__ import annotations

import pytest

from tests._helpers.jupyterlab import Lab

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lab")]


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
    lab.tidy()
    wrong, lab.wrong = lab.wrong, []
    assert "oh" in wrong
    assert "http://elsewhere.example/x.png" in wrong
    assert "socket.getaddrinfo 192.0.2.1" in wrong
