"""Decompression of response bodies, with bounds on the size and on the work.

A few bytes can decompress to gigabytes, more so with several codings, and a stream of empty members costs work for ever
without any output. So every stage yields small pieces on demand, and counts them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

#: Output of a stage at a time. [B]
PIECE_BYTES = 1 << 18
#: Maximum nested codings of a body, and maximum consecutive members (gzip) of a stage.
MAX_CODINGS, MAX_MEMBERS = 4, 1_000
#: How a member of gzip begins. Anything else after the end of a compressed body is ignored: some servers add padding.
_MAGIC = b"\x1f\x8b"
#: May also be between members.
_PADDING = b"\0"

_GZIP_OR_ZLIB, _RAW_DEFLATE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class DamagedContent(Exception):  # noqa: N818  never leaves this package: drivers turn it into TransportError
    """A body cannot be decompressed."""


class TooLong(Exception):  # noqa: N818  never leaves this package: drivers turn it into ResponseTooLarge
    """A body, or one of its decompression stages, exceeds the limit."""


class Content:
    """A body that arrives in pieces.

    Parameters
    ----------
    encoding
        The Content-Encoding header, or None.
    limit
        Maximum size of the body, compressed and decompressed. [B]

    >>> content = Content("gzip", 100)
    >>> content.feed(zlib.compress(b"hello", wbits=31))
    >>> content.whole()
    b'hello'
    """

    def __init__(self, encoding: str | None, limit: int) -> None:
        named = _named(encoding) if encoding else []
        if len(named) > MAX_CODINGS or not {*named} <= {"gzip", "x-gzip", "deflate"}:
            raise DamagedContent
        self._stages = [_Stage(limit) for _ in named]
        self._limit, self._received, self.size = limit, 0, 0
        self._chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        """Take a received piece; raise `TooLong` or `DamagedContent`."""
        self._received += len(chunk)
        if self._received > self._limit:
            raise TooLong
        if not self._stages:
            self.size += len(chunk)
            self._chunks.append(chunk)
            return
        for piece in self._through(chunk, len(self._stages)):
            self.size += len(piece)
            if self.size > self._limit:
                raise TooLong
            self._chunks.append(piece)

    def whole(self) -> bytes:
        """The whole body; raise `DamagedContent` when a stage is incomplete."""
        if self._received and not all(stage.complete for stage in self._stages):
            raise DamagedContent
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def _through(self, chunk: bytes, stages: int) -> Iterator[bytes]:
        # Codings are undone in reverse order.
        if stages == 0:
            yield chunk
            return
        for piece in self._through(chunk, stages - 1):
            yield from self._stages[len(self._stages) - stages].decompressed(piece)


def _named(encoding: str) -> list[str]:
    """The codings that a header names."""
    return [name for name in re.split(r"[,\s]+", encoding.lower()) if name not in {"", "identity"}]


class _Stage:
    """One coding: gzip, or deflate with or without its header."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size, self._members = limit, 0, 0
        self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = self._ended = False
        # A header whose second byte is still to come.
        self._held = b""

    @property
    def complete(self) -> bool:
        """Whether the last member is complete."""
        return self._inflater.eof

    def decompressed(self, data: bytes) -> Iterator[bytes]:
        """The decompressed pieces of a piece."""
        data, self._held, more = self._held + data, b"", False
        if not self._begun and len(data) < len(_MAGIC):
            self._held = data
            return
        while data or more:
            if self._inflater.eof:
                data = self._next(data)
                if not data:
                    return
            piece = self._inflate(data)
            self._begun = True
            if piece:
                self._size += len(piece)
                if self._size > self._limit:
                    raise TooLong
                yield piece
            # All input may be consumed while some output is still pending.
            more = len(piece) == PIECE_BYTES
            data = self._inflater.unused_data or self._inflater.unconsumed_tail

    def _next(self, data: bytes) -> bytes:
        """Begin the next member, if there is one; return its bytes."""
        data = data.lstrip(_PADDING)
        if self._ended or not data.startswith(_MAGIC):
            self._ended = self._ended or not _MAGIC.startswith(data)
            self._held = b"" if self._ended else data
            return b""
        self._members += 1
        if self._members >= MAX_MEMBERS:
            raise DamagedContent
        self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
        return data

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._inflater.decompress(data, PIECE_BYTES)
        except zlib.error:
            if self._begun:
                raise DamagedContent from None
        # Some servers omit the zlib header of deflate.
        self._inflater = zlib.decompressobj(_RAW_DEFLATE)
        try:
            return self._inflater.decompress(data, PIECE_BYTES)
        except zlib.error:
            raise DamagedContent from None
