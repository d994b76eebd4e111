"""Which conversations are worth a request, and what is kept so that the next run can tell. Pure decisions.

Without a lookback every conversation that is listed is asked for its last event: one request each. With one, those that
have long been quiet are passed over, unless the list tells that something changed; a sweep asks for all now and then,
because lists of this API tell little (contract 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, NamedTuple

from conv_analytics.dataset.storage.marks import Mark
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.roster import Entry
from conv_analytics.exporter.summaries import Head
from conv_analytics.resources.cells import Unreadable, instant

#: A nightly job that starts a little earlier than a week ago is a week after it all the same.
_EARLY = timedelta(hours=1)
#: Events that the API told of but does not list are asked for again for so long: as long as named conversations live.
#: What has not come by then are events that it never stores (contract 2.7).
PATIENCE = timedelta(days=2)


class Wanted(Enum):
    """Which lists of a conversation a run reads."""

    NOTHING = auto()
    """None: there is nothing new."""
    TAIL = auto()
    """Its events only: the API told of some that it did not list so far."""
    ALL = auto()
    """Members and events."""


class Gap(NamedTuple):
    """What is missing at the end of a list of events: as in `conv_analytics.dataset.storage.marks.Mark`."""

    sequence_number: int | None = None
    pending_since: str | None = None


@dataclass(frozen=True)
class Past:
    """What earlier runs of a folder know; nothing, of a new one."""

    known: Mapping[str, Mark] = field(default_factory=dict)
    """What the folder holds of each conversation."""
    swept_at: datetime | None = None
    """Start of the last run that asked for every conversation."""


class Finished(NamedTuple):
    """What a run learnt of a conversation that it read to its end."""

    changed: datetime | None
    """The instant of its last event or change, as far as the records tell."""
    mark: str
    """`Head.mark` of its record in the list."""

    @property
    def text(self) -> str:
        """Both as `Mark.settled` has them, with nothing before the space where no instant is known."""
        return f"{text_of(self.changed) if self.changed else ''} {self.mark}"


@dataclass(frozen=True)
class Probing:
    """The decision for each conversation of one run.

    Examples
    --------
    >>> head = Head(id="CON-1", timestamp={"created": "2026-11-01T10:00:00Z"})
    >>> past = Past({"CON-1": Mark("CON-1", 41, f"2026-11-01T10:07:00Z {head.mark}")})
    >>> Probing(past).worth(head), Probing(past).known("CON-1")
    (True, 41)
    >>> week = Probing(past, quiet_before="2026-11-15T00:00:00Z")
    >>> week.worth(head), week.worth(Head(id="CON-2"))
    (False, True)
    >>> week.worth(Head(id="CON-1", timestamp={"created": "2026-11-01T10:00:00Z", "updated": "2026-11-21T10:00:00Z"}))
    True
    """

    past: Past
    full: bool = False
    quiet_before: str | None = None
    """Conversations without a change since this instant are passed over; none are when absent."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the run began."""

    def known(self, conversation_id: str) -> int | None:
        """The last event that need not be asked for again; None when all of them are wanted."""
        known = None if self.full else self.past.known.get(conversation_id)
        return known and known.last_event

    def wanted(self, conversation_id: str, told: int | None, *, again: bool = True) -> Wanted:
        """Which lists of a conversation are read, given the number of its last event; None where that is not told.

        Without `again`, what is new, also in a run that reads everything once more.

        >>> known = {"CON-1": Mark("CON-1", 10, None, 12, "2026-11-21T03:00:00Z"), "CON-2": Mark("CON-2", 10, None, 12)}
        >>> decisions = Probing(Past(known))
        >>> [decisions.wanted("CON-1", told).name for told in (10, 12, 13)]
        ['NOTHING', 'TAIL', 'ALL']
        >>> [decisions.wanted("CON-2", told).name for told in (10, 12, 13)]
        ['NOTHING', 'NOTHING', 'ALL']
        """
        if told == 0:
            return Wanted.NOTHING
        mark = None if self.full and again else self.past.known.get(conversation_id)
        if mark is None or told is None or mark.unread:
            return Wanted.ALL
        if told <= (mark.last_event or 0):
            return Wanted.NOTHING
        if told != mark.sequence_number:
            return Wanted.ALL
        return Wanted.NOTHING if mark.pending_since is None else Wanted.TAIL

    def awaits(self, conversation_id: str, told: int) -> bool:
        """Whether a conversation that lists no event at all must have some, as it told the number of its last one."""
        return gap(self.past.known.get(conversation_id), 0, told, self.now).pending_since is not None

    def worth(self, listed: Head) -> bool:
        """Whether a conversation is asked for its last event, given its record in the list."""
        if self.full or self.quiet_before is None:
            return True
        known = self.past.known.get(listed.name or "")
        if known is None or known.settled is None or known.unread or known.pending_since is not None:
            return True
        changed, _, mark = known.settled.partition(" ")
        last, held = listed.last_event, max(known.last_event or 0, known.sequence_number or 0)
        return changed >= self.quiet_before or mark != listed.mark or (last is not None and last > held)


def gap(known: Mark | None, last: int, told: int | None, now: datetime, *, lost: bool = False) -> Gap:
    """What is missing at the end of a conversation's events, and since when.

    Parameters
    ----------
    known
        What the folder knows.
    last
        The highest event id in hand.
    told
        The conversation's own sequence number.
    now
        When the run began.
    lost
        Whether all that is missing was listed, and is in the quarantine only, which has no ids.

    Examples
    --------
    >>> first = datetime(2026, 11, 21, 3, tzinfo=UTC)
    >>> gap(None, 12, 12, first)
    Gap(sequence_number=None, pending_since=None)
    >>> waiting = gap(None, 10, 12, first)
    >>> waiting
    Gap(sequence_number=12, pending_since='2026-11-21T03:00:00Z')
    >>> known = Mark("CON-1", 10, None, *waiting)
    >>> gap(known, 10, 12, first + timedelta(days=1)) == waiting
    True
    >>> gap(known, 10, 12, first + timedelta(days=2))
    Gap(sequence_number=12, pending_since=None)
    >>> gap(known, 11, 12, first + timedelta(days=2))
    Gap(sequence_number=12, pending_since='2026-11-23T03:00:00Z')
    """
    if told is None or told <= last:
        return Gap()
    if lost:
        return Gap(told)
    same = known is not None and not known.unread and known.sequence_number == told and (known.last_event or 0) == last
    if known is None or not same:
        return Gap(told, text_of(now))
    try:
        over = known.pending_since is None or now - instant(known.pending_since) >= PATIENCE - _EARLY
    except Unreadable:
        over = False
    return Gap(told, None if over else known.pending_since)


def probing(past: Past, options: Options, now: datetime) -> Probing:
    """The decisions of a run that starts now: with a lookback unless a sweep is due."""
    if options.lookback is None or options.full or sweep_due(past.swept_at, options.sweep, now):
        return Probing(past, options.full, now=now)
    try:
        return Probing(past, quiet_before=text_of(now - options.lookback), now=now)
    except OverflowError:
        # Before the first year: nothing has been quiet for so long.
        return Probing(past, now=now)


def sweep_due(swept_at: datetime | None, every: timedelta, now: datetime) -> bool:
    """Whether it is time to ask for every conversation again.

    A sweep of the future was one of a clock that was ahead: it puts off no other one.

    >>> sunday = datetime(2026, 11, 1, 3, tzinfo=UTC)
    >>> [sweep_due(sunday, timedelta(days=7), sunday + timedelta(days=day)) for day in (1, 6, 7, 8)]
    [False, False, True, True]
    >>> [sweep_due(at, timedelta(days=7), sunday) for at in (None, sunday.replace(year=2036))]
    [True, True]
    """
    return swept_at is None or swept_at > now or now - swept_at >= every - _EARLY


def last_sweep(reports: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the last run began that asked for every conversation, from the reports of all runs, oldest first.

    Runs of versions that knew no lookback asked for all whenever they were complete.
    """
    last: datetime | None = None
    for report in reports:
        told = report.get("swept_at")
        if "swept_at" not in report and swept(report) and report.get("started_at"):
            told = report["started_at"]
        if told:
            # The last run that says so, whatever the clock of an earlier one said.
            last = datetime.fromisoformat(told)
    return last


def swept(report: Mapping[str, Any]) -> bool:
    """Whether a run asked for every conversation, and got an answer."""
    bounded = report.get("since") or report.get("until")
    asked = report.get("status") == "complete" and report.get("requests") != 0
    return asked and not bounded and not report.get("not_probed")


def to_keep(entry: Entry, known: Mark | None, started: datetime, *, unread: bool) -> Mark | None:
    """What a commit keeps of a conversation; None when there is nothing that the folder does not know.

    A watermark never goes back. The first time a conversation is met, its last event tells since when it is quiet.
    Later, a change is as old as the run that saw it: events may come with times of long ago.

    Parameters
    ----------
    entry
        How far the run came.
    known
        What the folder knows.
    started
        When the run began.
    unread
        Whether it could not be read to its end: then it is settled no more.

    Examples
    --------
    >>> now, at = datetime(2026, 11, 21, 3, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    >>> first = to_keep(Entry("CON-1", 5, Finished(at, "cc").text), None, now, unread=False)
    >>> print(*first[:3])
    CON-1 5 2026-11-02T00:00:00Z cc
    >>> to_keep(Entry("CON-1", 5, Finished(at, "cc").text, finished=True), first, now, unread=False)
    >>> print(*to_keep(Entry("CON-1", 9, Finished(at, "cc").text), first, now, unread=False)[:3])
    CON-1 9 2026-11-21T03:00:00Z cc
    >>> print(*to_keep(Entry("CON-1", unread=True), first, now, unread=True))
    CON-1 5 None None None True
    """
    held = None if known is None else known.last_event
    before = None if known is None else known.settled
    further = entry.last_event is not None and (held is None or entry.last_event > held)
    settled = None
    if entry.learnt is not None:
        changed, _, mark = entry.learnt.partition(" ")
        if held is None:
            settled = entry.learnt if changed else f"{text_of(started)} {mark}"
        elif further or not (before or "").endswith(f" {mark}"):
            settled = f"{text_of(started)} {mark}"
    lacking = _lacking(entry, known, further=further)
    # Of one that was read again there may be new rows below its watermark.
    news = lacking != _lacked(known) and (known is not None or entry.finished)
    if further or entry.extended or (unread and before is not None) or news:
        last = max(entry.last_event or 0, held or 0)
        text = settled or (before if entry.learnt is not None else None)
        return Mark(entry.conversation_id, last, text, *lacking)
    return Mark(entry.conversation_id, None, settled) if settled else None


def _lacked(known: Mark | None) -> tuple[int | None, str | None, bool]:
    """What is missing of a conversation, as the folder knows it."""
    return (None, None, False) if known is None else (known.sequence_number, known.pending_since, known.unread)


def _lacking(entry: Entry, known: Mark | None, *, further: bool) -> tuple[int | None, str | None, bool]:
    """The same after a run."""
    if entry.finished:
        return entry.sequence_number, entry.pending_since, False
    number, since, unread = _lacked(known)
    if further:
        # What the folder holds above the watermark is there still.
        since, unread = None, unread and (number or 0) > (entry.last_event or 0)
    return entry.sequence_number or (number if unread or not further else None), since, entry.unread or unread


def text_of(moment: datetime) -> str:
    """An instant to the second; such texts are in the order of the instants."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
