"""Instants as integer milliseconds, and when conversations begin during a week."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate

HOUR_MS = 3_600_000
# Share of the day's conversations that begin in each UTC hour: two office peaks, a lunch dip, a quiet night.
WEEKDAY_LOAD = (2, 1, 1, 1, 2, 4, 12, 34, 72, 96, 100, 92, 70, 84, 98, 94, 78, 52, 36, 26, 18, 12, 7, 4)
WEEKEND_LOAD = tuple(round(load * 0.25) + 1 for load in WEEKDAY_LOAD)
SATURDAY = 5


def to_ms(instant: datetime) -> int:
    """Return milliseconds since 1970 (a datetime without zone counts as UTC)."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


def iso(ms: int) -> str:
    """Write an instant as the API usually does: UTC, three fraction digits, `Z` (contract 6)."""
    minutes, rest = divmod(ms, 60_000)
    return f"{_minute(minutes)}{rest // 1000:02d}.{rest % 1000:03d}Z"


def iso_seconds(ms: int) -> str:
    """Write an instant without a fraction (billing events, contract 7.9)."""
    minutes, rest = divmod(ms, 60_000)
    return f"{_minute(minutes)}{rest // 1000:02d}Z"


class Arrivals:
    """When the n conversations of a world begin: growing instants that follow office hours.

    The k-th arrival is a quantile of the load curve, so that arrivals are sorted by construction and each
    can be computed alone.
    """

    def __init__(self, count: int, end: datetime, days: int) -> None:
        """Spread `count` arrivals over `days` days before `end`."""
        self.count = max(count, 1)
        self._start = to_ms(end) - days * 24 * HOUR_MS
        loads = []
        for hour in range(days * 24):
            at = datetime.fromtimestamp((self._start + hour * HOUR_MS) / 1000, UTC)
            loads.append((WEEKEND_LOAD if at.weekday() >= SATURDAY else WEEKDAY_LOAD)[at.hour])
        self._cumulative = [0, *accumulate(loads)]

    def at(self, k: int, jitter: float) -> int:
        """Return the instant [ms] of arrival k; jitter in [0, 1) moves it within its own slot."""
        target = (k + jitter) / self.count * self._cumulative[-1]
        hour = min(bisect_right(self._cumulative, target) - 1, len(self._cumulative) - 2)
        low, high = self._cumulative[hour], self._cumulative[hour + 1]
        return self._start + int((hour + (target - low) / (high - low)) * HOUR_MS)
