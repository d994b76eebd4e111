"""A scripted server on a real socket, and both clients behind one face."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conv_analytics.api import Retry


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass
class Answer:
    """What the server says; `reset` closes the connection instead, `cut` sends only part of the body."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    cut: int | None = None
    zipped: bool = False


@dataclass
class Server:
    """Answers in the order of `script`, the last one for ever; remembers what it was asked."""

    script: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    base_url: str = ""

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        step = step(asked) if callable(step) else step
        return step if isinstance(step, Answer) else Answer(body=step)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(Asked(self.command, self.path, headers, body))
            if answer.reset:
                self.close_connection = True
                self.connection.close()
                return
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            content = gzip.compress(content) if answer.zipped else content
            self.send_response(answer.status)
            if answer.zipped:
                self.send_header("content-encoding", "gzip")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  http.server looks for these

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "" if timestamp is None else super().date_time_string(timestamp)

    return Handler


def start() -> tuple[Server, ThreadingHTTPServer]:
    server = Server()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    server.base_url = f"http://127.0.0.1:{listener.server_address[1]}"
    return server, listener


#: Waits nothing, so that only the number of tries counts.
IMMEDIATE = Retry(repeats=3, base_s=0.0)


@dataclass
class Face:
    """One client, sync or async, called the same way."""

    mode: str
    make: Callable[..., Any]

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The result of a method; of a listing, all its items."""
        options = kwargs.pop("options", {})
        if self.mode == "sync":
            with self.make(**options) as client:
                result = getattr(client, name)(*args, **kwargs)
                return list(result) if isinstance(result, Iterator) else result
        return asyncio.run(self._acall(name, args, kwargs, options))

    async def _acall(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
        async with self.make(**options) as client:
            result = getattr(client, name)(*args, **kwargs)
            if hasattr(result, "__aiter__"):
                return [item async for item in result]
            return await result
