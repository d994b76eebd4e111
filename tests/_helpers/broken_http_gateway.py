"""A gateway on a real socket that breaks HTTP itself where it is told to, and passes everything else on."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from conv_analytics.sandbox import Sandbox

Misbehave = Callable[[socket.socket, bytes], None]
#: Closing sends a reset.
_AT_ONCE = struct.pack("ii", 1, 0)


@contextmanager
def rude(sandbox: Sandbox, path: str, *ways: Misbehave) -> Iterator[tuple[str, list[str]]]:
    """A gateway before a sandbox: the first requests for a path are answered by `ways`, each of them once.

    Gives its address, and the list of what it was asked.
    """
    left, asked = list(ways), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            way = left.pop(0) if urlsplit(self.path).path == path and left else None
            status, headers, body = self._upstream()
            if way is None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() in {"content-type", "retry-after"}:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.close_connection = True
            try:
                way(self.connection, body)
            except OSError:
                # The client had enough.
                return

        def _upstream(self) -> tuple[int, list[tuple[str, str]], bytes]:
            address = urlsplit(sandbox.base_url)
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
            try:
                token = {"authorization": self.headers["authorization"]}
                connection.request("GET", self.path, headers=token)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def head(length: int, *more: str) -> bytes:
    """The head of an answer that promises so many bytes."""
    lines = ["HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def short(connection: socket.socket, body: bytes) -> None:
    """Promise more than comes, and close."""
    connection.sendall(head(len(body) + 10) + body)


def reset(connection: socket.socket, body: bytes) -> None:
    """Cut the connection in the middle of the body."""
    connection.sendall(head(len(body)) + body[: len(body) // 2])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    connection.close()
