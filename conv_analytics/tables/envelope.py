"""Columns that tables share: the event's envelope, and the channel of its leg."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from conv_analytics.resources import ChannelType, EventType
from conv_analytics.resources.record import FIRST, Record
from conv_analytics.tables.column import Column, Table, pick


class EventFamily(StrEnum):
    """First word of an event type."""

    MESSAGE = "message"
    MEMBER = "member"
    CONVERSATION = "conversation"
    EVENT = "event"
    LEG = "leg"
    SIP = "sip"
    RTC = "rtc"
    AUDIO = "audio"
    CUSTOM = "custom"
    EPHEMERAL = "ephemeral"
    APP = "app"
    MIXER = "mixer"
    TEXT = "text"
    IMAGE = "image"


class EventSource(StrEnum):
    """Where an event came from.

    ``list``: the API's lists, by an export. ``live``: the application's RTC webhook. ``voice``: its Voice webhook.
    ``file``: a file of pages or events of a list. ``both``, when a dataset is read: the list, and a webhook or a file.
    """

    LIST = "list"
    LIVE = "live"
    VOICE = "voice"
    FILE = "file"
    BOTH = "both"


class Technology(StrEnum):
    """How a leg is carried: ``sip`` for phone, SIP and Vonage Business legs, ``rtc`` for in-app (WebRTC) legs."""

    SIP = "sip"
    RTC = "rtc"


#: Prefix of a sender's id while somebody knocks.
KNOCKER = "knocker:"

CONVERSATION_ID = Column("conversation_id", str, "Conversation that the row belongs to; taken from the request.")

#: The first columns of every table of events; the export computes these from the envelope.
ENVELOPE = (
    CONVERSATION_ID,
    Column("event_id", int, "Number of the event within its conversation, from 1 upwards."),
    Column(
        "type",
        EventType,
        "Type of the event; types that are not listed in the API's reference stay as they are.",
    ),
    Column("at", datetime, "When the event was created."),
    Column("from_member_id", str, "Member that caused the event."),
    Column("from_user_id", str, "User that caused the event."),
)

#: The last columns of every table of events.
SOURCE = Column(
    "source",
    EventSource,
    "Where the row came from: list, live (RTC webhook), voice (Voice webhook) or file.",
    later=True,
    earlier="list",
)

VERIFICATION = Column(
    "verification",
    str,
    "How the signature of the webhook's request was judged: ok, unsigned, stale, hash_mismatch, hash_missing or"
    " unchecked; null for what came from a list or a file.",
    later=True,
)

TECHNOLOGY = Column("technology", Technology, "How the leg is carried: sip or rtc.")

EVENT_KEY = ("conversation_id", "event_id")


def channel(
    record: type[Record], at: str = "channel", *, leg_also: Sequence[str] = (), type_also: Sequence[str] = ()
) -> tuple[Column, ...]:
    """The columns of a channel: its leg, its kind and its two ends.

    ``leg_also`` names where else the leg's id may be: it is the same value as ``rtc_id`` and ``call_id``. A channel
    without an id names its legs in a list, the main one first (contract 6.3 and 9, no. 46).
    """
    listed = (f"{at}.leg_ids.{FIRST}", f"{at}.leg_ids.{FIRST}.leg_id", f"{at}.legs.{FIRST}.leg_id")
    return (
        pick(record, f"{at}.id", "leg_id", also=(*leg_also, *listed)),
        pick(record, f"{at}.type", "channel_type", also=type_also),
        *endpoint(record, f"{at}.from_", "from"),
        *endpoint(record, f"{at}.to", "to"),
    )


def endpoint(record: type[Record], at: str, prefix: str) -> tuple[Column, ...]:
    """The columns of one end of a channel."""
    side = "Calling end" if prefix == "from" else "Called end"
    return (
        pick(
            record,
            f"{at}.type",
            f"{prefix}_type",
            doc=f"{side}: kind; several, separated by commas, where a member accepts several.",
        ),
        pick(
            record,
            f"{at}.number",
            f"{prefix}_number",
            doc=f"{side}: phone number, E.164 digits without a plus sign.",
        ),
        pick(record, f"{at}.user", f"{prefix}_user", doc=f"{side}: id or name of the app's user."),
        pick(record, f"{at}.uri", f"{prefix}_uri", doc=f"{side}: SIP or websocket address."),
        pick(record, f"{at}.extension", f"{prefix}_extension", doc=f"{side}: extension of Vonage Business."),
        pick(record, f"{at}.id", f"{prefix}_id", doc=f"{side}: id within a messaging channel."),
    )


def event_table(name: str, doc: str, types: tuple[str, ...], *columns: Column, notes: tuple[str, ...] = ()) -> Table:
    """A table with one row per event of some types."""
    return Table(name, doc, EVENT_KEY, (*ENVELOPE, *columns, SOURCE), types, notes=notes)


__all__ = [
    "CONVERSATION_ID",
    "ENVELOPE",
    "EVENT_KEY",
    "KNOCKER",
    "SOURCE",
    "TECHNOLOGY",
    "VERIFICATION",
    "ChannelType",
    "EventFamily",
    "EventSource",
    "Technology",
    "channel",
    "endpoint",
    "event_table",
]
