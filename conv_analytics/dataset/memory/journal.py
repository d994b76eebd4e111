"""The journal of a run: every answer of the API, stored until its rows are committed.

A run that is killed leaves its journal behind, and the next one takes the answers from there instead of requesting them
again. It is an append-only file with a frame per answer and a checksum per frame: a frame torn by a power cut ends the
journal without other damage. It holds what the tables would hold and nothing more: secrets are redacted before.

Losing it costs requests, never rows: it may be deleted between runs.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from conv_analytics import durable
from conv_analytics.dataset.memory.scratch import Scratch
from conv_analytics.dataset.storage import frames
from conv_analytics.dataset.storage.frames import Frame
from conv_analytics.errors import DestinationError
from conv_analytics.tables.redact import redact_page

#: 2: with the page's own cursor, size and warning. 3: packed with LZ4, but for these.
FORMAT = 3
#: Longest time that an answer may wait in the operating system's cache, where a power cut can lose it. [s]
SYNC_S = 1.0

_HEADER = b"\x00run"
#: The number of a frame is the size of its body before it was packed, or this for a 404.
_GONE = 0xFFFF_FFFF
#: LZ4 takes a third of zstd's processor time, and half as much again on disk, where an answer does not stay for long.
_CODEC = pa.Codec("lz4_raw")


@dataclass(frozen=True)
class Header:
    """The run of a journal; a later run can use the answers only if all fields but the start are equal."""

    source: str
    """Host and application of the requests."""
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


class StoredAnswer(NamedTuple):
    """An answer from the journal."""

    body: bytes
    next_cursor: str | None = None
    """For a page, where the list continues. It is not read from the body again: a mask may have changed its links."""
    page_size: int | None = None
    """For a page, the page size that it states."""
    warning: str | None = None
    """For a page, why the list may be incomplete."""


class Journal:
    """The answers of the current run, and those of an interrupted run before it.

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
        self._index = Scratch("create table answers (key blob primary key, place integer) without rowid")
        with ExitStack() as failing:
            failing.callback(self._index.close)
            earlier, end = self._scan()
            if earlier is not None and replace(earlier, started_at="") == replace(header, started_at=""):
                self.header = earlier
            else:
                self.header, end = header, 0
                self._index.run("delete from answers")
            self.resumed = self._index.one("select 1 from answers limit 1") is not None
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

    def take(self, key: str) -> StoredAnswer | None:
        """Return the answer to a request, once; None if it is not in the journal.

        Raises
        ------
        KeyError
            If the answer was that there is no such thing (404).
        """
        # Most runs have no earlier journal, and each query would hand the interpreter to another thread.
        row = self._index.one("select place from answers where key = ?", (key.encode(),)) if self.resumed else None
        if row is None:
            return None
        self._index.run("delete from answers where key = ?", (key.encode(),))
        with self._path.open("rb") as file:
            file.seek(*row)
            frame = frames.read(file, os.fstat(file.fileno()).st_size)
        if frame is None:
            raise DestinationError(self._path, "what was written to it a moment ago is damaged")
        self.served += 1
        if frame.number == _GONE:
            raise KeyError(key)
        # The first NUL ends the values read from the answer: JSON has none, whatever a cursor holds.
        about, _, packed = frame.payload.partition(b"\0")
        return StoredAnswer(_CODEC.decompress(packed, frame.number, asbytes=True), *json.loads(about))

    def add(
        self,
        key: str,
        body: bytes | None,
        next_cursor: str | None = None,
        page_size: int | None = None,
        warning: str | None = None,
    ) -> None:
        """Store an answer (None for a 404) with the values read from it; see `StoredAnswer`."""
        if body is None:
            self._append(key.encode(), b"", _GONE)
        else:
            about, clean = json.dumps([next_cursor, page_size, warning]).encode(), redact_page(body)
            self._append(key.encode(), about + b"\0" + _CODEC.compress(clean, asbytes=True), len(clean))
        self._sync_now_and_then()

    def rebase(self, commit: int) -> None:
        """Store the answers for the run after the next commit: this run was interrupted, and committed what it read."""
        self.header = replace(self.header, commit=commit)
        self._write_header()
        self.close()

    def close(self) -> None:
        """Leave the journal to the next run."""
        self._thread.shutdown(wait=True)
        self._index.close()
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def remove(self) -> None:
        """Remove the journal: everything in it is committed."""
        self._thread.shutdown(wait=True)
        self._index.close()
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _scan(self) -> tuple[Header | None, int]:
        """The last header, and where the readable frames end; fills the index on the way."""
        header, end = None, 0
        if not self._path.exists():
            return header, end
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while (frame := frames.read(file, size)) is not None:
                if frame.key == _HEADER:
                    header = _header(frame.payload)
                else:
                    self._index.run("insert or replace into answers values (?, ?)", (frame.key, end))
                end = file.tell()
        return header, end

    def _write_header(self) -> None:
        text = json.dumps(asdict(self.header)).encode()
        self._append(_HEADER, text, len(text))

    def _append(self, key: bytes, packed: bytes, size: int) -> None:
        try:
            frames.write_all(self._file.fileno(), frames.encode(Frame(key, packed, size)))
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


def _header(text: bytes) -> Header | None:
    try:
        return Header(**json.loads(text))
    except (ValueError, TypeError):
        # The journal of another version: its answers may mean something else.
        return None
