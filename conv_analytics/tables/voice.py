"""The table of all Voice events, which no list of events has (live contract 6)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources.record import Json
from conv_analytics.resources.voice_event import VoiceEvent, VoiceEventKind
from conv_analytics.tables.column import Column, Table, pick

VOICE_EVENTS = Table(
    "voice_events",
    "An event that the Voice API sent to the application's voice address, with its body as it came.",
    ("event_key",),
    (
        Column(
            "conversation_id",
            str,
            "Conversation of the call, with its prefix; the one that a transfer leads to.",
            paths=(("conversation_uuid",), ("conversation_id",), ("conversation_uuid_to",)),
        ),
        pick(VoiceEvent, "uuid", "leg_id"),
        Column("kind", VoiceEventKind, "What the event is about, by the keys that its body has."),
        pick(VoiceEvent, "status"),
        pick(VoiceEvent, "timestamp", "at", doc="When it happened; without an instant, when it was received."),
        Column("at_is_received", bool, "Whether the event has no instant of its own, as transcriptions have none."),
        pick(VoiceEvent, "direction"),
        pick(VoiceEvent, "from_", "from"),
        pick(VoiceEvent, "from_user"),
        pick(VoiceEvent, "to"),
        pick(VoiceEvent, "detail"),
        pick(VoiceEvent, "sip_code"),
        pick(VoiceEvent, "disconnected_by"),
        pick(VoiceEvent, "sub_state"),
        pick(VoiceEvent, "start_time", "started_at"),
        pick(VoiceEvent, "end_time", "ended_at"),
        pick(VoiceEvent, "duration", "duration_s"),
        pick(VoiceEvent, "rate"),
        pick(VoiceEvent, "price"),
        pick(VoiceEvent, "network"),
        pick(VoiceEvent, "reason"),
        pick(VoiceEvent, "conversation_uuid_from", "conversation_id_from"),
        pick(VoiceEvent, "conversation_uuid_to", "conversation_id_to"),
        pick(VoiceEvent, "recording_uuid", "recording_id"),
        pick(VoiceEvent, "recording_url"),
        pick(VoiceEvent, "size", "size_bytes"),
        pick(VoiceEvent, "transcription_url"),
        Column("received_at", datetime, "When it was received; null if a file does not say."),
        Column(
            "event_key",
            str,
            "Identifies the event, as it has no id: a digest of leg, kind, status and instant; of its whole body where"
            " one of them is missing.",
        ),
        Column("body", Json, "The whole event, as JSON, verbatim but for secrets."),
        Column("extra", Json, "Whatever else the event held, at any depth, as JSON."),
    ),
    listed=False,
    notes=(
        "What maps to leg_statuses, call_records, transcripts and audio_events is there too, with the source voice.",
        "price and rate are in the account's currency; price is the total, as in call_records.",
    ),
)

#: Keys that decide the kind of an event, or go to other tables; the column `body` has them.
UNLISTED = tuple(
    pick(VoiceEvent, name) for name in ("type", "speech", "dtmf", "timed_out", "payload", "original_request", "headers")
)
