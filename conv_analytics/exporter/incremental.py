"""Which conversations and lists an incremental run requests, and the watermarks it leaves. Pure decisions.

Without a lookback every listed conversation is requested once, for the number of its last event. With a lookback, those
that have long been quiet are skipped unless the list shows a change; a sweep requests all of them now and then, because
the lists of this API show few changes (contract 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.exporter.conversation_states import ConversationState
from conv_analytics.exporter.last_events import EARLY, missing_events, seconds_text
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.summaries import Summary


class ListsToRead(Enum):
    """The lists of a conversation that a run reads."""

    NOTHING = auto()
    """None: there is nothing new."""
    EVENTS = auto()
    """Events only: the API has counted some that it has not listed yet."""
    ALL = auto()
    """Members and events."""


@dataclass(frozen=True)
class FolderState:
    """The state left by earlier runs of a folder; empty for a new folder."""

    watermarks: Mapping[str, Watermark] = field(default_factory=dict)
    """The watermark of each conversation."""
    swept_at: datetime | None = None
    """Start of the last run that requested every conversation."""


@dataclass(frozen=True)
class IncrementalPolicy:
    """The decisions of one run for each conversation.

    Examples
    --------
    >>> summary = Summary(id="CON-1", timestamp={"created": "2026-11-01T10:00:00Z"})
    >>> folder = FolderState({"CON-1": Watermark("CON-1", 41, f"2026-11-01T10:07:00Z {summary.fingerprint}")})
    >>> IncrementalPolicy(folder).needs_request(summary), IncrementalPolicy(folder).last_known_event("CON-1")
    (True, 41)
    >>> week = IncrementalPolicy(folder, quiet_before="2026-11-15T00:00:00Z")
    >>> week.needs_request(summary), week.needs_request(Summary(id="CON-2"))
    (False, True)
    >>> updated = {"created": "2026-11-01T10:00:00Z", "updated": "2026-11-21T10:00:00Z"}
    >>> week.needs_request(Summary(id="CON-1", timestamp=updated))
    True
    """

    folder: FolderState
    full: bool = False
    quiet_before: str | None = None
    """Conversations without a change since this instant are skipped; None skips no conversation."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the run began."""

    def last_known_event(self, conversation_id: str) -> int | None:
        """The last event that need not be requested again; None when all events are requested."""
        watermark = None if self.full else self.folder.watermarks.get(conversation_id)
        return watermark and watermark.last_event

    def lists_to_read(self, conversation_id: str, sequence_number: int | None, *, again: bool = True) -> ListsToRead:
        """The lists to read of a conversation with this sequence number; None where it has none.

        `again` includes, in a run that reads everything again, what the folder has already.

        >>> pending, given_up = (10, None, 12, "2026-11-21T03:00:00Z"), (10, None, 12)
        >>> watermarks = {"CON-1": Watermark("CON-1", *pending), "CON-2": Watermark("CON-2", *given_up)}
        >>> policy = IncrementalPolicy(FolderState(watermarks))
        >>> [policy.lists_to_read("CON-1", number).name for number in (10, 12, 13)]
        ['NOTHING', 'EVENTS', 'ALL']
        >>> [policy.lists_to_read("CON-2", number).name for number in (10, 12, 13)]
        ['NOTHING', 'NOTHING', 'ALL']
        """
        if sequence_number == 0:
            return ListsToRead.NOTHING
        watermark = None if self.full and again else self.folder.watermarks.get(conversation_id)
        if watermark is None or sequence_number is None or watermark.unread:
            return ListsToRead.ALL
        if sequence_number <= (watermark.last_event or 0):
            return ListsToRead.NOTHING
        if sequence_number != watermark.sequence_number:
            return ListsToRead.ALL
        return ListsToRead.NOTHING if watermark.pending_since is None else ListsToRead.EVENTS

    def expects_events(self, conversation_id: str, sequence_number: int) -> bool:
        """Whether a conversation with this sequence number that lists no event at all must have some."""
        watermark = self.folder.watermarks.get(conversation_id)
        return missing_events(watermark, 0, sequence_number, self.now).pending_since is not None

    def needs_request(self, listed: Summary) -> bool:
        """Whether a conversation is requested, judged by its record in the list."""
        if self.full or self.quiet_before is None:
            return True
        watermark = self.folder.watermarks.get(listed.record_id or "")
        if watermark is None or watermark.settled is None or watermark.unread or watermark.pending_since is not None:
            return True
        changed, _, fingerprint = watermark.settled.partition(" ")
        if changed >= self.quiet_before or fingerprint != listed.fingerprint:
            return True
        return (listed.last_event or 0) > max(watermark.last_event or 0, watermark.sequence_number or 0)


def incremental_policy(folder: FolderState, options: Options, now: datetime) -> IncrementalPolicy:
    """The policy of a run that starts now: with a lookback unless a sweep is due."""
    if options.lookback is None or options.full or sweep_due(folder.swept_at, options.sweep, now):
        return IncrementalPolicy(folder, options.full, now=now)
    try:
        return IncrementalPolicy(folder, quiet_before=seconds_text(now - options.lookback), now=now)
    except OverflowError:
        # The lookback begins before the first year: no conversation is older.
        return IncrementalPolicy(folder, now=now)


def sweep_due(swept_at: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Whether it is time to request every conversation again.

    A sweep in the future was made while a clock was ahead, and does not delay the next one.

    >>> sunday = datetime(2026, 11, 1, 3, tzinfo=UTC)
    >>> [sweep_due(sunday, timedelta(days=7), sunday + timedelta(days=day)) for day in (1, 6, 7, 8)]
    [False, False, True, True]
    >>> [sweep_due(at, timedelta(days=7), sunday) for at in (None, sunday.replace(year=2036))]
    [True, True]
    """
    return swept_at is None or swept_at > now or now - swept_at >= interval - EARLY


def last_sweep(reports: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the last run that requested every conversation began, from the reports of all runs, oldest first.

    Versions without lookback requested all of them in every complete run.
    """
    last: datetime | None = None
    for report in reports:
        swept_at = report.get("swept_at")
        if "swept_at" not in report and requested_all(report) and report.get("started_at"):
            swept_at = report["started_at"]
        if swept_at:
            # The last report decides, whatever the clock of an earlier run said.
            last = datetime.fromisoformat(swept_at)
    return last


def requested_all(report: Mapping[str, Any]) -> bool:
    """Whether a run requested every conversation and was answered."""
    bounded = report.get("since") or report.get("until")
    answered = report.get("status") == "complete" and report.get("requests") != 0
    return answered and not bounded and not report.get("not_probed")


def updated_watermark(
    state: ConversationState, stored: Watermark | None, started: datetime, *, unread: bool
) -> Watermark | None:
    """The watermark that a commit stores for a conversation; None when the folder has it already.

    A watermark never goes back. When a conversation is first seen, its last event shows since when it has been quiet.
    Later changes count from the run that saw them, because events may arrive with old times.

    Parameters
    ----------
    state
        How far the run came.
    stored
        The watermark that the folder has.
    started
        When the run began.
    unread
        Whether the conversation could not be read to its end: then it is no longer marked as fully read.

    Examples
    --------
    >>> from conv_analytics.exporter.last_events import LastChange
    >>> now, at = datetime(2026, 11, 21, 3, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    >>> five = ConversationState("CON-1", 5, LastChange(at, "cc").text)
    >>> first = updated_watermark(five, None, now, unread=False)
    >>> print(*first[:3])
    CON-1 5 2026-11-02T00:00:00Z cc
    >>> updated_watermark(five._replace(finished=True), first, now, unread=False)
    >>> print(*updated_watermark(five._replace(last_event=9), first, now, unread=False)[:3])
    CON-1 9 2026-11-21T03:00:00Z cc
    >>> print(*updated_watermark(ConversationState("CON-1", unread=True), first, now, unread=True)[:6])
    CON-1 5 None None None True
    """
    stored_last = None if stored is None else stored.last_event
    stored_settled = None if stored is None else stored.settled
    advanced = state.last_event is not None and (stored_last is None or state.last_event > stored_last)
    settled = None
    if state.last_change is not None:
        changed, _, fingerprint = state.last_change.partition(" ")
        if stored_last is None:
            settled = state.last_change if changed else f"{seconds_text(started)} {fingerprint}"
        elif advanced or not (stored_settled or "").endswith(f" {fingerprint}"):
            settled = f"{seconds_text(started)} {fingerprint}"
    missing = _missing_after(state, stored, advanced=advanced)
    # A conversation that was read again may have new rows below its watermark.
    differs = missing != _missing_before(stored) and (stored is not None or state.finished)
    if advanced or state.extended or (unread and stored_settled is not None) or differs:
        last = max(state.last_event or 0, stored_last or 0)
        text = settled or (stored_settled if state.last_change is not None else None)
        return Watermark(state.conversation_id, last, text, *missing, live=stored is not None and stored.live)
    return Watermark(state.conversation_id, None, settled) if settled else None


def _missing_before(stored: Watermark | None) -> tuple[int | None, str | None, bool]:
    """The missing part of a conversation before a run: sequence number, pending since, unread."""
    return (None, None, False) if stored is None else (stored.sequence_number, stored.pending_since, stored.unread)


def _missing_after(
    state: ConversationState, stored: Watermark | None, *, advanced: bool
) -> tuple[int | None, str | None, bool]:
    """The missing part of a conversation after a run."""
    if state.finished:
        return state.sequence_number, state.pending_since, False
    number, since, unread = _missing_before(stored)
    if advanced:
        # Rows that the folder has above the watermark stay there.
        since, unread = None, unread and (number or 0) > (state.last_event or 0)
    return state.sequence_number or (number if unread or not advanced else None), since, state.unread or unread
