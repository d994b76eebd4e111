"""An S3 server in a process of its own, and a proxy before it that does to requests what networks and stores do."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

BUCKET = "exports"
#: What a proxy may do to a request: answer before it is carried out, or lose the answer after.
FAULTS = ("lose", "reset", "repeat", "delay", "conflict", "late conflict", "slow down")
_REFUSALS = {
    "conflict": (409, b"<Error><Code>ConditionalRequestConflict</Code></Error>"),
    "denied": (403, b"<Error><Code>AccessDenied</Code></Error>"),
    "slow down": (503, b"<Error><Code>SlowDown</Code></Error>"),
}
_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}
Fault = Callable[[str, str], str | None]


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 server with a bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            make = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")
            for _ in range(600):
                try:
                    urllib.request.urlopen(make, timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield address
        finally:
            process.terminate()


def variables(address: str) -> dict[str, str]:
    """The environment that leads to a server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        # Commands in tests get a dead proxy for all that leaves this machine.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def some_of(seed: int, share: float) -> Fault:
    """Faults for a share of the requests."""
    dice, lock = random.Random(seed), threading.Lock()

    def fault(method: str, _path: str) -> str | None:
        # Only writes are in each other's way.
        known = [each for each in FAULTS if method == "PUT" or "conflict" not in each]
        with lock:
            return dice.choice(known) if dice.random() < share else None

    return fault


class Proxy:
    """A proxy before a server.

    Attributes
    ----------
    fault
        What is done to a request, by its method and path; None for nothing.
    counted
        How often each fault happened, and requests by method.
    sent
        Bytes of bodies that were answered.
    conditional
        Whether the condition of a request reaches the server: some servers ignore it.
    """

    def __init__(self, upstream: str, fault: Fault | None = None, *, conditional: bool = True) -> None:
        self.fault: Fault = fault or (lambda _method, _path: None)
        self.counted: Counter[str] = Counter()
        self.requests: list[tuple[str, str]] = []
        self.sent = 0
        self.conditional = conditional
        self._upstream = upstream.removeprefix("http://")
        # The server looks whether an object is there and then stores it, in threads; real stores do both at once.
        self._creating = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any  # noqa: N815  names of `http.server`

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Be silent: a client that is killed closes its connections."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self.fault(request.command, request.path)
        self.counted[request.command] += 1
        self.requests.append((request.command, request.path))
        if fault is not None:
            self.counted[fault] += 1
        match fault:
            case "reset":
                return self._cut(request)
            case "conflict" | "denied" | "slow down":
                return _answer(request, *_REFUSALS[fault])
            case "delay":
                time.sleep(0.05)
            case "repeat":
                self._forward(request, body)
        status, headers, answer = self._forward(request, body)
        if fault == "lose":
            return self._cut(request)
        if fault == "late conflict":
            return _answer(request, *_REFUSALS["conflict"])
        self.sent += len(answer)
        return _answer(request, status, answer, headers)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        dropped = _HOP if self.conditional else _HOP | {"if-none-match"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        creates = any(name.lower() == "if-none-match" for name in headers)
        try:
            with self._creating if creates else nullcontext():
                return self._answer_of(connection, request, headers, body)
        finally:
            connection.close()

    @staticmethod
    def _answer_of(
        connection: http.client.HTTPConnection, request: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection.request(request.command, request.path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    @staticmethod
    def _cut(request: BaseHTTPRequestHandler) -> None:
        """End the connection as a router does that lost its mind."""
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.close_connection = True
        request.connection.close()


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    length = str(len(body))
    request.send_response_only(status)
    for name, value in (headers or {}).items():
        if name.lower() == "content-length":
            length = value
        elif name.lower() not in _HOP:
            request.send_header(name, value)
    request.send_header("Content-Length", length)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
