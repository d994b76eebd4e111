"""Listeners on real sockets: in a thread of this process, and in processes of their own that may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.inbox import Damage, Receipt
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.live import app
from conv_analytics.live.server import bound, serve
from tests._helpers.fork_server import fork_server
from tests._helpers.patience import PATIENCE_S
from tests._helpers.webhooks import APPLICATION, SECRET


@contextlib.contextmanager
def served(application: Any, lifespan: str = "on") -> Iterator[httpx.Client]:
    """A client of an ASGI application that uvicorn serves in a thread."""
    listening = bound("127.0.0.1", 0)
    options: dict[str, Any] = {"lifespan": lifespan, "access_log": False, "log_config": None, "proxy_headers": False}
    config = uvicorn.Config(application, date_header=False, server_header=False, **options)
    begun = threading.Event()
    failed: list[BaseException] = []

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            begun.set()

    server = Server(config)

    def main() -> None:
        try:
            asyncio.run(server.serve(sockets=[listening]))
        except BaseException as error:  # noqa: BLE001  told by the thread that waits
            failed.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=main)
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=PATIENCE_S) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()
        assert not failed, failed


def receipts(dest: Path) -> list[Receipt]:
    """What is in the inbox of a folder, with nothing damaged."""
    read: list[Receipt | Damage] = [what for segment in inbox.segments(Layout(dest)) for _, what in inbox.read(segment)]
    assert all(isinstance(each, Receipt) or each.torn for each in read), read
    return [each for each in read if isinstance(each, Receipt)]


def bodies(dest: Path) -> list[bytes]:
    """Their bodies."""
    return [receipt.body for receipt in receipts(dest)]


def _listen(dest: Path, port: Connection, options: dict[str, Any]) -> None:
    listening = bound("127.0.0.1", 0)
    made = app(dest, secrets=SECRET, application_ids=[APPLICATION], **{"commit_every": 0, **options})
    serve(made, listening, lambda: port.send(listening.getsockname()[1]))


def start(dest: Path, **options: Any) -> tuple[BaseProcess, str]:
    """A listener in a process of its own, and its URL."""
    ours, theirs = multiprocessing.Pipe()
    process = fork_server().Process(target=_listen, args=(dest, theirs, options), daemon=True)
    process.start()
    theirs.close()
    return process, f"http://127.0.0.1:{ours.recv()}"


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    waited = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if true():
            return
        waited.wait(0.01)
    raise AssertionError("it never came true")
