"""Which part of the call list a run of coverage reads. Pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from conv_analytics.errors import ConfigError

COMMAND = "coverage"
#: How far the first run looks back.
FIRST = timedelta(days=1)
#: Calls that began later may not have been listed, or their events not delivered.
SETTLING = timedelta(minutes=10)
#: Windows overlap by this much: whether the list includes their bounds is not documented (live contract 7).
OVERLAP = timedelta(minutes=1)
#: A longer window is read in parts: a page that cannot be read costs one of them.
PART = timedelta(days=7)
#: For how long a leg that could not be judged is checked again.
PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Window:
    """The period whose calls are checked; its end is not included."""

    since: datetime
    until: datetime

    def parts(self) -> list[Window]:
        """The window in parts of a week.

        >>> from datetime import UTC
        >>> first = datetime(2026, 11, 20, tzinfo=UTC)
        >>> [part.until.day for part in Window(first, first + timedelta(days=9)).parts()]
        [27, 29]
        """
        count = -(-(self.until - self.since) // PART)
        steps = [*(self.since + number * PART for number in range(count)), self.until]
        return [Window(*pair) for pair in pairwise(steps)]


def window_of(
    since: datetime | None, until: datetime | None, now: datetime, reports: Iterable[Mapping[str, Any]]
) -> Window:
    """The window of a run that starts now.

    Parameters
    ----------
    since, until
        As the caller passed them. By default from where the last run ended, or the last 24 hours, and until ten minutes
        ago: calls that began later may still be on their way into the list.
    now
        The current time.
    reports
        Reports of the folder, oldest first.

    Raises
    ------
    ConfigError
        If the window is empty.

    Examples
    --------
    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
    >>> window_of(None, None, now, []).since.isoformat(), window_of(None, now, now, []).until.isoformat()
    ('2026-11-20T03:20:00+00:00', '2026-11-21T03:20:00+00:00')
    >>> earlier = {"command": "coverage", "coverage": {"read_until": "2026-11-20T22:00:00Z"}}
    >>> window_of(None, None, now, [earlier]).since.isoformat()
    '2026-11-20T22:00:00+00:00'
    """
    # The list is requested in whole seconds.
    end = min(until or now, (now - SETTLING).replace(microsecond=0))
    begin = since or last_end(reports, now) or end - FIRST
    if begin >= end:
        asked = f"{begin.isoformat()} to {end.isoformat()}"
        raise ConfigError(
            f"There is nothing to check from {asked}: a call is checked ten minutes after it began."
            " Wait a little, or name an earlier since."
        )
    return Window(begin, end)


def last_end(reports: Iterable[Mapping[str, Any]], now: datetime) -> datetime | None:
    """The instant up to which the last coverage run read the call list without a gap; None without such a run.

    A run whose clock was ahead says nothing: it did not read the calls that began later.
    """
    ends = list(_ends(reports))
    last: datetime | None = None
    for (report, end), (after, _) in pairwise([*ends, ({"started_at": now.isoformat()}, now)]):
        next_run = datetime.fromisoformat(after.get("started_at") or now.isoformat())
        if end > now or end > next_run:
            continue
        since = report.get("since")
        # A run over a later window leaves the gap before it, and one over an earlier window takes nothing back.
        if last is None or not isinstance(since, str) or datetime.fromisoformat(since) <= last:
            last = max(filter(None, (last, end)))
    return last


def _ends(reports: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], datetime]]:
    """The runs of coverage, each with the instant up to which it read the call list."""
    for report in reports:
        read_until = (report.get(COMMAND) or {}).get("read_until") if report.get("command") == COMMAND else None
        if isinstance(read_until, str):
            yield report, datetime.fromisoformat(read_until)


def last_export(reports: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The report of the last export that read the newest conversations, too; None if there was none."""
    exports = (
        report
        for report in reports
        if "command" not in report and report.get("started_at") and "listed" in report and not report.get("until")
    )
    last = None
    for last in exports:  # noqa: B007  the last one is wanted
        pass
    return last
