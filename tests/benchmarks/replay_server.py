"""A server that answers again what a sandbox answered, in as little processor time as Python allows.

The API's servers are elsewhere. Where a client and its server share two cores, a server that makes each answer takes
time from the side that uses both: the export in two processes, and never from a download in one. This one makes an
answer when it is asked first, and sends the same bytes afterwards.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
from email.utils import formatdate
from typing import cast
from urllib.parse import urlsplit

from conv_analytics.sandbox import Sandbox


class Replay(asyncio.Protocol):
    """A connection; `answers` are shared by all of them."""

    def __init__(self, sandbox: Sandbox, here: bytes, answers: dict[bytes, tuple[bytes, bytes]]) -> None:
        self._sandbox, self._here, self._answers = sandbox, here, answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each whole request; none of them has a body."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            target = head.split(b" ", 2)[1]
            if target not in self._answers:
                self._answers[target] = self._first(target.decode(), head)
            begin, rest = self._answers[target]
            # A date of long ago would look like a clock that is wrong.
            self._transport.write(b"%b\r\nDate: %b\r\n%b" % (begin, formatdate(usegmt=True).encode(), rest))

    def _first(self, target: str, head: bytes) -> tuple[bytes, bytes]:
        """What the sandbox answers, with links to this server: what comes before the date, and what comes after."""
        there = urlsplit(self._sandbox.base_url)
        connection = http.client.HTTPConnection(there.netloc)
        names = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        authorization = next(value for name, value in names.items() if name.lower() == "authorization")
        connection.request("GET", target, headers={"Authorization": authorization})
        answer = connection.getresponse()
        body = answer.read().replace(self._sandbox.base_url.encode(), self._here)
        connection.close()
        kind = answer.headers["Content-Type"]
        rest = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        return f"HTTP/1.1 {answer.status} {answer.reason}".encode(), rest


async def serve(conversations: int) -> None:
    """Serve a sandbox's world until standard input ends; print where, as JSON."""
    with Sandbox(seed=7, conversations=conversations) as sandbox:
        sandbox.truth()
        answers: dict[bytes, tuple[bytes, bytes]] = {}
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Replay(sandbox, here, answers), "127.0.0.1", 0)
        here = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}".encode()
        print(
            json.dumps({
                "base_url": here.decode(), "application_id": sandbox.application_id,
                "private_key": sandbox.private_key, "token": sandbox.token(life_s=80_000), "pid": str(os.getpid()),
            }),
            flush=True,
        )  # fmt: skip
        await loop.run_in_executor(None, sys.stdin.read)
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
