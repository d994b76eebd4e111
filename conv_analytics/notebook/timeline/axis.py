"""The time axis: its ticks, and the format of instants and durations."""

from __future__ import annotations

import math
from datetime import timedelta
from zoneinfo import ZoneInfo

from conv_analytics.time_zones import clock_change, local_time, offset_us

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
#: Width that a label of the axis needs. [px]
LABEL_PX = 84


def ticks(start: int, end: int, width: float, zone: ZoneInfo) -> list[tuple[int, str]]:
    """Ticks from `start` to `end`: even times of the zone's clock, each with its label.

    A time that clocks skip has no tick, one that comes twice has two. A day whose midnight is skipped has a tick where
    it begins. Of two ticks less than half a step apart, the first stands.

    >>> [label for _, label in ticks(0, 20 * SECOND, 400, ZoneInfo("UTC"))]
    ['00:00:00', '00:00:05', '00:00:10', '00:00:15', '00:00:20']
    """
    # Clocks that are wrong by centuries need several of the largest step between two ticks.
    least = LABEL_PX * (end - start) / max(width, 1)
    step = next((each for each in STEPS if each >= least), STEPS[-1] * math.ceil(least / STEPS[-1]))
    # The tick before the first one may leave no room for it.
    made, at = [], start - min(step, _DAY)
    while (tick := _next_tick(at, step, zone)) <= end:
        if tick >= start:
            made.append((tick, label(tick, step, zone)))
        at = tick + step // 2
    return made


def _next_tick(at: int, step: int, zone: ZoneInfo) -> int:
    """The first instant, from one on, that may have a tick."""
    offset = offset_us(at, zone)
    tick = -(-(at + offset) // step) * step - offset
    if offset_us(tick, zone) == offset:
        return tick
    change = clock_change(at, tick, lambda each: offset_us(each, zone))
    # Days, and multiples of them, have a tick even if their midnight is skipped.
    day = max(step, _DAY)
    begins = -(-(change + offset) // day) * day <= change + offset_us(change, zone)
    return change if begins else _next_tick(change, step, zone)


def label(at: int, step: int, zone: ZoneInfo) -> str:
    """The label of a tick: as exact as its step; the day where one begins, and the year alone for steps of years."""
    clock = local_time(at, zone)
    if step > STEPS[-1]:
        return f"{clock.year:04d}"
    day, before = ((each + offset_us(each, zone)) // _DAY for each in (at, at - 1000))
    if step >= _DAY or (day > before and at):
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
    clock = local_time(at, zone)
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


__all__ = ["LABEL_PX", "SECOND", "STEPS", "duration", "label", "stamp", "ticks"]
