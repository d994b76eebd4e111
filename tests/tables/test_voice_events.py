"""Voice events: one table of all of them, and what they tell of calls (live contract 6)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from conv_analytics.resources.voice_event import VoiceEvent, VoiceEventKind, kind_of
from conv_analytics.tables.flatten import Rows
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import flatten_voice_events
from conv_analytics.tables.webhook_bodies import split
from conv_analytics.tables.webhooks import Received
from tests._helpers.document_reading import FIXTURES, table

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
PHONE_LEG = "4b7e1c90-2d3f-4a58-9c61-70e8d2f5a3b6"
#: What a row has in common with every other one of these events.
SHARED = {"source", "event_key", "received_at", "body", "at_is_received"}


def sent(name: str) -> list[dict[str, Any]]:
    document = json.loads((FIXTURES / "live" / f"{name}.json").read_text(encoding="utf-8"))
    return list(document.get("deliveries", [document]))


def flattened(*bodies: object, seen: SeenEvents | None = None) -> Rows:
    raws = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    return flatten_voice_events([Received(raw, NOW) for raw in raws], seen or SeenEvents())


def only(rows: Rows, name: str) -> dict[str, Any]:
    (row,) = table(rows, name)
    return {key: value for key, value in row.items() if value is not None and key not in SHARED}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


COMPLETED = {
    "leg_id": PHONE_LEG, "conversation_id": "CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411",
    "direction": "outbound",
    "at": at("2026-11-20T09:17:41.512Z"), "status": "completed", "from": "442079460201", "to": "447700900102",
    "started_at": at("2026-11-20T09:15:10Z"), "ended_at": at("2026-11-20T09:17:42Z"), "duration_s": 152,
    "price": Decimal("0.03217333"), "rate": Decimal("0.0127"),
}  # fmt: skip


def test_a_completed_call() -> None:
    (body,) = sent("voice_completed")
    rows = flattened(body)
    assert only(rows, "voice_events") == COMPLETED | {
        "kind": "status", "network": "23410", "disconnected_by": "user", "sip_code": 200,
    }  # fmt: skip
    assert only(rows, "call_records") == COMPLETED | {"network_code": "23410"}
    assert only(rows, "leg_statuses") == {
        name: COMPLETED[name] for name in ("leg_id", "conversation_id", "direction", "at", "status")
    }
    assert {row["source"] for name in ("call_records", "leg_statuses") for row in table(rows, name)} == {"voice"}
    (row,) = table(rows, "voice_events")
    assert row["body"] == json.dumps(body)
    assert (row["received_at"], row["at_is_received"]) == (NOW, False)
    assert rows.broken == []
    assert not rows.unknown_fields


@pytest.mark.parametrize("change", [
    {"price": 0.03217333, "duration": 152, "rate": 0.0127, "sip_code": "200"},
    {"headers": {"X-Trace": "1"}, "call_uuid": PHONE_LEG},
    {"conversation_uuid": "7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411"},
    {"status": "COMPLETED ", "direction": "out"},
    {"timestamp": "2026-11-20T10:17:41.512+01:00"},
])  # fmt: skip
def test_the_same_call_in_other_spellings(change: dict[str, Any]) -> None:
    (body,) = sent("voice_completed")
    plain, changed = flattened(body), flattened(body | change)
    assert only(changed, "call_records") == only(plain, "call_records")
    assert only(changed, "leg_statuses") == only(plain, "leg_statuses")
    assert changed.broken == []
    # A second delivery of the same event, however it is written.
    assert flattened(body, body | change).duplicates == 1
    assert json.loads(table(changed, "voice_events")[0]["body"]) == body | change


def test_a_query_string_is_the_same_event() -> None:
    (body,) = sent("voice_completed")
    query = urlencode({key: json.dumps(value) if isinstance(value, dict) else value for key, value in body.items()})
    (document,) = split(query.encode())
    assert only(flattened(document), "voice_events") == only(flattened(body), "voice_events")
    (spoken,) = sent("voice_input_asr")
    # As it was captured: JSON in the values, partly encoded.
    parts = [f"{key}={json.dumps(value, separators=(',', ':')) if isinstance(value, dict) else value}"
             for key, value in spoken.items()]  # fmt: skip
    (document,) = split("&".join(parts).replace('"', "%22").encode())
    by_query, by_body = flattened(document), flattened(spoken)
    for name in ("voice_events", "transcripts"):
        assert [row | dict.fromkeys(SHARED) for row in table(by_query, name)] == [
            row | dict.fromkeys(SHARED) for row in table(by_body, name)
        ]


def test_what_is_not_a_status() -> None:
    keys = {"dtmf": "12#", "timed_out": "false", "uuid": "9f2c", "timestamp": "2026-11-20T10:00:00Z"}
    rows = flattened(*sent("voice_record"), *sent("voice_transfer"), *sent("voice_input_asr"), keys)
    assert [row["kind"] for row in table(rows, "voice_events")] == ["record", "transfer", "input", "input"]
    assert "leg_statuses" not in rows.tables
    assert "call_records" not in rows.tables
    transfer = table(rows, "voice_events")[1]
    assert transfer["conversation_id"] == transfer["conversation_id_to"] == "CON-b3a6d8e1-40f2-4d77-9e15-c8a2f1047b36"
    recording, pressed = table(rows, "audio_events")
    assert (recording["type"], recording["recording_id"], recording["size_bytes"]) == (
        "audio:record:done", "a1f0c3d2-e5b4-4697-88a9-babcdcedfe0f", 1073208,
    )  # fmt: skip
    assert recording["destination_url"].endswith("0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9")
    assert (pressed["type"], pressed["digits"], pressed["leg_id"], pressed["event_id"]) == (
        "audio:dtmf",
        "12#",
        "9f2c",
        None,
    )
    assert [(row["alternative"], row["text"], row["confidence"]) for row in table(rows, "transcripts")] == [
        (1, "billing", 0.9134), (2, "building", 0.6021),
    ]  # fmt: skip
    assert {row["timeout_reason"] for row in table(rows, "transcripts")} == {"end_on_silence_timeout"}


@pytest.mark.parametrize(("body", "kind"), [
    ({"status": "answered", "reason": "x", "original_request": {"url": "u"}}, "fallback"),
    ({"type": "transfer", "status": "answered"}, "transfer"),
    ({"conversation_uuid_from": "CON-1", "recording_url": "u"}, "transfer"),
    ({"type": "record", "status": "Transcribed", "recording_url": "u"}, "transcription"),
    ({"transcription_url": "u", "status": "x"}, "transcription"),
    ({"recording_url": "u", "speech": {}}, "record"),
    ({"dtmf": {"digits": None, "timed_out": True}, "status": "x"}, "input"),
    ({"payload": 0, "status": "x"}, "notify"),
    ({"status": "never seen before", "reason": "r"}, "status"),
    ({"reason": "no capacity", "speech": None, "dtmf": None}, "error"),
    ({"uuid": "9f2c"}, "unknown"),
])  # fmt: skip
def test_kinds(body: dict[str, Any], kind: str) -> None:
    assert kind_of(body) == kind == VoiceEvent.from_wire(body).kind
    rows = flattened(body | {"uuid": "9f2c"})
    assert only(rows, "voice_events")["kind"] == kind
    assert ("leg_statuses" in rows.tables) == (kind == VoiceEventKind.STATUS)


def test_repeats_by_content_and_not_by_arrival() -> None:
    ringing, started = sent("voice_started_ringing")
    assert (ringing["timestamp"], ringing["uuid"]) == (started["timestamp"], started["uuid"])
    seen = SeenEvents()
    assert flattened(ringing, started, ringing, seen=seen).duplicates == 1
    dashes = ringing | {"uuid": "9F2C4e6a-8b0d-1f35-5779-9bbddff01123"}
    again = flattened(started, dashes, seen=seen)
    assert (again.duplicates, again.tables["voice_events"].num_rows, again.broken) == (2, 0, [])
    # Keys are sent one request each, and may be pressed within a millisecond.
    pressed = {"uuid": "9f2c", "conversation_uuid": "CON-1", "timestamp": "2026-11-20T10:00:00Z"}
    rows = flattened(*(pressed | {"dtmf": {"digits": digit}} for digit in "112"))
    assert [row["digits"] for row in table(rows, "audio_events")] == ["1", "2"]


def test_no_instant_is_that_of_arrival_and_said_to_be() -> None:
    body = {"type": "record", "status": "transcribed", "conversation_uuid": "CON-1", "transcription_url": "u"}
    (row,) = table(flattened(body), "voice_events")
    assert (row["at"], row["at_is_received"], row["kind"]) == (NOW, True, "transcription")
    # Delivered again later, it is the same event all the same.
    seen = SeenEvents()
    raw = json.dumps(body).encode()
    first = flatten_voice_events([Received(raw, NOW)], seen)
    second = flatten_voice_events([Received(raw, NOW.replace(hour=19))], seen)
    assert (first.duplicates, second.duplicates) == (0, 1)


def test_payments_and_unknown_statuses() -> None:
    shared = {"uuid": "9f2c", "conversation_uuid": "CON-1", "timestamp": "2026-11-20T10:00:00Z"}
    rows = flattened(shared | {"status": "success"}, shared | {"status": "levitating"})
    assert [row["status"] for row in table(rows, "voice_events")] == ["success", "levitating"]
    assert [row["status"] for row in table(rows, "leg_statuses")] == ["levitating"]


def test_what_cannot_be_read_is_quarantined_without_secrets() -> None:
    body = {"uuid": "9f2c", "status": "completed", "price": "much", "payload": None, "api_key": "abcd1234"}
    rows = flattened(body, b"[1]", b'{"speech": {"results": 5}, "uuid": "9f2c"}')
    problems = {
        (problem.table, problem.column, record.has_row) for record in rows.broken for problem in record.problems
    }
    assert problems == {("voice_events", "price", True), ("voice_events", "", False), ("transcripts", "text", True)}
    assert only(rows, "call_records")["status"] == "completed"
    assert all(record.list == "voice_events" for record in rows.broken)
    written = " ".join(record.to_json() for record in rows.broken) + str(rows.tables["voice_events"].to_pylist())
    assert "abcd1234" not in written


def test_an_empty_code_is_none() -> None:
    bodies = [{"uuid": f"9f2{n}", "status": "completed", "network": code} for n, code in enumerate(["", None, "23410"])]
    rows = flattened(*bodies)
    assert [row["network"] for row in table(rows, "voice_events")] == [None, None, "23410"]
    assert [row["network_code"] for row in table(rows, "call_records")] == [None, None, "23410"]
    assert [row["extra"] for row in table(rows, "voice_events")] == [None] * 3
    assert VoiceEvent.from_wire(bodies[0]).network is None
