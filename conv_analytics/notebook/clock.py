"""Columns of instants on the clock of a zone, also at the ends of the calendar, where wrong clocks put them."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from conv_analytics.time_zones import EARLIEST, LATEST, on_clock

#: Between these every zone has a date.
_FIRST, _LAST = EARLIEST + timedelta(days=1), LATEST - timedelta(days=1)


def on_clock_column(instants: pd.Series, zone: ZoneInfo) -> pd.Series:
    """A column of instants, with a zone, on the clock of another; the result has none.

    >>> from datetime import UTC, datetime
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


__all__ = ["on_clock_column"]
