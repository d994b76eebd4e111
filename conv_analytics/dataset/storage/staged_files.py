"""The files of a run before they are committed: rows become Parquet, a row group at a time, in the staging folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics import durable
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.commit import File
from conv_analytics.dataset.storage.layout import STAGED_QUARANTINE, Layout, file_name
from conv_analytics.dataset.store.bucket import StoreError
from conv_analytics.errors import DestinationError
from conv_analytics.resources.record import Json
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.days import by_day

#: Rows are buffered up to this size before they are written as a row group. [B]
BUFFER_BYTES = 16 * 2**20
#: Of this, the size that small tables may keep for the next flush: a row group costs as much for ten rows as for
#: thousands. [B]
KEPT_BYTES = 4 * 2**20
#: Files checked and synced to the disk at a time: the disk syncs several in the time of one.
_SYNCS = 8
#: A file that has grown to this size is closed, and the next rows of its day go to another. [B]
FILE_BYTES = 128 * 2**20
#: A file with this many row groups is closed, too: until then, Parquet keeps their metadata in memory, some 300 kB per
#: row group of all tables.
ROW_GROUPS = 16
#: Files kept open at once: a run may touch many days.
OPEN_FILES = 24
#: Rows of a file up to which it is compressed by Snappy: setting up zstd for each column takes as long as writing such
#: a file, and a third of the time of reading it, for a sixth less on the disk.
SMALL_FILE_ROWS = 256


def no_deadline() -> None:
    """No deadline: a commit may take as long as it needs."""


class Staged(Protocol):
    """The files of a run, wherever they are written."""

    def finish(self, in_time: Callable[[], None]) -> tuple[File, ...]:
        """Finish every file and check it; `in_time` is called now and then, and what it raises ends the work."""

    def drop(self) -> None:
        """Write no more; the files are not used."""


@dataclass
class _Part:
    """One staged file and the rows that wait to be written to it."""

    table: Table
    path: str
    pending: list[pa.Table] = field(default_factory=list)
    buffered: int = 0
    """Size of these. [B]"""
    quiet: bool = False
    """Whether it got no rows since the last flush."""
    writer: pq.ParquetWriter | None = None
    rows: int = 0
    row_groups: int = 0


class StagedFiles:
    """Takes rows of any table in any order, and writes them to files in the staging folder of a run.

    Parameters
    ----------
    layout
        The dataset folder.
    number
        The number of the run's commit.
    run
        The run's name.
    day
        The partition of rows that have no instant: the UTC day of the run.
    tables
        The tables to write; rows of others that lists of the API fill are skipped.
    """

    def __init__(self, layout: Layout, number: int, run: str, day: date, tables: Collection[str]) -> None:
        self._layout, self._number, self._run, self._day = layout, number, run, day
        self._staging = layout.staging(run)
        self._tables = [name for name in TABLES if name in tables]
        self._writable = {*tables, *(name for name, table in TABLES.items() if not table.listed)}
        self._parts: dict[tuple[str, date], _Part] = {}
        self._finished: list[_Part] = []
        self._buffered = 0
        # Encoding and compressing run in parallel with the conversion of the next rows; neither needs the interpreter.
        self._thread = ThreadPoolExecutor(1, "conv_analytics parquet")
        self._writing: Future[None] | None = None
        self._quarantine = self._staging / STAGED_QUARANTINE
        self._in_time: Callable[[], None] = no_deadline
        self._has_all_rows = False

    def writes(self, name: str) -> bool:
        """Whether rows of a table are written."""
        return name in self._writable

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        if not rows.num_rows or name not in self._writable:
            return
        for day, part_rows in by_day(rows, TABLES[name].day, self._day):
            self.place(name, day, part_rows)

    def place(self, name: str, day: date, rows: pa.Table) -> None:
        """Add rows to one day of a table, whatever their instants say."""
        if not rows.num_rows or name not in self._writable:
            return
        with disk_errors(self._layout.root):
            part = self._part(TABLES[name], day)
            part.pending.append(rows)
            part.rows += rows.num_rows
            part.buffered += rows.nbytes
            part.quiet = False
            self._buffered += rows.nbytes
            if self._buffered > BUFFER_BYTES:
                self._flush(KEPT_BYTES)

    def keep_table(self, name: str) -> None:
        """Make sure that a table has a file, even without rows."""
        if not any(part.table.name == name for part in (*self._parts.values(), *self._finished)):
            self._part(TABLES[name], self._day)

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read: one JSON object per line."""
        if lines:
            with (
                disk_errors(self._layout.root),
                open(self._quarantine, "a", encoding="utf-8", newline="\n", opener=durable.private) as file,
            ):
                file.writelines(line + "\n" for line in lines)

    def finish(self, in_time: Callable[[], None] = no_deadline) -> tuple[File, ...]:
        """Finish every file, check it, and sync it to the disk.

        `in_time` is called between steps, by several threads; when it raises, only `drop` may follow.
        """
        self._in_time, self._has_all_rows = in_time, True
        with disk_errors(self._layout.root):
            self._ensure_every_table()
            self._flush()
            self._settle()
            for part in self._parts.values():
                in_time()
                self._close(part)
            with ThreadPoolExecutor(_SYNCS) as pool:
                files = tuple(pool.map(self._verified, self._finished))
        self._thread.shutdown()
        return files

    def drop(self) -> None:
        """Write no more; the files are not used."""
        self._thread.shutdown(wait=True)
        for part in self._parts.values():
            if part.writer is not None:
                _drop(part.writer)

    def _part(self, table: Table, day: date) -> _Part:
        key = (table.name, day)
        if key not in self._parts:
            number = sum(part.path.startswith(f"{table.name}/date={day}/") for part in self._finished)
            self._parts[key] = _Part(table, file_name(table.name, day, self._number, self._run, number))
        return self._parts[key]

    def _flush(self, bytes_to_keep: int = 0) -> None:
        """Hand pending rows to the writing thread once it has written the previous ones.

        Rows of the largest files go first, and those of files that got none since the last flush; of the others, rows
        of up to `bytes_to_keep` stay pending.
        """
        self._settle()
        self._close_idle()
        waiting = []
        for part in sorted(self._parts.values(), key=lambda part: -part.buffered):
            if part.pending and (part.quiet or not bytes_to_keep or self._buffered > bytes_to_keep):
                waiting.append((part, part.pending))
                self._buffered -= part.buffered
                part.pending, part.buffered = [], 0
            part.quiet = True
        self._writing = self._thread.submit(self._write_out, waiting)

    def _close_idle(self) -> None:
        """Close files that have become large and, when many are open, those of days that got no rows lately.

        Conversations come in the order of time: such a day is usually complete.
        """
        many = sum(part.writer is not None for part in self._parts.values()) > OPEN_FILES
        for key, part in list(self._parts.items()):
            if part.writer is None:
                continue
            if part.row_groups >= ROW_GROUPS or (self._staging / part.path).stat().st_size >= FILE_BYTES:
                waiting, part.pending = part.pending, []
                moved = sum(rows.num_rows for rows in waiting)
                part.rows -= moved
                self._close(self._parts.pop(key))
                if waiting:
                    following = self._part(part.table, key[1])
                    following.pending, following.rows = waiting, moved
                    following.buffered, following.quiet = part.buffered, part.quiet
            elif many and not part.pending:
                self._close(self._parts.pop(key))

    def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write_out(self, waiting: list[tuple[_Part, list[pa.Table]]]) -> None:
        for part, tables in waiting:
            self._in_time()
            self._writer(part).write_table(pa.concat_tables(tables).combine_chunks())
            part.row_groups += 1
        waiting.clear()
        # Arrow's pool keeps freed memory for later, which only accumulates between the flushes of a long run.
        pa.default_memory_pool().release_unused()

    def _writer(self, part: _Part) -> pq.ParquetWriter:
        if part.writer is None:
            path = self._staging / part.path
            path.parent.mkdir(parents=True, exist_ok=True)
            # JSON texts hardly repeat: a dictionary of them would only cost time and space.
            words = [column.name for column in part.table.columns if column.kind is not Json]
            small = self._has_all_rows and part.rows <= SMALL_FILE_ROWS
            part.writer = pq.ParquetWriter(
                path,
                part.table.schema,
                compression="snappy" if small else "zstd",
                compression_level=None if small else 1,
                use_dictionary=words,
            )
        return part.writer

    def _close(self, part: _Part) -> None:
        self._writer(part).close()
        part.writer = None
        self._finished.append(part)

    def _verified(self, part: _Part) -> File:
        self._in_time()
        return recorded(self._staging, part.path, part.table.name, part.rows)

    def _ensure_every_table(self) -> None:
        # A table that never had a row still gets a file, so that every reader finds its columns.
        with_file, backend = (
            {part.table.name for part in (*self._parts.values(), *self._finished)},
            backend_of(self._layout),
        )
        for name in self._tables:
            if name not in with_file and not any(file.endswith(".parquet") for file in backend.files(name)):
                self._part(TABLES[name], self._day)


def recorded(staging: Path, name: str, table: str, written: int) -> File:
    """The record in a commit of a finished staged file, which is synced to the disk."""
    path = staging / name
    rows = pq.read_metadata(path).num_rows
    if rows != written:
        raise DestinationError(path, f"{rows} rows arrived of {written}")
    durable.sync_file(path)
    return File(name, table, rows, path.stat().st_size, durable.sha256(path))


def _drop(writer: pq.ParquetWriter) -> None:
    """Close a file that nobody will read."""
    try:
        writer.close()
    except OSError:
        # On a full disk the footer cannot be written either. If left open, the writer would try again when collected.
        writer.is_open = False


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn errors of the operating system or a store (disk full, no permission) into `DestinationError`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(root, error) from error


def cannot_write(root: Path, error: OSError, more: str = "") -> DestinationError:
    """The error that says what cannot be written, and why; `more` sentences follow the reason."""
    if isinstance(error, StoreError):
        return DestinationError(error.url, error.reason + more)
    return DestinationError(root, (error.strerror or str(error)) + more)
