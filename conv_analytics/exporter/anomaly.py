"""Whether a complete run may be believed: the API can answer every request and still have next to nothing.

A wrong application, a switched-off route or a recording that stopped looks like a quiet night. What tells them apart is
the nights before; their reports are in the commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

#: So many nights tell what is usual: a week has each weekday once, so two quiet days cannot move the median.
NIGHTS = 7
#: Fewer nights tell nothing: the first is the backlog, and of two none is in the middle.
LEAST_NIGHTS = 3
#: Below this share of what is usual a night is odd. A holiday halves traffic; it does not take four fifths.
SHARE = 0.2
#: Where fewer events are usual, chance alone can take four fifths of them. [events]
LEAST_EVENTS = 50
#: Runs closer together are one night: a repetition, or a look at noon, finds little because the night took it all.
#: Less than a day, so that a job that starts early or late is a night still.
APART = timedelta(hours=20)
#: Sundays are compared with Sundays; the run a week ago may have started so much earlier or later.
_WEEK, _ABOUT = timedelta(days=7), timedelta(hours=12)


@dataclass(frozen=True)
class _Night:
    at: datetime
    events: int


def odd(report: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]]) -> str | None:
    """Say what is odd about a run that brought far fewer new events than the nights before it; None if nothing is.

    Usual is the median of the last `NIGHTS` nights or, where that is less, the night a week ago. Not judged are runs
    that are incomplete, because they say so themselves; with ``since`` or ``until``, because a backfill has a size of
    its own; and those that come within `APART` of the last night, because they are part of the next one. In the first
    week there is no weekend to compare with: the first quiet Saturday may have to be accepted.

    Parameters
    ----------
    report
        Of the run, as its commit keeps it (`Report.to_dict`).
    earlier
        Reports of the earlier runs in the same folder, oldest first.

    Examples
    --------
    >>> def night(day: int, events: int) -> dict[str, Any]:
    ...     return {"started_at": f"2026-11-{day}T03:00:00Z", "status": "complete", "tables": {"events": events}}
    >>> odd(night(20, 12), [night(17, 900), night(18, 1000), night(19, 1100)])
    '12 new events, where 1,000 are usual (median of the last 3 nights)'
    >>> odd(night(20, 700), [night(17, 900), night(18, 1000), night(19, 1100)])
    """
    runs = [run for run in earlier if _counts(run)]
    nights = _nights(runs)
    if not _counts(report) or report["status"] != "complete" or len(nights) < LEAST_NIGHTS:
        return None
    now = _start(report)
    if now - nights[-1].at < APART:
        return None
    tonight = _events(report) + _parts(runs, nights[-1].at, now)
    last = nights[-NIGHTS:]
    expected, source = int(median(night.events for night in last)), f"median of the last {len(last)} nights"
    ago = [night for night in nights if abs(now - _WEEK - night.at) <= _ABOUT]
    week = min((night.events for night in ago), default=expected)
    if week < expected:
        expected, source = week, "the night a week ago"
    if expected < LEAST_EVENTS or tonight >= SHARE * expected:
        return None
    found = f"{tonight:,} new event{'s' * (tonight != 1)}" if tonight else "No new event"
    return f"{found}, where {expected:,} are usual ({source})"


def _nights(runs: list[Mapping[str, Any]]) -> list[_Night]:
    """The complete runs that lie `APART`, each with the events of the runs that led to it."""
    nights: list[_Night] = []
    for run in runs:
        at, before = _start(run), nights[-1].at if nights else datetime.min.replace(tzinfo=UTC)
        # A night that was warned of is no measure, unless somebody said that it is right.
        believed = not run.get("warning") or run.get("allow_empty")
        if run["status"] == "complete" and believed and at - before >= APART:
            nights.append(_Night(at, _events(run) + _parts(runs, before, at)))
    return nights


def _parts(runs: list[Mapping[str, Any]], last: datetime, now: datetime) -> int:
    """New events of the runs since the last night: an incomplete run took what its repetition did not find again.

    Only of those within `APART`: several poor nights in a row do not add up to a good one.
    """
    since = last if now - last < APART else now - APART
    return sum(_events(run) for run in runs if since < _start(run) < now)


def _counts(report: Mapping[str, Any]) -> bool:
    """Whether this is the report of an export of everything new: what asked the API nothing was another command."""
    told = bool(report.get("started_at")) and {"status", "tables"} <= report.keys() and report.get("requests") != 0
    return told and not report.get("since") and not report.get("until")


def _start(report: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(report["started_at"])


def _events(report: Mapping[str, Any]) -> int:
    return int(report["tables"].get("events", 0))
