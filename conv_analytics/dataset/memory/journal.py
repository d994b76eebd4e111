"""The journal of a run: every answer of the API, kept until its rows are committed.

A run that is killed leaves its journal behind, and the next one takes the answers from there instead of asking again.
One file, only ever appended to: a frame per answer, checked by a checksum, so that a frame torn by a power cut ends
the journal and nothing else. It holds what the tables would hold and nothing more: secrets are redacted before.

Losing it costs requests, never rows: it may be deleted between runs.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

import pyarrow as pa

from conv_analytics import durable
from conv_analytics.dataset.memory.scratch import Scratch
from conv_analytics.errors import DestinationError
from conv_analytics.tables.redact import redact_page

#: 2: with the page's own cursor, size and warning.
FORMAT = 2
#: Longest time that an answer may wait in the operating system's cache, where a power cut can lose it. [s]
SYNC_S = 1.0

#: Sizes of the key, the packed body and the body itself, and a checksum of these and of what follows.
_FRAME = struct.Struct("<IIII")
_SIZES = struct.Struct("<III")
_HEADER = b"\x00run"
_GONE = 0xFFFF_FFFF
_CODEC = pa.Codec("zstd", compression_level=1)


@dataclass(frozen=True)
class Header:
    """Which run a journal is of; the answers serve a later run only if all but the start are equal."""

    source: str
    """Host and application that were asked."""
    mask: str | None
    """The key and rules that the answers were masked with."""
    commit: int
    """The number that the run's commit would have taken: a journal older than the last commit is useless."""
    started_at: str
    """UTC, ISO 8601."""
    format: int = FORMAT

    @property
    def started(self) -> datetime:
        """When the run that wrote the first answer began."""
        return datetime.fromisoformat(self.started_at)


class Kept(NamedTuple):
    """An answer from the journal."""

    body: bytes
    next_cursor: str | None = None
    """For a page, where the list goes on. It is not read from the body again: a mask may have changed its links."""
    page_size: int | None = None
    """For a page, the page size that it states."""
    warning: str | None = None
    """For a page, why the list may be incomplete."""


class Journal:
    """The answers of a run under way, and those of a run that was cut short before it.

    Parameters
    ----------
    path
        The file.
    header
        The header of the run that opens it. A journal of another application, mask or commit is dropped.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.served = 0
        """Answers that were taken from here."""
        self._path = path
        self._kept = Scratch("create table kept (key blob primary key, place integer) without rowid")
        with ExitStack() as failing:
            failing.callback(self._kept.close)
            earlier, end = self._scan()
            if earlier is not None and replace(earlier, started_at="") == replace(header, started_at=""):
                self.header = earlier
            else:
                self.header, end = header, 0
                self._kept.run("delete from kept")
            self.resumed = self._kept.one("select 1 from kept limit 1") is not None
            """Whether a run was cut short before this one."""
            mode = "r+b" if path.exists() else "w+b"
            self._file: IO[bytes] = open(path, mode, buffering=0, opener=durable.private)  # noqa: SIM115
            failing.callback(self._file.close)
            self._file.truncate(end)
            self._file.seek(end)
            self._thread = ThreadPoolExecutor(1, "conv_analytics journal")
            self._syncing: Future[None] | None = None
            self._synced = time.monotonic()
            if not end:
                self._write_header()
            failing.pop_all()

    def take(self, key: str) -> Kept | None:
        """The answer to a request, once; None when it was not kept.

        Raises
        ------
        KeyError
            If the answer was that there is no such thing (404).
        """
        # Most runs have no journal to look into, and each look would hand the interpreter to another thread.
        row = self._kept.one("select place from kept where key = ?", (key.encode(),)) if self.resumed else None
        if row is None:
            return None
        self._kept.run("delete from kept where key = ?", (key.encode(),))
        with self._path.open("rb") as file:
            file.seek(*row)
            key_size, packed_size, size, _ = _FRAME.unpack(file.read(_FRAME.size))
            file.seek(key_size, os.SEEK_CUR)
            packed = file.read(packed_size)
        self.served += 1
        if size == _GONE:
            raise KeyError(key)
        # JSON has no NUL, whatever a cursor holds.
        about, _, body = bytes(_CODEC.decompress(packed, size)).partition(b"\0")
        return Kept(body, *json.loads(about))

    def add(
        self,
        key: str,
        body: bytes | None,
        next_cursor: str | None = None,
        page_size: int | None = None,
        warning: str | None = None,
    ) -> None:
        """Keep an answer, None for a 404, with what was read of it: see `Kept`."""
        if body is None:
            self._append(key.encode(), b"", _GONE)
        else:
            clean = json.dumps([next_cursor, page_size, warning]).encode() + b"\0" + redact_page(body)
            self._append(key.encode(), bytes(_CODEC.compress(clean)), len(clean))
        self._sync_now_and_then()

    def rebase(self, commit: int) -> None:
        """Keep the answers for the run after the next commit: this run was interrupted, and committed what it read."""
        self.header = replace(self.header, commit=commit)
        self._write_header()
        self.close()

    def close(self) -> None:
        """Leave the journal to the next run."""
        self._thread.shutdown(wait=True)
        self._kept.close()
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def remove(self) -> None:
        """Remove the journal: everything in it is committed."""
        self._thread.shutdown(wait=True)
        self._kept.close()
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _scan(self) -> tuple[Header | None, int]:
        """The last header, and where the readable frames end; fills the index on the way."""
        header, end = None, 0
        if not self._path.exists():
            return header, end
        with self._path.open("rb") as file:
            while (frame := _read(file)) is not None:
                key, packed = frame
                if key == _HEADER:
                    header = _header(packed)
                else:
                    self._kept.run("insert or replace into kept values (?, ?)", (key, end))
                end = file.tell()
        return header, end

    def _write_header(self) -> None:
        text = json.dumps(asdict(self.header)).encode()
        self._append(_HEADER, text, len(text))

    def _append(self, key: bytes, packed: bytes, size: int) -> None:
        checksum = zlib.crc32(packed, zlib.crc32(key, zlib.crc32(_SIZES.pack(len(key), len(packed), size))))
        frame = b"".join((_FRAME.pack(len(key), len(packed), size, checksum), key, packed))
        try:
            # One call: killed at any instant, a process leaves a whole frame or a torn one at the end.
            written = self._file.write(frame)
            while written < len(frame):
                written += self._file.write(frame[written:])
        except OSError as error:
            raise DestinationError(self._path, error.strerror or str(error)) from error

    def _sync_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._synced < SYNC_S or (self._syncing is not None and not self._syncing.done()):
            return
        try:
            if self._syncing is not None:
                self._syncing.result()
        except OSError as error:
            raise DestinationError(self._path, error.strerror or str(error)) from error
        self._synced = now
        self._syncing = self._thread.submit(os.fsync, self._file.fileno())


def _read(file: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame's key and packed body; None at the end, or where a frame is torn."""
    head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    key_size, packed_size, _, checksum = _FRAME.unpack(head)
    payload = file.read(key_size + packed_size)
    if len(payload) < key_size + packed_size or zlib.crc32(payload, zlib.crc32(head[: _SIZES.size])) != checksum:
        return None
    return payload[:key_size], payload[key_size:]


def _header(text: bytes) -> Header | None:
    try:
        return Header(**json.loads(text))
    except (ValueError, TypeError):
        # The journal of another version: its answers may mean something else.
        return None
