"""Where an export ends: DataFrames in memory, or a dataset folder. Both take rows and finish all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conv_analytics.dataset import Dataset, DatasetWriter, open_dataset
from conv_analytics.dataset.memory.event_index import Held, Holdings, repeats
from conv_analytics.dataset.memory.journal import Journal
from conv_analytics.dataset.memory.watermarks import Known
from conv_analytics.dataset.storage.commit import commits, promised
from conv_analytics.dataset.storage.history import every
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.marks import Mark
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter.anomaly import odd
from conv_analytics.exporter.kept_estimate import take
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.probing import Past, last_sweep, swept, text_of, to_keep
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.roster import Roster
from conv_analytics.markup import block, grid
from conv_analytics.tables import TABLES
from conv_analytics.tables.days import by_day
from conv_analytics.tables.frame import to_frame

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


class _Later(Mapping[str, "pd.DataFrame"]):
    """Frames that are made on the first look: whoever stopped a run does not wait for them."""

    def __init__(self, makers: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._makers, self._made = makers, dict[str, "pd.DataFrame"]()

    def __getitem__(self, table: str) -> pd.DataFrame:
        if table not in self._made:
            self._made[table] = self._makers[table]()
        return self._made[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class Exported:
    """An export into a folder: what the run did, and the dataset as it stands now."""

    report: Report
    dataset: Dataset

    def __str__(self) -> str:
        return str(self.report)

    @safe_repr
    def __repr__(self) -> str:
        return f"Exported({str(self.dataset.path)!r}, {self.report!r})"

    def _repr_html_(self) -> str:
        held = {name: self.dataset.rows(name) for name in self.dataset.tables}
        rows = ((name, self.report.tables.get(name, 0), total) for name, total in held.items())
        table = grid(("table", "rows of this run", "rows in all"), rows)
        return block(str(self.dataset.path), self.report.sentence(), table, self.report.notes())


class Memory:
    """Keeps rows, and gives them as DataFrames."""

    journal: Journal | None = None

    def __init__(self, tables: Collection[str], day: date) -> None:
        self.past = Past()
        self.known = self.past.known
        self.reports: Sequence[Mapping[str, Any]] = ()
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

    def held(self, _conversations: Collection[str], *, wanted: bool = False) -> Mapping[str, Held]:  # noqa: ARG002
        """Nothing, either."""
        return {}

    def finish(self, report: Report, _roster: Roster, _in_time: Callable[[], None]) -> Frames:
        """Everything as DataFrames; those of a run that was stopped are made when somebody looks at them."""
        frames = _Later({name: partial(self._frame, name, rows) for name, rows in self._rows.items()})
        return Frames(frames if report.interrupted else dict(frames), report, self._broken)

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

    def __init__(
        self, root: Path, options: Options, started: datetime, source: str, mask: dict[str, Any] | None
    ) -> None:
        self._root = root
        self._options, self._started = options, started
        self._writer = DatasetWriter(root, started.date(), options.tables)
        try:
            # Once more, now that nobody else writes.
            same_mask(root, mask)
            self.journal: Journal | None = self._writer.journal(source, started, mask=json.dumps(mask, sort_keys=True))
            history = list(commits(self._writer.layout))
            self.known = Known(root, history)
        except BaseException:
            self._writer.abandon()
            raise
        self.reports = [commit.report for commit in every(history)]
        self.past = Past(self.known, last_sweep(self.reports))
        # Where a watermark did not heed an event, the API lists it again.
        self._again = {name for report in self.reports for name in report.get("beyond", ())}
        self._history = history
        self._holdings: Holdings | None = None
        self.write = self._writer.write
        self.quarantine = self._writer.quarantine

    def repeated(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """The statuses of legs that the folder has: each later update of a leg tells its whole history again."""
        if self._options.full:
            return ()
        earlier, runs = open_dataset(self._root), self.known.runs(conversations)
        tables = [name for name in earlier if repeats(TABLES[name])]
        return [pair for name in tables for pair in earlier.keys_of(name, conversations, runs)]

    def held(self, conversations: Collection[str], *, wanted: bool = False) -> Mapping[str, Held]:
        """What the folder has of those conversations of which the API may list again what it has."""
        every = wanted or self._options.full
        again = [name for name in conversations if every or name in self._again or self._above(name)]
        if again and self._holdings is None:
            self._holdings = Holdings(self._root, self._history, self.known)
        return self._holdings.of(again) if self._holdings and again else {}

    def _above(self, conversation_id: str) -> bool:
        """Whether the folder holds events above the watermark of a conversation."""
        mark = self.known.get(conversation_id)
        return mark is not None and mark.unread and mark.sequence_number is not None

    def finish(self, report: Report, roster: Roster, in_time: Callable[[], None]) -> Exported:
        """Commit the run, and warn if it brought far less than the nights before.

        What `in_time` raises, which is called between steps, leaves the folder as it was.
        """
        report.warning = odd(report.to_dict(), self.reports)
        before = text_of(self.past.swept_at) if self.past.swept_at else None
        report.swept_at = report.started_at if swept(report.to_dict()) else before
        report.planned = take(self._writer.layout.work, self._options, self._started, report)
        # As it is read back.
        kept = json.loads(json.dumps({**report.to_dict(), "selected": list(self._options.tables)}))
        whole = not report.interrupted
        commit = self._writer.commit(self._marks(roster, report), kept, whole=whole, in_time=in_time)
        report.commit = commit.number
        self._close()
        layout = self._writer.layout
        return Exported(report, Dataset(layout, (*commits(layout, before=commit.number), commit)))

    def _marks(self, roster: Roster, report: Report) -> Iterator[Mark]:
        for entry in roster:
            name = entry.conversation_id
            mark = to_keep(entry, self.known.get(name), self._started, unread=name in report.incomplete)
            if mark is not None:
                yield mark

    def abandon(self) -> None:
        """Give the run up; the folder stays as it was."""
        self._close()
        self._writer.abandon()

    def _close(self) -> None:
        self.known.close()
        if self._holdings:
            self._holdings.close()


def settle(root: Path) -> None:
    """Enter the runs of a folder in its log that were killed when they had everything in place but that."""
    if any(promised(staging) for staging in Layout(root).runs()):
        DatasetWriter(root, datetime.now(UTC).date(), ()).abandon()


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


def same_mask(root: Path, asked: Mapping[str, Any] | None) -> None:
    """Raise `ConfigError` when a folder was masked otherwise than asked now: its values would no longer join.

    Parameters
    ----------
    root
        The folder.
    asked
        The settings of the mask; None when nothing is to be masked.
    """
    reports = [commit.report for commit in every(commits(Layout(root)))]
    recorded = next((report["mask"] for report in reversed(reports) if "mask" in report), None)
    if not reports or recorded == asked:
        return
    if recorded is None:
        raise ConfigError(
            f"{root} was exported without a mask, and what it holds is not masked. Export to another folder,"
            " and delete this one when it is no longer needed."
        )
    rules = ",".join(f"{kind}={action}" for kind, action in recorded["rules"].items())
    if asked is None:
        raise ConfigError(f"{root} is masked. Go on with --mask {rules} and the key {recorded['key_id']}.")
    if recorded["key_id"] != asked["key_id"]:
        raise ConfigError(
            f"{root} was masked with the key {recorded['key_id']}, this one is {asked['key_id']}: equal values would no"
            " longer have equal tokens. Use that key, or export to another folder."
        )
    raise ConfigError(f"{root} was masked by other rules. Go on with --mask {rules}, or export to another folder.")
