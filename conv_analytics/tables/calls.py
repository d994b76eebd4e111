"""Tables of calls: how legs start, proceed and end, and what they cost (contract 7.8, 7.9)."""

from __future__ import annotations

from conv_analytics.resources import (
    MessageLegBody,
    MessageRTCAnswerBody,
    MessageSIPDirectionBody,
    MessageSIPHangupBody,
    MessageSIPMachineBody,
    MessageSIPStatusBody,
    RTCTerminateBody,
    RTCTransferBody,
    StatusHistoryEntry,
)
from conv_analytics.tables.column import Fallback, ItemList, Table, pick, pick_all
from conv_analytics.tables.envelope import CONVERSATION_ID, ENVELOPE, SOURCE, TECHNOLOGY, channel, event_table

#: Events of in-app legs for which webhooks have two of the body's fields beside it (live contract 5.1).
_DESCRIPTIONS = ("rtc:answer", "rtc:offer", "rtc:terminate")

HANGUPS = event_table(
    "hangups",
    "The end of a leg, with the quality of the audio that the platform received on it.",
    ("sip:hangup", "rtc:hangup"),
    TECHNOLOGY,
    pick(MessageSIPHangupBody, "direction"),
    *pick_all(MessageSIPHangupBody, "quality"),
    *pick_all(MessageSIPHangupBody, "bandwidth"),
    pick(MessageSIPHangupBody, "reason.code", "reason_code"),
    pick(MessageSIPHangupBody, "reason.sip_code"),
    pick(MessageSIPHangupBody, "reason.text", "reason_text"),
    *channel(MessageSIPHangupBody),
    notes=(
        "mos_score is 4.5 and quality_percentage 100 when no packet came: look at packet_cnt before trusting them.",
        "jitter_min_var and jitter_max_var are most likely variances in ms²; compare their square roots with jitter.",
        "quality_percentage is the share of packets without flaws, not of speech, whatever the API's reference says.",
    ),
)

CALL_EVENTS = event_table(
    "call_events",
    "Every other step of a call: ringing, answered, machine detected, transferred.",
    (
        "sip:ringing",
        "sip:answered",
        "sip:machine",
        "sip:amd_machine",
        "rtc:ringing",
        "rtc:answered",
        "rtc:answer",
        "rtc:transfer",
        "rtc:terminate",
        "rtc:new",
        "rtc:offer",
        "rtc:ice",
        "app:knocking",
        "app:knocking:cancel",
    ),
    TECHNOLOGY,
    pick(MessageSIPDirectionBody, "direction"),
    pick(MessageSIPMachineBody, "type", "machine_type"),
    pick(MessageSIPMachineBody, "confidence", "machine_confidence"),
    pick(RTCTransferBody, "was_member", "was_member_id"),
    pick(RTCTransferBody, "user_id", also=("user.id", "user.user_id")),
    pick(RTCTransferBody, "transferred_from"),
    pick(RTCTerminateBody, "reason"),
    pick(MessageRTCAnswerBody, "session_destination", fallback=Fallback("session_destination", _DESCRIPTIONS)),
    pick(MessageRTCAnswerBody, "is_from_mb", fallback=Fallback("is_from_mb", _DESCRIPTIONS)),
    *channel(MessageSIPDirectionBody, leg_also=("rtc_id", "leg_id")),
)

CALL_RECORDS = event_table(
    "call_records",
    "The billing record of a leg.",
    ("sip:status", "rtc:status"),
    TECHNOLOGY,
    pick(MessageSIPStatusBody, "direction"),
    pick(MessageSIPStatusBody, "status"),
    pick(MessageSIPStatusBody, "request_time", "requested_at"),
    pick(MessageSIPStatusBody, "start_time", "started_at"),
    pick(MessageSIPStatusBody, "end_time", "ended_at"),
    pick(MessageSIPStatusBody, "duration", "duration_s"),
    pick(MessageSIPStatusBody, "price"),
    pick(MessageSIPStatusBody, "rate"),
    pick(MessageSIPStatusBody, "price_currency", "currency"),
    pick(MessageSIPStatusBody, "network_code"),
    pick(MessageSIPStatusBody, "mos"),
    pick(MessageSIPStatusBody, "state.successful", "successful"),
    pick(MessageSIPStatusBody, "state.reason", "reason"),
    pick(MessageSIPStatusBody, "from_", "from"),
    pick(MessageSIPStatusBody, "to"),
    *channel(MessageSIPStatusBody),
    notes=(
        "price and rate are exact decimals(28, 18) on disk; pandas shows them as doubles.",
        "One of more decimals, or above ten digits, is not rounded: its cell is null, its record in the quarantine.",
        "Files of version 0.1 have decimals(18, 8): open_dataset reads both kinds, compact makes one of them.",
    ),
)

LEG_STATUSES = Table(
    "leg_statuses",
    "A status in the life of a leg. Each leg:status:update repeats the leg's history; a status is kept once.",
    ("leg_id", "status", "at"),
    (
        CONVERSATION_ID,
        ENVELOPE[1],
        pick(MessageLegBody, "leg_id"),
        pick(StatusHistoryEntry, "status"),
        pick(
            StatusHistoryEntry,
            "date",
            "at",
            doc="When the leg reached the status; without a history, when the event was created.",
            fallback=Fallback("at", ("leg:status:update",)),
        ),
        pick(MessageLegBody, "direction"),
        pick(MessageLegBody, "type", "channel_type"),
        pick(StatusHistoryEntry, "state.successful", "successful"),
        pick(StatusHistoryEntry, "state.reason", "reason"),
        pick(
            StatusHistoryEntry,
            "member_id",
            fallback=Fallback("from_member_id", ("leg:status:update",)),
        ),
        pick(StatusHistoryEntry, "knocker_id"),
        pick(StatusHistoryEntry, "conversation_id", "leg_conversation_id"),
        SOURCE,
    ),
    ("leg:status:update",),
    item_list=ItemList(
        pick(MessageLegBody, "status_history").paths,
        ("status", "at", "successful", "reason", "member_id", "knocker_id", "leg_conversation_id"),
        owner="leg_id",
        last_item=("status", "successful", "reason"),
    ),
    notes=(
        "event_id is the first event that reported the status.",
        "An event without a history gives one row, of the status that it reports, at the event's own instant.",
    ),
)
