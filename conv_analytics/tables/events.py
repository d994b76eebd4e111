"""The table of every event, whatever its type (contract 7.1)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources import Event
from conv_analytics.resources.record import Json
from conv_analytics.tables.column import Column, Table, pick
from conv_analytics.tables.envelope import CONVERSATION_ID, EVENT_KEY, SOURCE, VERIFICATION, EventFamily

EVENTS = Table(
    "events",
    "Every event, of whatever type, with its body as it came.",
    EVENT_KEY,
    (
        CONVERSATION_ID,
        pick(Event, "id", "event_id"),
        pick(Event, "type"),
        Column("family", EventFamily, "First word of the type."),
        pick(Event, "timestamp", "at"),
        pick(
            Event,
            "from_member.id",
            "from_member_id",
            doc="Member that caused the event; `knocker:` and an id while somebody knocks.",
            also=("from",),
        ),
        pick(Event, "from_user.id", "from_user_id", doc="User that caused the event."),
        pick(Event, "from_user.name", "from_user_name", doc="Unique name of that user."),
        pick(
            Event,
            "from_user.display_name",
            "from_user_display_name",
            doc="Name of that user shown to others.",
        ),
        pick(Event, "from_user.image_url", "from_user_image_url", doc="Picture of that user."),
        pick(Event, "from_user.custom_data", "from_user_custom_data", doc="That user's data, as JSON."),
        Column("body", Json, "The event's body, as JSON, verbatim but for secrets.", paths=(("body",),)),
        Column("extra", Json, "Whatever else the event held, at any depth, as JSON."),
        SOURCE,
        Column("received_at", datetime, "When a webhook delivered it; null for events of a list.", later=True),
        Column(
            "event_key",
            str,
            "Identifies an event of a webhook that has no id or no conversation: 32 hex digits, from its content.",
            later=True,
        ),
        VERIFICATION,
    ),
    notes=(
        "conversation:* are here alone: what they tell is the row that the next run gives the conversation.",
        "event:delete are here alone: body.event_id names the event whose content is gone, whatever its type.",
        "custom:*, ephemeral, text:typing:* and mixer:* are here alone: their bodies are free, or empty.",
    ),
)
