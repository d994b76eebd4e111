"""marimo itself: a server on this machine with one notebook, opened in a browser, whose cells have names.

    with MarimoServer(folder, {"numbers": "x = 1", "shown": "x + 1"}) as server:
        notebook = MarimoNotebook(server, browser, artefacts())
        notebook.output("shown").get_by_text("2").wait_for()

Whatever the page, the server or its kernel asks of another host is kept, and so is any error on the console.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from playwright.sync_api import Browser, Locator

from tests._helpers.jupyterlab import DEADLINE_S, GUARD, ROOT

SIZE = {"width": 1280, "height": 1000}


class MarimoServer:
    """A server with folders of its own, on a free port; nothing of the user's is read or written.

    Parameters
    ----------
    cells
        The source of each cell, by its name.
    """

    def __init__(self, folder: Path, cells: Mapping[str, str]) -> None:
        self.folder = folder
        self._asked, self._log = folder / "asked", folder / "server.log"
        (folder / "guard").mkdir(parents=True)
        (folder / "guard/sitecustomize.py").write_text(GUARD, encoding="utf-8")
        self._asked.write_text("", encoding="utf-8")
        self._notebook = folder / "notebook.py"
        self._notebook.write_text(_source(cells), encoding="utf-8")
        (folder / "home").mkdir()
        # A notebook that is opened runs.
        (folder / "home/.marimo.toml").write_text("[runtime]\nauto_instantiate = true\n", encoding="utf-8")
        path = os.pathsep.join(filter(None, [str(folder / "guard"), str(ROOT), os.environ.get("PYTHONPATH")]))
        homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"), str(folder / "home"))
        self._env = os.environ | homes | {"LAB_ASKED": str(self._asked), "PYTHONPATH": path}

    def __enter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        options = ("-y", "edit", "--headless", "--no-token", "--skip-update-check", "--host", "127.0.0.1",
                   "--port", str(port))  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "marimo", *options, str(self._notebook)],
                env=self._env, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self._started()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def asked(self) -> list[str]:
        """Whom the server and its kernel tried to reach beyond this machine."""
        return self._asked.read_text(encoding="utf-8").splitlines()

    def _started(self) -> None:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"marimo did not start:\n{self._log.read_text()[-4000:]}")

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)


class MarimoNotebook:
    """The server's notebook in a browser; its cells run as it opens.

    Attributes
    ----------
    wrong
        Errors on the console and in the page's scripts, and requests to elsewhere.
    """

    def __init__(self, server: MarimoServer, browser: Browser, artefacts: Path | None) -> None:
        self.server, self.wrong, self._artefacts = server, [], artefacts
        self._context = browser.new_context(viewport=SIZE)
        self._context.add_init_script("window.alert = () => { window.hacked = true; };")
        self._context.on("request", lambda request: self._seen(request.url))
        self.page = self._context.new_page()
        self.page.set_default_timeout(DEADLINE_S * 1000)
        self.page.on("console", lambda each: self.wrong.append(each.text) if each.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("websocket", lambda connection: self._seen(connection.url))
        self.page.goto(server.url)

    def cell(self, name: str) -> Locator:
        """The cell with this name."""
        return self.page.locator(f'[data-cell-name="{name}"]')

    def output(self, name: str) -> Locator:
        """What a cell shows as its value."""
        return self.cell(name).locator(".output-area")

    def screenshot(self, name: str, shown: Locator | None = None) -> None:
        """A picture of a part of the notebook, or of what is in sight, kept as `name`.png where pictures are wanted."""
        if self._artefacts is None:
            return
        self._artefacts.mkdir(parents=True, exist_ok=True)
        (shown or self.page).screenshot(path=self._artefacts / f"{name}.png")

    def close(self) -> None:
        """Close the page."""
        self._context.close()
        self.wrong += self.server.asked()

    def _seen(self, url: str) -> None:
        own = (self.server.url, self.server.url.replace("http", "ws", 1), "data:", "blob:", "about:")
        if not url.startswith(own):
            self.wrong.append(url)


def _source(cells: Mapping[str, str]) -> str:
    """A notebook as marimo's file."""
    made = ["import marimo\n\napp = marimo.App()\n"]
    for name, source in cells.items():
        lines = "\n".join(f"    {line}" if line else "" for line in source.splitlines())
        made.append(f"@app.cell\ndef {name}():\n{lines}\n    return\n")
    return "\n\n".join(made)
