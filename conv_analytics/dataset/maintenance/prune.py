"""Remove data older than a given age: whole conversations, only on request, and in one commit.

A conversation is expired when all its rows, in every table, are of days before the first day that is kept; its rows go
as a whole. Files are never rewritten: rows of other conversations in the same files go to new ones, and a special
commit records which files are no longer part of the dataset. Then they are deleted. Watermarks stay, so that no run
exports the removed data again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.maintenance.file_rows import FileRows
from conv_analytics.dataset.maintenance.latest_rows import RunRows, latest_rows
from conv_analytics.dataset.maintenance.replay import selected_tables
from conv_analytics.dataset.snapshot import Snapshot, day_of
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.commit import File
from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.staged_files import disk_errors
from conv_analytics.dataset.storage.views import literal
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.errors import ConfigError
from conv_analytics.instants import utc_text
from conv_analytics.tables import TABLES

_OWNER = "conversation_id"
#: Memory that DuckDB uses to compare conversations before it spills to disk.
_MEMORY = "600MB"


@dataclass
class Expired:
    """The data of a dataset older than a given age, and the effect of removing it.

    ``conversations`` that are expired, ``rows`` that go, per table, ``kept_rows`` of the same files that stay, per
    table, ``files`` that go with their ``bytes`` [B], and ``quarantined`` files of runs of that time.
    """

    first_day: date
    """The first day that is kept (UTC)."""
    commit: int
    """The examined commit of the dataset."""
    conversations: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    kept_rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    quarantined: int = 0
    removed_by: int | None = None
    """The commit that removed the data; None before the removal."""
    deleted: int = 0
    """Files that were deleted, with those that an earlier call had left."""
    seconds: float = 0.0

    def __bool__(self) -> bool:
        """Whether there is anything to remove."""
        return bool(self.files or self.quarantined)

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {"first_day": self.first_day.isoformat(), "seconds": round(self.seconds, 3)}


def first_day_kept(older_than: timedelta | date, now: datetime | None = None) -> date:
    """The first day that is kept, from an age or that day itself.

    Raises
    ------
    ConfigError
        If it is not before today: data that is still arriving is not old. If it is an instant without a time zone.

    Examples
    --------
    >>> first_day_kept(timedelta(days=400), datetime(2026, 11, 30, 3, tzinfo=UTC)).isoformat()
    '2025-10-26'
    """
    today = (now or datetime.now(UTC)).date()
    day = older_than if isinstance(older_than, date) else None
    if isinstance(older_than, datetime):
        if older_than.tzinfo is None:
            raise ConfigError(f"{older_than} has no time zone, and what is removed is gone: pass a date, or say which.")
        day = older_than.astimezone(UTC).date()
    if day is None:
        day = ((now or datetime.now(UTC)) - older_than).date()  # type: ignore[operator]
    if day >= today:
        raise ConfigError(f"{day} is not in the past: rows of today are never removed. Name an age of a day or more.")
    return day


def expired(path: str | Path, older_than: timedelta | date) -> Expired:
    """The data of a dataset older than an age; nothing is changed. See `Dataset.expired`."""
    dataset = Snapshot.open(path)
    return _Pruning(dataset, first_day_kept(older_than)).plan


def prune(path: str | Path, older_than: timedelta | date) -> Expired:
    """Remove the data of a dataset older than an age; see `Dataset.prune`.

    Raises
    ------
    ConfigError
        If the age is less than a day.
    DatasetError
        If the folder cannot be read or written; its rows stay as they were.
    DatasetLocked
        If another run writes to it.
    """
    begin, started, first_day = time.monotonic(), datetime.now(UTC), first_day_kept(older_than)
    before = Snapshot.open(path)
    tables = {*selected_tables(before), *before.tables}
    writer = DatasetWriter(before.path, started.date(), tables)
    try:
        # Once more: the writer may have finished a run that was killed.
        pruning = _Pruning(Snapshot.open(before.path), first_day)
        plan = pruning.plan
        if plan:
            pruning.write(writer)
            report = {
                "command": "prune",
                "status": "pruned",
                "started_at": utc_text(started),
                "requests": 0,
                "tables": {},
                "seconds": round(time.monotonic() - begin, 3),
                "selected": list(selected_tables(before)),
                "first_day": first_day.isoformat(),
                "conversations": plan.conversations,
                "removed_rows": plan.rows,
            }
            plan.removed_by = writer.commit([], report, removed=pruning.removed).number
        else:
            writer.abandon()
    except BaseException:
        writer.abandon()
        raise
    plan.deleted = delete_removed(writer.layout)
    plan.seconds = time.monotonic() - begin
    return plan


def delete_removed(layout: Layout) -> int:
    """Delete the files that commits have removed, and the cache; return the number of files.

    May be repeated: a call that was killed leaves files that no commit names.
    """
    history = [log.Commit.read(layout.commit(number)) for number in log.numbers(layout)]
    removed = log.removed_by(history)
    if not removed:
        return 0
    backend, folders = backend_of(layout), {name.partition("/")[0] for name in removed}
    there = removed.intersection(*[{name for folder in folders for name in backend.files(folder)}])
    with disk_errors(layout.root):
        for name in sorted(there):
            backend.delete(name)
            with suppress(OSError):
                # Only the folder of a day without files is removed.
                (layout.root / name).parent.rmdir()
    if there:
        shutil.rmtree(layout.cache, ignore_errors=True)
    return len(there)


class _Pruning:
    """The rows to remove from a dataset, and the rows of the same files that stay."""

    def __init__(self, dataset: Snapshot, first_day: date) -> None:
        self._dataset, self._first_day = dataset, first_day
        self._layout = Layout(dataset.path)
        self.plan = Expired(first_day, dataset.commits[-1].number)
        self.removed: list[str] = []
        self._survivors: dict[str, list[tuple[File, Any]]] = {}
        old = {name: self._files(name, old=True) for name in dataset.tables}
        self._living = self._look_at_conversations([name for name, files in old.items() if files])
        for name, files in old.items():
            if files:
                self._look_at(name, files)
        for commit in dataset.commits:
            if commit.quarantine is not None and commit.committed_at[:10] < first_day.isoformat():
                self.removed.append(commit.quarantine)
                self.plan.quarantined += 1

    def write(self, writer: DatasetWriter) -> None:
        """Write the rows that stay, of files that go."""
        gone = set(self.removed)
        for name in self._dataset.tables:
            columns = TABLES[name].schema.names
            for file, mask in self._survivors.get(name, ()):
                FileRows(self._layout, file, columns).check(TABLES[name])
                first = 0
                for batch in FileRows(self._layout, file, columns):
                    mine = mask[first : first + len(batch)]
                    first += len(batch)
                    writer.place(name, day_of(file), batch.filter(pa.array(mine)))
            if all(file.path in gone for _, file in self._dataset.numbered(name)):
                writer.keep_table(name)

    def _files(self, name: str, *, old: bool) -> list[tuple[int, File]]:
        """The files of a table before the first day that is kept, or from it on, each with the number of its commit."""
        return [pair for pair in self._dataset.numbered(name) if (day_of(pair[1]) < self._first_day) is old]

    def _look_at_conversations(self, old: Sequence[str]) -> pa.Array:
        """The conversations with rows before the first day that is kept and rows from it on."""
        owned = [name for name in old if _OWNER in TABLES[name].schema.names]
        if not owned:
            return pa.array([], pa.string())
        with connect_duckdb() as connection:
            self._dataset.let_read(connection)
            connection.execute(f"set memory_limit = '{_MEMORY}'")
            connection.execute("set enable_progress_bar = false")
            for which, names in (("before", owned), ("since", list(self._dataset.tables))):
                paths = [
                    self._layout.file(file.path)
                    for name in names
                    if _OWNER in TABLES[name].schema.names
                    for _, file in self._files(name, old=which == "before")
                ]
                # Only the ids, of the files of one kind, whatever other columns their tables have.
                connection.execute(f"create table {which} as select distinct {_OWNER} from ({_ids(paths)})")  # noqa: S608
            living = connection.sql("from before semi join since using (conversation_id)").to_arrow_table()
            (count,) = connection.sql("select count(conversation_id) from before").fetchall()[0]
        self.plan.conversations = count - len(living)
        return living[_OWNER].combine_chunks().cast(pa.string())

    def _look_at(self, name: str, files: Sequence[tuple[int, File]]) -> None:
        """Classify the old files of a table: one without survivors goes, one with only survivors stays."""
        plan, later = self.plan, self._latest(name, files) if TABLES[name].latest else None
        for place, (_, file) in enumerate(files):
            mask = self._living_rows(name, file)
            if later is not None:
                mask &= later[place]
            kept = int(mask.sum())
            if file.rows and kept == file.rows:
                continue
            self.removed.append(file.path)
            if kept:
                self._survivors.setdefault(name, []).append((file, mask))
                plan.kept_rows[name] = plan.kept_rows.get(name, 0) + kept
            plan.rows[name] = plan.rows.get(name, 0) + file.rows - kept
            plan.files, plan.bytes = plan.files + 1, plan.bytes + file.bytes

    def _living_rows(self, name: str, file: File) -> Any:
        """Which rows of a file belong to conversations that stay; rows without one are judged by their day."""
        if _OWNER not in TABLES[name].schema.names or not len(self._living):
            return np.zeros(file.rows, dtype=bool)
        parts = [rows[_OWNER].combine_chunks() for rows in FileRows(self._layout, file, [_OWNER])]
        owners = pa.chunked_array(parts, pa.string())
        return pc.is_in(owners, value_set=self._living, skip_nulls=True).to_numpy().astype(bool)

    def _latest(self, name: str, old: Sequence[tuple[int, File]]) -> list[Any]:
        """Which rows of the old files are the latest of their keys; a later run may have written a newer row."""
        table = TABLES[name]
        files = [*old, *self._files(name, old=False)]
        sources = [
            RunRows(number, FileRows(self._layout, file, [*table.key, str(table.latest)])) for number, file in files
        ]
        return latest_rows(table, sources, sum(file.rows for _, file in files))[: len(old)]


def _ids(paths: Sequence[Any]) -> str:
    """A statement that selects the conversations of some files."""
    if not paths:
        return f"select null::varchar as {_OWNER} where false"
    quoted = ", ".join("'" + literal(str(path)).replace("'", "''") + "'" for path in paths)
    return f"select {_OWNER} from read_parquet([{quoted}], hive_partitioning = false)"  # noqa: S608  paths of ours


__all__ = ["Expired", "delete_removed", "expired", "first_day_kept", "prune"]
