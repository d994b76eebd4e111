"""JupyterLab itself: a server on this machine, and notebooks that are opened in it, run, looked at and used.

    pytestmark = pytest.mark.xdist_group("lab")

    def test_it(lab: Lab) -> None:
        notebook = lab.open(lab.write("1 + 1"))
        notebook.run_all()
        assert notebook.output(0).inner_text() == "2"

Whatever the page, the server or a kernel asks of another host fails the test, and so does any error on the console.
Pictures go to the folder that `CONV_ANALYTICS_ARTEFACTS` names; without it none is taken.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Literal, Self

from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page

ROOT = Path(__file__).parents[2]
#: Generous: it is reached only when something hangs. [s]
DEADLINE_S = 180.0
SIZE = {"width": 1280, "height": 900}
#: The value of an expression once it is true, or what it is after so many milliseconds. Asked for within the page: each
#: question from here takes a turn of five processes.
UNTIL = """async (ms) => {
  for (const end = performance.now() + ms; ; await new Promise((done) => setTimeout(done, 20))) {
    const found = (%s);
    if (found || performance.now() > end) return found;
  }
}"""

#: Every process below the server runs this first: nobody but this machine may be asked, and whoever tries is written
#: down, since many a program takes the refusal in silence.
GUARD = """\
import ipaddress, os, socket, sys

sys.modules["rfc3987_syntax"] = None  # see tests/conftest.py

def _here(host):
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback or str(name) in {"0.0.0.0", "::"}
    except ValueError:
        return False

def _guard(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _here(host):
        with open(os.environ["LAB_ASKED"], "a") as file:
            file.write(f"{event} {host}\\n")
        raise OSError(f"a test tried to reach {host}")

sys.addaudithook(_guard)
"""

#: Nothing that looks for news, updates or extensions; no cell is taken off the page while it is out of sight.
DISABLED = (
    "@jupyterlab/apputils-extension:announcements", "@jupyterlab/extensionmanager-extension",
    "@jupyterlab/help-extension:jupyter-forum",
)  # fmt: skip
SETTINGS = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}


class LabServer:
    """A JupyterLab server on a free port, with folders of its own; nothing of the user's is read or written."""

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(16)
        self.notebooks = folder / "notebooks"
        self._asked, self._log, self._runtime = folder / "asked", folder / "server.log", folder / "runtime"
        own = {
            "JUPYTER_CONFIG_DIR": folder / "config", "JUPYTER_DATA_DIR": folder / "data",
            "JUPYTER_RUNTIME_DIR": self._runtime, "JUPYTER_PATH": folder / "jupyter",
            "JUPYTERLAB_SETTINGS_DIR": folder / "settings", "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
            "IPYTHONDIR": folder / "ipython", "LAB_ASKED": self._asked,
        }  # fmt: skip
        path = os.pathsep.join(filter(None, [str(folder / "guard"), str(ROOT), os.environ.get("PYTHONPATH")]))
        self._env = os.environ | {name: str(value) for name, value in own.items()} | {"PYTHONPATH": path}
        kernel = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                  "display_name": "Python 3", "language": "python"}  # fmt: skip
        _put(folder / "jupyter/kernels/python3/kernel.json", json.dumps(kernel))
        off = {"disabledExtensions": dict.fromkeys(DISABLED, True)}
        _put(folder / "config/labconfig/page_config.json", json.dumps(off))
        for name, settings in SETTINGS.items():
            _put(folder / f"settings/{name}.jupyterlab-settings", json.dumps(settings))
        _put(folder / "guard/sitecustomize.py", GUARD)
        _put(self._asked, "")
        self.notebooks.mkdir()

    def __enter__(self) -> Self:
        options = (
            "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--expose-app-in-browser",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.notebooks}",
            "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        )  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                env=self._env, cwd=self.notebooks, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self.url = self._started()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def asked(self) -> list[str]:
        """Whom the server and its kernels tried to reach beyond this machine; told once."""
        found = self._asked.read_text().splitlines()
        self._asked.write_text("")
        return found

    def end_kernels(self) -> None:
        """End every kernel, and what runs in it."""
        for session in json.loads(self._call("GET", "api/sessions")):
            self._call("DELETE", f"api/sessions/{session['id']}")

    def _call(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            found: bytes = answer.read()
        return found

    def _started(self) -> str:
        """The server's address, once it answers."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end and self._process.poll() is None:
            for told in self._runtime.glob(f"jpserver-{self._process.pid}.json"):
                try:
                    self.url = f"http://127.0.0.1:{json.loads(told.read_text())['port']}"
                    self._call("GET", "api/status")
                except (OSError, ValueError):
                    break
                else:
                    return self.url
            time.sleep(0.05)
        raise AssertionError(f"JupyterLab did not start:\n{self._log.read_text()[-4000:]}")

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)


class Lab:
    """JupyterLab in a browser; `open` gives a notebook in it.

    Its page takes four seconds of a processor to load, so the first notebook loads it and the next ones are opened in
    it, each alone. Whoever needs a page that knows nothing of an earlier notebook closes the notebook's page.
    """

    def __init__(self, server: LabServer, browser: Browser, artefacts: Path | None) -> None:
        self.server, self.artefacts = server, artefacts
        #: Errors on the console, in the page's scripts, and requests to elsewhere.
        self.wrong: list[str] = []
        self._browser = browser
        self._context: BrowserContext | None = None
        self._page: Page | None = None

    def write(self, *sources: str, name: str = "made.ipynb") -> Path:
        """A notebook with these cells."""
        import nbformat

        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.server.notebooks / f"{secrets.token_hex(4)}" / name
        _put(path, nbformat.writes(made))
        return path

    def copy(self, path: Path) -> Path:
        """A copy of a notebook, in a folder of its own that the server can see."""
        copied = self.server.notebooks / secrets.token_hex(4) / path.name
        copied.parent.mkdir()
        shutil.copyfile(path, copied)
        return copied

    def open(self, path: Path, theme: Literal["light", "dark"] = "light") -> Notebook:
        """Open a notebook below the server's folder: `write` and `copy` give its place."""
        inside = path.relative_to(self.server.notebooks).as_posix()
        if self._page is None or self._page.is_closed():
            self._page = self._new_page()
            place = f"lab/workspaces/{secrets.token_hex(4)}/tree/{inside}"
            self._page.goto(f"{self.server.url}/{place}?token={self.server.token}&reset", timeout=DEADLINE_S * 1000)
            return Notebook(self._page, path, inside, self.artefacts).ready(theme)
        self._close_notebooks()
        notebook = Notebook(self._page, path, inside, self.artefacts)
        notebook.command("docmanager:open", path=inside, factory="Notebook")
        return notebook.ready(theme)

    def tidy(self) -> None:
        """Close every notebook and end every kernel; the page stays for the next test."""
        if self._page is not None and not self._page.is_closed():
            self._close_notebooks()
        self._end_kernels()

    def close(self) -> None:
        """Close every page, and end every kernel."""
        if self._context is not None:
            self._context.close()
        self._context = self._page = None
        self._end_kernels()

    def _new_page(self) -> Page:
        if self._context is None:
            self._context = self._browser.new_context(viewport=SIZE)
            self._context.add_init_script("window.alert = () => { window.hacked = true; };")
            self._context.on("request", lambda request: self._seen(request.url))
        page = self._context.new_page()
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("websocket", lambda socket: self._seen(socket.url))
        return page

    def _close_notebooks(self) -> None:
        """Close what is open without asking whether to save it."""
        assert self._page is not None
        self._page.evaluate(
            "for (const w of [...jupyterapp.shell.widgets('main')]) {"
            " if (w.context) w.context.model.dirty = false; w.close(); }"
        )
        end = time.monotonic() + DEADLINE_S
        while self._page.locator(".jp-Notebook").count():
            assert time.monotonic() < end, "notebooks stay open"
            self._page.wait_for_timeout(30)

    def _end_kernels(self) -> None:
        self.server.end_kernels()
        self.wrong += self.server.asked()

    def _seen(self, url: str) -> None:
        own = (self.server.url, self.server.url.replace("http", "ws", 1), "data:", "blob:", "about:")
        if not url.startswith(own):
            self.wrong.append(url)


class Notebook:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page: Page, path: Path, inside: str, artefacts: Path | None) -> None:
        self.page, self.path, self._artefacts = page, path, artefacts
        self._panel = f"[...jupyterapp.shell.widgets('main')].find(w => w.context?.path === {json.dumps(inside)})"
        self._kernel = f"{self._panel}.sessionContext.session?.kernel"

    def ready(self, theme: str) -> Self:
        """Wait until the notebook is there and its kernel is idle; no side bar is open."""
        self.until(
            f"window.jupyterapp && {self._panel}?.sessionContext.isReady && {self._panel}.content.widgets.length"
        )
        self.until(f"{self._kernel}?.status === 'idle'")
        self.page.evaluate("jupyterapp.shell.collapseLeft()")
        self.theme(theme)
        return self

    def until(self, expression: str, deadline_s: float = DEADLINE_S) -> Any:
        """Wait until an expression of JavaScript is true, and give its value."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            try:
                found = self.page.evaluate(UNTIL % expression, 1000)
            except Error as error:
                # The page went on to another address while it was asked.
                if "context was destroyed" not in error.message:
                    raise
                continue
            if found:
                return found
        raise AssertionError(f"never true: {expression}")

    def theme(self, name: str) -> None:
        """Change the theme: light or dark."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name.title()}")
        self.until(f"document.body.dataset.jpThemeLight === '{str(name == 'light').lower()}'")

    def command(self, name: str, **arguments: Any) -> None:
        """Run a command of JupyterLab's to its end."""
        call = f"jupyterapp.commands.execute({json.dumps(name)}, {json.dumps(arguments)})"
        self.page.evaluate(
            f"window.labDone = ''; {call}.then(() => window.labDone = 'yes', e => window.labDone = String(e)); 0"
        )
        done = self.until("window.labDone")
        assert done == "yes", f"{name}: {done}"

    def run_all(self) -> Self:
        """Run every cell, and wait until all that they show is on the page; a cell that fails fails the test."""
        self.command("notebook:run-all-cells")
        self.settle()
        found = self.errors()
        assert not found, found
        return self

    def settle(self) -> None:
        """Wait until the kernel is idle and every output is drawn: widgets, pictures, timelines."""
        areas = f"{self._panel}.content.widgets.filter(c => c.outputArea).map(c => c.outputArea)"
        # A zero between tests: what follows from the kernel's last message is drawn within a frame or two.
        self.until(f"{self._kernel}.status === 'idle'")
        self.until(f"{areas}.every(a => a.widgets.length >= a.model.length)")
        self.until(f"{areas}.every(a => !/^Loading widget/m.test(a.node.innerText))")
        self.until(f"{areas}.every(a => [...a.node.querySelectorAll('img')].every(i => i.complete))")
        self.until("!document.querySelector('[data-live=soon]')")
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def errors(self) -> list[str]:
        """What cells failed with."""
        found = self.page.evaluate(
            f"{self._panel}.content.widgets.filter(c => c.outputArea)"
            ".flatMap(c => c.outputArea.model.toJSON()).filter(o => o.output_type === 'error')"
            ".map(o => `${o.ename}: ${o.evalue}`)"
        )
        return list(found)

    def output(self, cell: int) -> Locator:
        """What the cell with this number shows; cells of prose count too."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea").first

    def value(self, expression: str) -> Any:
        """The value of an expression in the kernel, as JSON has it; the notebook does not change."""
        options = {"code": "", "silent": True, "user_expressions": {"it": f"__import__('json').dumps({expression})"}}
        told = self.page.evaluate(
            f"options => {self._kernel}.requestExecute(options).done.then(r => r.content.user_expressions.it)", options
        )
        assert told["status"] == "ok", f"{expression}: {told['ename']}: {told['evalue']}"
        return json.loads(ast.literal_eval(told["data"]["text/plain"]))

    def until_value(self, expression: str, expected: Any) -> None:
        """Wait until an expression has a value in the kernel."""
        end = time.monotonic() + DEADLINE_S
        while (found := self.value(expression)) != expected:
            assert time.monotonic() < end, f"{expression} is {found!r}, not {expected!r}"
            self.page.wait_for_timeout(50)

    def save(self) -> Any:
        """Save the notebook with its outputs, and read the file."""
        import nbformat

        self.command("docmanager:save")
        return nbformat.read(self.path, as_version=4)

    def screenshot(self, name: str, shown: Locator | None = None) -> None:
        """A picture of the whole notebook, or of a part of it, kept as `name`.png where pictures are wanted."""
        if self._artefacts is None:
            return
        self._artefacts.mkdir(parents=True, exist_ok=True)
        path = self._artefacts / f"{name}.png"
        outer = f"{self._panel}.content.node.querySelector('.jp-WindowedPanel-outer')"
        self.page.evaluate(f"{outer}.scrollTop = 0")
        bottom = self.page.evaluate(f"{self._panel}.content.widgets.at(-1).node.getBoundingClientRect().bottom")
        # What scrolls within the window is taken in one piece by a window that is high enough.
        self.page.set_viewport_size({**SIZE, "height": min(max(int(bottom) + 60, SIZE["height"]), 8000)})
        self.page.evaluate(f"{outer}.scrollTop = 0")
        self.settle()
        (shown or self.page).screenshot(path=path)
        self.page.set_viewport_size(SIZE)


def chromium() -> str | None:
    """The system's browser, where there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def artefacts() -> Path | None:
    """Where pictures are kept, if they are wanted."""
    folder = os.environ.get("CONV_ANALYTICS_ARTEFACTS")
    return Path(folder) if folder else None


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
