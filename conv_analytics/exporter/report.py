"""The report of a run: stored in its commit, printed at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conv_analytics import markup
from conv_analytics.dataset.maintenance.finding import first_few
from conv_analytics.dataset.storage.missing_files import describe_missing
from conv_analytics.errors import clock_remark
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter.row_counts import RowCounts
from conv_analytics.tables import TABLES

#: Maximum ids of conversations in a report; the rest are only counted.
LISTED = 1000
#: Maximum unreadable conversations that are printed.
_SHOWN = 5


@dataclass(repr=False)
class Report:
    """The report of a run.

    A run is complete when everything that the API listed was read; otherwise ``incomplete`` says what was not, and why.
    """

    since: str | None = None
    until: str | None = None
    started_at: str = ""
    """UTC, ISO 8601."""
    tables: dict[str, int] = field(default_factory=dict)
    """Rows per table, of this run."""
    events: int = 0
    """New events, whether or not the table ``events`` is exported."""
    listed: int = 0
    """Conversations listed."""
    unchanged: int = 0
    """Conversations without events since the last run."""
    not_probed: int = 0
    """Conversations skipped because they have long been quiet (with a lookback)."""
    full: bool = False
    """Whether all events were requested again."""
    already_stored: int = 0
    """Events that the folder had already, in a full run or from a server that lists more than was requested. They are
    not stored again."""
    changed: int = 0
    """Those of them whose body has changed: deleted or edited in place. The folder keeps the first."""
    confirmed: int = 0
    """Listed events known from a webhook or a file, with the same content. They are not stored again."""
    corrected: int = 0
    """Listed events known from a webhook or a file, with different content: the list's row replaces theirs."""
    swept_at: str | None = None
    """Start of the last complete run, possibly this one, that requested every conversation."""
    planned: dict[str, Any] | None = None
    """The estimate of `conv_analytics.exporter.plan` within the last day, and its error."""
    requests: int = 0
    """Requests sent, including retries."""
    retries: int = 0
    """Requests that were retries."""
    waited_s: float = 0.0
    """Time waited before retries, summed over all requests. [s]"""
    downloaded_bytes: int = 0
    quarantined: int = 0
    """Records with something unreadable."""
    lost: int = 0
    """Those of them that have no row because they are not records at all."""
    duplicates: int = 0
    """Records that came more than once and were stored once."""
    implausible_ids: dict[str, int] = field(default_factory=dict)
    """Number of events with ids far above the last one, by conversation; watermarks ignore them."""
    pending: dict[str, int] = field(default_factory=dict)
    """Maximum number of missing events, by conversation whose list ends before its last event. The next runs request
    them again until they appear, or for as long as they may (the API never lists ephemeral events)."""
    unknown_types: Counter[str] = field(default_factory=Counter)
    """Number of events of types that only the table ``events`` has, by type."""
    unknown_fields: Counter[str] = field(default_factory=Counter)
    """Number of events with keys that no column has, for the first `LISTED` keys; the values are in ``extra``."""
    gone: list[str] = field(default_factory=list)
    """Conversations that were listed but gone when requested."""
    incomplete: dict[str, str] = field(default_factory=dict)
    """Why something could not be read to its end, by conversation id, or ``conversations`` for the list."""
    interrupted: bool = False
    resumed: int = 0
    """Responses taken from the journal of an interrupted run instead of being requested again."""
    resumed_from: str | None = None
    """When that interrupted run began, UTC, ISO 8601."""
    warning: str | None = None
    """Set when a complete run brought far fewer events than the nights before."""
    missing_files: dict[str, int] = field(default_factory=dict)
    """Files of earlier runs that the folder lacked when this run began, by table. Not looked for in a bucket."""
    allow_empty: bool = False
    """Whether the caller accepts that: the run then succeeds, and counts as a usual night for later ones."""
    clock_offset_s: float | None = None
    """The API's clock minus this machine's; None when they agree. [s]"""
    application: dict[str, Any] | None = None
    """The application that was read, ``id``, and the ``host`` that it was read from."""
    mask: dict[str, Any] | None = None
    """The key's id and the rules, if personal data was masked."""
    pace: dict[str, Any] = field(default_factory=dict)
    """The run's findings about the server: the rate it accepts [1/s] (None if it refused nothing), the requests in
    flight, and the number of refusals (429). The next run to the same folder starts from it."""
    seconds: float = 0.0
    commit: int | None = None
    """Number of the commit in the dataset."""

    def add(self, counts: RowCounts) -> None:
        """Add the counts of some rows."""
        # Replaced, not changed: others read it meanwhile.
        self.tables = self.tables | {name: self.tables.get(name, 0) + rows for name, rows in counts.tables.items()}
        for name in (
            "events",
            "already_stored",
            "changed",
            "confirmed",
            "corrected",
            "quarantined",
            "lost",
            "duplicates",
        ):
            setattr(self, name, getattr(self, name) + getattr(counts, name))
        for conversation_id, number in counts.implausible_ids.items():
            self.implausible_ids[conversation_id] = self.implausible_ids.get(conversation_id, 0) + number
        self.pending |= counts.pending
        self.unknown_types += counts.unknown_types
        for key, number in counts.unknown_fields.items():
            # A sender may invent keys for every event; the report must not grow with them.
            if key in self.unknown_fields or len(self.unknown_fields) < LISTED:
                self.unknown_fields[key] += number

    @property
    def status(self) -> Literal["complete", "incomplete"]:
        """Whether everything that the API listed was read."""
        return "incomplete" if self.incomplete or self.interrupted else "complete"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values, as a commit stores it."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "commit"}
        incomplete = dict(list(self.incomplete.items())[:LISTED])
        return values | {
            "status": self.status,
            "unknown_types": dict(self.unknown_types.most_common(LISTED)),
            "unknown_fields": dict(self.unknown_fields.most_common()),
            "gone": self.gone[:LISTED],
            "gone_count": len(self.gone),
            "pending": dict(list(self.pending.items())[:LISTED]),
            "pending_count": len(self.pending),
            "incomplete": incomplete,
            "incomplete_count": len(self.incomplete),
            "seconds": round(self.seconds, 3),
            "waited_s": round(self.waited_s, 3),
        }

    def summary(self) -> Mapping[str, Any]:
        """The object that ``conv-analytics export --json`` prints."""
        return {
            "status": self.status,
            "tables": self.tables,
            "requests": self.requests,
            "retries": self.retries,
            "quarantined": self.quarantined,
            "gone": len(self.gone),
            "seconds": round(self.seconds, 3),
            "commit": self.commit,
            "warning": "; ".join(self._warnings()) or None,
            "clock_offset_s": self.clock_offset_s,
            "not_probed": self.not_probed,
            "pending": len(self.pending),
            "planned": self.planned,
        }

    def __str__(self) -> str:
        """A few lines for people."""
        width = max(map(len, TABLES))
        lines = [f"{name:<{width}} {self.tables[name]:>12,}" for name in TABLES if name in self.tables]
        return "\n".join([*lines, "", self.sentence(), *self.remarks()])

    @safe_repr
    def __repr__(self) -> str:
        return f"Report({self.status}: {self._counts()})"

    def _repr_html_(self) -> str:
        rows = ((name, self.tables[name]) for name in TABLES if name in self.tables)
        return markup.block("Report", self.sentence(), markup.grid(("table", "rows of this run"), rows), self.notes())

    def sentence(self) -> str:
        """The run in one line."""
        return (
            f"{self.status}: {self.listed:,} conversations in {self.seconds:,.1f} s, {self.requests:,} requests"
            f" ({self.retries:,} repeated), {self.downloaded_bytes / 1e6:,.1f} MB"
        )

    def remarks(self) -> list[str]:
        """Remarks, one line each."""
        # Only a run into a folder has a commit, and only a folder has a quarantine.
        unreadable = ".broken of the result" if self.commit is None else "_quarantine/"
        remarks = (
            (self.unchanged, "{:,} conversations had no new events"),
            (self.resumed, "{:,} answers were kept by the run before, which was cut short"),
            (self.not_probed, "{:,} conversations were not requested: quiet for longer than the lookback"),
            (self.already_stored, "{:,} events were in the folder already"),
            (self.changed, "{:,} of them have another body now (deleted or edited); the folder keeps the first"),
            (len(self.gone), "{:,} conversations were gone before they could be read (expired)"),
            (self.quarantined, f"{{:,}} records have something unreadable; see {unreadable}"),
            (self.duplicates, "{:,} records came more than once and were kept once"),
            (sum(self.implausible_ids.values()), "{:,} events have ids far above the last one of their conversation"),
            (sum(self.unknown_types.values()), "{:,} events of unknown types are in events only"),
            (len(self.unknown_fields), "{:,} unknown fields of events are in the column extra"),
        )
        lines = [text.format(count) for count, text in remarks if count]
        if self.pending:
            names = first_few(sorted(self.pending), _SHOWN)
            lines.append(
                f"{len(self.pending):,} conversations end before the event that they name as their last ({names});"
                " the next runs request the rest"
            )
        for what, why in list(self.incomplete.items())[:_SHOWN]:
            lines.append(markup.line(f"not read to the end: {what}: {why}"))
        if len(self.incomplete) > _SHOWN:
            lines.append(f"... and {len(self.incomplete) - _SHOWN:,} more")
        if remark := clock_remark(self.clock_offset_s or 0.0):
            lines.append(remark)
        if self.planned:
            lines.append(against_plan(self.planned))
        lines += [markup.line(f"warning: {text}") for text in self._warnings()]
        if self.interrupted:
            lines.append("interrupted; run the same command again to go on")
        return lines

    def _warnings(self) -> list[str]:
        missing = [describe_missing(self.missing_files)] if self.missing_files else []
        return [*missing, *([self.warning] if self.warning else [])]

    def notes(self) -> str:
        """The remarks as HTML."""
        return markup.notes(self.remarks())

    def _counts(self) -> str:
        return f"{self.listed:,} conversations, {self.events:,} new events, {self.requests:,} requests"


def against_plan(planned: Mapping[str, Any]) -> str:
    """A plan and its error, in one line.

    >>> planned = {"requests": 2020, "low": 2000, "high": 2310, "seconds": 202.0, "error": 0.02, "seconds_error": -0.4}
    >>> against_plan(planned)
    'planned: 2,020 requests (2,000 to 2,310) in 202 s; it took 2.0 % more requests and 40.0 % less time'
    """
    more, longer = planned["error"], planned["seconds_error"]
    return (
        f"planned: {planned['requests']:,} requests ({planned['low']:,} to {planned['high']:,})"
        f" in {planned['seconds']:,.0f} s; it took {abs(more):.1%} {'less' if more < 0 else 'more'} requests"
        f" and {abs(longer):.1%} {'less' if longer < 0 else 'more'} time"
    ).replace("%", " %")
