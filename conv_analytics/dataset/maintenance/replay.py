"""Read the quarantine again after an upgrade, and add the records that now have a row to a dataset.

A quarantined record has no row, because the version that met it could not read it at all, or it has a row with empty
cells. Records of the first kind are added here, in a commit like any other. Files are never rewritten, so those of the
second kind are only counted: `compact` fills their cells in a new folder.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.maintenance.key_scan import key_batches
from conv_analytics.dataset.maintenance.latest_rows import RunRows
from conv_analytics.dataset.maintenance.reread import Batch, reread
from conv_analytics.dataset.maintenance.table_patch import EVENT, keys_of
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.snapshot import Snapshot
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.quarantine import LINES, RESOLVED, Damage, Line, lines, ranges, to_text
from conv_analytics.dataset.storage.watermarks import Watermark, watermarks_from
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.instants import utc_text
from conv_analytics.tables import TABLES
from conv_analytics.tables.envelope import EventSource
from conv_analytics.tables.explode import comparable
from conv_analytics.tables.seen_events import SeenEvents


@dataclass
class Replayed:
    """The outcome for the records of a quarantine."""

    records: int = 0
    """Records that were read again."""
    added: int = 0
    """Records that had no row and have one now."""
    already_stored: int = 0
    """Records that had no row and need none: a later run has read them."""
    cells: int = 0
    """Records whose row has empty cells that can be read now."""
    unreadable: int = 0
    """Records that are as unreadable as before."""
    digests: int = 0
    """Unreadable records of which only a digest was stored: they can never be read again."""
    tables: dict[str, int] = field(default_factory=dict)
    """Rows added, per table."""
    damaged: list[str] = field(default_factory=list)
    """Quarantine files, or lines of them, that are missing or damaged."""
    commit: int | None = None
    """Number of the commit; None when there was nothing to commit."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"seconds": round(self.seconds, 3)}


def replay(path: str | Path) -> Replayed:
    """Read the quarantine of a dataset again, and commit the records that have a row now.

    Rows that the dataset has already are not added again. The report of the commit names the records that were
    resolved, so the next call skips them. When there is nothing to add, nothing is written.

    Parameters
    ----------
    path
        The folder that `export` wrote.

    Raises
    ------
    DatasetError
        If the folder is not a dataset, cannot be read or cannot be written; its rows stay as they were.
    DatasetLocked
        If another run writes to it.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> from tempfile import TemporaryDirectory
    >>> with Sandbox(conversations=30, broken=0.05) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     done = export(client, folder, rate=0)
    ...     result = replay(folder)
    >>> result.records == result.unreadable == done.report.quarantined, result.commit
    (True, None)
    """
    begin, started = time.monotonic(), datetime.now(UTC)
    before = Snapshot.open(path)
    root = before.path
    selected = selected_tables(before)
    writer = DatasetWriter(root, started.date(), {*selected, *before.tables})
    try:
        # Once more: the writer may have finished a run that was killed.
        run = _Replay(Snapshot.open(root), writer)
        run.read()
        run.result.seconds = time.monotonic() - begin
        if run.resolved:
            report = run.report(started, selected)
            # Only events from a list move a watermark.
            marks = [*watermarks_from(run.last_added), *(Watermark(name, None, live=True) for name in run.delivered)]
            run.result.commit = writer.commit(marks, report).number
        else:
            writer.abandon()
    except BaseException:
        writer.abandon()
        raise
    return run.result


def selected_tables(dataset: Snapshot) -> tuple[str, ...]:
    """The tables that the runs of a dataset export."""
    return tuple(dataset.commits[-1].report.get("selected") or dataset.tables)


class _Replay:
    """One replay under way."""

    def __init__(self, dataset: Snapshot, writer: DatasetWriter) -> None:
        self.result = Replayed()
        self.resolved: list[Line] = []
        self.last_added: dict[str, int] = {}
        self.delivered: set[str] = set()
        self._dataset, self._writer = dataset, writer
        self._quarantined = 0
        self._records: dict[str, list[RunRows]] = {}

    def read(self) -> None:
        """Read every line again: first those with a row, to count them, then those without one, to add them."""
        layout, commits = self._writer.layout, self._dataset.commits
        for batch in reread(self._lines(has_row=True)):
            improved = sum(record.is_improved for record in batch.records)
            self.result.cells += improved
            self.result.unreadable += len(batch.records) - improved
        lost = {line.conversation_id or "" for line in _only(lines(layout, commits), has_row=False)}
        for batch in reread(self._lines(has_row=False), events_of(self._dataset, lost)):
            self._add(batch)
        self._add_records()
        if self.last_added:
            with closing(WatermarkIndex(layout.root, commits)) as index:
                self.last_added = {name: index.reached(name, last) for name, last in self.last_added.items()}
        self.result.damaged = [str(damage) for damage in lines(layout, commits) if isinstance(damage, Damage)]

    def report(self, started: datetime, selected: tuple[str, ...]) -> Mapping[str, Any]:
        """The report of the commit. It made no requests, so no night is compared with it."""
        return {
            **self.result.to_dict(),
            "command": "replay",
            "status": "replayed",
            "started_at": utc_text(started),
            "requests": 0,
            "selected": list(selected),
            RESOLVED: ranges(self.resolved),
            LINES: self._quarantined,
        }

    def _lines(self, *, has_row: bool) -> Iterator[Line]:
        for line in _only(lines(self._writer.layout, self._dataset.commits), has_row=has_row):
            self.result.records += 1
            self.result.digests += line.raw is None
            yield line

    def _add(self, batch: Batch) -> None:
        readable = [record for record in batch.records if record.has_row]
        self.result.unreadable += len(batch.records) - len(readable)
        self.resolved += [record.line for record in readable]
        partly = [to_text(record.broken, record.line.run_at) for record in readable if record.broken]
        self._writer.quarantine(partly)
        self._quarantined += len(partly)
        if TABLES[batch.name].latest:
            rows = batch.tables.get(batch.name, TABLES[batch.name].empty())
            self._records.setdefault(batch.name, []).append(RunRows(run_of(self._dataset, batch), [rows]))
            self.result.added += len(readable)
            return
        rows = batch.tables.get(batch.name, TABLES[batch.name].empty())
        self.result.added += len(rows)
        self.result.already_stored += len(readable) - len(rows)
        for name, table in batch.tables.items():
            self._write(name, table)
        listed, delivered = by_source(rows)
        for owner, last in keys_of(listed, EVENT):
            self.last_added[owner] = max(last or 0, self.last_added.get(owner, 0))
        self.delivered.update(each or "" for each in pc.unique(delivered["conversation_id"]).to_pylist())

    def _add_records(self) -> None:
        """Add the latest row of each conversation, member, user and session, unless the dataset has a later one."""
        for name, parts in self._records.items():
            table = TABLES[name]
            key = list(table.key)
            parts.sort(key=lambda part: part.run)
            runs = [part.run for part in parts for rows in part.batches for _ in range(len(rows))]
            ordered = pa.concat_tables([rows for part in parts for rows in part.batches])
            instants = list(zip(runs, comparable(ordered[str(table.latest)]), strict=True))
            fresh: dict[tuple[Any, ...], int] = {}
            for row, each in enumerate(keys_of(ordered, key)):
                if each not in fresh or instants[row] >= instants[fresh[each]]:
                    fresh[each] = row
            for number, file in self._dataset.numbered(name) if name in self._dataset.tables else ():
                for batch in key_batches(Layout(self._dataset.path).file(file.path), [*key, str(table.latest)]):
                    for *values, at in keys_of(batch, batch.column_names):
                        newest = fresh.get(tuple(values))
                        if newest is not None and (number, at) >= instants[newest]:
                            del fresh[tuple(values)]
            self.result.added -= len(ordered) - len(fresh)
            self.result.already_stored += len(ordered) - len(fresh)
            self._write(name, ordered.take(pa.array(sorted(fresh.values()), pa.int64())))

    def _write(self, name: str, rows: pa.Table) -> None:
        self._writer.write(name, rows)
        if rows.num_rows:
            self.result.tables[name] = self.result.tables.get(name, 0) + rows.num_rows


def _only(quarantine: Iterable[Line | Damage], *, has_row: bool) -> Iterator[Line]:
    return (line for line in quarantine if isinstance(line, Line) and line.has_row is has_row)


def by_source(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of events from a list, and those from a webhook."""
    if "source" not in rows.column_names:
        return TABLES["events"].empty(), rows
    listed = pc.equal(rows["source"].cast(pa.string()), EventSource.LIST)
    return rows.filter(listed), rows.filter(pc.invert(listed))


def run_of(dataset: Snapshot, batch: Batch) -> int:
    """The number of the commit whose quarantine holds the records of a batch, which are all of one run."""
    numbers = {commit.quarantine: commit.number for commit in dataset.commits}
    return numbers[batch.records[0].line.file]


def events_of(dataset: Snapshot, conversations: Collection[str]) -> SeenEvents:
    """The events and repeated items that a dataset has of some conversations."""
    seen, wanted = SeenEvents(), pa.array(sorted(conversations), pa.string())
    for name, table in TABLES.items():
        if not wanted or name not in dataset.tables or not (table.repeats_items or name == "events"):
            continue
        columns = ["conversation_id", *(table.key if table.repeats_items else ("event_id",))]
        for path in dataset.stored_files(name):
            for batch in key_batches(path, columns):
                rows = batch.filter(pc.is_in(batch["conversation_id"], wanted))
                for owner, *key in keys_of(rows, columns):
                    if table.repeats_items:
                        seen.items(owner).add(tuple(key))
                    else:
                        seen.new_indexes(owner, key)
    return seen
