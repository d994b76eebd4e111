"""The last event and the last change of a conversation, and what is missing at the end of its events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.instants import utc_text
from conv_analytics.resources.cells import Unreadable, instant

#: A nightly job may start a little earlier than the last one.
EARLY = timedelta(hours=1)
#: Missing events are requested again for this time, which is how long named conversations live. Events that have not
#: appeared by then are never stored by the API (contract 2.7).
PATIENCE = timedelta(days=2)


class MissingEvents(NamedTuple):
    """The missing events at the end of a list: as in `conv_analytics.dataset.storage.watermarks.Watermark`."""

    sequence_number: int | None = None
    pending_since: str | None = None


class LastChange(NamedTuple):
    """The last change of a conversation, as a run saw it."""

    changed: datetime | None
    """The instant of its last event or update, where the records have one."""
    fingerprint: str
    """`Summary.fingerprint` of its record in the list."""

    @property
    def text(self) -> str:
        """Both as `Watermark.settled` stores them, with nothing before the space where no instant is known."""
        return f"{seconds_text(self.changed) if self.changed else ''} {self.fingerprint}"


def missing_events(
    watermark: Watermark | None, last: int, sequence_number: int | None, now: datetime, *, quarantined: bool = False
) -> MissingEvents:
    """The missing events at the end of a conversation, and since when they are missing.

    Parameters
    ----------
    watermark
        The watermark that the folder has.
    last
        The highest event id that the run has.
    sequence_number
        The conversation's own.
    now
        When the run began.
    quarantined
        Whether every missing event was listed and is in the quarantine, which has no ids.

    Examples
    --------
    >>> from datetime import UTC
    >>> first = datetime(2026, 11, 21, 3, tzinfo=UTC)
    >>> missing_events(None, 12, 12, first)
    MissingEvents(sequence_number=None, pending_since=None)
    >>> pending = missing_events(None, 10, 12, first)
    >>> pending
    MissingEvents(sequence_number=12, pending_since='2026-11-21T03:00:00Z')
    >>> watermark = Watermark("CON-1", 10, None, *pending)
    >>> missing_events(watermark, 10, 12, first + timedelta(days=1)) == pending
    True
    >>> missing_events(watermark, 10, 12, first + timedelta(days=2))
    MissingEvents(sequence_number=12, pending_since=None)
    >>> missing_events(watermark, 11, 12, first + timedelta(days=2))
    MissingEvents(sequence_number=12, pending_since='2026-11-23T03:00:00Z')
    """
    if sequence_number is None or sequence_number <= last:
        return MissingEvents()
    if quarantined:
        return MissingEvents(sequence_number)
    if (
        watermark is None
        or watermark.unread
        or watermark.sequence_number != sequence_number
        or (watermark.last_event or 0) != last
    ):
        return MissingEvents(sequence_number, seconds_text(now))
    try:
        over = watermark.pending_since is None or now - instant(watermark.pending_since) >= PATIENCE - EARLY
    except Unreadable:
        over = False
    return MissingEvents(sequence_number, None if over else watermark.pending_since)


def seconds_text(moment: datetime) -> str:
    """An instant to the second; such texts sort as the instants do."""
    return utc_text(moment, "seconds")
