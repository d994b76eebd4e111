"""Where an export ends: DataFrames in memory, or a dataset folder. Both take rows and finish all at once."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conv_analytics.dataset import Dataset, DatasetWriter, open_dataset
from conv_analytics.dataset.commit import commits, watermarks
from conv_analytics.dataset.layout import Layout
from conv_analytics.errors import ConfigError
from conv_analytics.export.nights import odd
from conv_analytics.export.report import Report
from conv_analytics.tables import TABLES
from conv_analytics.tables.days import by_day
from conv_analytics.tables.frame import counts_html, to_frame

if TYPE_CHECKING:
    import pandas as pd


class Frames(Mapping[str, "pd.DataFrame"]):
    """The tables of an export without a folder: a mapping of table name to DataFrame.

    Attributes
    ----------
    report
        What the run did.
    broken
        Records that could not be read, one JSON text each: what a folder keeps in ``_quarantine/``.
    """

    def __init__(self, frames: Mapping[str, pd.DataFrame], report: Report, broken: list[str]) -> None:
        self._frames = dict(frames)
        self.report = report
        self.broken = broken

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self._frames[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return f"Frames({', '.join(f'{name} {len(frame):,}' for name, frame in self._frames.items())})"

    def _repr_html_(self) -> str:
        return counts_html({name: len(frame) for name, frame in self.items()})


@dataclass(frozen=True)
class Exported:
    """An export into a folder: what the run did, and the dataset as it stands now."""

    report: Report
    dataset: Dataset

    def __str__(self) -> str:
        return str(self.report)


class Memory:
    """Keeps rows, and gives them as DataFrames."""

    def __init__(self, tables: Collection[str], day: date) -> None:
        self.watermarks: Mapping[str, int] = {}
        self._day = day
        self._rows: dict[str, list[pa.Table]] = {name: [] for name in tables}
        self._broken: list[str] = []

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        if name in self._rows:
            self._rows[name].append(rows)

    def quarantine(self, lines: list[str]) -> None:
        """Keep what could not be read."""
        self._broken += lines

    def repeated(self, _conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """Nothing: there was no earlier run."""
        return ()

    def reports(self) -> list[Mapping[str, Any]]:
        """None: there was no earlier run."""
        return []

    def finish(self, report: Report, _watermarks: Mapping[str, int]) -> Frames:
        """Everything as DataFrames."""
        return Frames({name: self._frame(name, rows) for name, rows in self._rows.items()}, report, self._broken)

    def abandon(self) -> None:
        """Drop everything."""
        self._rows.clear()

    def _frame(self, name: str, rows: list[pa.Table]) -> pd.DataFrame:
        table = TABLES[name]
        filled = [part for part in rows if part.num_rows]
        parts = [split for part in filled for split in by_day(part, table.day, self._day)]
        return to_frame(table, parts or [(self._day, table.empty())])


class Folder:
    """Writes rows to a dataset folder; nothing of them counts before `finish`."""

    def __init__(self, root: Path, tables: Collection[str], day: date) -> None:
        self._root = root
        self._tables = tuple(tables)
        self._writer = DatasetWriter(root, day, tables)
        self.watermarks: Mapping[str, int] = watermarks(self._writer.layout)
        self.write = self._writer.write
        self.quarantine = self._writer.quarantine
        self.abandon = self._writer.abandon

    def repeated(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """The statuses of legs that the folder has: each later update of a leg tells its whole history again."""
        earlier = open_dataset(self._root)
        return [pair for name in earlier if _repeats(name) for pair in earlier.keys_of(name, conversations)]

    def reports(self) -> list[Mapping[str, Any]]:
        """What the earlier runs did, oldest first."""
        return [commit.report for commit in commits(self._writer.layout)]

    def finish(self, report: Report, reached: Mapping[str, int]) -> Exported:
        """Commit the run, and warn if it brought far less than the nights before."""
        report.warning = odd(report.to_dict(), self.reports())
        changed = {name: last for name, last in reached.items() if self.watermarks.get(name) != last}
        report.commit = self._writer.commit(changed, {**report.to_dict(), "selected": list(self._tables)}).number
        return Exported(report, open_dataset(self._root))


def _repeats(name: str) -> bool:
    each = TABLES[name].each
    return each is not None and each.owner is not None


def recorded_tables(root: Path) -> tuple[str, ...] | None:
    """The tables that earlier runs wrote to a folder; None when there was none."""
    history = list(commits(Layout(root)))
    return tuple(history[-1].report["selected"]) if history else None


def same_tables(root: Path, asked: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The tables of a folder; raise `ConfigError` when others are asked for than it holds.

    A folder knows per conversation up to which event it is complete. That would no longer be true of a table that
    joins later.
    """
    recorded = recorded_tables(root)
    if recorded and asked and set(recorded) != set(asked):
        raise ConfigError(
            f"{root} holds the tables {', '.join(recorded)}. Leave --tables out to go on with these,"
            " or export others to another folder."
        )
    return recorded or asked
