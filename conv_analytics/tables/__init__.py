"""Tables: their contents, and how they are filled from the API's JSON."""

from __future__ import annotations

from collections.abc import Mapping

from conv_analytics.tables.audio import AUDIO_EVENTS, TRANSCRIPTS
from conv_analytics.tables.calls import CALL_EVENTS, CALL_RECORDS, HANGUPS, LEG_STATUSES
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.conversations import CONVERSATIONS, MEMBER_EVENTS, MEMBERS, SESSIONS, USERS
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.messages import MESSAGE_STATUSES, MESSAGES
from conv_analytics.tables.voice import VOICE_EVENTS
from conv_analytics.tables.voice_calls import VOICE_CALLS

_ALL = (
    CONVERSATIONS,
    MEMBERS,
    EVENTS,
    HANGUPS,
    CALL_EVENTS,
    CALL_RECORDS,
    LEG_STATUSES,
    MESSAGES,
    MESSAGE_STATUSES,
    MEMBER_EVENTS,
    AUDIO_EVENTS,
    TRANSCRIPTS,
    VOICE_EVENTS,
    USERS,
    SESSIONS,
    EVENT_SOURCES,
    VOICE_CALLS,
)

#: Every table by name.
TABLES: Mapping[str, Table] = {table.name: table for table in _ALL}

__all__ = ["TABLES", "Column", "Table"]
