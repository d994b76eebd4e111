"""Instants on the clock of a zone, also at the ends of the calendar, where wrong clocks put them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

#: The first and the last possible instant.
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
#: Between these every zone has a date.
_FIRST, _LAST = EARLIEST + timedelta(days=1), LATEST - timedelta(days=1)


def on_clock(at: datetime, zone: ZoneInfo) -> datetime:
    """An instant on the clock of a zone; in UTC at the ends of the calendar, where the zone has no date.

    >>> on_clock(EARLIEST, ZoneInfo("America/New_York")).isoformat()
    '0001-01-01T00:00:00+00:00'
    """
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)


def on_clock_column(instants: pd.Series, zone: ZoneInfo) -> pd.Series:
    """The same for a column of instants with a zone; the result has none.

    >>> at = pd.Series([EARLIEST, datetime(2026, 7, 1, tzinfo=UTC)]).astype("datetime64[us, UTC]")
    >>> [str(local) for local in on_clock_column(at, ZoneInfo("America/New_York"))]
    ['0001-01-01 00:00:00', '2026-06-30 20:00:00']
    """
    inner = instants.between(_FIRST, _LAST)
    local: pd.Series = instants.where(inner).dt.tz_convert(zone.key).dt.tz_localize(None).astype("datetime64[us]")
    outer = instants.notna() & ~inner
    if outer.any():
        local[outer] = [on_clock(at.to_pydatetime(), zone).replace(tzinfo=None) for at in instants[outer]]
    return local


__all__ = ["EARLIEST", "LATEST", "on_clock", "on_clock_column"]
