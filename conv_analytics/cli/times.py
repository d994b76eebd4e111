"""Times and durations on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from conv_analytics.errors import ConfigError

ACCEPTED = "2026-11-20, 2026-11-20T14:30, 2026-11-20T14:30:00+01:00, 36h, 7d, 2w, today, yesterday"

ACCEPTED_DURATIONS = "48h, 7d, 2w"

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def instant(text: str, now: datetime, zone: tzinfo = UTC) -> datetime:
    """An instant from a date, a date with a time, or a time ago; in `zone` if the text names none.

    Parameters
    ----------
    text
        The argument.
    now
        The present, with a zone.
    zone
        The zone of days, and of times without a zone.

    Raises
    ------
    ConfigError
        If the text has none of these forms; the message shows what is accepted.

    Examples
    --------
    >>> now = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    >>> instant("36h", now).isoformat(), instant("yesterday", now).isoformat()
    ('2026-11-19T21:30:00+00:00', '2026-11-20T00:00:00+00:00')
    >>> instant("2026-11-20T14:30:00+01:00", now).isoformat()
    '2026-11-20T13:30:00+00:00'
    """
    stripped = text.strip()
    present = now.astimezone(zone).date()
    days = {"today": 0, "yesterday": 1}.get(stripped.lower())
    if days is not None:
        # By the calendar, not by 24 hours: a day may have 23.
        return datetime.combine(present - timedelta(days=days), time(), zone).astimezone(UTC)
    try:
        ago = re.fullmatch(r"([0-9]{1,6})([hdw])", stripped.lower())
        if ago:
            return now.astimezone(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", stripped):
            moment = datetime.fromisoformat(stripped)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        # Well-formed nonsense: day 32, hour 25, year 0.
        pass
    raise ConfigError(f"{text!r} is not a point in time. Accepted forms: {ACCEPTED} (UTC without a zone).")


def duration(text: str) -> timedelta:
    """A duration from hours, days or weeks.

    Raises
    ------
    ConfigError
        If the text is not a duration; the message shows what is accepted.

    Examples
    --------
    >>> duration("48h"), duration("2w")
    (datetime.timedelta(days=2), datetime.timedelta(days=14))
    """
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip().lower())
    if not match:
        raise ConfigError(f"{text!r} is not a length of time. Accepted forms: {ACCEPTED_DURATIONS}.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
