"""What the tables hold is what the typed records read, whatever the documents look like."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from conv_analytics.resources import (
    MessageBody,
    MessageMemberBody,
    MessagePlayDTMFBody,
    MessageSIPHangupBody,
    MessageSIPMachineBody,
    MessageSIPStatusBody,
    scan,
)
from conv_analytics.resources.record import Record
from conv_analytics.tables.days import by_day
from conv_analytics.tables.pages import records
from conv_analytics.tables.redact import redact
from conv_analytics.tables.seen_events import IdRanges, SeenEvents
from tests._helpers.document_reading import (
    CON,
    NOW,
    Page,
    fixture,
    flatten,
    flatten_events,
    flatten_records,
    message,
    page,
    table,
)

quick = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

CHANNEL = {
    "leg_id": "channel.id", "channel_type": "channel.type", "from_type": "channel.from_.type",
    "from_number": "channel.from_.number", "to_number": "channel.to.number", "to_user": "channel.to.user",
}  # fmt: skip
QUALITY = (
    "mos_score", "quality_percentage", "jitter_min_var", "jitter_max_var", "jitter_loss_rate", "jitter_burst_rate",
    "flaw_total", "packet_cnt", "packet_loss_perc",
)  # fmt: skip

#: Per recorded event: its table, the record of its body, and where each column's value is in the record.
SAME: dict[str, tuple[str, type[Record], dict[str, str]]] = {
    "event_sip_hangup": ("hangups", MessageSIPHangupBody, {
        "direction": "direction", **{name: f"quality.{name}" for name in QUALITY}, "byte_in": "bandwidth.byte_in",
        "byte_out": "bandwidth.byte_out", "reason_code": "reason.code", "sip_code": "reason.sip_code",
        "reason_text": "reason.text", **CHANNEL,
    }),
    "event_sip_status": ("call_records", MessageSIPStatusBody, {
        "direction": "direction", "status": "status", "requested_at": "request_time", "started_at": "start_time",
        "ended_at": "end_time", "duration_s": "duration", "price": "price", "rate": "rate",
        "currency": "price_currency", "network_code": "network_code", "successful": "state.successful",
        "reason": "state.reason", "from": "from_", "to": "to", **CHANNEL,
    }),
    "event_rtc_status": ("call_records", MessageSIPStatusBody, {"mos": "mos", "currency": "price_currency"}),
    "event_message_location": ("messages", MessageBody, {
        "message_type": "message_type", "longitude": "location.longitude", "latitude": "location.latitude",
        "location_name": "location.name",
    }),
    "event_message_text": ("messages", MessageBody, {
        "message_type": "message_type", "text": "text", "created_at": "timestamp.created",
    }),
    "event_audio_dtmf_digits": ("audio_events", MessagePlayDTMFBody, {
        "digits": "digits", "dtmf_seq": "dtmf_seq", "method": "method", "duration_ms": "duration",
    }),
    "event_sip_amd_machine": ("call_events", MessageSIPMachineBody, {
        "machine_type": "type", "machine_confidence": "confidence",
    }),
    "event_member_left": ("member_events", MessageMemberBody, {
        "member_id": "member_id", "user_id": "user.id", "left_at": "timestamp.left",
        "left_by_system": "initiator.left.is_system", "joined_by_system": "initiator.joined.is_system",
        "reason_code": "reason.code",
    }),
}  # fmt: skip

WILD: list[Any] = [
    None, True, False, 0, 1, -1, 7, 1.5, 2.0, 486, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**25, 1e300,
    0.1, 123456789.12345678,
    "", " ", "372", " 41 ", "-7", "+7", "007", "0.94", ".5", "5.", "1e3", "1_000", "nan", "inf",
    "true", "False", "1", "0", "yes", "in", "OUT", "Inbound", " outbound ", "completed", "phone", "PHONE", "app,sms",
    "new-word", "<null>", "null", "2026-02-03T08:14:10Z", "2026-02-03T08:14:10.1234567Z", "2026-02-03T08:14:10+02:00",
    "2026-02-30T00:00:00Z", "2026-02-03 08:14:10", "2026-02-03", "yesterday", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0.00000001", "0.000000001",
    "9999999999.99999999", "10000000000", "1٣", "é", "\ud83d", "😀",
    "a\x00b", "[1]", '{"a": 1}', [], {}, [1], ["x"], {"a": 1}, [{"id": "x"}], [[]], {"id": "x"}, {"status": "y"},
]  # fmt: skip

STEPS = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(WILD), st.sampled_from(["set", "drop"])), max_size=5)


def places(body: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of nested objects."""
    found = []
    for key, inner in body.items():
        found.append((*at, key))
        if isinstance(inner, dict):
            found += places(inner, (*at, key))
    return found


def change(body: dict[str, Any], steps: list[tuple[int, Any, str]]) -> dict[str, Any]:
    body = json.loads(json.dumps(body))
    for number, wild, way in steps:
        every = places(body)
        if not every:
            break
        *outer, key = every[number % len(every)]
        inner: Any = body
        for step in outer:
            inner = inner[step]
        if way == "drop":
            del inner[key]
        else:
            inner[key] = json.loads(json.dumps(wild))
    return body


def of_record(record: type[Record], body: dict[str, Any], where: str) -> Any:
    try:
        value = attrgetter(where)(record.from_wire(body))
    except AttributeError:
        return None
    return str(value) if isinstance(value, str) else value


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
@quick
@given(data=st.data())
def test_columns_hold_what_records_read(name: str, data: st.DataObject) -> None:
    """Many bodies at once, so that clean and ugly ones share a column."""
    where, record, columns = SAME[name]
    event = fixture(name)
    bodies = [change(event["body"], data.draw(STEPS)) for _ in range(4)] + [event["body"]]
    rows = flatten(*[event | {"id": number, "body": body} for number, body in enumerate(bodies, 1)])
    found = table(rows, where)
    assert [row["event_id"] for row in found] == [1, 2, 3, 4, 5]
    for row, body in zip(found, bodies, strict=True):
        for column, path in columns.items():
            expected = of_record(record, body, path)
            assert (column, row[column]) == (column, expected), json.dumps(body)
    assert all(line.has_row for line in rows.broken)
    assert {json.loads(line.raw)["id"] for line in rows.broken} == {line.event_id for line in rows.broken}


@pytest.mark.parametrize("wild", WILD, ids=lambda wild: json.dumps(wild)[:30])
@pytest.mark.parametrize("column", ["id", "timestamp", "type", "from", "body", "_embedded"])
def test_any_value_in_the_envelope_costs_no_event(column: str, wild: Any) -> None:
    good, odd = message(1, {"text": "a"}), message(2, {"text": "b"}) | {column: wild}
    rows = flatten(good, odd, message(3, {"text": "c"}))
    ids = [row["event_id"] for row in table(rows, "events")]
    assert ids[0] == 1
    assert 3 in ids
    assert len(ids) + rows.duplicates == 3


# -- bodies


def test_bodies_stay_as_they_are_written() -> None:
    bodies = [
        '{ "text" : "\\u0041\\/ \\n" , "n":1.10, "big": 12345678901234567890123, "e": 1E5 }',
        '{"a": [1 ,2],"a": 2, "b":{}}',
        '{"\\u00fc": "\\ud83d\\ude00", "t": "Grüße ✅"}',
        '{"half": "\\ud83d"}',
        "[1, 2]",
        '"text"',
        "7",
        "{}",
    ]
    events = [b'{"id": %d, "type": "custom:x", "body": %b}' % (n, body.encode()) for n, body in enumerate(bodies, 1)]
    for chosen in (events, *[[event] for event in events]):
        found = [row["body"] for row in table(flatten(*chosen), "events")]
        assert found == (bodies if chosen is events else [bodies[events.index(chosen[0])]])


SECRETS = {
    '{"to": {"type": "sip", "password": "p\\"w"}}': '{"to": {"type": "sip", "password": "[redacted]"}}',
    '{"sdp" :  "v=0\\r\\n", "x": "sdp"}': '{"sdp" :  "[redacted]", "x": "sdp"}',
    '{"answer": "v=0", "api_key": "k"}': '{"answer": "[redacted]", "api_key": "[redacted]"}',
    '{"text": "my password: \\"password\\": no"}': '{"text": "my password: \\"password\\": no"}',
}


@pytest.mark.parametrize("body", SECRETS)
def test_secrets_reach_no_table_and_no_quarantine(body: str) -> None:
    assert redact(body) == SECRETS[body]
    event = b'{"id": 1, "type": "rtc:answer", "timestamp": 7, "body": %b}' % body.encode()
    rows = flatten(event)
    assert table(rows, "events")[0]["body"] == SECRETS[body]
    assert json.loads(rows.broken[0].to_json())["raw"] == event.decode().replace(body, SECRETS[body])


def test_bodies_of_custom_events_are_the_users_own() -> None:
    body = {"password": "mine", "answer": "42"}
    assert json.loads(table(flatten(message(1, body, "custom:quiz")), "events")[0]["body"]) == body


def test_what_no_column_takes_is_in_extra() -> None:
    event = message(1, {}) | {"cid": "x", "to": "", "_links": {"self": {}}, "List": [1, {"Deep": None}]}
    (row,) = table(flatten(event), "events")
    assert json.loads(row["extra"]) == {"cid": "x", "to": "", "List": [1, {"Deep": None}]}
    member = {"id": "MEM-1", "state": "JOINED", "x": {"password": "p"}, "_links": {}}
    (row,) = table(flatten_records("members", [Page(CON, page([member], "members"))], NOW), "members")
    assert json.loads(row["extra"]) == {"x": {"password": "[redacted]"}}
    assert table(flatten(message(1, {})), "events")[0]["extra"] is None


# -- lists


def leg(number: int, history: Any, key: str = "statusHistory", who: str = "L1") -> dict[str, Any]:
    return message(number, {"leg_id": who, key: history}, "leg:status:update")


def entry(status: str, second: int, zone: str = "Z") -> dict[str, Any]:
    return {"status": status, "date": f"2026-11-19T10:00:{second:02}{zone}"}


@pytest.mark.parametrize("key", ["statusHistory", "status_history"])
def test_histories_in_every_shape(key: str) -> None:
    one, two = entry("started", 1), entry("ringing", 2)
    shapes = [[one, two], two, {}, [], None, [one]]
    rows = flatten(*[leg(number, shape, key, f"L{number}") for number, shape in enumerate(shapes, 1)])
    assert [(row["leg_id"], row["status"]) for row in table(rows, "leg_statuses")] == [
        ("L1", "started"),
        ("L1", "ringing"),
        ("L2", "ringing"),
        ("L6", "started"),
    ]
    assert not rows.broken


def test_a_status_is_kept_once_however_it_is_spelled() -> None:
    seen = SeenEvents()
    first = flatten(
        leg(1, [entry("started", 1)]), leg(2, [entry("started", 1, ".000Z"), entry("ringing", 2)]), seen=seen
    )
    second = flatten(leg(3, [entry("started", 1, "+00:00"), entry("ringing", 2), entry("answered", 3)]), seen=seen)
    other = flatten(leg(4, [entry("started", 1)], who="L2"), seen=seen)
    found = [(row["event_id"], row["status"]) for rows in (first, second, other) for row in table(rows, "leg_statuses")]
    assert found == [(1, "started"), (2, "ringing"), (3, "answered"), (4, "started")]


@pytest.mark.parametrize("history", ["lost", 7, True])
def test_a_history_that_is_no_list_is_quarantined(history: object) -> None:
    rows = flatten(leg(1, [entry("started", 1)]), leg(2, history), leg(3, [entry("ringing", 2)]))
    assert [row["status"] for row in table(rows, "leg_statuses")] == ["started", "ringing"]
    assert [line.event_id for line in rows.broken] == [2]
    assert len(table(rows, "events")) == 3


def test_alternatives_are_numbered_per_event() -> None:
    def heard(number: int, results: object, key: str = "results") -> dict[str, Any]:
        return message(number, {"asr": {key: results, "call_id": "L"}}, "audio:asr:done")

    rows = flatten(
        heard(1, [{"word": "a", "confidence": 0.5}, {"text": "b", "confidence": "0.25"}]),
        heard(2, []),
        heard(3, [{"word": "c", "confidence": "high"}], "result"),
        heard(4, {"word": "d"}),
    )
    found = [
        (row["event_id"], row["alternative"], row["text"], row["confidence"]) for row in table(rows, "transcripts")
    ]
    assert found == [(1, 1, "a", 0.5), (1, 2, "b", 0.25), (3, 1, "c", None), (4, 1, "d", None)]
    assert len(table(rows, "audio_events")) == 4
    assert [line.event_id for line in rows.broken] == [3]


# -- pages

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab"\\[]{},: \né✅'),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"\\[]{},:✅', max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@quick
@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_items_are_cut_where_they_end(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert [json.loads(item) for item in scan.items(text)] == values


@quick
@given(st.dictionaries(st.text("abé✅:,{}", max_size=5), JSON, max_size=5), st.sampled_from([None, 1]))
def test_members_are_cut_where_they_end(values: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    assert {key: json.loads(value) for key, value in scan.members(text).items()} == values


PAGES = [
    page([message(n, {"message_type": "text", "text": f"é {n}"}) for n in range(1, 6)]),
    page([fixture("event_sip_hangup"), fixture("event_leg_completed"), fixture("event_audio_asr_done"), {}]),
]


@pytest.mark.slow
@settings(deadline=None, max_examples=250, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PAGES), st.randoms(use_true_random=False), st.integers(1, 3))
def test_damaged_pages_lose_no_record_in_silence(whole: bytes, dice: random.Random, times: int) -> None:
    body = bytearray(whole)
    for _ in range(times):
        place = dice.randrange(len(body))
        way = dice.choice(("flip", "delete", "insert", "cut"))
        if way == "flip":
            body[place] ^= 1 << dice.randrange(8)
        elif way == "delete":
            del body[place : place + dice.randrange(1, 4)]
        elif way == "insert":
            body[place:place] = dice.choice((b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\x00", b"\xff", b"1", b":"))
        elif dice.random() < 0.2:
            del body[place:]
        body = body or bytearray(b"{")
    damaged = bytes(body)
    try:
        rows = flatten_events([Page(CON, damaged), Page(CON, page([message(90, {})]))], SeenEvents())
    except ValueError:
        return
    height = len(records(damaged, "events")) + 1
    lost = sum(not line.has_row for line in rows.broken)
    assert rows.tables["events"].num_rows + lost + rows.duplicates == height
    assert 90 in rows.tables["events"]["event_id"].to_pylist()
    for line in rows.broken:
        json.loads(line.to_json())


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"null", b"7", b'"text"', b'{"_embedded": {"events": [', b"{"])
def test_what_is_no_page_is_said(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|not|cut"):
        flatten_events([Page(CON, body)], SeenEvents())


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"_embedded": null}',
        b'{"_embedded": {}}',
        b'{"_embedded": []}',
        b'{"_embedded": {"events": null}}',
        b" {} ",
    ],
)
def test_empty_pages_are_empty(body: bytes) -> None:
    rows = flatten_events([Page(CON, body)], SeenEvents())
    assert rows.tables["events"].num_rows == 0
    assert not rows.broken


def test_the_oldest_shape_of_a_page() -> None:
    body = b'{"_embedded": {"data": {"events": [%b]}}}' % json.dumps(message(1, {})).encode()
    assert flatten_events([Page(CON, body)], SeenEvents()).tables["events"].num_rows == 1


def test_the_same_id_in_two_conversations_is_two_events() -> None:
    pages = [Page("CON-a", page([message(1, {}), message(1, {})])), Page("CON-b", page([message(1, {})]))]
    rows = flatten_events(pages, SeenEvents())
    assert [(row["conversation_id"], row["event_id"]) for row in table(rows, "events")] == [("CON-a", 1), ("CON-b", 1)]
    assert rows.duplicates == 1


def test_unknown_types_are_counted_and_custom_ones_are_not() -> None:
    kinds = ["message:reaction", "custom:x", "custom", "message:reaction", "message", "new"]
    rows = flatten(*[message(number, {}, kind) for number, kind in enumerate(kinds, 1)])
    assert rows.unknown_types == {"message:reaction": 2, "new": 1}
    assert [row["type"] for row in table(rows, "events")] == kinds
    assert len(table(rows, "messages")) == 1


# -- small parts


@quick
@given(st.lists(st.integers(-20, 20), max_size=60))
def test_ranges_are_a_set(numbers: list[int]) -> None:
    ranges, known = IdRanges(), set()
    for number in numbers:
        assert ranges.add(number) == (number not in known)
        known.add(number)
    assert {number for low, high in ranges.pairs for number in range(low, high + 1)} == known
    assert ranges.pairs == sorted(ranges.pairs)
    assert all(one[1] + 1 < other[0] for one, other in zip(ranges.pairs, ranges.pairs[1:], strict=False))


@quick
@given(st.lists(st.none() | st.datetimes(datetime(1, 1, 2), datetime(9998, 1, 1)), max_size=12))  # noqa: DTZ001
def test_rows_go_to_the_day_of_their_instant(moments: list[datetime | None]) -> None:
    aware = [None if moment is None else moment.replace(tzinfo=UTC) for moment in moments]
    rows = pa.table({"at": pa.array(aware, pa.timestamp("us", "UTC")), "n": list(range(len(aware)))})
    otherwise = date(2026, 11, 22)
    found = {day: part["n"].to_pylist() for day, part in by_day(rows, "at", otherwise)}
    expected: dict[date, list[int]] = {}
    for number, moment in enumerate(aware):
        expected.setdefault(moment.date() if moment else otherwise, []).append(number)
    assert found == expected
    assert list(found) == sorted(found)
