"""The bytes of a file, plain or compressed; of a damaged one, those before the damage."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

#: Size of the returned chunks. [B]
CHUNK = 2**20
#: Bytes are decompressed in parts of this size: of the part with the damage, nothing is returned.
_PART = 4096
#: What tools add after the end of compressed data: tapes and block devices NULs, editors a newline.
_PADDING = b"\0 \t\r\n"
_FRAMES = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}


def file_chunks(path: Path) -> Iterator[bytes]:
    """The decompressed bytes of a file.

    Raises
    ------
    OSError
        If the file cannot be read, is cut off or damaged; all bytes before that have been returned.
    """
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith(b"\x1f\x8b"):
            parts = _members(file, b"\x1f\x8b", _Inflater)
        elif head.startswith(b"BZh"):
            parts = _members(file, b"BZh", bz2.BZ2Decompressor)
        elif head in _FRAMES:
            parts = _frames(path, _FRAMES[head])
        else:
            parts = iter(lambda: file.read(CHUNK), b"")
        yield from _gathered(parts)


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Parts joined to chunks; those before an error are returned before it is raised."""
    error, ended = None, False
    while not ended:
        chunk: list[bytes] = []
        size = 0
        while size < CHUNK and not ended:
            try:
                part = next(parts, None)
            except (OSError, zlib.error, pa.ArrowException) as raised:
                part, error = None, raised
            if part is None:
                ended = True
            else:
                chunk.append(part)
                size += len(part)
        if size:
            yield b"".join(chunk)
    if error is not None:
        raise error if isinstance(error, OSError) else OSError(str(error)) from error


def _frames(path: Path, codec: str) -> Iterator[bytes]:
    with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, codec) as stream:
        yield from iter(lambda: bytes(stream.read(_PART)), b"")


def _members(file: IO[bytes], mark: bytes, new: Callable[[], Any]) -> Iterator[bytes]:
    """The bytes of compressed members, one after the other, with or without padding after each."""
    rest = file.read(_PART)
    while rest:
        decoder = new()
        while not decoder.eof:
            ended = decoder.needs_input and not rest and not (rest := file.read(_PART))
            part = decoder.decompress(rest, _PART)
            rest = b""
            if part:
                yield part
            elif ended:
                raise OSError("its compressed data is cut off")
        rest = decoder.unused_data.lstrip(_PADDING)
        while len(rest) < len(mark) and (more := file.read(_PART)):
            rest = (rest + more).lstrip(_PADDING)
        if rest and not rest.startswith(mark):
            raise OSError("bytes that are not compressed follow its compressed data")


class _Inflater:
    """A decompressor of gzip that keeps its input, as that of bz2 does."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, most)


__all__ = ["CHUNK", "file_chunks"]
