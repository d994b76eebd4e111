"""Write the tables of one run: stage, verify, publish, commit."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics import durable
from conv_analytics.dataset.memory.journal import Header, Journal
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.layout import (
    COMMITS,
    QUARANTINE,
    STAGED_QUARANTINE,
    Layout,
    file_name,
    watermarks_name,
)
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.dataset.storage.watermarks import Watermark, write_watermarks
from conv_analytics.errors import DestinationError
from conv_analytics.instants import utc_text
from conv_analytics.resources.record import Json
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.days import by_day

#: Rows are buffered up to this size before they are written as a row group. [B]
BUFFER_BYTES = 16 * 2**20
#: With more conversations than this, a commit keeps their watermarks in a file: its record is read by whoever opens the
#: dataset.
FEW = 1000
#: Files that are checked and synced to the disk at a time: the disk syncs several in the time of one.
_SYNCS = 8
#: A file that has grown to this size is closed, and the next rows of its day go to another. [B]
FILE_BYTES = 128 * 2**20
#: So is a file with this many row groups: until it is closed, Parquet keeps their metadata in memory, some 300 kB per
#: row group of all tables.
ROW_GROUPS = 16
#: Files that are kept open at once: a run may touch many days.
OPEN_FILES = 24


def no_deadline() -> None:
    """Let a commit take its time."""


@dataclass
class _Part:
    """One staged file and the rows that wait to be written to it."""

    table: Table
    path: str
    pending: list[pa.Table] = field(default_factory=list)
    writer: pq.ParquetWriter | None = None
    rows: int = 0
    row_groups: int = 0


class DatasetWriter:
    """Takes rows of any table in any order, and commits them all at once or not at all.

    Parameters
    ----------
    root
        The dataset folder; made when it does not exist.
    day
        The partition of rows that have no instant: the UTC day of the run.
    tables
        The tables to write; rows of others that lists of the API fill are passed over.
    short
        Whether the run takes seconds, and a longer one may wait for it.
    """

    def __init__(self, root: Path, day: date, tables: Collection[str], *, short: bool = False) -> None:
        self.layout = Layout(root)
        self.layout.prepare()
        self._lock = WriterLock(self.layout, short=short)
        self._lock.acquire()
        self.run = uuid.uuid4().hex[:8]
        self._staging = self.layout.staging(self.run)
        try:
            with self._disk():
                log.recover(self.layout)
                self._staging.mkdir()
        except BaseException:
            self._lock.release()
            raise
        self.number = log.next_number(self.layout)
        self._day = day
        self._tables = [name for name in TABLES if name in tables]
        self._writable = {*tables, *(name for name, table in TABLES.items() if not table.listed)}
        self._parts: dict[tuple[str, date], _Part] = {}
        self._done: list[_Part] = []
        self._buffered = 0
        # Encoding and compressing run beside the conversion of the next rows; neither needs the interpreter.
        self._thread = ThreadPoolExecutor(1, "conv_analytics parquet")
        self._writing: Future[None] | None = None
        self._quarantine = self._staging / STAGED_QUARANTINE
        self._journal: Journal | None = None
        self._in_time: Callable[[], None] = no_deadline

    def journal(self, source: str, started: datetime, mask: str | None = None) -> Journal:
        """The journal of the run: it keeps every answer until it is committed.

        Parameters
        ----------
        source
            Host and application that are asked.
        started
            When the run began.
        mask
            What the answers are masked with.
        """
        with self._disk():
            header = Header(source, mask, self.number, started.isoformat())
            self._journal = Journal(self.layout.journal, header)
        return self._journal

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
        with self._disk():
            part = self._part(TABLES[name], day)
            part.pending.append(rows)
            part.rows += rows.num_rows
            self._buffered += rows.nbytes
            if self._buffered > BUFFER_BYTES:
                self._flush()

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read: one JSON object per line."""
        if lines:
            with (
                self._disk(),
                open(self._quarantine, "a", encoding="utf-8", newline="\n", opener=durable.private) as file,
            ):
                file.writelines(line + "\n" for line in lines)

    def commit(
        self,
        watermarks: Iterable[Watermark],
        report: Mapping[str, Any],
        *,
        whole: bool = True,
        in_time: Callable[[], None] = no_deadline,
    ) -> Commit:
        """Finish every file, check it, put it in its place, and enter the run in the commit log.

        The journal is removed, unless the run was interrupted: then its answers serve the next one.

        Parameters
        ----------
        watermarks
            How far the run came, one for each conversation.
        report
            What it did.
        whole
            Whether the run came to its end.
        in_time
            Called between steps, by several threads, until the commit is promised. When it raises, the commit is not
            made, and only `abandon` may follow.
        """
        self._in_time = in_time
        with self._disk():
            self._ensure_every_table()
            self._flush()
            self._settle()
            for part in self._parts.values():
                in_time()
                self._close(part)
            with ThreadPoolExecutor(_SYNCS) as pool:
                files = tuple(pool.map(self._verified, self._done))
            few, filed = self._split_off(watermarks)
            commit = Commit(
                number=self.number,
                run=self.run,
                committed_at=utc_text(datetime.now(UTC), "seconds"),
                files=files,
                report=report,
                quarantine=self._publish_quarantine(),
                watermarks={each.conversation_id: each.last_event for each in few if each.last_event is not None},
                settled={each.conversation_id: each.settled for each in few if each.settled is not None},
                unfinished={each.conversation_id: each.unfinished for each in few if each.unfinished},
                conversations=filed,
            )
            self._finish(log.prepare(self.layout, commit), commit)
            shutil.rmtree(self._staging, ignore_errors=True)
            if self._journal is not None:
                self._journal.remove() if whole else self._journal.rebase(commit.number + 1)
        self._thread.shutdown()
        self._lock.release()
        return commit

    def abandon(self) -> None:
        """Give the run up; the dataset stays as it was, and the journal is left for the next run."""
        self._thread.shutdown(wait=True)
        for part in self._parts.values():
            if part.writer is not None:
                _drop(part.writer)
        # Once promised, some files may be in place; the next writer moves the others.
        if not log.promised(self._staging):
            shutil.rmtree(self._staging, ignore_errors=True)
        if self._journal is not None:
            self._journal.close()
        self._lock.release()

    def _finish(self, prepared: Path, commit: Commit) -> None:
        try:
            log.finish(self.layout, prepared, commit)
        except log.OvertakenError as error:
            log.drop(self.layout, commit)
            prepared.unlink(missing_ok=True)
            reason = (
                f"another run entered its commit {commit.number} meanwhile: the lock of this file system keeps nobody"
                " away. Let one run at a time write there, and run this one again: what it read is asked for again"
            )
            raise DestinationError(self.layout.root, reason) from error
        except OSError as error:
            reason = f"{error.strerror or error}. The run is kept, and the next one commits it"
            raise DestinationError(self.layout.root, reason) from error

    def _part(self, table: Table, day: date) -> _Part:
        key = (table.name, day)
        if key not in self._parts:
            number = sum(part.path.startswith(f"{table.name}/date={day}/") for part in self._done)
            self._parts[key] = _Part(table, file_name(table.name, day, self.number, self.run, number))
        return self._parts[key]

    def _flush(self) -> None:
        """Hand the pending rows to the writing thread, once it has written the previous ones."""
        self._settle()
        self._close_idle()
        waiting = [(part, part.pending) for part in self._parts.values() if part.pending]
        for part, _ in waiting:
            part.pending = []
        self._buffered = 0
        self._writing = self._thread.submit(self._write_out, waiting)

    def _close_idle(self) -> None:
        """Close files that have become large and, when many are open, those of days that got no rows lately.

        Conversations come in the order of time: such a day is mostly done.
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
        # Arrow's pool keeps freed memory for later; between two flushes of a long run that only adds up.
        pa.default_memory_pool().release_unused()

    def _writer(self, part: _Part) -> pq.ParquetWriter:
        if part.writer is None:
            path = self._staging / part.path
            path.parent.mkdir(parents=True, exist_ok=True)
            # JSON texts hardly repeat: a dictionary of them would only cost time and space.
            words = [column.name for column in part.table.columns if column.kind is not Json]
            part.writer = pq.ParquetWriter(
                path,
                part.table.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=words,
            )
        return part.writer

    def _close(self, part: _Part) -> None:
        self._writer(part).close()
        part.writer = None
        self._done.append(part)

    def _verified(self, part: _Part) -> File:
        return self._recorded(part.path, part.table.name, part.rows)

    def _recorded(self, name: str, table: str, written: int) -> File:
        self._in_time()
        path = self._staging / name
        rows = pq.read_metadata(path).num_rows
        if rows != written:
            raise DestinationError(path, f"{rows} rows arrived of {written}")
        durable.sync_file(path)
        return File(name, table, rows, path.stat().st_size, durable.sha256(path))

    def _split_off(self, watermarks: Iterable[Watermark]) -> tuple[list[Watermark], File | None]:
        """The watermarks of a commit when they are few; otherwise the file that they were written to."""
        waiting = iter(watermarks)
        first = list(islice(waiting, FEW + 1))
        if len(first) <= FEW:
            return first, None
        name = watermarks_name(self.number, self.run)
        path = self._staging / name
        path.parent.mkdir(exist_ok=True)
        return [], self._recorded(name, COMMITS, write_watermarks(path, self._in_turn(chain(first, waiting))))

    def _in_turn(self, watermarks: Iterable[Watermark]) -> Iterator[Watermark]:
        for watermark in watermarks:
            self._in_time()
            yield watermark

    def _ensure_every_table(self) -> None:
        # A table that never had a row still gets a file, so that every reader finds its columns.
        known = {part.table.name for part in (*self._parts.values(), *self._done)}
        for name in self._tables:
            if name not in known and not any((self.layout.root / name).glob("*/*.parquet")):
                self._part(TABLES[name], self._day)

    def _publish_quarantine(self) -> str | None:
        if not self._quarantine.exists():
            return None
        name = f"{QUARANTINE}/{self.number:06d}-{self.run}.jsonl"
        durable.sync_file(self._quarantine)
        self.layout.quarantine.mkdir(mode=durable.PRIVATE_FOLDER, exist_ok=True)
        durable.publish(self._quarantine, self.layout.file(name))
        return name

    def _disk(self) -> _DiskErrors:
        return _DiskErrors(self.layout.root)


def _drop(writer: pq.ParquetWriter) -> None:
    """Close a file that nobody will read."""
    try:
        writer.close()
    except OSError:
        # On a full disk the footer cannot be written either. If left open, the writer would try again when collected.
        writer.is_open = False


class _DiskErrors:
    """Turns what the operating system says (disk full, no permission) into `DestinationError`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise DestinationError(self._root, error.strerror or str(error)) from error
