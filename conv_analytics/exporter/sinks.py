"""Where an export writes its rows: to memory or to a dataset folder; both publish everything at once, at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conv_analytics.dataset import Dataset, DatasetWriter
from conv_analytics.dataset.memory.event_index import StoredEvents
from conv_analytics.dataset.memory.journal import Journal
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.missing_files import missing_files
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.exporter.anomaly import volume_warning
from conv_analytics.exporter.application_checks import Client, require_same_application
from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.conversion_process import ConversionProcess
from conv_analytics.exporter.conversion_task import ConversionTask
from conv_analytics.exporter.folder_checks import require_same_mask, resolve_tables
from conv_analytics.exporter.inbox_objects import require_mask_of_inbox
from conv_analytics.exporter.incremental import FolderState, last_sweep, requested_all, updated_watermark
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.results import Exported, Frames
from conv_analytics.exporter.saved_plan import take_plan
from conv_analytics.exporter.stored_rows import StoredRows
from conv_analytics.instants import utc_text
from conv_analytics.tables import TABLES
from conv_analytics.tables.days import by_day
from conv_analytics.tables.frame import to_frame

if TYPE_CHECKING:
    import pandas as pd


class MemorySink:
    """Keeps rows in memory and returns them as DataFrames."""

    journal: Journal | None = None

    def __init__(self, tables: Collection[str], day: date) -> None:
        self.folder_state = FolderState()
        self.watermarks = self.folder_state.watermarks
        self.reports: Sequence[Mapping[str, Any]] = ()
        self._day = day
        self._rows: dict[str, list[pa.Table]] = {name: [] for name in tables}
        self._broken: list[str] = []

    def writes(self, name: str) -> bool:
        """Whether rows of a table are kept."""
        return name in self._rows

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        if name in self._rows:
            self._rows[name].append(rows)

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read."""
        self._broken += lines

    def stored_items(self, _conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """Nothing: there is no earlier run."""
        return ()

    def stored_events(self, _conversations: Collection[str], *, required: bool = False) -> Mapping[str, StoredEvents]:  # noqa: ARG002
        """Nothing: there is no earlier run."""
        return {}

    def finish(self, report: Report, _states: ConversationStates, _in_time: Callable[[], None]) -> Frames:
        """Everything as DataFrames; those of a stopped run are built on first access."""
        frames = _LazyFrames({name: partial(self._frame, name, rows) for name, rows in self._rows.items()})
        return Frames(frames if report.interrupted else dict(frames), report, self._broken)

    def discard(self) -> None:
        """Drop everything."""
        self._rows.clear()

    def _frame(self, name: str, rows: list[pa.Table]) -> pd.DataFrame:
        table = TABLES[name]
        filled = [part for part in rows if part.num_rows]
        parts = [split for part in filled for split in by_day(part, table.day, self._day)]
        return to_frame(table, parts or [(self._day, table.empty())])


class FolderSink:
    """Writes rows to a dataset folder; readers see none of them before `finish` commits.

    Attributes
    ----------
    options
        Those of the run, with the tables that the folder has.
    """

    def __init__(
        self, root: Path, options: Options, started: datetime, client: Client, mask: dict[str, Any] | None
    ) -> None:
        self._root = root
        self._started = started
        self._writer = DatasetWriter(root, started.date(), options.selected)
        try:
            # Again, now that the lock keeps other writers out.
            history = list(commits(self._writer.layout))
            require_same_application(root, client, history)
            require_same_mask(root, mask)
            if not history:
                require_mask_of_inbox(self._writer.layout, mask)
            self.options = replace(options, tables=resolve_tables(root, options.tables, history))
            self._writer.select(self.options.selected)
            source = f"{client.base_url} {client.application_id}"
            settings = json.dumps(mask, sort_keys=True)
            self.journal: Journal | None = self._writer.journal(source, started, settings, history)
            self._stored = StoredRows(root, history, full=options.full)
            self.missing_files = missing_files(self._writer.layout, history)
        except BaseException:
            self._writer.abandon()
            raise
        self._process: ConversionProcess | None = None
        self.watermarks = self._stored.watermarks
        self.reports = [commit.report for commit in with_carried(history)]
        self.folder_state = FolderState(self.watermarks, last_sweep(self.reports))
        self.writes, self.write = self._writer.writes, self._writer.write
        self.quarantine = self._writer.quarantine

    def conversion_process(self, exported_at: datetime, *, at_once: bool) -> ConversionProcess:
        """A process that can write the rows instead of this sink; it writes all of them, or none."""
        writer, options = self._writer, self.options
        task = ConversionTask(
            root=self._root.absolute(),
            number=writer.number,
            run=writer.run,
            day=self._started.date(),
            tables=options.selected,
            exported_at=exported_at,
            full=options.full,
            parent=os.getpid(),
        )
        self._process = ConversionProcess(task, at_once=at_once)
        return self._process

    def stored_items(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """See `StoredRows.items`."""
        return self._stored.items(conversations)

    def stored_events(self, conversations: Collection[str], *, required: bool = False) -> Mapping[str, StoredEvents]:
        """See `StoredRows.events`."""
        return self._stored.events(conversations, required=required)

    def finish(self, report: Report, states: ConversationStates, in_time: Callable[[], None]) -> Exported:
        """Commit the run, with a warning if it brought far fewer events than the nights before.

        `in_time` is called between steps; what it raises leaves the folder as it was.
        """
        report.warning = volume_warning(report.to_dict(), self.reports)
        previous = self.folder_state.swept_at
        report.swept_at = None if previous is None else utc_text(previous, "seconds")
        if requested_all(report.to_dict()):
            report.swept_at = report.started_at
        report.planned = take_plan(self._writer.layout.work, self.options, self._started, report)
        # As it will be read back.
        stored_report = json.loads(json.dumps({**report.to_dict(), "selected": list(self.options.selected)}))
        whole = not report.interrupted
        staged = self._process if self._process is not None and self._process.used else None
        marks = self._marks(states, report)
        commit = self._writer.commit(marks, stored_report, whole=whole, in_time=in_time, staged=staged)
        report.commit = commit.number
        self._close()
        layout = self._writer.layout
        dataset = Dataset(layout.root, (*commits(layout, before=commit.number), commit))
        dataset.index_conversations()
        return Exported(report, dataset)

    def _marks(self, states: ConversationStates, report: Report) -> Iterator[Watermark]:
        for state in states:
            name = state.conversation_id
            mark = updated_watermark(state, self.watermarks.get(name), self._started, unread=name in report.incomplete)
            if mark is not None:
                yield mark

    def discard(self) -> None:
        """Drop the run; the folder stays as it was."""
        self._close()
        self._writer.abandon()

    def _close(self) -> None:
        self._stored.close()
        if self._process is not None:
            self._process.drop()


class _LazyFrames(Mapping[str, "pd.DataFrame"]):
    """Frames that are built on first access: stopping a run does not wait for them."""

    def __init__(self, makers: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._makers, self._frames = makers, dict[str, "pd.DataFrame"]()

    def __getitem__(self, table: str) -> pd.DataFrame:
        if table not in self._frames:
            self._frames[table] = self._makers[table]()
        return self._frames[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
