"""Each recorded payload, cell by cell, against what a person reads in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from conv_analytics.tables import TABLES
from conv_analytics.tables.seen_events import SeenEvents
from tests._helpers.document_reading import (
    CON,
    FIXTURES,
    NOW,
    Page,
    filled,
    fixture,
    flatten,
    flatten_conversations,
    flatten_events,
    flatten_records,
    table,
)

ORLA, ORLA_USER = "MEM-0de8bac0-1f6d-562d-b197-4f0fec8f86ae", "USR-7dfd0c64-0247-5ba8-925b-9cee90970c67"
TOMASZ, TOMASZ_USER = "MEM-67b4b9fe-0850-5858-8bf5-849124413da7", "USR-3e42a50f-90df-5a65-ba96-85c535d661f8"
DESK, DESK_USER = "MEM-ed62a15a-c419-5e4e-bc82-7ff1dd2b93b3", "USR-657bb411-dba5-590f-b0e9-325384a5b6a4"
PHONE_LEG, APP_LEG = "3cd1674a-a7f6-5cc0-8798-5cd303a348d5", "1da09e47-495c-567b-83c2-6143194a2db7"
OTHER_LEG = "94fd4c39-cbe0-5d62-a71a-d73636265e96"
OUT = {"from_type": "phone", "from_number": "12025550119", "to_type": "phone", "to_number": "442079460123"}
PHONE = {"leg_id": PHONE_LEG, "channel_type": "phone", **OUT}
APP = {
    "leg_id": APP_LEG,
    "channel_type": "app",
    "from_type": "app",
    "from_user": "orla.finch",
    "to_type": "phone",
    "to_number": "12025550119",
}
CALLED = {
    "leg_id": OTHER_LEG,
    "channel_type": "phone",
    "from_type": "phone",
    "from_number": "442079460123",
    "to_type": "phone",
    "to_number": "12025550119",
}


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-02-03T{clock}").replace(tzinfo=UTC)


EXPECTED: dict[str, tuple[str, dict[str, Any]]] = {
    "event_sip_hangup": ("hangups", {
        "technology": "sip", "direction": "outbound", "mos_score": 4.21, "quality_percentage": 91.0,
        "jitter_min_var": 0.88, "jitter_max_var": 37.4, "jitter_loss_rate": 0.4, "jitter_burst_rate": 0.0,
        "flaw_total": 9, "packet_cnt": 9120, "packet_loss_perc": 0.1, "byte_in": 1568640, "byte_out": 1570012,
        "reason_code": "REMOTE_HANGUP", "sip_code": 200, "reason_text": "Normal call clearing", **PHONE,
    }),
    "event_rtc_hangup": ("hangups", {
        "technology": "rtc", "direction": "inbound", "mos_score": 4.5, "quality_percentage": 100.0, "flaw_total": 0,
        "packet_cnt": 8840, "packet_loss_perc": 0.0, "byte_in": 1520480, "byte_out": 1521004,
        "reason_code": "LOCAL_HANGUP", "sip_code": 200, "reason_text": "BYE", **APP,
    }),
    "event_sip_status": ("call_records", {
        "technology": "sip", "direction": "outbound", "status": "completed", "requested_at": at("08:14:10"),
        "started_at": at("08:14:19"), "ended_at": at("08:20:31"), "duration_s": 372,
        "price": Decimal("0.04218000"), "rate": Decimal("0.00680000"), "network_code": "23410",
        "successful": True, "reason": "ok", "from": "12025550119", "to": "442079460123", **PHONE,
    }),
    "event_rtc_status": ("call_records", {
        "technology": "rtc", "started_at": at("08:14:25"), "ended_at": at("08:20:30"), "duration_s": 365, "mos": 4.5,
        "price": Decimal("0E-8"), "currency": "EUR", **APP,
    }),
    "event_sip_ringing": ("call_events", {"technology": "sip", "direction": "outbound", **PHONE}),
    "event_sip_answered": ("call_events", {"technology": "sip", "direction": "inbound", **CALLED}),
    "event_sip_amd_machine": ("call_events", {
        "technology": "sip", "machine_type": "human", "machine_confidence": 88, **PHONE,
    }),
    "event_rtc_ringing_answered": ("call_events", {"technology": "rtc", "direction": "inbound", **APP}),
    "event_rtc_transfer": ("call_events", {
        "technology": "rtc", "was_member_id": "MEM-b2b7bea9-a825-504f-9681-09dba63afb6f", "user_id": ORLA_USER,
        "transferred_from": "CON-fef37175-8e25-592b-847b-4947aec115ad", **APP,
    }),
    "event_message_text": ("messages", {
        "message_type": "text", "text": "Grüße – order 20931 is ready ✅", "created_at": at("08:18:48.888"),
    }),
    "event_message_media_image": ("messages", {
        "message_type": "image", "image_url": "https://static.example.net/m/label.jpg",
    }),
    "event_message_location": ("messages", {
        "message_type": "location", "longitude": -0.0853, "latitude": 51.5235, "location_name": "Depot",
        "location_address": "1 Sample Street",
    }),
    "event_message_custom": ("messages", {
        "message_type": "custom", "custom": {"Order ID": 20931, "vip": True, "note": "leave at desk"},
    }),
    "event_message_delivered": ("message_statuses", {"message_event_id": 24}),
    "event_message_seen": ("message_statuses", {"message_event_id": 24}),
    "event_member_message_status_error": ("message_statuses", {
        "message_event_id": 25, "message_type": "template", "channel_type": "whatsapp", "sender": ORLA,
        "recipient": TOMASZ, "message_uuid": "1631b519-e53f-5dee-910a-66e4915488eb",
        "error_type": "https://developer.vonage.com/api-errors/messages#1320", "error_title": "1320",
        "error_detail": "Channel not configured", "error_instance": "04b8b1b5-0ae7-51a0-b675-1df46718cafc",
        "template_name": "acme:pickup_ready", "template_parameters": ["20931", "17:30"],
        "whatsapp_policy": "deterministic", "whatsapp_locale": "en_GB",
    }),
    "event_member_invited": ("member_events", {
        "member_id": ORLA, "user_id": ORLA_USER, "user_name": "orla.finch", "user_display_name": "Orla Finch",
        "user_custom_data": {"team": "north"}, "invited_at": at("08:14:10.002"), "invited_by_system": False,
        "invited_by_user_id": DESK_USER, "invited_by_member_id": DESK, "invited_by": DESK_USER,
        "cname": "intake-0417", "audio": False, "audio_enabled": False, "earmuffed": False, "muted": False,
        "legs": [{"leg_id": PHONE_LEG, "status": "started"}], **PHONE,
    }),
    "event_member_joined": ("member_events", {
        "member_id": ORLA, "user_id": ORLA_USER, "user_name": "orla.finch", "invited_at": at("08:14:10.002"),
        "joined_at": at("08:14:19.640"), "joined_by_system": True, **PHONE,
    }),
    "event_member_left": ("member_events", {
        "member_id": ORLA, "user_id": ORLA_USER, "user_name": "orla.finch", "user_display_name": "Orla Finch",
        "invited_at": at("08:14:10.002"), "joined_at": at("08:14:19.640"), "left_at": at("08:20:30.090"),
        "joined_by_system": True, "left_by_system": False, "left_by_user_id": ORLA_USER, "left_by_member_id": ORLA,
        "reason_code": "hangup", "reason_text": "call ended", **PHONE,
    }),
    "event_member_media": ("member_events", {
        "audio_connected": True, "audio": True, "audio_enabled": True, "earmuffed": False, "muted": False, **PHONE,
    }),
    "event_audio_dtmf_digits": ("audio_events", {
        "digits": "0042#", "dtmf_seq": 3, "method": "in", "duration_ms": 120, **CALLED,
    }),
    "event_audio_earmuff_off": ("audio_events", {"leg_id": APP_LEG}),
    "event_audio_mute_on": ("audio_events", {"leg_id": APP_LEG}),
    "event_audio_play": ("audio_events", {
        "level": -0.4, "loop": 1, "queue": False, "stream_url": "https://static.example.net/a/hold.mp3",
        "play_id": "625137b5-c23c-51c7-a5bb-9ebf2493f210",
    }),
    "event_audio_play_done": ("audio_events", {"play_id": "625137b5-c23c-51c7-a5bb-9ebf2493f210"}),
    "event_audio_record": ("audio_events", {
        "recording_id": "42857438-33ef-52f9-8b81-04e8785bd4f8", "validity": 30, "streamed": False, "format": "mp3",
        "beep_start": True, "beep_stop": False, "detect_speech": False, "split": True, "multitrack": False,
        "channels": 2, "transcription_language": "en-US", "sentiment_analysis": True,
    }),
    "event_audio_record_done": ("audio_events", {
        "record_event_id": 19, "recording_id": "4285743833ef52f98b8104e8785bd4f8", "format": "mp3",
        "destination_url": "https://api-eu-3.vonage.com/v1/files/9465a7c8-7e6b-5322-89c6-442a913b18ab",
        "started_at": at("08:16:00"), "ended_at": at("08:19:12"), "size_bytes": 1536768,
    }),
    "event_audio_record_stop": ("audio_events", {"recording_id": "42857438-33ef-52f9-8b81-04e8785bd4f8"}),
    "event_audio_say": ("audio_events", {
        "text": "Thank you for holding.", "language": "en-GB", "style": 2, "premium": False, "ssml": False,
        "level": 0.0, "loop": 1, "queue": True, "say_id": "ad4295a2-faa3-5d8a-ad06-baf1a22af3c4",
    }),
    "event_audio_say_stop": ("audio_events", {"say_id": "ad4295a2-faa3-5d8a-ad06-baf1a22af3c4"}),
    "event_audio_speaking_on": ("audio_events", APP),
    "event_audio_asr_done": ("audio_events", {
        "asr_id": "473d0f3e-a644-5a5d-9665-e78d1593693a", "asr_timeout_reason": "end_on_silence_timeout",
        "asr_error": "", **CALLED,
    }),
}  # fmt: skip

OTHERS = {"event_conversation_updated": 0, "event_delete": 0, "event_leg_status_update": 3, "event_leg_completed": 2}


def test_every_recorded_event_is_looked_at() -> None:
    assert {path.stem for path in FIXTURES.glob("event_*.json")} == EXPECTED.keys() | OTHERS.keys()


@pytest.mark.parametrize("name", [*EXPECTED, *OTHERS])
def test_the_envelope(name: str) -> None:
    event = fixture(name)
    rows = flatten(event)
    assert not rows.broken
    assert not rows.unknown_types
    (row,) = table(rows, "events")
    user = event["_embedded"]["from_user"]
    assert json.loads(row.pop("body")) == event["body"]
    assert filled(row) == {
        "conversation_id": CON, "event_id": event["id"], "type": event["type"],
        "family": event["type"].partition(":")[0], "at": datetime.fromisoformat(event["timestamp"]),
        "from_member_id": event["from"], "from_user_id": user["id"], "from_user_name": user["name"],
        "from_user_display_name": user["display_name"],
    }  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_the_typed_row(name: str) -> None:
    where, expected = EXPECTED[name]
    event = fixture(name)
    rows = flatten(event)
    (row,) = table(rows, where)
    texts = {column: json.loads(row[column]) for column, value in expected.items() if isinstance(value, dict | list)}
    envelope = {
        "conversation_id": CON, "event_id": event["id"], "type": event["type"],
        "at": datetime.fromisoformat(event["timestamp"]), "from_member_id": event["from"],
        "from_user_id": event["_embedded"]["from_user"]["id"],
    }  # fmt: skip
    assert filled(row) | texts == envelope | expected
    assert set(rows.tables) - {"events", where} <= {"transcripts"}


def test_a_leg_and_its_statuses() -> None:
    rows = flatten(fixture("event_leg_status_update"), fixture("event_leg_completed"))
    leg = {"conversation_id": CON, "leg_id": PHONE_LEG, "direction": "outbound", "channel_type": "phone"}
    inside = {"member_id": ORLA, "leg_conversation_id": CON}
    knocker = {"knocker_id": "9b9c96ea-90c8-5b77-b38f-2a5569285794"}
    assert [filled(row) for row in table(rows, "leg_statuses")] == [
        {**leg, "event_id": 3, "status": "started", "at": at("08:14:10.1"), **knocker},
        {**leg, "event_id": 3, "status": "ringing", "at": at("08:14:11.03"), **inside},
        {**leg, "event_id": 3, "status": "answered", "at": at("08:14:19.512"), **inside},
        {
            **leg,
            "event_id": 39,
            "status": "completed",
            "at": at("08:20:30.001"),
            "successful": True,
            "reason": "ok",
            **inside,
        },
    ]


def test_the_alternatives_of_a_recognition() -> None:
    rows = table(flatten(fixture("event_audio_asr_done")), "transcripts")
    assert [(row["alternative"], row["text"], row["confidence"]) for row in rows] == [
        (1, "billing", 0.91),
        (2, "building", 0.37),
    ]
    assert {(row["leg_id"], row["event_id"], row["timeout_reason"]) for row in rows} == {
        (OTHER_LEG, 22, "end_on_silence_timeout")
    }


@pytest.mark.parametrize("name", ["page_events_array", "page_events_object", "page_events_empty_object"])
def test_recorded_pages(name: str) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    rows = flatten_events([Page(CON, body)], SeenEvents())
    ids = [row["event_id"] for row in table(rows, "events")]
    assert ids == {"page_events_array": [4, 5, 6], "page_events_object": [1, 2, 3]}.get(name, [])
    assert not rows.broken


CONVERSATIONS = {
    "conversation_full": {
        "conversation_id": CON, "name": "intake-0417", "display_name": "Intake line",
        "image_url": "https://static.example.net/c/intake.png", "state": "ACTIVE", "sequence_number": 41,
        "created_at": at("08:14:09.118"), "updated_at": at("08:31:55.402"), "ttl_s": 172800,
        "conversation_type": "quick_chat", "custom_sort_key": "2026-02-03#0417",
        "custom_data": {"ticketNo": "T-20931", "Region Code": "emea", "retry-count": "2"},
        "media_state": {
            "earmuff": False, "mute": False, "play_stream": False, "recording": True, "transcribing": False,
            "tts": False,
        },
    },
    "conversation_minimal": {
        "conversation_id": "CON-f0173f37-6eba-5225-9d88-1c927a9a56ed", "state": "ACTIVE", "sequence_number": 0,
        "name": "NAM-087fbeef-cb10-5251-b0e8-6ea5bd816eca", "created_at": at("09:00:00"),
    },
    "conversation_inactive_deleted": {
        "conversation_id": "CON-cd6af5df-6363-5d3b-9a01-392a27692409", "name": "vip-room",
        "display_name": "VIP room", "state": "DELETED", "sequence_number": 17,
        "created_at": datetime(2026, 2, 4, 17, 45, 12, 700_000, UTC),
        "updated_at": datetime(2026, 2, 4, 18, 0, 0, 40_000, UTC), "destroyed_at": datetime(2026, 2, 5, tzinfo=UTC),
        "ttl_s": 60, "custom_data": {"score": 4.5, "flags": ["a", "b"], "nested": {"k": True}},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("gone", [False, True])
def test_conversations(name: str, gone: bool) -> None:
    rows = flatten_conversations([(FIXTURES / f"{name}.json").read_bytes()], NOW, gone=gone)
    (row,) = table(rows, "conversations")
    texts = {column: json.loads(row[column]) for column in ("custom_data", "media_state") if row[column]}
    assert filled(row) | texts == CONVERSATIONS[name] | {"gone": gone, "exported_at": NOW}
    assert not rows.broken


def test_members() -> None:
    """From lists, and as a single one has them."""
    body = (FIXTURES / "page_members.json").read_bytes()
    rows = table(flatten_records("members", [Page(CON, body)], NOW), "members")
    common = {"conversation_id": CON, "exported_at": NOW}
    assert [filled(row) for row in rows] == [
        {
            **common,
            "member_id": ORLA,
            "state": "JOINED",
            "user_id": ORLA_USER,
            "user_name": "orla.finch",
            "user_display_name": "Orla Finch",
        },
        {
            **common,
            "member_id": TOMASZ,
            "state": "LEFT",
            "user_id": TOMASZ_USER,
            "user_name": "tomasz.reed",
            "user_display_name": "Tomasz Reed",
        },
        {
            **common,
            "member_id": DESK,
            "state": "INVITED",
            "user_id": DESK_USER,
            "user_name": "support-desk",
            "user_display_name": "Support desk",
        },
    ]
    whole = b'{"_embedded": {"members": [%b]}}' % (FIXTURES / "member_joined.json").read_bytes()
    rows = table(flatten_records("members", [Page(CON, whole)], NOW), "members")
    expected = {
        **common, "member_id": ORLA, "state": "JOINED", "user_id": ORLA_USER, "user_name": "orla.finch",
        "user_display_name": "Orla Finch", "invited_at": at("08:14:10.002"), "joined_at": at("08:14:12.640"),
        "channel_type": "app", "from_type": "app,sms", "to_type": "app", "to_user": DESK_USER, "audio": True,
        "audio_enabled": True, "earmuffed": False, "muted": False,
        "knocking_id": "9b9c96ea-90c8-5b77-b38f-2a5569285794",
        "invited_by": DESK,
    }  # fmt: skip
    assert {name: rows[0][name] for name in expected} == expected


def test_users() -> None:
    body = (FIXTURES / "page_users.json").read_bytes()
    rows = table(flatten_records("users", [Page(None, body)], NOW), "users")
    assert [(row["user_id"], row["name"], row["display_name"]) for row in rows] == [
        (ORLA_USER, "orla.finch", "Orla Finch"),
        (TOMASZ_USER, "tomasz.reed", "Tomasz Reed"),
        (DESK_USER, "support-desk", "Support desk"),
    ]
    full = b'{"_embedded": {"users": [%b]}}' % (FIXTURES / "user_full.json").read_bytes()
    (row,) = table(flatten_records("users", [Page(None, full)], NOW), "users")
    channels = json.loads(row["channels"])
    assert channels["sip"] == [{"uri": "sip:orla@pbx.example.org", "username": "orla", "password": "[redacted]"}]
    assert "not-a-real-secret" not in str(row)
    assert channels["pstn"] == [{"number": 442079460123}]
    assert (row["ttl_s"], json.loads(row["custom_data"])) == (3600, {"team": "north", "Shift": "late"})
    assert row["created_at"] == datetime(2026, 1, 11, 10, tzinfo=UTC)


def test_sessions() -> None:
    body = (FIXTURES / "page_sessions.json").read_bytes()
    rows = flatten_records("sessions", [Page(None, body)], NOW)
    assert [(row["session_id"], row["user_id"], row["user_name"], row["ttl_s"]) for row in table(rows, "sessions")] == [
        ("SES-18198f65-6752-545c-894d-ecca117edfe1", ORLA_USER, "orla.finch", 900.0),
        ("SES-a85db41c-8ede-58ca-878b-9d06a4758ae8", ORLA_USER, "orla.finch", 1800.5),
    ]
    assert "0a1b2c3d" not in str(rows.tables["sessions"].to_pylist())
    assert set(TABLES["sessions"].key) == {"session_id"}
