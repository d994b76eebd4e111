"""Instants as texts."""

from __future__ import annotations

from datetime import UTC, datetime


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
