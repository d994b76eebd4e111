"""Nothing is dropped silently, at whatever depth it stands (design D3)."""

from __future__ import annotations

import json
import random
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests._helpers import published_shapes
from tests._helpers.document_reading import CON, FIXTURES, NOW, Page, filled, flatten, flatten_records, page, table
from tests._helpers.leaf_walk import Found, inside, parsed, walk_event, walk_record

RECORDS = {
    "members": published_shapes.MEMBERS,
    "conversations": published_shapes.CONVERSATIONS,
    "users": published_shapes.USERS,
    "sessions": published_shapes.SESSIONS,
}
KEYS = ("undeclared", "Un Declared", "member_id", "user_id", "uuid", "name", "legs", "audio")
ODD: list[Any] = [None, True, 0, 7, 1.5, "", "x", "2026-02-03T08:14:10Z", [], [1, {"a": "b"}], {}, {"b": {"c": 2}}]


def recorded() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every record of the fixtures with the list that it is one of."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for path in sorted(FIXTURES.glob("*.json")):
        document, kind = json.loads(path.read_text(encoding="utf-8")), path.stem.split("_")[0]
        if kind != "page":
            found[path.stem] = (f"{kind}s", document)
            continue
        embedded = document.get("_embedded", {})
        lists = {"events": embedded} if isinstance(embedded, list) else embedded
        for name, items in lists.items():
            found |= {f"{path.stem} {place}": (name, item) for place, item in enumerate(items)}
    return found


RECORDED = recorded()
EVERY = {
    **RECORDED,
    **{f"event: {name}": ("events", event) for name, event in published_shapes.EVENTS.items()},
    **{f"{name}: {title}": (name, record) for name, found in RECORDS.items() for title, record in found.items()},
}


def walk(name: str, record: dict[str, Any]) -> list[Found]:
    return (walk_event(record) if name == "events" else walk_record(name, record))[1]


def test_all_lists_have_records() -> None:
    assert {name for name, _ in EVERY.values()} == {"events", *RECORDS}
    assert len(RECORDED) > 60


@pytest.mark.parametrize("name", EVERY)
def test_no_leaf_is_lost_and_no_cell_null_or_wrong(name: str) -> None:
    assert walk(*EVERY[name]) == []


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_no_leaf_of_a_drawn_record_is_lost(seed: int) -> None:
    """Undeclared keys, other kinds of values and several spellings, anywhere in a record."""
    dice = random.Random(seed)
    name, record = EVERY[dice.choice(list(EVERY))]
    changed: dict[str, Any] = json.loads(json.dumps(record))
    for _ in range(dice.randint(1, 4)):
        objects = [changed]
        for each in objects:
            objects += [inner for inner in each.values() if isinstance(inner, dict)]
        target = dice.choice(objects)
        key = dice.choice([*target, *KEYS])
        if key not in {"id", "type", "_links"}:
            target[key] = json.loads(json.dumps(dice.choice(ODD)))
    assert [found for found in walk(name, changed) if found.what == "lost"] == []


# -- and by hand


def member(record: dict[str, Any]) -> dict[str, Any]:
    (row,) = table(flatten_records("members", [Page(CON, page([record], "members"))], NOW), "members")
    return row


def test_the_number_of_a_channel_is_in_extra() -> None:
    row = member(published_shapes.MEMBERS["channel with a number"])
    assert json.loads(row["extra"]) == {"channel": {"number": "442079460123"}}
    assert (row["channel_type"], row["user_id"], row["audio_enabled"]) == ("phone", "USR-1", True)


def test_what_two_spellings_say_is_kept_twice_only_when_it_differs() -> None:
    plain = {"id": "MEM-1", "_embedded": {"user": {"id": "USR-1"}}, "user_id": "USR-1", "member_id": "MEM-1"}
    assert member(plain)["extra"] is None
    row = member(plain | {"user_id": "USR-2"})
    assert (row["user_id"], json.loads(row["extra"])) == ("USR-1", {"user_id": "USR-2"})


def test_a_member_of_version_01_is_a_row() -> None:
    row = member(published_shapes.MEMBERS["version 0.1"])
    assert (row["member_id"], row["user_id"], row["user_name"], row["leg_id"]) == (
        "MEM-1",
        "USR-1",
        "orla",
        published_shapes.LEG,
    )


def test_extra_is_verbatim() -> None:
    text = b'{"id": "MEM-1", "state": "JOINED", "channel": {"x": 1.50, "y": {"Z": [ 1 ]}}}'
    (row,) = table(flatten_records("members", [Page(CON, page([text], "members"))], NOW), "members")
    assert row["extra"] == '{"channel":{"x":1.50,"y":{"Z": [ 1 ]}}}'


def test_the_sender_is_what_the_event_embeds_and_the_other_one_is_kept() -> None:
    (row,) = table(flatten(published_shapes.EVENTS["sender in full"]), "events")
    assert (row["from_member_id"], row["from_user_id"]) == ("MEM-1", "USR-1")
    extra = json.loads(row["extra"])
    assert extra["from"] == "MEM-7"
    assert extra["_embedded"] == {
        "from_user": {"properties": {"a": 1}},
        "from_member": {"state": "JOINED"},
        "device": "ios",
    }
    # Of most events both say the same, and nothing is left.
    again = published_shapes.event("message", {}, _embedded={"from_member": {"id": "MEM-7"}})
    assert table(flatten(again), "events")[0]["extra"] is None


@pytest.mark.parametrize("name", ["a customer's own answer", "a message that was never stored"])
def test_a_customers_own_data_are_kept(name: str) -> None:
    event = published_shapes.EVENTS[name]
    rows = flatten(event)
    assert parsed(table(rows, "events")[0]["body"]) == event["body"]
    if event["type"] == "message":
        assert parsed(table(rows, "messages")[0]["custom"]) == event["body"]["custom"]


SECRETS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("rtc:answer", {"answer": "v=0"}, ("answer",)),
    ("rtc:offer", {"sdp": {"type": "offer", "text": "v=0"}}, ("sdp", "text")),
    ("member:invited", {"sdp": "v=0"}, ("sdp",)),
    ("member:joined", {"user": {"channel": {"password": 7}}}, ("user", "channel", "password")),
    ("sip:ringing", {"channel": {"to": {"type": "sip", "password": "p"}}}, ("channel", "to", "password")),
    ("new:type", {"channel": {"to": {"password": "p"}}}, ("channel", "to", "password")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "path"), SECRETS)
def test_a_secret_is_one_where_it_stands(kind: str, body: Any, path: tuple[str, ...]) -> None:
    kept = parsed(table(flatten(published_shapes.event(kind, body)), "events")[0]["body"])
    assert inside(kept, path) == "[redacted]"


@pytest.mark.parametrize(
    ("kind", "body"), [("audio:say", {"answer": "yes"}), ("message", {"text": "x", "answer": "yes"})]
)
def test_an_answer_is_a_session_description_in_calls_of_apps_alone(kind: str, body: Any) -> None:
    assert parsed(table(flatten(published_shapes.event(kind, body)), "events")[0]["body"]) == body


def test_a_leg_without_a_history_has_a_row() -> None:
    (row,) = table(flatten(published_shapes.EVENTS["a leg without a history"]), "leg_statuses")
    assert filled(row) | {"at": row["at"].isoformat()} == {
        "conversation_id": CON, "event_id": 1, "leg_id": published_shapes.LEG, "status": "completed",
        "direction": "outbound",
        "channel_type": "phone", "successful": False, "reason": "busy", "member_id": "MEM-7",
        "at": "2026-02-03T08:14:10.250000+00:00",
    }  # fmt: skip


def test_the_state_beside_a_history_is_that_of_its_last_status() -> None:
    first, last = table(flatten(published_shapes.EVENTS["a leg, its state beside the history"]), "leg_statuses")
    assert (first["successful"], first["reason"], first["member_id"], first["leg_conversation_id"]) == (
        None, None, "MEM-7", "CON-1",
    )  # fmt: skip
    assert (last["successful"], last["reason"], last["knocker_id"], last["member_id"]) == (True, "ok", "k-1", None)
    # A state of another status belongs to none of them.
    event = json.loads(json.dumps(published_shapes.EVENTS["a leg, its state beside the history"]))
    event["body"]["status"] = "ringing"
    assert [row["reason"] for row in table(flatten(event), "leg_statuses")] == [None, None]


def test_a_leg_told_again_without_a_history_is_kept_once() -> None:
    event = published_shapes.EVENTS["a leg without a history"]
    assert len(table(flatten(event, event | {"id": 2}), "leg_statuses")) == 1


@pytest.mark.parametrize(
    "name",
    [
        "a transcript",
        "speaking, its channel drawn flat",
        "speech ended on a leg in a list",
        "keys on a leg with a status",
        "an offer",
        "somebody knocks",
        "joined, in an old guide",
        "recognised on a channel",
    ],
)
def test_the_leg_is_found_wherever_it_stands(name: str) -> None:
    rows = flatten(published_shapes.EVENTS[name])
    (found,) = {row["leg_id"] for where in rows.tables if where != "events" for row in table(rows, where)}
    assert found == published_shapes.LEG
    assert not rows.broken
    assert not rows.unknown_types


def test_members_are_found_wherever_they_stand() -> None:
    (row,) = table(flatten(published_shapes.EVENTS["invited, as webhooks log it"]), "member_events")
    assert row["member_id"] == "MEM-4"
    (row,) = table(flatten(published_shapes.EVENTS["joined, in an old guide"]), "member_events")
    assert row["member_id"] == "MEM-7"
    # Who sent an event about somebody else's leaving, or knocks, is not the member meant.
    for event in (
        published_shapes.event("member:left", {}),
        published_shapes.event("member:joined", {}) | {"from": "knocker:1"},
    ):
        assert table(flatten(event), "member_events")[0]["member_id"] is None


def test_a_recording_split_by_conversation_is_no_damage() -> None:
    rows = flatten(published_shapes.EVENTS["a recording split by conversation"])
    assert table(rows, "audio_events")[0]["split"] is True
    assert not rows.broken


AMOUNTS = st.one_of(
    st.sampled_from(["NaN", "sNaN", "-Infinity", "1E+9999999", "1_000", "٣", "0x10"]),
    st.decimals(min_value=-(10**12), max_value=10**12).map(str),
    st.decimals(min_value=-(10**10), max_value=10**10, places=18).map(str),
    st.builds(
        "{}{}.{}{}{}".format,
        st.sampled_from(["", "-", "+"]),
        st.text("0123456789", max_size=12),
        st.text("0123456789", max_size=20),
        st.sampled_from(["", "0" * 10, "0" * 70]),
        st.one_of(st.just(""), st.integers(-30, 30).map("e{}".format)),
    ),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(AMOUNTS, st.booleans()), min_size=1, max_size=4))
def test_an_amount_is_kept_to_its_last_digit_or_its_cell_is_null(amounts: list[tuple[str, bool]]) -> None:
    """As a text or as a number of JSON, alone or among others: the way to read it depends on them."""
    bodies = [as_json(text) if number else json.dumps(text) for text, number in amounts]
    events = [
        f'{{"id": {place}, "type": "sip:status", "body": {{"price": {body}}}}}'.encode()
        for place, body in enumerate(bodies, 1)
    ]
    rows = flatten(*events)
    prices = {row["event_id"]: row["price"] for row in table(rows, "call_records")}
    unread = {broken.event_id for broken in rows.broken}
    for place, (text, _) in enumerate(amounts, 1):
        exact = fitting(text)
        assert (prices[place], place in unread) == (exact, exact is None and text != ""), text


def as_json(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text)
    return text


def fitting(text: str) -> Decimal | None:
    """The amount, if ten digits before the point and eighteen behind it hold it."""
    if not text.isascii() or "_" in text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite():
        return None
    with localcontext(prec=200):
        return amount if -(10**10) < amount < 10**10 and amount == round(amount, 18) else None


def test_a_price_with_more_than_eighteen_decimals_is_counted_and_not_rounded() -> None:
    rows = flatten(published_shapes.event("rtc:status", {"price": "3.1415926535897932384", "rate": "0.01" + "0" * 60}))
    (row,) = table(rows, "call_records")
    assert (row["price"], row["rate"]) == (None, Decimal("0.01"))
    assert [problem.column for broken in rows.broken for problem in broken.problems] == ["price"]
