"""Exports stopped in a real kernel, by its stop button or as a `Job`: they end, leave nothing behind, and go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import open_dataset
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.sandbox import Sandbox
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import LATER, NEVER, Serve, after, agree, client_of, contents_of, soon

ROOT = Path(__file__).parents[2]

SETUP = """
import threading, psutil
from conv_analytics import Conversations, export, open_dataset
client = Conversations({application!r}, {key!r}, base_url={host!r})
def left():
    names = [t.name for t in threading.enumerate() if t.name.startswith("conv_analytics ")]
    names += [child.name() for child in psutil.Process().children()]
    open_ = [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == {port}
             and c.status == "ESTABLISHED"]
    return names, len(open_)
print(left())
"""
EXPORT = """
done = export(client, {folder!r}, rate=0, concurrency=4, progress=False, processes={processes})
print(done.report.status)
"""

# A kernel speaks over sockets that the interpreter closes late, and jupyter_client warns of its own plans.
pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.filterwarnings(f"ignore::{name}")
        for name in (
            "ResourceWarning",
            "DeprecationWarning",
            "RuntimeWarning",
            "pytest.PytestUnraisableExceptionWarning",
        )
    ),
]


class Kernel:
    """A kernel, and what its cells print."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self._client = manager, client
        self.shown: list[tuple[str, str, dict[str, str]]] = []
        """What was displayed: the cell it belongs to, the kind of message, and the texts by media type."""

    def start(self, code: str) -> str:
        """Start a cell."""
        return str(self._client.execute(code))

    def end(self, cell: str) -> tuple[str, str]:
        """Wait for a cell's end: what it printed, and the error that ended it."""
        text, error = "", ""
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            if "data" in message["content"]:
                parent = message["parent_header"].get("msg_id", "")
                self.shown.append((parent, message["msg_type"], message["content"]["data"]))
            if message["parent_header"].get("msg_id") != cell:
                continue
            match message["msg_type"], message["content"]:
                case "stream", content:
                    text += content["text"]
                case "error", content:
                    error = content["ename"]
                case "status", {"execution_state": "idle"}:
                    return text, error

    def interrupt_when_printed(self, cell: str) -> None:
        """Press the stop button as soon as a cell has printed something."""
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            if (message["parent_header"].get("msg_id"), message["msg_type"]) == (cell, "stream"):
                return self.manager.interrupt_kernel()

    def run(self, code: str) -> tuple[str, str]:
        """Run a cell to its end."""
        return self.end(self.start(code))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    from jupyter_client import KernelManager

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    manager = KernelManager()
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("state", "processes"), [("reading", 2), ("waiting for half an hour", 1)])
def test_a_stopped_cell_ends_and_the_next_call_goes_on(
    state: str, processes: int, kernel: Kernel, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(conversations=60)
    reached = after(sandbox, 100, NEVER) if state == "reading" else after(sandbox, 60, LATER, path="/events")
    port = int(sandbox.base_url.rpartition(":")[2])
    where = {"application": sandbox.application_id, "key": sandbox.private_key, "host": sandbox.base_url, "port": port}
    assert kernel.run(SETUP.format(**where)) == ("([], 0)\n", "")
    cell = kernel.start(EXPORT.format(folder=str(tmp_path), processes=processes))
    soon(reached.is_set)
    kernel.manager.interrupt_kernel()
    printed, error = kernel.end(cell)
    assert (printed, error) == ("", "KeyboardInterrupt")
    assert kernel.run("print(left())") == ("([], 0)\n", "")
    # Whether there was time to commit it is the machine's affair.
    assert all(commit.report["interrupted"] for commit in commits(Layout(tmp_path)))

    sandbox._scripts.clear()
    sandbox.requests.clear()
    printed, error = kernel.run(EXPORT.format(folder=str(tmp_path), processes=processes))
    assert (printed, error) == ("complete\n", "")
    assert open_dataset(tmp_path).commits[-1].report["resumed"] > 0
    agree(contents_of(_as_exported(sandbox, tmp_path)), sandbox.truth())
    assert kernel.run("print(left())") == ("([], 0)\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_job_leaves_the_kernel_free_and_is_stopped_by_another_cell(
    kernel: Kernel, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(conversations=30)
    reached = after(sandbox, 40, NEVER)
    port = int(sandbox.base_url.rpartition(":")[2])
    where = {"application": sandbox.application_id, "key": sandbox.private_key, "host": sandbox.base_url, "port": port}
    kernel.run(SETUP.format(**where))
    start = kernel.start(f"job = export(client, {str(tmp_path / 'a')!r}, wait=False, rate=0, concurrency=4)")
    assert kernel.end(start) == ("", "")
    soon(reached.is_set)
    assert kernel.run("print(job.status, 1 + 1)") == ("running 2\n", "")

    waiting = kernel.start("print('waits', flush=True)\njob.result()")
    kernel.interrupt_when_printed(waiting)
    assert kernel.end(waiting)[1] == "KeyboardInterrupt"
    assert kernel.run("print(job.status)\njob") == ("running\n", "")
    assert "<code>.stop()</code> stops it" in kernel.shown[-1][2]["text/html"]
    assert kernel.run("print(job.stop(), job.status, job.stop(), left())") == ("True stopped True ([], 0)\n", "")

    # One block below the cell that started it, drawn anew from the run's own thread.
    block = [(cell, kind) for cell, kind, data in kernel.shown if data["text/html"].startswith("<progress")]
    assert block[0] == (start, "display_data")
    assert {kind for _, kind in block[1:]} == {"update_display_data"}

    sandbox._scripts.clear()
    both = [f"export(client, {str(tmp_path / name)!r}, wait=False, rate=0, progress=False)" for name in "ab"]
    printed, error = kernel.run(
        f"jobs = [{', '.join(both)}]\nprint([job.result().report.status for job in jobs], left())"
    )
    assert (printed, error) == ("['complete', 'complete'] ([], 0)\n", "")
    for name in "ab":
        agree(contents_of(_as_exported(sandbox, tmp_path / name)), sandbox.truth())


def _as_exported(sandbox: Sandbox, folder: Path) -> Any:
    from conv_analytics import export

    return export(client_of(sandbox), folder, rate=0)
