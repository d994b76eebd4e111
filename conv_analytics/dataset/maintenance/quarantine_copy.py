"""Copies the quarantine of a dataset, unchanged or read again."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from conv_analytics.dataset.maintenance.latest_rows import RunRows
from conv_analytics.dataset.maintenance.replay import Replayed, by_source, events_of, run_of
from conv_analytics.dataset.maintenance.reread import Batch, RereadRecord, reread
from conv_analytics.dataset.maintenance.table_patch import EVENT, Key, TablePatch, keys_of
from conv_analytics.dataset.snapshot import Snapshot
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.quarantine import Damage, Line, lines, to_text, with_run
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.tables import TABLES


class QuarantineCopy:
    """Copies the quarantine; with `replay`, reads its records again and keeps the resulting rows.

    These rows stay in memory until the tables are copied.

    Attributes
    ----------
    last_added
        Per conversation, the last event that was added.
    quarantined
        Records in the copy's quarantine.
    """

    def __init__(self, dataset: Snapshot, writer: DatasetWriter, *, replay: bool) -> None:
        self.result = Replayed()
        self.quarantined = 0
        self.last_added: dict[str, int] = {}
        self._dataset, self._writer = dataset, writer
        self._improved: dict[str, list[pa.Table]] = {}
        self._new: dict[str, list[RunRows]] = {}
        self._events: set[Key] = set()
        self.result.damaged = [str(each) for each in self._quarantine() if isinstance(each, Damage)]
        if replay:
            self._read()
        else:
            for line in self._lines():
                self._keep(with_run(line))

    def patch(self, name: str) -> TablePatch:
        """The changes to a table."""
        new = [rows for run in self.new(name) for rows in run.batches]
        return TablePatch(TABLES[name], self._improved.get(name, []), new, self._events)

    def new(self, name: str) -> list[RunRows]:
        """The new rows of records that had none, by the run that read them."""
        return self._new.get(name, [])

    def _read(self) -> None:
        lost = {line.conversation_id or "" for line in self._lines() if not line.has_row}
        for batch in reread(line for line in self._lines() if line.has_row):
            self._improve(batch)
        for batch in reread((line for line in self._lines() if not line.has_row), events_of(self._dataset, lost)):
            self._add(batch)

    def _quarantine(self) -> Iterator[Line | Damage]:
        return lines(Layout(self._dataset.path), self._dataset.commits)

    def _lines(self) -> Iterator[Line]:
        return (line for line in self._quarantine() if isinstance(line, Line))

    def _improve(self, batch: Batch) -> None:
        """Keep the new rows of those records with a row that can be read better now."""
        improved = {
            (record.line.conversation_id, record.line.event_id)
            for record in batch.records
            # Without an id, no row can be matched to an event.
            if record.is_improved and (TABLES[batch.name].latest or record.line.event_id is not None)
        }
        for record in batch.records:
            placed = record.is_improved and (record.line.conversation_id, record.line.event_id) in improved
            self._count(record, readable=placed)
            self.result.cells += placed
        if batch.name == "events":
            self._events |= improved
        for name, rows in batch.tables.items():
            # Rows of other lists are all kept: they only fill empty cells, and records that are no better fill none.
            mine = [True] * len(rows)
            if not TABLES[batch.name].latest:
                known = set(EVENT) <= set(rows.column_names)
                mine = [key in improved for key in keys_of(rows, EVENT)] if known else [False] * len(rows)
            self._improved.setdefault(name, []).append(rows.filter(pa.array(mine, pa.bool_())))

    def _add(self, batch: Batch) -> None:
        """Add records that have no row."""
        for record in batch.records:
            self._count(record, readable=record.has_row)
        readable = sum(record.has_row for record in batch.records)
        run = run_of(self._dataset, batch)
        for name, rows in batch.tables.items():
            self._new.setdefault(name, []).append(RunRows(run, [rows]))
        rows = batch.tables.get(batch.name, TABLES[batch.name].empty())
        self.result.added += len(rows)
        self.result.already_stored += readable - len(rows)
        if batch.name == "events":
            for owner, last in keys_of(by_source(rows)[0], EVENT):
                self.last_added[owner] = max(last or 0, self.last_added.get(owner, 0))

    def _count(self, record: RereadRecord, *, readable: bool) -> None:
        """Count a record that was read again; unreadable ones stay in the quarantine."""
        self.result.records += 1
        self.result.digests += record.line.raw is None
        self.result.unreadable += not readable
        if not readable:
            self._keep(with_run(record.line))
        elif record.broken is not None:
            self._keep(to_text(record.broken, record.line.run_at))

    def _keep(self, text: str) -> None:
        self._writer.quarantine([text])
        self.quarantined += 1
