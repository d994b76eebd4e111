"""The journal of a run: every answer of the API, stored until its rows are committed.

A run that is killed leaves its journal behind, and the next one takes the answers from there instead of requesting them
again. It is an append-only file with a frame per answer and a checksum per frame: a frame torn by a power cut ends the
journal without other damage. It holds what the tables would hold and nothing more: secrets are redacted before.

When other runs have committed since, only the answers that these make stale are dropped: see `stale_answers`.

Losing it costs requests, never rows: it may be deleted between runs.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
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

#: Keys of frames that hold no answer: the run, and the key of an answer that no longer counts.
_HEADER, _DROPPED = b"\x00run", b"\x00drop"
#: The number of a frame is the size of its body before it was packed, or this for a 404.
_GONE = 0xFFFF_FFFF
#: LZ4 takes a third of zstd's processor time, and half as much again on disk, where an answer does not stay for long.
_CODEC = pa.Codec("lz4_raw")


@dataclass(frozen=True)
class Header:
    """The run of a journal; a later run can use the answers only if source, mask and format are equal."""

    source: str
    """Host and application of the requests."""
    mask: str | None
    """The key and rules that the answers were masked with."""
    commit: int
    """The number that the run's commit would have taken; other runs may have taken it since."""
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


def _all(_commit: int) -> Iterable[str] | None:
    """Every answer is stale once another run has committed."""
    return None


class Journal:
    """The answers of the current run, and those of an interrupted run before it.

    Parameters
    ----------
    path
        The file.
    header
        The header of the run that opens it. A journal of another application, mask or format is dropped.
    stale
        Called when other runs have committed since, with the number of the first of these commits: the paths below
        which answers are stale and dropped; None drops the journal.
    """

    def __init__(self, path: Path, header: Header, stale: Callable[[int], Iterable[str] | None] = _all) -> None:
        self.served = 0
        """Answers that were taken from here."""
        self._path = path
        self._index = Scratch(
            "create table answers (key blob primary key, place integer) without rowid",
            "create table dropped (key blob primary key) without rowid",
        )
        with ExitStack() as failing:
            failing.callback(self._index.close)
            earlier, end = self._scan()
            if earlier is not None and self._can_use(earlier, header, stale):
                self.header = replace(earlier, commit=header.commit)
            else:
                self.header, end = header, 0
                self._index.run("delete from answers")
                self._index.run("delete from dropped")
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
            # The keys come first: killed between them, the next run drops the same answers again.
            for (key,) in self._index.all("select key from dropped"):
                self._append(_DROPPED, key, len(key))
            if not end or earlier != self.header:
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

    def _can_use(self, earlier: Header, mine: Header, stale: Callable[[int], Iterable[str] | None]) -> bool:
        """Whether this run can use answers of an earlier one; those that are stale are dropped."""
        if replace(earlier, started_at="", commit=0) != replace(mine, started_at="", commit=0):
            return False
        if earlier.commit >= mine.commit:
            return earlier.commit == mine.commit
        paths = stale(earlier.commit)
        if paths is None:
            return False
        for path in map(str.encode, paths):
            # Of the path itself, and of what goes on after a slash or a question mark.
            bounds = (path, path + b"@", len(path) + 1)
            where = "where key >= ? and key < ? and substr(key, ?, 1) in (x'', x'2f', x'3f')"
            self._index.run(f"insert or ignore into dropped select key from answers {where}", bounds)  # noqa: S608
            self._index.run(f"delete from answers {where}", bounds)  # noqa: S608  a constant
        # Without any answer left, nothing is resumed, and its run began when this one does.
        return self._index.one("select 1 from answers limit 1") is not None

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
                elif frame.key == _DROPPED:
                    self._index.run("delete from answers where key = ?", (frame.payload,))
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
