"""Events in lines of logs inside envelopes, in queries of requests, and as the client SDK has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Frames, ingest, open_dataset, read_events
from conv_analytics.exporter import json_pieces as pieces_module
from conv_analytics.exporter.event_pieces import event_pieces
from conv_analytics.privacy import Mask

CALL: dict[str, Any] = {
    "uuid": "aaaaaaaa-0000-4000-8000-000000000001",
    "conversation_uuid": "CON-1",
    "status": "answered",
    "timestamp": "2026-05-04T09:00:09.000Z",
    "from": "447700900001",
}
NOTE = {"type": "sip:ringing", "id": 7, "conversation_id": "CON-1", "application_id": "c0ffee00", "body": {}}
QUERY = "conversation_uuid=CON-1&uuid=9f2c&status=answered&timestamp=2026-05-04T09%3A00%3A09Z&from=%2B447700900001"


def read(folder: Path, *lines: object) -> Frames:
    file = folder / "events.log"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return read_events(file)


# -- lines of a log inside an envelope


@pytest.mark.parametrize(
    "line",
    [
        "INFO {}\n",
        "[2026-05-04 09:00:09,117] INFO in app: received {} from 10.0.0.1\n",
        "2026-05-04T09:00:09Z {}",
        "[09:00:09] [{}]",
        '{{"level": 30}} {}',
    ],
)
def test_a_line_of_a_log_inside_an_envelope(line: str, tmp_path: Path) -> None:
    line_of = [line.format(json.dumps(event)) for event in (CALL, NOTE)]
    frames = read(
        tmp_path,
        {"log": line_of[0], "stream": "stdout", "time": "2026-05-04T09:00:09.2Z"},
        {"received_at": "2026-05-04T09:00:10Z", "message": line_of[1], "kubernetes": {"pod_name": "webhooks-0"}},
    )
    assert frames["voice_events"]["leg_id"].tolist() == [CALL["uuid"]]
    assert frames["events"]["event_id"].tolist() == [7]
    assert str(frames["events"]["received_at"][0]) == "2026-05-04 09:00:10+00:00"
    assert frames.report.quarantined == line.startswith("{") * 2


@pytest.mark.parametrize("line", ["INFO started {x}", 'INFO {"level": 30}', f"INFO {json.dumps(CALL)[:-9]}", "a=b&c=d"])
def test_another_line_inside_an_envelope_is_quarantined_with_it(line: str, tmp_path: Path) -> None:
    frames = read(tmp_path, {"log": line})
    assert (len(frames["voice_events"]), frames.report.quarantined) == (0, 1)


# -- queries


@pytest.mark.parametrize(
    ("line", "around"),
    [
        (QUERY, 0),
        (f"  ?{QUERY}\r", 0),
        (f'10.0.0.1 - - [04/May/2026:09:00:09 +0000] "GET /webhooks/event?{QUERY} HTTP/1.1" 200 0 "-" "-"', 2),
        (f"GET /webhooks/event?{QUERY} 204 1.208 ms - -", 2),
        (f"09:00:09 INFO GET https://example.com/event?{QUERY}", 1),
        ({"args": QUERY, "status": 200}, 0),
        ({"request": f"GET /webhooks/event?{QUERY} HTTP/1.1"}, 0),
        ({"httpMethod": "POST", "body": QUERY}, 0),
    ],
)
def test_a_query_that_is_an_event(line: object, around: int, tmp_path: Path) -> None:
    frames = read(tmp_path, line)
    (event,) = frames["voice_events"].to_dict("records")
    assert (event["conversation_id"], event["leg_id"], event["status"]) == ("CON-1", "9f2c", "answered")
    assert (str(event["at"]), event["from"]) == ("2026-05-04 09:00:09+00:00", "+447700900001")
    assert frames.report.quarantined == around


@pytest.mark.parametrize(
    "line",
    [
        "uuid=9f2c&status=answered",
        "conversation_uuid=CON-1&page=2",
        "uuid=9f2c&conversation_uuid=CON-1&from=447700900001",
        f"INFO {QUERY}",
        f"{QUERY} and more",
        f'{QUERY}&dtmf={{"digits":"1"}}',
        f'{{"level": 30}} {QUERY}',
        'GET /v1/calls?conversation_uuid=CON-1&status=answered HTTP/1.1" 200',
        "conversation_uuid=CON-1",
        {"url": "/v1/calls?conversation_uuid=CON-1&status=answered"},
    ],
)
def test_what_is_not_clearly_an_event_is_quarantined(line: object, tmp_path: Path) -> None:
    frames = read(tmp_path, line)
    assert len(frames["voice_events"]) == 0
    assert frames.report.quarantined > 0


def test_queries_between_other_lines(tmp_path: Path) -> None:
    frames = read(tmp_path, "started", QUERY, CALL, QUERY.replace("9f2c", "9f2d"), "one", "two", {"level": 30}, "end")
    assert frames["voice_events"]["leg_id"].tolist() == ["9f2c", CALL["uuid"], "9f2d"]
    assert [json.loads(record)["raw"] for record in frames.broken] == [
        "started\n",
        "one\ntwo\n",
        '{"level": 30}',
        "end\n",
    ]
    again = ingest(tmp_path / "exports", tmp_path / "events.log")
    assert (again.tables["voice_events"], again.quarantined) == (3, 4)


@pytest.mark.parametrize("size", [1, 7, 100, 499, 500, 501, 1_000, 10_000])
def test_queries_in_chunks_of_any_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "MAX_TEXT", 500)
    lines = [f"uuid={number}&conversation_uuid=CON-1&status=answered\n" for number in range(100)]
    data = "".join(lines).encode()
    found = [piece for piece in event_pieces(data[at : at + size] for at in range(0, len(data), size)) if piece.outline]
    assert [json.loads(piece.text)["uuid"] for piece in found] == list(map(str, range(100)))


# -- the client SDK

SDK: dict[str, Any] = {
    "kind": "message:text",
    "id": 4,
    "timestamp": "2026-05-04T09:00:09.000Z",
    "conversationId": "CON-1",
    "from": {
        "kind": "embeddedInfo",
        "memberId": "MEM-1",
        "user": {"id": "USR-1", "name": "alice", "displayName": "Alice B", "imageUrl": "https://a.example/1.jpg"},
    },
    "body": {"text": "hello"},
    "memberStatuses": {"MEM-2": {"seen": "2026-05-04T09:00:10.000Z", "current": "seen"}},
}


def test_a_message_of_the_client_sdk(tmp_path: Path) -> None:
    frames = read(tmp_path, SDK, SDK, {"event": SDK | {"id": 5}})
    (event, _) = frames["events"].to_dict("records")
    assert (event["conversation_id"], event["event_id"], event["type"], event["source"]) == (
        "CON-1",
        4,
        "message",
        "file",
    )
    sender = [event[f"from_{name}"] for name in ("member_id", "user_id", "user_name", "user_display_name")]
    assert sender == ["MEM-1", "USR-1", "alice", "Alice B"]
    assert json.loads(event["extra"]) == {"memberStatuses": SDK["memberStatuses"]}
    assert frames["messages"][["message_type", "text"]].values.tolist() == [["text", "hello"]] * 2
    assert (frames.report.quarantined, frames.report.duplicates) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "body", "table", "expected"),
    [
        (
            "message:image",
            {"imageUrl": "https://a.example/2.jpg"},
            "messages",
            {"image_url": "https://a.example/2.jpg"},
        ),
        ("message:custom", {"customData": {"a b": 1}}, "messages", {"custom": '{"a b": 1}'}),
        ("message:location", {"location": {"latitude": "51.5"}}, "messages", {"latitude": 51.5}),
        ("message:seen", {"eventId": 3}, "message_statuses", {"message_event_id": 3, "type": "message:seen"}),
        (
            "member:joined",
            {"memberId": "MEM-2", "user": {"id": "USR-2", "displayName": "Bob"}, "channel": {"id": "leg-1"}},
            "member_events",
            {"member_id": "MEM-2", "user_id": "USR-2", "user_display_name": "Bob", "leg_id": "leg-1"},
        ),
        ("event:delete", {"eventId": 3}, "events", {"type": "event:delete", "body": '{"event_id":3}'}),
        ("custom", {"eventId": 1}, "events", {"type": "custom:order", "body": '{"eventId": 1}', "extra": None}),
    ],
)
def test_kinds_of_events_of_the_client_sdk(
    kind: str, body: object, table: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    event = {key: SDK[key] for key in SDK if key != "memberStatuses"} | {"kind": kind, "body": body}
    (row,) = read(tmp_path, event | ({"eventType": "order"} if kind == "custom" else {}))[table].to_dict("records")
    assert {name: None if row[name] != row[name] else row[name] for name in expected} == expected


def test_a_list_replaces_an_event_of_the_client_sdk(tmp_path: Path) -> None:
    of_list = {
        "id": 4, "type": "message", "timestamp": SDK["timestamp"], "conversation_id": "CON-1",
        "body": {"message_type": "text", "text": "hello"},
    }  # fmt: skip
    frames = read(tmp_path, SDK, of_list)
    assert (len(frames["events"]), frames.report.duplicates) == (1, 1)


@pytest.mark.parametrize(
    "event",
    [
        SDK | {"kind": "call:ringing"},
        SDK | {"conversationId": None},
        SDK | {"timestamp": 5},
        SDK | {"id": "CALL-1"},
        SDK | {"from": "MEM-1"},
        SDK | {"body": "hello"},
        {key: SDK[key] for key in SDK if key != "id"},
    ],
)
def test_an_object_that_is_no_event_of_the_client_sdk(event: object, tmp_path: Path) -> None:
    frames = read(tmp_path, event)
    assert (len(frames["events"]), frames.report.quarantined) == (0, 1)


def test_people_are_masked_in_every_form(tmp_path: Path) -> None:
    read(tmp_path, SDK, QUERY + "&from_user=Alice", {"log": f"INFO {json.dumps(CALL | {'from_user': 'Alice'})}"})
    frames = read_events(tmp_path / "events.log", mask=Mask(b"a key of the tests, long enough"))
    written = "".join(frames[name].to_csv() for name in frames) + "".join(map(str, frames.broken))
    assert len(frames["voice_events"]) == 2
    assert not [person for person in ("Alice", "alice", "hello", "447700900001") if person in written]


# -- when an envelope was received


@pytest.mark.parametrize(
    "at",
    [
        "2026-05-04T09:00:10Z", 1777885210, 1777885210.0, "1777885210", 1777885210000, 1777885210000000,
        {"$date": "2026-05-04T09:00:10Z"}, {"$date": 1777885210000}, {"$date": {"$numberLong": "1777885210000"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["received_at", "receivedAt", "received"])
def test_when_an_envelope_was_received(key: str, at: object, tmp_path: Path) -> None:
    frames = read(tmp_path, {key: at, "body": NOTE})
    assert (str(frames["events"]["received_at"][0]), frames.report.quarantined) == ("2026-05-04 09:00:10+00:00", 0)


@pytest.mark.parametrize("at", ["yesterday", 5, {"$date": "soon"}, [1], True, 1e300])
def test_an_instant_that_cannot_be_read_is_counted(at: object, tmp_path: Path) -> None:
    frames = read(tmp_path, {"received_at": at, "body": NOTE})
    assert frames["events"]["received_at"].isna().tolist() == [True]
    assert [json.loads(json.loads(record)["raw"]) for record in frames.broken] == [{"received_at": at}]
    root = tmp_path / "exports"
    assert [ingest(root, tmp_path / "events.log").quarantined for _ in range(2)] == [1, 0]
    assert len(open_dataset(root)["events"]) == 1


@pytest.mark.parametrize(
    "envelope", [{"received_at": None, "body": NOTE}, {"received": NOTE}, {"received": True, "e": NOTE}]
)
def test_an_envelope_without_an_instant(envelope: object, tmp_path: Path) -> None:
    frames = read(tmp_path, envelope)
    assert (len(frames["events"]), frames.report.quarantined) == (1, 0)
