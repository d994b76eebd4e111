"""The results of an export: DataFrames, or a report and the dataset of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conv_analytics.dataset import Dataset
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter.ingest_report import Ingested
from conv_analytics.exporter.report import Report
from conv_analytics.markup import block, grid

if TYPE_CHECKING:
    import pandas as pd


class Frames(Mapping[str, "pd.DataFrame"]):
    """The tables of an export to memory: a mapping of table name to DataFrame.

    Attributes
    ----------
    report
        The run's report.
    broken
        Records that could not be read, one JSON text each: what a folder keeps in ``_quarantine/``.
    """

    def __init__(self, frames: Mapping[str, pd.DataFrame], report: Report, broken: list[str]) -> None:
        self._frames = frames
        self.report = report
        self.broken = broken

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self._frames[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    @safe_repr
    def __repr__(self) -> str:
        return f"Frames({', '.join(f'{name} {len(frame):,}' for name, frame in self._frames.items())})"

    def _repr_html_(self) -> str:
        rows = ((name, len(frame), len(frame.columns)) for name, frame in self.items())
        return block("Frames", self.report.sentence(), grid(("table", "rows", "columns"), rows), self.report.notes())


@dataclass(frozen=True)
class Exported:
    """The result of an export to a folder: the run's report, and the dataset after it."""

    report: Report
    dataset: Dataset
    ingested: Ingested | None = None
    """Counts of the events from the folder's listener, folded in after the list; None when there were none."""

    def __str__(self) -> str:
        return str(self.report) if self.ingested is None else f"{self.report}\nlive {self.ingested}"

    @safe_repr
    def __repr__(self) -> str:
        return f"Exported({str(self.dataset.path)!r}, {self.report!r})"

    def _repr_html_(self) -> str:
        totals = {name: self.dataset.rows(name) for name in self.dataset.tables}
        rows = ((name, self.report.tables.get(name, 0), total) for name, total in totals.items())
        table = grid(("table", "rows of this run", "rows in all"), rows)
        return block(str(self.dataset.path), self.report.sentence(), table, self.report.notes())
