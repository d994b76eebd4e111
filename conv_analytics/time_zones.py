"""Time zones by their name, and instants on their clocks, also where the calendar of `datetime` ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from conv_analytics.errors import ConfigError
from conv_analytics.instants import MICROSECOND, from_micros, micros

#: The first and the last possible instant.
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
#: Within a quarter of an hour no day begins, in any zone: since 1972, offsets are multiples of it. [us]
QUARTER_US = 15 * 60 * 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = micros(EARLIEST), micros(LATEST)
_SECOND, _HOUR = 1_000_000, 3_600_000_000


def zone_info(name: str) -> ZoneInfo:
    """The time zone with that name.

    Raises
    ------
    ConfigError
        If there is none; the message gives examples of names.

    Examples
    --------
    >>> zone_info("Europe/London").key
    'Europe/London'
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ConfigError(
            f"tz={name!r} is not a time zone. Use an IANA name, such as 'Europe/London' or 'UTC'."
        ) from error


def on_clock(at: datetime, zone: ZoneInfo) -> datetime:
    """An instant on the clock of a zone; in UTC at the ends of the calendar, where the zone has no date.

    >>> on_clock(EARLIEST, ZoneInfo("America/New_York")).isoformat()
    '0001-01-01T00:00:00+00:00'
    """
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)


def day_of_quarter(quarter: int, zone: ZoneInfo) -> str:
    """The day, on the clock of a zone, that a quarter of an hour lies in; quarters are counted from 1970 in UTC.

    >>> day_of_quarter(-1, ZoneInfo("UTC")), day_of_quarter(-1, ZoneInfo("Asia/Tokyo"))
    ('1969-12-31', '1970-01-01')
    """
    return on_clock(_EPOCH + quarter * timedelta(microseconds=QUARTER_US), zone).date().isoformat()


def local_time(at: int, zone: ZoneInfo) -> datetime:
    """An instant, in microseconds since 1970, on the clock of a zone; beyond the calendar, its first or last one."""
    return on_clock(from_micros(min(max(at, _FIRST), _LAST)), zone)


def offset_us(at: int, zone: ZoneInfo) -> int:
    """The offset of a zone's clock from UTC at an instant; both in microseconds.

    >>> offset_us(1_774_746_000_000_000, ZoneInfo("Europe/London")) // 60_000_000
    60
    """
    return (local_time(at, zone).utcoffset() or timedelta()) // MICROSECOND


def clock_change(before: int, after: int, offset_of: Callable[[int], int]) -> int:
    """The instant between two, with different offsets, at which the first offset ends; in microseconds, a whole second.

    >>> london = ZoneInfo("Europe/London")
    >>> change = clock_change(1_774_700_000_000_000, 1_774_800_000_000_000, lambda at: offset_us(at, london))
    >>> local_time(change, london).isoformat()
    '2026-03-29T02:00:00+01:00'
    """
    offset, low, high = offset_of(before), before // _SECOND, after // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if offset_of(middle * _SECOND) == offset:
            low = middle
        else:
            high = middle
    return high * _SECOND


def hour_start(at: int, offset_of: Callable[[int], int]) -> int:
    """The start of the hour of a clock that an instant lies in; in microseconds.

    Hours begin where the clock shows a full hour, and where it jumps into another one. So one of Lord Howe lasts 30
    minutes in October, when clocks skip its first half, and another 90 in April, when its second half comes twice.

    >>> lord_howe = ZoneInfo("Australia/Lord_Howe")
    >>> half_past = micros(datetime(2026, 4, 5, 1, 45, fold=1, tzinfo=lord_howe))
    >>> start = hour_start(half_past, lambda at: offset_us(at, lord_howe))
    >>> local_time(start, lord_howe).isoformat(), (half_past - start) // 60_000_000
    ('2026-04-05T01:00:00+11:00', 75)
    """
    offset = offset_of(at)
    start = (at + offset) // _HOUR * _HOUR - offset
    if offset_of(start) == offset:
        return start
    change = clock_change(start, at, offset_of)
    return hour_start(change - 1, offset_of) if within_hour(change, offset_of) else change


def hour_end(at: int, offset_of: Callable[[int], int]) -> int:
    """The end of the hour of a clock that an instant lies in, as for `hour_start`; in microseconds."""
    offset = offset_of(at)
    end = ((at + offset) // _HOUR + 1) * _HOUR - offset
    if offset_of(end) == offset:
        return end
    change = clock_change(at, end, offset_of)
    return hour_end(change, offset_of) if within_hour(change, offset_of) else change


def within_hour(change: int, offset_of: Callable[[int], int]) -> bool:
    """Whether a clock shows the same hour before and after its change, and does not begin it again."""
    before, after = change - 1 + offset_of(change - 1), change + offset_of(change)
    return before // _HOUR == after // _HOUR and after % _HOUR != 0
