"""Whether a complete run brought a plausible number of events, compared with the nights before.

A wrong application, a switched-off route or a recording that stopped answers every request and looks like a quiet
night. The reports of the nights before, which are in the commits, show the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

#: Nights that define what is usual: a week has each weekday once, so two quiet days cannot move the median.
NIGHTS = 7
#: Minimum nights for a judgement: the first is the backlog, and two have no middle one.
MIN_NIGHTS = 3
#: A night below this share of the usual events gets a warning. A holiday halves traffic; it does not take four fifths.
MIN_SHARE = 0.2
#: Minimum usual events for a judgement: of fewer, chance alone can take four fifths. [events]
MIN_EVENTS = 50
#: Runs closer together count as one night: a second run, or one at noon, finds little because the night took it all.
#: Less than a day, so that a job may start early or late.
NIGHT_GAP = timedelta(hours=20)
#: Sundays are compared with Sundays; the run a week ago may have started this much earlier or later.
_WEEK, _TOLERANCE = timedelta(days=7), timedelta(hours=12)


@dataclass(frozen=True)
class _Night:
    at: datetime
    events: int


def volume_warning(report: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]]) -> str | None:
    """A warning for a run that brought far fewer new events than the nights before it; None if it did not.

    Usual is the median of the last `NIGHTS` nights or, where that is less, the night a week ago. Three kinds of runs
    are not judged: incomplete ones, which say so themselves; those with ``since`` or ``until``, because a backfill has
    a size of its own; and those within `NIGHT_GAP` of the last night, because they belong to the next one. In the first
    week there is no weekend to compare with: the first quiet Saturday may have to be accepted.

    Parameters
    ----------
    report
        The report of the run, as its commit stores it (`Report.to_dict`).
    earlier
        Reports of the earlier runs in the same folder, oldest first.

    Examples
    --------
    >>> def night(day: int, events: int) -> dict[str, Any]:
    ...     return {"started_at": f"2026-11-{day}T03:00:00Z", "status": "complete", "tables": {"events": events}}
    >>> volume_warning(night(20, 12), [night(17, 900), night(18, 1000), night(19, 1100)])
    '12 new events, where 1,000 are usual (median of the last 3 nights)'
    >>> volume_warning(night(20, 700), [night(17, 900), night(18, 1000), night(19, 1100)])
    """
    if not _counts(report) or report["status"] != "complete":
        return None
    now = _start(report)
    # A run from the future had a clock that was ahead.
    runs = sorted((run for run in earlier if _counts(run) and _start(run) <= now), key=_start)
    nights = _nights(runs)
    if len(nights) < MIN_NIGHTS:
        return None
    if now - nights[-1].at < NIGHT_GAP:
        return None
    tonight = _events(report) + _parts(runs, nights[-1].at, now)
    last = nights[-NIGHTS:]
    expected, source = int(median(night.events for night in last)), f"median of the last {len(last)} nights"
    week_ago = [night for night in nights if abs(now - _WEEK - night.at) <= _TOLERANCE]
    week = min((night.events for night in week_ago), default=expected)
    if week < expected:
        expected, source = week, "the night a week ago"
    if expected < MIN_EVENTS or tonight >= MIN_SHARE * expected:
        return None
    count = f"{tonight:,} new event{'s' * (tonight != 1)}" if tonight else "No new event"
    return f"{count}, where {expected:,} are usual ({source})"


def _nights(runs: list[Mapping[str, Any]]) -> list[_Night]:
    """The complete runs that are `NIGHT_GAP` apart, each with the events of the runs that led to it."""
    nights: list[_Night] = []
    for run in runs:
        at, before = _start(run), nights[-1].at if nights else datetime.min.replace(tzinfo=UTC)
        # A night with a warning defines nothing, unless somebody accepted it.
        accepted = not run.get("warning") or run.get("allow_empty")
        if run["status"] == "complete" and accepted and at - before >= NIGHT_GAP:
            nights.append(_Night(at, _events(run) + _parts(runs, before, at)))
    return nights


def _parts(runs: list[Mapping[str, Any]], last: datetime, now: datetime) -> int:
    """New events of the runs since the last night: an incomplete run has events that the next run does not get again.

    Only of runs within `NIGHT_GAP`: several poor nights in a row do not add up to a good one.
    """
    since = last if now - last < NIGHT_GAP else now - NIGHT_GAP
    return sum(_events(run) for run in runs if since < _start(run) < now)


def _counts(report: Mapping[str, Any]) -> bool:
    """Whether this is the report of an export without bounds: a report without requests belongs to another command."""
    exported = bool(report.get("started_at")) and {"status", "tables"} <= report.keys() and report.get("requests") != 0
    return exported and not report.get("since") and not report.get("until")


def _start(report: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(report["started_at"])


def _events(report: Mapping[str, Any]) -> int:
    # Earlier versions did not count events apart from the rows of their table.
    return int(report.get("events", report["tables"].get("events", 0)))
