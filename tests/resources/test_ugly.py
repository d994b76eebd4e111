"""Ugly input: whatever arrives, reading never raises, and what could not be read is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.resources import (
    BODIES,
    Conversation,
    ConversationPage,
    CreateEventRequest,
    CreateMemberRequest,
    Endpoint,
    Event,
    EventPage,
    Member,
    MemberPage,
    Problem,
    Record,
    Session,
    SessionPage,
    User,
    UserPage,
)
from conv_analytics.resources.record import Json, fields, is_record
from conv_analytics.resources.scan import _members_by_hand, items, members

ROOTS: list[type[Record]] = [
    Conversation,
    ConversationPage,
    CreateEventRequest,
    CreateMemberRequest,
    Endpoint,
    Event,
    EventPage,
    Member,
    MemberPage,
    Session,
    SessionPage,
    User,
    UserPage,
    *sorted(set(BODIES.values()), key=lambda cls: cls.__name__),
]

WRONG: list[Any] = [None, True, 0, -1.5, 2**63, 10**400, float("inf"), "", "x", "\ud800", "\x00"]
WRONG += [[], [[]], [None], [{}], {}, {"": None}, {"a": {"b": []}}]


@cache
def deep(levels: int, *, lists: bool = False) -> Any:
    """Nest objects or lists: once, as nothing that is read is changed."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"from": value}
    return value


def keys(record: type[Record], prefix: tuple[str, ...] = (), left: int = 4) -> Iterator[tuple[str, ...]]:
    """Every path under which a record's fields may stand."""
    for field in fields(record):
        for path in field.paths:
            yield (*prefix, *path)
            if is_record(field.kind) and left:
                yield from keys(field.kind, (*prefix, *path), left - 1)


def put(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Build the objects around a value."""
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return]


@pytest.mark.parametrize("record", ROOTS, ids=lambda cls: cls.__name__)
def test_a_wrong_value_anywhere_never_raises(record: type[Record]) -> None:
    for path in set(keys(record, left=2)):
        for value in WRONG:
            problems: list[Problem] = []
            found = record.from_wire(put(path, value), problems)
            assert all(problem.path and problem.reason for problem in problems)
            found.to_wire()


@pytest.mark.parametrize("record", ROOTS, ids=lambda cls: cls.__name__)
def test_an_object_where_a_value_belongs_is_reported(record: type[Record]) -> None:
    for field in fields(record):
        if not is_record(field.kind) and field.kind is not Json:
            problems: list[Problem] = []
            record.from_wire(put(field.paths[0], {"x": 1}), problems)
            assert [problem.path for problem in problems] in (
                [".".join(field.paths[0])],
                [".".join(field.paths[0]), ".".join(field.paths[0])],
            )


@pytest.mark.parametrize("body", [None, [], "x", 3, True, [{}]])
def test_a_body_that_is_no_object(body: Any) -> None:
    problems: list[Problem] = []
    event = Event.from_wire({"id": 1, "type": "sip:hangup", "body": body}, problems)
    assert event.body is None
    assert problems == ([] if body is None else [Problem("body", "not an object")])


@pytest.mark.parametrize("kind", [None, 7, {}, [], "\ud800", "message"])
@pytest.mark.parametrize("body", [{}, {"message_type": []}, {"message_type": {"a": 1}}, {"message_type": "\ud800"}])
def test_a_type_that_is_no_text(kind: Any, body: Any) -> None:
    Event.from_wire({"type": kind, "body": body})


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("levels", [1_000, 20_000])
def test_user_data_of_any_depth_is_kept(levels: int, lists: bool) -> None:
    data = deep(levels, lists=lists)
    conversation = Conversation.from_wire({"properties": {"custom_data": data}})
    assert conversation.properties is not None
    assert conversation.properties.custom_data is data
    body = {"any": data}
    assert Event.from_wire({"type": "custom:x", "body": body}).body is body
    assert Event.from_wire({"type": "custom:x", "body": body}).to_wire()["body"] is body


@pytest.mark.slow
@pytest.mark.parametrize("record", ROOTS, ids=lambda cls: cls.__name__)
def test_depth_where_none_is_expected(record: type[Record]) -> None:
    for field in fields(record):
        record.from_wire(put(field.paths[0], deep(20_000)), [])
        record.from_wire(put(field.paths[0], deep(20_000, lists=True)), [])


def test_depth_as_the_json_reader_gives_it() -> None:
    text = '{"from":' * 900 + "1" + "}" * 900
    problems: list[Problem] = []
    Event.from_wire({"type": "audio:dtmf", "body": {"channel": json.loads(text)}}, problems)
    assert problems == []


def test_half_a_surrogate_pair_is_reported() -> None:
    problems: list[Problem] = []
    event = Event.from_wire(
        json.loads('{"type": "message", "body": {"message_type": "text", "text": "\\ud83d"}}'), problems
    )
    assert problems == [Problem("body.text", "half of a surrogate pair is not text")]
    assert event.body.text is None  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_a_number_beyond_64_bits_is_reported(number: int) -> None:
    problems: list[Problem] = []
    assert Event.from_wire({"id": number}, problems).id is None
    assert problems == [Problem("id", "outside the 64-bit range")]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "body", "channel", "from", "to", "user", "_embedded"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    content=st.dictionaries(st.sampled_from(["channel", "user", "quality", "asr", "media", "legs", "state"]), ANYTHING)
)
def test_anything_as_a_body_never_raises(content: dict[str, Any]) -> None:
    for kind in BODIES:
        event = Event.from_wire({"type": kind, "body": content, "_embedded": content}, [])
        repr(event)
        event.to_wire()


@settings(max_examples=80, deadline=None)
@given(embedded=ANYTHING, links=ANYTHING)
def test_anything_as_a_page_never_raises(embedded: Any, links: Any) -> None:
    for page in (ConversationPage, EventPage, MemberPage, SessionPage, UserPage):
        found = page.from_wire({"_embedded": embedded, "_links": links, "page_size": embedded}, [])
        assert len(found) == len(list(found))
        assert found.next_cursor is None or isinstance(found.next_cursor, str)


@settings(max_examples=25)
@given(
    st.lists(st.one_of(st.text(alphabet='"\\[]{},: \n\ud83d', max_size=12), st.lists(st.text(max_size=2), max_size=2)))
)
def test_json_that_is_cut_at_its_commas_has_the_same_items(values: list[Any]) -> None:
    """Whatever quotes, backslashes and brackets its texts have."""
    for text in (json.dumps(values), json.dumps(values, separators=(",", ":"))):
        assert [json.loads(item) for item in items(text.encode())] == values
    named = {f'{place}"\\': value for place, value in enumerate(values)}
    found = members(json.dumps(named).encode())
    assert {name: json.loads(value) for name, value in found.items()} == named
    # By hand it is taken apart the same way, whole or with a text that no decoder takes.
    assert _members_by_hand(json.dumps(named).encode()) == found
    assert members(json.dumps({**named, "bad": "?"}).encode().replace(b'"?"', b'"\xff"')) == {**found, "bad": b'"\xff"'}
