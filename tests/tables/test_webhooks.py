"""Events of webhooks give the rows that the list of events gives, in whatever order, however often, however damaged."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import flatten_voice_events
from conv_analytics.tables.webhook_bodies import Kind, classify, from_query, split
from conv_analytics.tables.webhook_identity import conversation_of
from conv_analytics.tables.webhooks import Received, ReceivedRows, flatten_webhooks
from tests._helpers.document_reading import CON, FIXTURES, fixture, flatten, table

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
APPLICATION = "c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90"
#: What tells where a row came from.
ORIGIN = {"source", "received_at", "event_key"}


def live(pattern: str) -> list[dict[str, Any]]:
    """The bodies of the fixtures, each as it is sent."""
    found = []
    for path in sorted((FIXTURES / "live").glob(pattern)):
        document = json.loads(path.read_text(encoding="utf-8"))
        found += document.get("deliveries", [document])
    return found


def received(*bodies: object) -> list[Received]:
    raws = (body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies)
    return [Received(raw, NOW + timedelta(milliseconds=number)) for number, raw in enumerate(raws)]


def listed() -> list[dict[str, Any]]:
    """Every recorded event of a list, numbered."""
    events = [fixture(path.stem) for path in sorted(FIXTURES.glob("event_*.json"))]
    return [event | {"id": number} for number, event in enumerate(events, start=1) if isinstance(event.get("id"), int)]


def delivered(event: dict[str, Any]) -> dict[str, Any]:
    """The same event as a webhook has it (live contract 5.4)."""
    changed = json.loads(json.dumps(event)) | {"conversation_id": CON, "application_id": APPLICATION}
    changed.pop("_links", None)
    body = changed.get("body")
    if isinstance(body, dict):
        if "bandwidth" in body:
            body["bandwidth"] = {name.replace("byte_", "bytes_"): n for name, n in body["bandwidth"].items()}
        if str(body.get("reason", {}) and body["reason"].get("sip_code", "")).isdigit():
            body["reason"]["sip_code"] = int(body["reason"]["sip_code"])
        for name in ("isFromMB", "session_destination"):
            if name in body:
                changed[name] = body.pop(name)
    return changed


def test_a_webhook_gives_the_cells_of_the_list() -> None:
    events = listed()
    assert len(events) > 30
    webhooks = [delivered(event) for event in events]
    random.Random(3).shuffle(webhooks)
    by_list, by_webhook = flatten(*events), flatten_webhooks(received(*webhooks), SeenEvents())
    assert by_list.broken == by_webhook.broken == []
    assert by_list.tables.keys() == by_webhook.tables.keys() - {"conversations"}
    for name in by_list.tables:
        of_list, of_webhook = ([row | dict.fromkeys(ORIGIN) for row in table(rows, name)]
                               for rows in (by_list, by_webhook))  # fmt: skip
        if name == "events":
            bodies = [[json.loads(row.pop("body") or "null") for row in rows] for rows in (of_list, of_webhook)]
            # Spelt as each of them is: verbatim.
            assert [delivered({"body": body})["body"] for body in bodies[0]] == bodies[1]
            beside = {row["event_id"]: json.loads(row.pop("extra") or "{}") for row in of_webhook}
            for row in of_list:
                rest = json.loads(row.pop("extra") or "{}")
                more = beside[row["event_id"]]
                assert rest == {key: more[key] for key in more if key not in {"isFromMB", "session_destination"}}
        assert of_webhook == of_list, name
    assert {row["source"] for row in table(by_webhook, "hangups")} == {"live"}


def test_the_fixtures_cell_by_cell() -> None:
    rows = flatten_webhooks(received(*live("rtc_*.json")), SeenEvents())
    assert rows.broken == []
    assert not rows.unknown_types
    assert not rows.unknown_fields
    hangup = next(row for row in table(rows, "hangups") if row["technology"] == "sip")
    assert (hangup["event_id"], hangup["byte_in"], hangup["sip_code"], hangup["mos_score"]) == (10, 1304276, 200, 4.37)
    events = table(rows, "events")
    knocks = [row for row in events if row["from_member_id"] and row["from_member_id"].startswith("knocker:")]
    assert [(row["type"], row["conversation_id"], row["event_id"]) for row in knocks] == [
        ("app:knocking", None, None),
        ("sip:ringing", None, None),
    ]
    assert [row["leg_id"] for row in table(rows, "call_events")] == ["9f2c4e6a8b0d1f3557799bbddff01123"] * 2
    without_id = [row for row in events if row["event_id"] is None]
    assert len({row["event_key"] for row in without_id}) == len(without_id) == 5
    assert all(row["event_key"] is None for row in events if row["event_id"] is not None)
    assert rows.received.num_rows == len(events)
    assert rows.received["event_key"].to_pylist() == [row["event_key"] for row in events]
    assert set(rows.received["application_id"].to_pylist()) == {APPLICATION}
    created, deleted = table(rows, "conversations")
    assert created["conversation_id"] == deleted["conversation_id"] == "CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411"
    assert (created["state"], created["destroyed_at"]) == ("ACTIVE", None)
    assert deleted["destroyed_at"] == datetime(2026, 11, 20, 9, 17, 43, 20_000, UTC)
    assert json.loads(deleted["extra"]) == {"reason": "ttl"}
    assert [created["exported_at"], deleted["exported_at"]] == [
        row["received_at"] for row in events if row["type"].startswith("conversation:")
    ]


def test_order_and_repeats_change_nothing() -> None:
    bodies = [json.dumps(each).encode() for each in (*live("rtc_*.json"), *map(delivered, listed()))]
    once = flatten_webhooks(received(*bodies), SeenEvents())
    dice, seen = random.Random(5), SeenEvents()
    # Written anew by a sender that sorts its keys: an event without an id is the same by its content.
    again = [json.dumps(json.loads(body), sort_keys=True, indent=1).encode() for body in bodies]
    sent = [*bodies, *again]
    dice.shuffle(sent)
    batches = [flatten_webhooks(received(*sent[start : start + 9]), seen) for start in range(0, len(sent), 9)]
    assert sum(batch.duplicates for batch in batches) == len(bodies)
    assert sum(batch.tables["events"].num_rows for batch in batches) == once.tables["events"].num_rows == len(bodies)
    for name in once.tables:
        rows = sorted(_comparable(row) for batch in batches for row in table(batch, name))
        assert rows == sorted(map(_comparable, table(once, name))), name


def _comparable(row: dict[str, Any]) -> str:
    values = {name: value for name, value in row.items() if name not in {"received_at", "exported_at"}}
    values = {
        name: json.loads(value) if isinstance(value, str) and value[:1] in {"{", "["} else value
        for name, value in values.items()
    }
    # The first of the events that tell of a status depends on their order.
    return json.dumps({name: value for name, value in values.items() if "at" not in values or "leg_id" not in values
                       or name != "event_id"}, sort_keys=True, default=str)  # fmt: skip


def test_ids_of_any_kind() -> None:
    base = {"type": "audio:dtmf", "application_id": APPLICATION, "body": {"digit": "5"}}
    bodies = [
        base | {"conversation_id": "CON-1", "id": "7"},
        base | {"conversation_id": "CON-1", "id": 7},
        base | {"conversation_id": "CON-1", "id": 10**30},
        base | {"cid": "CON-1", "id": 8, "timestamp": "never"},
        base | {"id": 9, "timestamp": "2026-11-20T10:00:00Z"},
        base | {"conversation_id": {"a": 1}, "id": [1], "timestamp": 5},
        {"application_id": APPLICATION, "conversation_id": "CON-1", "id": 3},
    ]
    rows = flatten_webhooks(received(*bodies), SeenEvents())
    events = [(row["conversation_id"], row["event_id"]) for row in table(rows, "events")]
    assert events == [("CON-1", 3), ("CON-1", 7), ("CON-1", 8), ("CON-1", None), (None, None), (None, None)]
    assert rows.duplicates == 1
    # An id is that of an event only together with its conversation; alone it is kept, but identifies nothing.
    assert [row["extra"] for row in table(rows, "events") if row["conversation_id"] is None] == ['{"id":9}', None]
    reasons = {problem.column for record in rows.broken for problem in record.problems}
    assert reasons == {"event_id", "at", "conversation_id"}
    assert all(record.has_row for record in rows.broken)


@pytest.mark.parametrize(
    ("event", "conversation"),
    [
        ({"conversation_id": "CON-1", "cid": "CON-2"}, "CON-1"),
        ({"conversation_id": "", "cid": "CON-2", "body": {"id": "CON-3"}}, "CON-2"),
        ({"type": "conversation:deleted", "body": {"id": "CON-3"}}, "CON-3"),
        ({"type": "member:invited", "body": {"id": "x", "conversation": {"conversation_id": "CON-4"}}}, "CON-4"),
        ({"type": "leg:status:update", "body": {"statusHistory": [{"conversation_id": "CON-5"}, {"conversation_id":
          "CON-6"}, {"knocker_id": "k"}]}}, "CON-6"),
        ({"type": "leg:status:update", "body": {"statusHistory": {"conversationId": "CON-7"}}}, "CON-7"),
        ({"type": "sip:ringing", "from": "knocker:1", "body": {"id": "CON-8"}}, None),
        ({"type": ["conversation:created"], "body": [1]}, None),
    ],
)  # fmt: skip
def test_conversation_of(event: dict[str, Any], conversation: str | None) -> None:
    assert conversation_of(json.dumps(event).encode()) == conversation


def test_kinds_of_objects() -> None:
    assert {classify(json.dumps(body).encode()) for body in live("rtc_*.json")} == {Kind.RTC_EVENT}
    assert {classify(json.dumps(body).encode()) for body in live("voice_*.json")} == {Kind.VOICE_EVENT}
    assert {classify(json.dumps(event).encode()) for event in listed()} == {Kind.LIST_EVENT}
    for body, kind in (
        ({"_embedded": {"events": []}}, "events"),
        ({"_embedded": {"data": {"members": []}}}, "members"),
        ({"_embedded": [{"id": "CON-1", "name": "n"}], "_links": {}}, "conversations"),
        ({"_embedded": {"calls": []}}, "other"),
        ({"uuid": "9f2c", "conversation_uuid": "CON-1", "status": "completed", "_links": {}}, "other"),
        ({"id": "CON-1", "sequence_number": 3}, "conversation"),
        ({"id": "MEM-1", "state": "JOINED"}, "member"),
        ({"level": "info", "uuid": "x"}, "other"),
    ):
        assert classify(json.dumps(body).encode()).value == kind, body
    assert {classify(body) for body in (b"", b"[]", b"7", b'{"type": "sip:hangup"', b"\xff\xfe", b'{"a":1} x')} == {
        Kind.OTHER
    }
    assert classify(b'{"type": "custom:x", "application_id": "a", "body": ' + b"[" * 3000 + b"]" * 3000 + b"}") is (
        Kind.RTC_EVENT
    )


def test_bodies_are_split() -> None:
    one, two = {"type": "a", "id": 1}, {"type": "b", "id": 2}
    for body in (json.dumps([one, two]), "\ufeff " + json.dumps([one, two], indent=2) + "\n"):
        assert [json.loads(document) for document in split(body.encode())] == [one, two]
    assert split(b'  {"type": "a"}\r\n') == [b'{"type": "a"}']
    assert [classify(each) for each in split(b'[{"type": "a", "id": 1}, 5] x')] == [Kind.OTHER]
    # As a browser writes a form, as Vonage writes a query, and with a plus in a number and in an instant.
    query = "speech=%7B%22error%22%3A%22a+b%22%7D&to=+4420&timestamp=2026-11-20T09:15:00+00:00&reason=no+luck"
    assert json.loads(from_query(query)) == {
        "speech": {"error": "a+b"}, "to": "+4420", "timestamp": "2026-11-20T09:15:00+00:00", "reason": "no luck",
    }  # fmt: skip


def mutated(dice: random.Random, bodies: list[bytes]) -> Iterator[bytes]:
    odd = [b"null", b'""', b"[]", b"{}", b"-1", b"1e400", b'"\\ud800"', b"9" * 400, b"true", b'"2026"', b"[" * 2000]
    while True:
        body = bytearray(dice.choice(bodies))
        for _ in range(dice.randint(1, 3)):
            place, what = dice.randrange(len(body)), dice.randrange(4)
            if what == 0:
                body[place] = dice.randrange(256)
            elif what == 1:
                del body[place : place + dice.randint(1, 40)]
            elif what == 2:
                body[place:place] = dice.choice(odd)
            else:
                colons = [index for index, byte in enumerate(body) if byte == ord(":")]
                if colons:
                    start = dice.choice(colons) + 1
                    body[start : start + dice.randint(0, 12)] = dice.choice(odd)
            if not body:
                break
        yield bytes(body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "flattened"), [("rtc_*.json", flatten_webhooks), ("voice_*.json", flatten_voice_events)]
)
def test_damage_costs_no_other_event_and_nothing_vanishes(pattern: str, flattened: Any) -> None:
    whole = [json.dumps(body).encode() for body in live(pattern)]
    bodies = mutated(random.Random(11), whole)
    name = "events" if flattened is flatten_webhooks else "voice_events"
    seen, outcome = SeenEvents(), Counter[str]()
    for _ in range(20):
        sent = [next(bodies) for _ in range(100)]
        rows: ReceivedRows = flattened(received(*sent), seen)
        lost = sum(not record.has_row for record in rows.broken if record.list == name)
        assert rows.tables[name].num_rows + rows.duplicates + lost == len(sent)
        outcome.update(rows=rows.tables[name].num_rows, lost=lost, kept=sum(record.has_row for record in rows.broken))
    # All that can happen did.
    assert min(outcome.values()) > 50, outcome
    after = flattened(received(*whole), SeenEvents())
    assert after.tables[name].num_rows == len(whole)
