"""The delivery of a message (contract 7.3), and the events that only point to another one (7.5)."""

from __future__ import annotations

from conv_analytics.resources.bodies.message import MessageContent
from conv_analytics.resources.record import Record, wire
from conv_analytics.resources.vocabulary import MessageStatusChannel


class MessageEventBody(Record):
    """``message:submitted``, ``:delivered``, ``:seen``, ``:rejected``, ``:undeliverable`` (contract 7.3).

    The event's own `from_` is the member who received or read the message.

    >>> MessageEventBody.from_wire({"event_id": "24"}).event_id
    24
    """

    event_id: int | None = wire("Id of the event meant, within the same conversation; arrives as text or number.")


class EventDeleteBody(MessageEventBody):
    """``event:delete``: the event named was emptied (contract 7.5)."""


class MessageError(Record):
    """Why a channel could not deliver, in the Messages API's style (contract 7.3, inferred)."""

    type: str | None = wire("Address of the error's documentation.")
    title: str | None = wire("Name or number of the error.")
    detail: str | None = wire("What went wrong.")
    instance: str | None = wire("Id of this occurrence, for Vonage's support.")


class MessageStatusBody(MessageContent):
    """``member:message:status``: the state of a message that a messaging channel reports (contract 7.3).

    Repeats the content of the message; every field may be missing.
    """

    original_event_id: int | None = wire("Id of the message's event; arrives as text.")
    channel_type: MessageStatusChannel | str | None = wire("The messaging channel.")
    from_: str | None = wire("Member id of the sender, or the channel's number.", key="from")
    to: str | None = wire("Member id of the recipient, or the channel's number.")
    message_uuid: str | None = wire("Id of the message in the Messages API.")
    error: MessageError | None = wire("Why it could not be delivered.")
