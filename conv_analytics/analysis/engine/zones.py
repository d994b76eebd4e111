"""Local time of any zone as plain integers: equal on every engine, and right on days of 23, 24.5 or 25 hours.

The offsets of a zone are looked up once for the period of the data; rows then need only sums and comparisons.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.analysis.maths.sweep import HOUR
from conv_analytics.instants import MICROSECOND, from_micros, micros
from conv_analytics.proportions import Floats
from conv_analytics.time_zones import hour_end, hour_start, within_hour, zone_info

_DAY = 24 * HOUR
#: Keys derived from an instant: hour 0-23, weekday 0-6 from Monday, day and Monday of the week as `2026-11-23`.
KEYS = ("hour", "weekday", "day", "week")
#: Offsets of a zone are known between these; instants outside come from wrong clocks.
_KNOWN = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Zone:
    """A zone's offsets over some time.

    Attributes
    ----------
    name
        IANA name, such as ``Europe/London``.
    steps
        Pairs of an instant and the offset that holds from there on; the first instant is the earliest requested. [us]
    """

    name: str
    steps: tuple[tuple[int, int], ...]

    @classmethod
    def over(cls, name: str, first: datetime | None, last: datetime | None) -> Zone:
        """The zone between two instants; outside of them the nearest known offset applies.

        Raises
        ------
        ConfigError
            If there is no such zone.
        """
        zone = zone_info(name)
        if first is None or last is None:
            return cls(name, ((0, 0),))
        start, last = (min(max(at.astimezone(UTC), _KNOWN[0]), _KNOWN[1]) for at in (first, last))
        steps = [(micros(start), _offset(zone, start))]
        while start < last:
            later = min(start + timedelta(days=1), last)
            if _offset(zone, later) != steps[-1][1]:
                steps += [(at, _offset(zone, from_micros(at))) for at in _changes(zone, start, later)]
            start = later
        return cls(name, tuple(steps))

    def local(self, utc: nw.Expr) -> nw.Expr:
        """Microseconds of the zone's clock, as if it were UTC, of an instant in microseconds."""
        return utc + self._offset_of(utc, 0, len(self.steps))

    def _offset_of(self, utc: nw.Expr, first: int, last: int) -> nw.Expr:
        """The offset, by binary search over the steps: engines refuse expressions hundreds of levels deep."""
        if last - first == 1:
            return nw.lit(self.steps[first][1])
        middle = (first + last) // 2
        early, late = self._offset_of(utc, first, middle), self._offset_of(utc, middle, last)
        return nw.when(utc < self.steps[middle][0]).then(early).otherwise(late)

    def hour_start(self, at: int) -> int:
        """The start of the zone's hour that an instant lies in."""
        return hour_start(at, self._offset_at)

    def hour_end(self, at: int) -> int:
        """The end of the zone's hour that an instant lies in."""
        return hour_end(at, self._offset_at)

    def within_hour(self, change: int) -> bool:
        """Whether a change of the clock lies within one of its hours, rather than between two."""
        return within_hour(change, self._offset_at)

    def _offset_at(self, at: int) -> int:
        """The offset at any instant, also outside of the steps."""
        return _offset(zone_info(self.name), known_instant(at))

    def lengths(self, periods: npt.NDArray[np.int64], length_us: int) -> Floats:
        """How long periods of the zone's clock lasted, by the usual length: 0 if clocks skip one, 2 if it comes twice.

        Each is given by its number since 1970.
        """
        result = np.ones(len(periods))
        for (_, before), (at, after) in itertools.pairwise(self.steps):
            first, last = sorted((at + before, at + after))
            inside = np.minimum((periods + 1) * length_us, last) - np.maximum(periods * length_us, first)
            part = np.maximum(inside, 0) / length_us
            result += part if after < before else -part
        return result

    def key(self, name: str, utc: nw.Expr) -> nw.Expr:
        """One of `KEYS` as a number: hours and weekdays as they are, days and weeks counted from 1970-01-01."""
        local = self.local(utc)
        if name == "hour":
            return _floor_div(_modulo(local, _DAY), HOUR)
        day = _floor_div(local, _DAY)
        if name == "day":
            return day
        # 1970-01-01 was a Thursday.
        weekday = _modulo(day + 3, 7)
        return weekday if name == "weekday" else day - weekday


def _modulo(number: nw.Expr, divisor: int) -> nw.Expr:
    """The remainder, never negative: engines disagree on its sign, and on `//` of integers."""
    return (number % divisor + divisor) % divisor


def _floor_div(number: nw.Expr, divisor: int) -> nw.Expr:
    return (number - _modulo(number, divisor)) / divisor


def formatted_key(name: str, numbers: pd.Series[Any]) -> pd.Series[Any]:
    """A key formatted for display: numbers, and days as text."""
    if name in {"hour", "weekday"}:
        return numbers.astype("Int64")
    # By numpy: a wrong clock's first or last day of all may be one earlier or later in this zone.
    days = numbers.astype("float64").map(lambda day: str(np.datetime64(int(day), "D")), "ignore")
    return days.astype("str")


def labels(name: str, instants: Iterable[int]) -> list[str]:
    """Instants on a zone's clock, like ``2026-11-02 10:00+01:00``; of wrong clocks, with the nearest known offset."""
    zone = zone_info(name)
    return [_label(zone, int(at)) for at in instants]


def known_instant(at: int) -> datetime:
    """The instant of some microseconds; of wrong clocks the nearest at which offsets are known, as in `Zone.over`."""
    first, last = (micros(known) for known in _KNOWN)
    return from_micros(min(max(at, first), last))


def _label(zone: ZoneInfo, at: int) -> str:
    known = known_instant(at).astimezone(zone)
    text = known.isoformat(" ", "minutes")
    if at == micros(known):
        return text
    wall = np.datetime64(at + _offset(zone, known), "us")
    return str(np.datetime_as_string(wall, unit="m")).replace("T", " ") + text[len("2026-11-02 10:00") :]


def _offset(zone: ZoneInfo, at: datetime) -> int:
    shift = at.astimezone(zone).utcoffset() or timedelta()
    return shift // MICROSECOND


def _changes(zone: ZoneInfo, low: datetime, high: datetime) -> list[int]:
    """Where the offset changes between two instants less than a day apart: once, to the second."""
    before = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle in {low, high}:
            break
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    whole = high.replace(microsecond=0)
    return [micros(whole if _offset(zone, whole) != before else high)]


__all__ = ["HOUR", "KEYS", "Zone", "formatted_key", "known_instant", "labels", "zone_info"]
