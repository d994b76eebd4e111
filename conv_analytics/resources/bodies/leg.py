"""``leg:status:update``: the life of a leg (contract 7.8, 8.1)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources.record import Record, wire
from conv_analytics.resources.vocabulary import CallDirection, CallStatus, ChannelType, LegStatus, ReasonCode


class LegState(Record):
    """State of a leg; success and reason are known once it is completed (contract 7.8)."""

    status: LegStatus | str | None = wire("State of the leg.")
    successful: bool | None = wire("Whether the call succeeded.", also="succssful")
    reason: ReasonCode | str | None = wire("Why the leg completed.")

    @property
    def succssful(self) -> bool | None:
        """`successful`, under the Node SDK's spelling."""
        return self.successful


class StatusHistoryEntry(Record):
    """A status that a leg went through (contract 7.8)."""

    status: CallStatus | str | None = wire("Status of the leg.")
    state: LegState | None = wire("State of the leg.")
    date: datetime | None = wire("When the leg reached the status.")
    conversation_id: str | None = wire("Conversation that the leg was in.", also="conversationId")
    member_id: str | None = wire("Member that the leg belonged to.", also="memberId")
    knocker_id: str | None = wire("Who knocked, as long as the leg belonged to no member.", also="knockerId")


class MessageLegBody(Record):
    """``leg:status:update`` (contract 7.8).

    The history repeats all earlier entries, so the last update of a leg holds its whole life. Without a history the
    body has only its current status, as an entry of the history would: its instant is the event's own.

    >>> body = MessageLegBody.from_wire({"leg_id": "3cd1674a", "statusHistory": {"status": "ringing"}})
    >>> body.status_history
    (StatusHistoryEntry(status=<CallStatus.RINGING: 'ringing'>),)
    """

    leg_id: str | None = wire("Id of the leg.")
    direction: CallDirection | str | None = wire("Which side placed the call.")
    type: ChannelType | str | None = wire("How the leg is connected.")
    status: CallStatus | str | None = wire("Current status.")
    state: LegState | None = wire("Current state.")
    conversation_id: str | None = wire("Conversation of the leg; in some sources only.", also="conversationId")
    member_id: str | None = wire("Member of the leg; in some sources only.", also="memberId")
    knocker_id: str | None = wire("Who knocks; in some sources only.", also="knockerId")
    status_history: tuple[StatusHistoryEntry, ...] | None = wire(
        "Every status so far, oldest first.",
        key="statusHistory",
        also="status_history",
    )
