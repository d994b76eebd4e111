"""What a run did: kept in its commit, printed at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conv_analytics import markup
from conv_analytics.dataset.maintenance.finding import some
from conv_analytics.errors import clock_remark
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.tables import TABLES

#: So many ids of conversations are listed in a report; the rest are only counted.
LISTED = 1000
#: So many of those that could not be read are printed.
_SHOWN = 5


@dataclass(repr=False)
class Report:
    """Counts of one run.

    A run is complete when everything that the API listed was read; otherwise ``incomplete`` says what was not, and why.
    """

    since: str | None = None
    until: str | None = None
    started_at: str = ""
    """UTC, ISO 8601."""
    tables: dict[str, int] = field(default_factory=dict)
    """Rows per table, of this run."""
    listed: int = 0
    """Conversations listed."""
    unchanged: int = 0
    """Conversations without events since the last run."""
    not_probed: int = 0
    """Conversations not asked for because they have long been quiet (with a lookback)."""
    full: bool = False
    """Whether all events were asked for again."""
    held: int = 0
    """Events that the folder had already: of a full run, or of a server that lists more than was asked for. They are
    not added again."""
    changed: int = 0
    """Those of them whose body is another one now: deleted or edited in place. The folder keeps the first."""
    swept_at: str | None = None
    """Start of the last complete run, this one included, that asked for every conversation."""
    planned: dict[str, Any] | None = None
    """What `conv_analytics.exporter.plan` expected within the last day, and how far off it was."""
    requests: int = 0
    """Requests sent, repetitions included."""
    retries: int = 0
    """Requests that were repetitions."""
    waited_s: float = 0.0
    """Time that the API asked to wait, or that was waited after failures, added over all requests. [s]"""
    downloaded_bytes: int = 0
    quarantined: int = 0
    """Records with something unreadable."""
    lost: int = 0
    """Those of them that have no row because they are no records at all."""
    duplicates: int = 0
    """Records that came more than once; kept once."""
    beyond: dict[str, int] = field(default_factory=dict)
    """Conversations with events whose ids are far beyond their last one, and how many; no watermark heeds these."""
    pending: dict[str, int] = field(default_factory=dict)
    """Conversations that end before the event that they name as their last, and how many events are missing at most.
    The next runs ask for these again, until they came or must be some that the API never lists (ephemeral ones)."""
    unknown_types: Counter[str] = field(default_factory=Counter)
    """Event types that no table but ``events`` knows, with their number."""
    unknown_fields: Counter[str] = field(default_factory=Counter)
    """Keys of events that no column of ``events`` is made for, with their number; the values are in ``extra``.
    Of the first `LISTED` ones."""
    gone: list[str] = field(default_factory=list)
    """Conversations that were listed but no longer there."""
    incomplete: dict[str, str] = field(default_factory=dict)
    """What could not be read to its end (a conversation's id, or ``conversations`` for the list), and why."""
    interrupted: bool = False
    resumed: int = 0
    """Answers that a run before this one had got and could not commit; they were not asked for again."""
    resumed_from: str | None = None
    """When that run began, UTC, ISO 8601."""
    warning: str | None = None
    """What is odd about the run although it is complete: far fewer events than the nights before brought."""
    allow_empty: bool = False
    """Whether the caller accepts that: the run then ends well, and later ones take it for a usual night."""
    clock_offset_s: float | None = None
    """The API's clock minus this machine's, where that is off; None when it is not. [s]"""
    mask: dict[str, Any] | None = None
    """The key's id and the rules, when personal data was masked."""
    pace: dict[str, Any] = field(default_factory=dict)
    """What was learned of the server: the rate it takes [1/s] (None while it refused nothing), the requests in flight,
    and how many were refused (429). The next run into the same folder begins with it."""
    seconds: float = 0.0
    commit: int | None = None
    """Number of the commit in the dataset."""

    @property
    def status(self) -> Literal["complete", "incomplete"]:
        """Whether all that the API listed was read."""
        return "incomplete" if self.incomplete or self.interrupted else "complete"

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values: what a commit keeps."""
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
            "warning": self.warning,
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
        """What the run did, in a line."""
        return (
            f"{self.status}: {self.listed:,} conversations in {self.seconds:,.1f} s, {self.requests:,} requests"
            f" ({self.retries:,} repeated), {self.downloaded_bytes / 1e6:,.1f} MB"
        )

    def remarks(self) -> list[str]:
        """What is worth knowing besides, a line each."""
        remarks = (
            (self.unchanged, "{:,} conversations had no new events"),
            (self.resumed, "{:,} answers were kept by the run before, which was cut short"),
            (self.not_probed, "{:,} conversations were not asked for: quiet for longer than the lookback"),
            (self.held, "{:,} events were in the folder already"),
            (self.changed, "{:,} of them have another body now (deleted or edited); the folder keeps the first"),
            (len(self.gone), "{:,} conversations were gone before they could be read (expired)"),
            (self.quarantined, "{:,} records have something unreadable; see _quarantine/"),
            (self.duplicates, "{:,} records came more than once and were kept once"),
            (sum(self.beyond.values()), "{:,} events have ids far beyond the last one of their conversation"),
            (sum(self.unknown_types.values()), "{:,} events of unknown types are in events only"),
            (len(self.unknown_fields), "{:,} unknown fields of events are in the column extra"),
        )
        lines = [text.format(count) for count, text in remarks if count]
        if self.pending:
            names = some(sorted(self.pending), _SHOWN)
            lines.append(
                f"{len(self.pending):,} conversations end before the event that they name as their last ({names});"
                " the next runs ask for the rest"
            )
        for what, why in list(self.incomplete.items())[:_SHOWN]:
            lines.append(markup.line(f"not read to the end: {what}: {why}"))
        if len(self.incomplete) > _SHOWN:
            lines.append(f"... and {len(self.incomplete) - _SHOWN:,} more")
        if remark := clock_remark(self.clock_offset_s or 0.0):
            lines.append(remark)
        if self.planned:
            lines.append(against_plan(self.planned))
        if self.warning:
            lines.append(markup.line(f"warning: {self.warning}"))
        if self.interrupted:
            lines.append("interrupted; run the same command again to go on")
        return lines

    def notes(self) -> str:
        """The remarks as HTML."""
        return markup.notes(self.remarks())

    def _counts(self) -> str:
        events = self.tables.get("events", 0)
        return f"{self.listed:,} conversations, {events:,} new events, {self.requests:,} requests"


def against_plan(planned: Mapping[str, Any]) -> str:
    """An estimate and what came of it, in a line.

    >>> told = {"requests": 2020, "low": 2000, "high": 2310, "seconds": 202.0, "error": 0.02, "seconds_error": -0.4}
    >>> against_plan(told)
    'planned: 2,020 requests (2,000 to 2,310) in 202 s; it took 2.0 % more requests and 40.0 % less time'
    """
    more, longer = planned["error"], planned["seconds_error"]
    return (
        f"planned: {planned['requests']:,} requests ({planned['low']:,} to {planned['high']:,})"
        f" in {planned['seconds']:,.0f} s; it took {abs(more):.1%} {'less' if more < 0 else 'more'} requests"
        f" and {abs(longer):.1%} {'less' if longer < 0 else 'more'} time"
    ).replace("%", " %")
