"""The time axis: its ticks, and the format of instants and durations."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from conv_analytics.instants import from_micros, micros
from conv_analytics.time_zones import EARLIEST, LATEST, on_clock

SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
#: Distances between ticks. [µs]
STEPS = (
    *(size * power for power in (1000, 10_000, 100_000) for size in (1, 2, 5)),
    *(size * SECOND for size in (1, 2, 5, 10, 15, 30)),
    *(size * _MINUTE for size in (1, 2, 5, 10, 15, 30)),
    *(size * _HOUR for size in (1, 2, 3, 6, 12)),
    *(size * _DAY for size in (1, 2, 7, 14, 28, 91, 364)),
)  # fmt: skip
_FIRST, _LAST = micros(EARLIEST), micros(LATEST)
#: Width that a label of the axis needs. [px]
LABEL_PX = 84


def local(at: int, zone: ZoneInfo) -> datetime:
    """An instant on the clock of a zone."""
    return on_clock(from_micros(min(max(at, _FIRST), _LAST)), zone)


def ticks(start: int, end: int, width: float, zone: ZoneInfo) -> list[tuple[int, str]]:
    """Ticks from `start` to `end`: even times of the zone's clock, each with its label.

    >>> [label for _, label in ticks(0, 20 * SECOND, 400, ZoneInfo("UTC"))]
    ['00:00:00', '00:00:05', '00:00:10', '00:00:15', '00:00:20']
    """
    # Clocks that are wrong by centuries need several of the largest step between two ticks.
    least = LABEL_PX * (end - start) / max(width, 1)
    step = next((each for each in STEPS if each >= least), STEPS[-1] * math.ceil(least / STEPS[-1]))
    made, at = [], start
    while at <= end:
        offset = _offset(at, zone)
        tick = -(-(at + offset) // step) * step - offset
        # The clock may change between the two ticks.
        tick += offset - _offset(tick, zone) if step >= _DAY else 0
        if at <= tick <= end:
            made.append((tick, label(tick, step, zone)))
        at = max(tick, at) + (step // 2 if step >= _DAY else 1)
    return made


def label(at: int, step: int, zone: ZoneInfo) -> str:
    """The label of a tick: as exact as its step; the day at midnight, and the year alone for steps of years."""
    clock = local(at, zone)
    if step > STEPS[-1]:
        return f"{clock.year:04d}"
    midnight = (clock.hour, clock.minute, clock.second, clock.microsecond) == (0, 0, 0, 0)
    if step >= _DAY or (midnight and at):
        return f"{clock:%d %b}".lstrip("0")
    if step < SECOND:
        return f"{clock:%H:%M:%S}.{clock.microsecond // 1000:03d}"
    return f"{clock:%H:%M:%S}" if step < _MINUTE else f"{clock:%H:%M}"


def stamp(at: int | None, zone: ZoneInfo) -> str:
    """An instant in full, with the offset from UTC.

    >>> stamp(1_774_746_000_000_000, ZoneInfo("Europe/London"))
    '2026-03-29 02:00:00.000 +01:00'
    """
    if at is None:
        return "no instant"
    clock = local(at, zone)
    offset = clock.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    shift = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return f"{clock.replace(tzinfo=None).isoformat(' ', 'milliseconds')} {shift}"


def duration(microseconds: int) -> str:
    """A duration for people.

    >>> [duration(value * 1000) for value in (3, 12_340, 83_000, 3_723_000, 200_000_000)]
    ['3 ms', '12.34 s', '1:23 min', '1:02:03 h', '2 d 7 h']
    """
    if microseconds < SECOND:
        return f"{microseconds / 1000:.0f} ms"
    if microseconds < _MINUTE:
        return f"{microseconds / SECOND:.2f} s"
    seconds = round(microseconds / SECOND)
    if microseconds < _HOUR:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    if microseconds < _DAY:
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} h"
    return f"{seconds // 86_400} d {seconds // 3600 % 24} h"


def _offset(at: int, zone: ZoneInfo) -> int:
    return round((local(at, zone).utcoffset() or timedelta()).total_seconds()) * SECOND


__all__ = ["LABEL_PX", "SECOND", "STEPS", "duration", "label", "local", "stamp", "ticks"]
