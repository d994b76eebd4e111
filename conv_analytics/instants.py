"""Instants as text, and as microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def utc_text(moment: datetime, timespec: str = "auto") -> str:
    """An instant in UTC as ISO 8601 with a ``Z``; one without a zone is UTC already.

    Parameters
    ----------
    moment
        The instant.
    timespec
        The smallest unit that is written, as for `datetime.datetime.isoformat`.

    Examples
    --------
    >>> utc_text(datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
    '2026-11-21T09:30:00Z'
    >>> utc_text(datetime.fromisoformat("2026-11-21T09:30:00.123+02:00"), "seconds")
    '2026-11-21T07:30:00Z'
    """
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{moment.replace(tzinfo=None).isoformat(timespec=timespec)}Z"


def micros(moment: datetime) -> int:
    """Microseconds since 1970.

    >>> from_micros(micros(datetime(2026, 11, 21, 9, 30, tzinfo=UTC)))
    datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.timezone.utc)
    """
    return (moment - EPOCH) // MICROSECOND


def just_after(moment: datetime) -> datetime:
    """The next microsecond; the last one that there is has none.

    >>> just_after(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)).year
    9999
    """
    return moment + MICROSECOND if moment < datetime.max.replace(tzinfo=UTC) else moment


def from_micros(count: int) -> datetime:
    """The instant, in UTC, that is some microseconds after 1970 began."""
    return EPOCH + int(count) * MICROSECOND
