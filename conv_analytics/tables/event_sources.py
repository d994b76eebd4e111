"""The table of events that came from a list and from a webhook, or a file."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources import EventType
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.envelope import CONVERSATION_ID, EVENT_KEY

EVENT_SOURCES = Table(
    "event_sources",
    "An event that came from a list of the API and also from a webhook or a file. It has one row in its tables.",
    EVENT_KEY,
    (
        CONVERSATION_ID,
        Column("event_id", int, "Number of the event within its conversation."),
        Column("type", EventType, "Type of the event."),
        Column("at", datetime, "When the event was created."),
        Column(
            "differs",
            bool,
            "Whether the two said different things; the list is right, and its row replaces the other one. False where"
            " the dataset has no table events, and so no content to compare.",
        ),
    ),
    listed=False,
    notes=(
        "Where differs is true, the files may hold two rows: open_dataset gives the list's, compact drops the other.",
        "Readers of the plain files leave out the rows of such events whose source is live or file.",
    ),
)
