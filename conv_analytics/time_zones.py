"""Time zones by their name, and instants on their clocks, also where the calendar of `datetime` ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from conv_analytics.errors import ConfigError

#: The first and the last possible instant.
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
#: Within a quarter of an hour no day begins, in any zone: since 1972, offsets are multiples of it. [us]
QUARTER_US = 15 * 60 * 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
