"""The part of ASGI that a receiver of webhooks needs: a request, its bounded body, and an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from conv_analytics.api.content_coding import Content, DamagedContent, TooLong

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_LENGTH = re.compile(r"[0-9]{1,18}")
#: Longest time for the body of a request. [s]
READ_S = 10.0


class Refused(Exception):  # noqa: N818  what happens, not an error of ours; it never leaves this package
    """A request is answered, and not stored.

    Attributes
    ----------
    status
        Status of the answer; 0 when nobody is waiting for one any more.
    reason
        Reason under which it is counted.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


class Memory:
    """A limit on the bodies that are in memory at once.

    Parameters
    ----------
    limit
        [B].
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._used = limit, 0

    def take(self, size: int) -> None:
        """Count a piece of a body; raise `Refused` when there is no room for it."""
        if self._used + size > self._limit:
            raise Refused(503, "overloaded")
        self._used += size

    def release(self, size: int) -> None:
        """Count a piece as freed."""
        self._used -= size


class HttpRequest:
    """An HTTP request.

    Parameters
    ----------
    scope, receive
        As passed by ASGI.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self.method: str = scope["method"]
        self.headers: Headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        self.query: str = bytes(scope.get("query_string") or b"").decode("latin-1")
        client = scope.get("client")
        self.client: str | None = client[0] if client else None
        self._root = str(scope.get("root_path") or "").rstrip("/")
        path = str(scope["path"])
        # Mounts pass the whole path; older servers only the part after their own.
        inside = self._root and (path == self._root or path.startswith(f"{self._root}/"))
        self.path: str = path[len(self._root) :] if inside else path

    def header(self, name: bytes) -> str | None:
        """The value of a header, the last one if it is repeated; None without one."""
        return next((value.decode("latin-1") for key, value in reversed(self.headers) if key == name), None)

    def forwarded_for(self) -> str | None:
        """Every ``X-Forwarded-For``, in one text."""
        values = [value.decode("latin-1") for key, value in self.headers if key == b"x-forwarded-for"]
        return ", ".join(values) or None

    def path_below(self, place: str) -> str:
        """The rest of the path after a prefix, percent-encoded as received."""
        raw = bytes(self._scope.get("raw_path") or b"").partition(b"?")[0].decode("latin-1")
        for root in (quote(self._root), self._root, ""):
            if raw.startswith(root + place):
                return raw[len(root + place) :]
        return quote(self.path[len(place) :])

    async def body(self, limit: int, memory: Memory) -> bytes:
        """The body as received.

        The caller releases its bytes in `memory` afterwards; when this raises, nothing is left to release.

        Raises
        ------
        Refused
            If it is too long, too slow, or cut off, or there is no room for it.
        """
        size = self.header(b"content-length") or "0"
        if not _LENGTH.fullmatch(size) or int(size) > limit:
            raise Refused(413, "too_large")
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(READ_S):
                await self._read(chunks, limit, memory)
        except BaseException as error:
            memory.release(sum(map(len, chunks)))
            if isinstance(error, TimeoutError):
                raise Refused(408, "too_slow") from None
            raise
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _read(self, chunks: list[bytes], limit: int, memory: Memory) -> None:
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refused(0, "cut_off")
            chunk = message.get("body") or b""
            size += len(chunk)
            if size > limit:
                raise Refused(413, "too_large")
            memory.take(len(chunk))
            chunks.append(chunk)
            more = message.get("more_body", False)


def decompressed(body: bytes, coding: str | None, limit: int) -> bytes:
    """A body without its content coding; one that cannot be decompressed stays as it is.

    Raises
    ------
    Refused
        If it is too long without it.
    """
    if not coding:
        return body
    try:
        content = Content(coding, limit)
        content.feed(body)
        return content.whole()
    except DamagedContent:
        return body
    except TooLong:
        raise Refused(413, "too_large") from None


async def answer(send: Send, status: int, body: bytes = b"", headers: Headers | None = None) -> None:
    """Answer a request."""
    headers = list(headers or ())
    bodiless = status == 204 or status == 304  # noqa: PLR1714, PLR2004 - the two that have no length
    if not bodiless and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
