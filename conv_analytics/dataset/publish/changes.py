"""The changes that a commit of a dataset makes to the Delta copy of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.handover.handover import HandOver
from conv_analytics.dataset.snapshot import day_of
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.latest import event_texts
from conv_analytics.dataset.storage.report_schema import CARRIED
from conv_analytics.dataset.storage.views import replaces_rows
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import EVENT_KEY
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.events import EVENTS

if TYPE_CHECKING:
    import pandas as pd

#: The columns for events that came both ways.
_TWICE = pa.schema([EVENT_SOURCES.schema.field(name).remove_metadata() for name in (*EVENT_KEY, "differs")])


class Action(StrEnum):
    """How rows are written to a Delta table."""

    APPEND = "append"
    """New rows, added to the existing ones."""
    MERGE = "merge"
    """Rows that take the place of those with the same key."""
    CORRECT = "correct"
    """New rows, and corrections of events that have now come both from a list and from a webhook or a file."""
    REPLACE = "replace"
    """All rows of the application, in place of the existing ones."""


@dataclass(frozen=True)
class Change:
    """The change of one table by one commit."""

    table: Table
    action: Action
    rows: Callable[[], Iterator[pa.Table]]
    """The rows, as the dataset has them; may be called several times."""
    count: int
    """Rows in the files of the dataset that they come from."""
    both_sources: pa.Table | None = None
    """For a correction: the events from both sources (`EVENT_KEY`), and whether the two versions differ."""
    days: tuple[date, ...] = ()
    """For a correction: the days of their rows."""


class Source:
    """The commits of one application's dataset, and the changes of each.

    Parameters
    ----------
    dataset
        The dataset.
    """

    def __init__(self, dataset: HandOver) -> None:
        self.dataset = dataset
        self.runs = {commit.number: commit.run for commit in with_carried(dataset.commits)}
        """The run of each commit, of earlier ones that a compacted folder carries on, too."""

    def after(self, number: int) -> list[Commit]:
        """The commits after a number, oldest first."""
        return [commit for commit in self.dataset.commits if commit.number > number]

    def adds_nothing(self, commit: Commit, published: int) -> bool:
        """Whether a commit has only rows of earlier, published commits, as the commit of a compacted folder does.

        A copy with `replay` has more, and so may copies of other kinds.
        """
        carried = commit.report.get(CARRIED) or ()
        return commit.report.get("command") == "compact" and all(each["number"] <= published for each in carried)

    def changes(self, commit: Commit) -> Iterator[Change]:
        """The changes of a commit, table by table."""
        if commit.report.get(CARRIED) or commit.removed:
            # Its files have rows of many commits and do not show which are new, or rows of earlier files without those
            # that were pruned.
            yield from self.everything(commit)
            return
        both_sources = self._events_of_both_sources(commit)
        for name, table in TABLES.items():
            files = [file for file in commit.files if file.table == name]
            if both_sources is not None and replaces_rows(table):
                if (change := self._corrected(commit, table, files, both_sources)) is not None:
                    yield change
            elif files:
                action = Action.APPEND if table.latest is None else Action.MERGE
                yield Change(table, action, self._rows(commit, table), _height(files))

    def everything(self, commit: Commit) -> Iterator[Change]:
        """All tables as of a commit."""
        until = self._part(lambda each, _: each.number <= commit.number)
        for name, table in TABLES.items():
            yield Change(table, Action.REPLACE, _reader(until, name), until.rows(name) if name in until.tables else 0)

    def _corrected(self, commit: Commit, table: Table, files: list[File], both_sources: pd.DataFrame) -> Change | None:
        """The change of a table of events by a commit with events from both sources."""
        rows, count = self._rows(commit, table), _height(files)
        if both_sources.index.isin(self._contradicted_events).any():
            until = self._part(lambda each, _: each.number <= commit.number)
            if table.name not in until.tables:
                return None
            return Change(table, Action.REPLACE, _reader(until, table.name), until.rows(table.name))
        # In other tables, only replaced rows change.
        matter = (both_sources if table is EVENTS else both_sources[both_sources["differs"]]).reset_index()
        keys = pa.Table.from_pandas(matter, _TWICE, preserve_index=False)
        if days := self._days(commit, table, keys):
            return Change(table, Action.CORRECT, rows, count, keys, days)
        return Change(table, Action.APPEND, rows, count) if files else None

    def _rows(self, commit: Commit, table: Table) -> Callable[[], Iterator[pa.Table]]:
        """The rows of one commit in a table, without those that are replaced as of this commit."""

        def counts(each: Commit, file: File) -> bool:
            if file.table == table.name:
                return each.number == commit.number
            return file.table == EVENT_SOURCES.name and each.number <= commit.number

        return _reader(self._part(counts), table.name)

    def _part(self, keep: Callable[[Commit, File], bool]) -> HandOver:
        """The dataset with some of its files."""
        kept = [
            dataclasses.replace(each, files=tuple(file for file in each.files if keep(each, file)), report={})
            for each in self.dataset.commits
        ]
        return type(self.dataset)(self.dataset.path, [each for each in kept if each.files] or kept[:1])

    def _events_of_both_sources(self, commit: Commit) -> pd.DataFrame | None:
        """The events from both sources that a commit records, by their key; None without any."""
        if not any(file.table == EVENT_SOURCES.name and file.rows for file in commit.files):
            return None
        rows = self._sources[self._sources["commit"] == commit.number].set_index(list(EVENT_KEY))
        return rows.loc[~rows.index.duplicated(keep="last"), ["differs"]] if len(rows) else None

    @cached_property
    def _sources(self) -> pd.DataFrame:
        """The events from both sources, with the number of the commit that records them."""
        parts = []
        for number in {number for number, _ in self.dataset.numbered(EVENT_SOURCES.name)}:
            part = self._part(lambda each, file: each.number == number and file.table == EVENT_SOURCES.name)  # noqa: B023  used at once
            rows = part.table(EVENT_SOURCES.name, columns=[*EVENT_KEY, "differs"]).to_arrow()
            parts.append(rows.append_column("commit", pa.repeat(pa.scalar(number), len(rows))))
        frame: pd.DataFrame = pa.concat_tables(parts).to_pandas().dropna()
        return frame.astype({EVENT_KEY[1]: "int64", "differs": "bool"})

    @cached_property
    def _contradicted_events(self) -> pd.Index[Any]:
        """The events about which two commits disagree."""
        grouped = self._sources.groupby(list(EVENT_KEY))["differs"].nunique()
        return grouped[grouped > 1].index

    def _days(self, commit: Commit, table: Table, keys: pa.Table) -> tuple[date, ...]:
        """The days on which earlier commits have rows of some events."""
        if not len(keys) or table.name not in self.dataset.tables:
            return ()
        wanted = event_texts(keys)
        earlier = [file for number, file in self.dataset.numbered(table.name) if number < commit.number]
        return tuple(day for day in sorted({*map(day_of, earlier)}) if self._has_rows_of(table, earlier, day, wanted))

    def _has_rows_of(self, table: Table, files: Collection[File], day: date, events: pa.ChunkedArray) -> bool:
        """Whether files of a day have rows of some events."""
        paths = {file.path for file in files if day_of(file) == day}
        keys = self._part(lambda _, file: file.path in paths).table(table.name, columns=EVENT_KEY)
        return any(pc.any(pc.is_in(event_texts(batch), events)).as_py() for batch in keys.reader())


def _reader(dataset: HandOver, name: str) -> Callable[[], Iterator[pa.Table]]:
    """The rows of a table of a dataset, each once."""

    def rows() -> Iterator[pa.Table]:
        for batch in dataset.table(name).reader() if name in dataset.tables else ():
            yield pa.Table.from_batches([batch])

    return rows


def _height(files: Collection[File]) -> int:
    return sum(file.rows for file in files)


__all__ = ["Action", "Change", "Source"]
