"""Undoing the compression of a body, within bounds: of the bytes that come out, and of the work it takes.

A few bytes can unpack to gigabytes, packed several times over to any number, and a stream of empty parts costs work
for ever without giving anything. So every stage gives small pieces on demand, and counts them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

#: What comes out of a stage at a time. [B]
PIECE_BYTES = 1 << 18
#: A body is packed at most so often, one around the other; each stage has at most so many parts, one after the other.
MAX_CODINGS, MAX_MEMBERS = 4, 1_000
#: What may follow the end of a packed body without being looked at: some servers pad.
_PADDING = b"\0"

_GZIP_OR_ZLIB, _RAW_DEFLATE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class DamagedContent(Exception):  # noqa: N818  never leaves this package: drivers turn it into TransportError
    """A body cannot be unpacked."""


class TooLong(Exception):  # noqa: N818  never leaves this package: drivers turn it into ResponseTooLarge
    """A body, or one of its stages, is above the limit."""


class Content:
    """A body that arrives in pieces.

    Parameters
    ----------
    encoding
        The Content-Encoding header, or None.
    limit
        Longest body, as it comes and unpacked. [B]

    >>> content = Content("gzip", 100)
    >>> content.feed(zlib.compress(b"hello", wbits=31))
    >>> content.whole()
    b'hello'
    """

    def __init__(self, encoding: str | None, limit: int) -> None:
        named = [name for name in re.split(r"[,\s]+", (encoding or "").lower()) if name not in {"", "identity"}]
        if len(named) > MAX_CODINGS or not {*named} <= {"gzip", "x-gzip", "deflate"}:
            raise DamagedContent
        self._stages = [_Stage(limit) for _ in named]
        self._limit, self._came, self.size = limit, 0, 0
        self._chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Take a piece as it came; raise `TooLong` or `DamagedContent`."""
        self._came += len(chunk)
        if self._came > self._limit:
            raise TooLong
        for piece in self._through(chunk, len(self._stages)):
            self.size += len(piece)
            if self.size > self._limit:
                raise TooLong
            self._chunks.append(piece)

    def whole(self) -> bytes:
        """All of it; raise `DamagedContent` when a stage has not come to its end."""
        if self._came and not all(stage.complete for stage in self._stages):
            raise DamagedContent
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def _through(self, chunk: bytes, stages: int) -> Iterator[bytes]:
        # The coding that was applied last is undone first.
        if stages == 0:
            yield chunk
            return
        for piece in self._through(chunk, stages - 1):
            yield from self._stages[len(self._stages) - stages].unpacked(piece)


class _Stage:
    """One coding: gzip, or deflate with or without its header."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size, self._members = limit, 0, 0
        self._wbits = _GZIP_OR_ZLIB
        self._inflater = zlib.decompressobj(self._wbits)
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether the last part came to its end."""
        return self._inflater.eof

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        """What is in a piece."""
        more = False
        while data or more:
            if self._inflater.eof and not self._next(data):
                return
            piece = self._inflate(data)
            self._begun = True
            if piece:
                self._size += len(piece)
                if self._size > self._limit:
                    raise TooLong
                yield piece
            # All of the input may be taken while some of the output waits.
            more = len(piece) == PIECE_BYTES
            data = self._inflater.unused_data or self._inflater.unconsumed_tail

    def _next(self, data: bytes) -> bool:
        """Begin the next part, if there is one."""
        if not data.strip(_PADDING):
            return False
        self._members += 1
        if self._members >= MAX_MEMBERS:
            raise DamagedContent
        self._inflater = zlib.decompressobj(self._wbits)
        return True

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._inflater.decompress(data, PIECE_BYTES)
        except zlib.error:
            if self._begun:
                raise DamagedContent from None
        # Some servers leave out the header of deflate.
        self._wbits = _RAW_DEFLATE
        self._inflater = zlib.decompressobj(self._wbits)
        try:
            return self._inflater.decompress(data, PIECE_BYTES)
        except zlib.error:
            raise DamagedContent from None
