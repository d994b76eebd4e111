"""A server that writes down each request as its bytes came, and answers with bytes that a test chose."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import NamedTuple, Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Seen(NamedTuple):
    """A request as its bytes came."""

    head: bytes
    body: bytes
    connection: int

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return sorted((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))


class Upstream:
    """Serves until its block ends; `answer` is what it sends to every request, None nothing at all.

    Parameters
    ----------
    per_connection
        After so many requests it closes the connection without a word.
    """

    def __init__(self, answer: bytes | None = OK, per_connection: int = 1_000_000) -> None:
        self.answer, self.per_connection = answer, per_connection
        self.seen: list[Seen] = []
        self._over = threading.Event()
        self._connections: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._thread = threading.Thread(target=self._accept)
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def connections(self) -> int:
        return len(self._connections)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, len(self._connections)))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        received = b""
        try:
            for _ in range(self.per_connection):
                while b"\r\n\r\n" not in received:
                    if not (piece := connection.recv(65536)):
                        return
                    received += piece
                head, _, received = received.partition(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                size = int(lengths[0].partition(b":")[2]) if lengths else 0
                while len(received) < size:
                    received += connection.recv(65536)
                body, received = received[:size], received[size:]
                self.seen.append(Seen(head, body, number))
                if self.answer is None:
                    self._over.wait()
                    return
                connection.sendall(self.answer)
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
