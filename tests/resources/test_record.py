"""How records read, write and show themselves; and that what was read can be written and read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.resources import (
    BODIES,
    ChannelType,
    Conversation,
    CreateEventRequest,
    Endpoint,
    Event,
    Member,
    MessageSIPStatusBody,
    MessageTextBody,
    Problem,
    Record,
    Session,
    User,
)
from conv_analytics.resources.record import Field, Json, fields, is_record, wire


class Part(Record):
    """A part of the example."""

    size: int | None = wire("How big.", unit="B", also="bytes")


class Example(Record):
    """One field of every sort."""

    name: str | None = wire("Name.", also=("title", "meta.title"))
    kind: ChannelType | str | None = wire("Kind.", default=ChannelType.APP)
    part: Part | None = wire("Part.")
    spare: Part | None = wire("Spare part.", loose=True, also="backup")
    parts: tuple[Part, ...] | None = wire("Parts.")
    words: tuple[str, ...] | None = wire("Words.", also="more")
    data: Json = wire("Data.", in_repr=False)
    price: Decimal | None = wire("Price.", key="money.price")
    at: datetime | None = wire("When.")
    by: str | None = wire("By whom.", absent=("<null>", "-"))
    key: str | None = wire("Key.", secret=True)


def read(payload: Mapping[str, Any]) -> tuple[Example, list[Problem]]:
    problems: list[Problem] = []
    return Example.from_wire(payload, problems), problems


def test_a_field_is_resolved_from_its_one_line() -> None:
    by_name = {field.name: field for field in fields(Example)}
    assert by_name["name"].paths == (("name",), ("title",), ("meta", "title"))
    assert by_name["kind"].kind is ChannelType
    assert by_name["parts"] == Field(
        name="parts", doc="Parts.", unit=None, paths=(("parts",),), kind=Part, many=True, loose=False
    )
    assert by_name["data"].kind is Json
    assert by_name["key"].secret
    assert fields(Part)[0].unit == "B"


def test_a_union_of_records_is_read_by_its_owner() -> None:
    body = next(field for field in fields(Event) if field.name == "body")
    assert body.kind is Json


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"name": "a", "title": "b"}, "a"),
        ({"title": "b"}, "b"),
        ({"name": None, "meta": {"title": "c"}}, "c"),
        ({}, None),
    ],
)
def test_the_first_key_that_reads_wins(payload: dict[str, Any], name: str | None) -> None:
    example, problems = read(payload)
    assert example.name == name
    assert problems == []


def test_another_key_stands_in_for_one_that_cannot_be_read() -> None:
    assert read({"name": {}, "title": "b"}) == (Example(name="b", kind=None), [])


def test_what_cannot_be_read_is_reported_once_and_not_quoted() -> None:
    example, problems = read({"name": {"secret": 1}, "title": [], "part": 3})
    assert example == Example(kind=None)
    assert problems == [Problem("name", "an object is not text"), Problem("part", "not an object")]


def test_a_problem_knows_where_it_is() -> None:
    _, problems = read({"parts": [{"size": 1}, {"size": "x"}, 7]})
    assert problems == [
        Problem("parts[1].size", "this text is not a whole number"),
        Problem("parts[2]", "not an object"),
    ]


def test_a_bad_item_does_not_cost_the_good_ones() -> None:
    example, problems = read({"parts": [None, {"bytes": "7"}], "words": ["a", {}, "b"]})
    assert example.parts == (Part(size=7),)
    assert example.words == ("a", "b")
    assert [problem.path for problem in problems] == ["parts[0]", "words[1]"]


def test_a_list_of_nothing_usable_gives_way_to_another_key() -> None:
    example, problems = read({"words": [{}], "more": ["a"]})
    assert example.words == ("a",)
    assert problems == []


@pytest.mark.parametrize(("written", "words"), [("a", ("a",)), ({}, ()), ("", ()), ([], ()), (7, ("7",))])
def test_one_value_is_a_list_of_one(written: object, words: tuple[str, ...]) -> None:
    assert read({"words": written})[0].words == words


def test_a_loose_field_takes_anything_else_as_absent() -> None:
    assert read({"spare": [], "backup": {"size": 2}}) == (Example(kind=None, spare=Part(size=2)), [])
    assert read({"spare": 7}) == (Example(kind=None), [])


def test_marks_of_absence_are_absent() -> None:
    assert read({"by": "<null>"}) == read({"by": "-"}) == read({})


def test_unknown_keys_are_kept_and_written_back() -> None:
    example, _ = read({"name": "a", "New Key": {"x": 1}})
    assert example.extra == {"New Key": {"x": 1}}
    assert example.to_wire() == {"name": "a", "New Key": {"x": 1}}


def test_writing_gives_the_first_key_and_plain_values() -> None:
    example = Example(
        name="a",
        price=Decimal("0.50"),
        at=datetime(2026, 2, 3, 8, 14, 9, 500_000, tzinfo=UTC),
        part=Part(size=1),
        parts=(Part(size=2),),
    )
    assert example.to_wire() == {
        "name": "a",
        "kind": "app",
        "part": {"size": 1},
        "parts": [{"size": 2}],
        "money": {"price": "0.50"},
        "at": "2026-02-03T08:14:09.500000Z",
    }


def test_a_default_is_for_constructing_not_for_reading() -> None:
    assert Example().kind is ChannelType.APP
    assert read({})[0].kind is None


def test_a_record_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Part(size=1).size = 2  # type: ignore[misc]


def test_a_repr_shows_what_is_there_and_no_secret() -> None:
    example = Example(name="a", kind=None, key="hidden", data={"long": 1}, extra={"x": "hidden"})
    assert repr(example) == "Example(name='a')"


@pytest.mark.parametrize(
    ("record", "payload"),
    [
        (Endpoint, {"type": "sip", "uri": "sip:a@example.org", "password": "hidden"}),
        (User, {"channels": {"sip": [{"password": "hidden"}]}}),
        (Session, {"_embedded": {"api_key": "hidden"}, "api_key": "hidden"}),
        (Conversation, {"api_key": "hidden"}),
        (Event, {"type": "member:invited", "body": {"sdp": "hidden"}}),
        (Event, {"type": "rtc:answer", "body": {"answer": "hidden"}}),
        (Event, {"type": "rtc:offer", "body": {"offer": [{"sdp": "hidden"}]}}),
        (
            Event,
            {
                "type": "audio:dtmf",
                "body": {"channel": {"to": {"to": {"type": "sip", "password": "hidden"}}}},
            },
        ),
    ],
)
def test_secrets_are_in_no_repr_but_read(record: type[Record], payload: dict[str, Any]) -> None:
    found = record.from_wire(payload)
    assert "hidden" not in repr(found)
    assert "hidden" in str(found.to_wire())


def test_a_repr_survives_data_of_any_depth() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    assert repr(Conversation.from_wire({"id": "CON-1", "properties": {"custom_data": deep}})).startswith(
        "Conversation("
    )


def value_of(field: Field) -> st.SearchStrategy[Any]:
    """JSON values that a field holds, as the API writes them or nearly so."""
    text: st.SearchStrategy[Any] = st.text(st.characters(codec="utf-8"), max_size=8)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: text,
        int: st.integers(-(2**63), 2**63 - 1).flatmap(lambda i: st.sampled_from([i, str(i)])),
        float: st.floats(allow_nan=False, allow_infinity=False, width=32).flatmap(
            lambda f: st.sampled_from([f, str(f)])
        ),
        bool: st.booleans() | st.sampled_from(["true", "false", 0, 1]),
        datetime: st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat()),
        Decimal: st.decimals(min_value=-(10**6), max_value=10**6, places=6).map(str),
    }
    one: st.SearchStrategy[Any]
    if is_record(field.kind):
        one = payloads(field.kind)
    elif field.kind in simple:
        one = simple[field.kind]
    elif isinstance(field.kind, type) and issubclass(field.kind, StrEnum):
        one = st.sampled_from([str(word) for word in field.kind]) | text
    else:
        one = st.none() | text | st.dictionaries(text, st.integers() | text, max_size=2)
    return st.lists(one, max_size=2) if field.many else one


@st.composite
def payloads(draw: st.DrawFn, record: type[Record]) -> dict[str, Any]:
    """An object of a record class, with some of its fields under some of their keys."""
    payload: dict[str, Any] = {}
    chosen = draw(st.lists(st.sampled_from(fields(record)), max_size=4, unique_by=lambda field: field.name))
    for field in chosen:
        path = draw(st.sampled_from(field.paths))
        target: Any = payload
        for key in path[:-1]:
            target = target.setdefault(key, {}) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target.setdefault(path[-1], draw(value_of(field)))
    return payload


ROUND = [
    Conversation,
    Member,
    User,
    Session,
    Endpoint,
    Example,
    *sorted(set(BODIES.values()), key=lambda c: c.__name__),
]


@pytest.mark.parametrize("record", ROUND, ids=lambda record: record.__name__)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_was_read_can_be_written_and_read_again(record: type[Record], data: st.DataObject) -> None:
    found = record.from_wire(data.draw(payloads(record)))
    assert record.from_wire(found.to_wire()) == found


@pytest.mark.parametrize("kind", [*BODIES, "custom:order"])
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_an_event_can_be_written_and_read_again(kind: str, data: st.DataObject) -> None:
    body = data.draw(payloads(BODIES[kind])) if kind in BODIES else {"Any Thing": [1, None]}
    found = Event.from_wire({"id": "7", "type": kind, "body": body, "_embedded": {"from_user": {"id": "USR-1"}}})
    assert Event.from_wire(found.to_wire()) == found


def test_a_request_can_be_written_and_read_again() -> None:
    request = CreateEventRequest(type="message", from_="MEM-1", body=MessageTextBody(text="Hello"))
    assert CreateEventRequest.from_wire(request.to_wire()).body == request.body


def test_money_is_written_exactly() -> None:
    body = MessageSIPStatusBody.from_wire({"price": "0.04218000"})
    assert body.to_wire() == {"price": "0.04218000"}
