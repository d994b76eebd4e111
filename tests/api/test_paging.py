"""Paging by the rules of contract 2: flows stepped by hand, and once through both clients."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from conv_analytics import errors
from conv_analytics.api.flow import Paginator, Reply, Rules, Send
from conv_analytics.api.page import RawPage, read_page
from conv_analytics.api.retry import Retry
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import Listing
from conv_analytics.resources.links import cursor_of
from tests._helpers.scripted_server import Face, Server

EXPIRED = Reply(400, {}, b'{"title": "Bad request.", "code": "paginator-builder:error:invalid-cursor"}')


def listing(key: str = "conversations", **params: str) -> Listing[Any]:
    return Listing(f"/v1/{key}", key, lambda item: item.get("id"), tuple(params.items()))


def page(ids: list[Any], following: Any = None, key: str = "conversations") -> bytes:
    links = {"self": {"href": "https://x/"}, "next": {"href": f"https://x/?cursor={following}"}} if following else {}
    return json.dumps({"page_size": 10, "_embedded": {key: [{"id": one} for one in ids]}, "_links": links}).encode()


def drive(
    walk: Paginator[Any], answers: list[bytes | Reply], warnings: list[str] | None = None
) -> tuple[list[Any], list[str]]:
    """All items, and the URLs asked for; the warnings of pages are added to those given."""
    found, asked, remaining = [], [], iter(answers)
    while not walk.done:
        flow = walk.next_page()
        step: Any = next(flow)
        while True:
            assert isinstance(step, Send)
            asked.append(step.url)
            outcome = next(remaining)
            try:
                step = flow.send(outcome if isinstance(outcome, Reply) else Reply(200, {}, outcome))
            except StopIteration as end:
                found += walk.new_items(end.value)
                if warnings is not None and end.value.warning:
                    warnings.append(end.value.warning)
                break
    assert list(remaining) == []
    return found, asked


def walk(one: Listing[Any] | None = None) -> Paginator[Any]:
    return Paginator(one or listing(), Rules(Retry(repeats=0)))


def test_filters_are_repeated_and_only_the_cursor_is_taken() -> None:
    far = b'{"_embedded": {"conversations": []}, "_links": {"next": {"href": "https://evil.example:1/v9/y?order=desc&cursor=a%2Bb"}}}'
    _, asked = drive(walk(listing(order="asc", page_size="100")), [far, page([])])
    assert asked == [
        "/v1/conversations?order=asc&page_size=100",
        "/v1/conversations?order=asc&page_size=100&cursor=a%2Bb",
    ]


@pytest.mark.parametrize(
    "sent",
    ["qpkBafUw8=", "a+b/c==", "a%2Bb%2Fc%3D%3D", "deadbeef00", "a%20b", "%C3%A9", "a%252Bb"],
)
def test_cursor_is_decoded_once_and_encoded_once(sent: str) -> None:
    cursor = cursor_of(f"/v1/x?page_size=10&cursor={sent}&order=asc#frag")
    assert cursor == unquote(sent)
    _, asked = drive(walk(), [page([], sent), page([])])
    again = cursor_of(asked[1])
    assert again == unquote(sent)
    assert "+" not in asked[1]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"page_size": 10}',
        b'{"_embedded": {}}',
        b'{"_embedded": []}',
        b'{"_embedded": null, "_links": null}',
        b'{"_embedded": {"conversations": []}, "_links": {}}',
        b'{"_links": {"next": null, "self": {"href": "x"}}}',
        b'{"_links": {"first": {}, "self": {}, "next": {}, "prev": {}}}',
        b'{"_links": {"next": {"href": ""}}}',
        b'{"_links": {"next": {"href": null}}}',
        b'{"_links": {"next": ""}}',
    ],
)
def test_ends(body: bytes) -> None:
    assert drive(walk(), [page([1], "c"), body]) == ([1], ["/v1/conversations", "/v1/conversations?cursor=c"])


@pytest.mark.parametrize(
    "href", ["/v1/conversations", "/v1/conversations?order=asc", "?cursor=", "https://x/?cursors=1"]
)
def test_next_without_cursor_stops_with_a_warning(href: str) -> None:
    last = json.dumps({"_embedded": {"conversations": [{"id": 2}]}, "_links": {"next": {"href": href}}}).encode()
    warnings: list[str] = []
    assert drive(walk(), [page([1], "c"), last], warnings)[0] == [1, 2]
    assert "may be incomplete" in warnings[0]


def test_empty_page_with_next_goes_on() -> None:
    assert drive(walk(), [page([], "b"), page([], "c"), page([5])])[0] == [5]


def test_items_come_once() -> None:
    assert drive(walk(), [page([1, 2], "b"), page([2, 3], "c"), page([3, 1, 4])])[0] == [1, 2, 3, 4]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_loops_are_errors_and_lose_nothing(cursors: list[str]) -> None:
    one, found = walk(), []
    answers = [page([number], cursor) for number, cursor in enumerate(cursors)]
    with pytest.raises(errors.CursorLoop, match="leads back"):  # noqa: PT012  at which page is part of the question
        for body in [*answers, b"never asked for"]:
            flow = one.next_page()
            next(flow)
            try:
                flow.send(Reply(200, {}, body))
            except StopIteration as end:
                found += one.new_items(end.value)
    assert found == list(range(len(cursors)))


@pytest.mark.parametrize("embedded", ['[{"id": 1}]', '{"events": [{"id": 1}]}', '{"data": {"events": [{"id": 1}]}}'])
def test_shapes_of_event_pages(embedded: str) -> None:
    assert drive(walk(listing("events")), [f'{{"_embedded": {embedded}}}'.encode()])[0] == [1]


@pytest.mark.parametrize("embedded", ['{"conversations": 3}', '{"conversations": "x"}', '{"conversations": [1]}', "7"])
def test_items_that_are_none(embedded: str) -> None:
    with pytest.raises(errors.UnexpectedPayload, match="not a list of objects"):
        drive(walk(), [f'{{"_embedded": {embedded}}}'.encode()])


def test_invalid_cursor_restarts_once() -> None:
    found, asked = drive(walk(), [page([1, 2], "b"), EXPIRED, page([1, 2], "x"), page([3])])
    assert found == [1, 2, 3]
    assert asked[2:] == ["/v1/conversations", "/v1/conversations?cursor=x"]
    with pytest.raises(errors.InvalidRequest, match="start the listing again"):
        drive(walk(), [page([1], "b"), EXPIRED, page([1], "x"), EXPIRED])
    with pytest.raises(errors.InvalidRequest):
        drive(walk(), [EXPIRED])


def test_events_restart_after_the_last_one() -> None:
    events = listing("events", start_id="4", page_size="2")
    found, asked = drive(walk(events), [page([4, 5], "b", "events"), EXPIRED, page([6], None, "events")])
    assert found == [4, 5, 6]
    assert asked[2] == "/v1/events?start_id=6&page_size=2"
    down = listing("events", order="desc")
    _, asked = drive(walk(down), [page([9], "b", "events"), EXPIRED, page([9, 8], None, "events")])
    assert asked[2] == "/v1/events?order=desc"


# Raw pages


def raw(body: bytes) -> RawPage:
    return read_page(body, "/v1/x", None)


def test_raw_page_leaves_items_as_text() -> None:
    text = b'{"events": [ {"id": 1, "x": 1.50} ]}'
    one = raw(b'{"page_size": 7, "_embedded": ' + text + b', "_links": {"next": {"href": "?cursor=z"}}}')
    assert (bytes(one.embedded), one.next_cursor, one.page_size) == (text, "z", 7)
    assert one.items("events") == [{"id": 1, "x": 1.5}]


@pytest.mark.parametrize(
    "text",
    [
        b'{"events": [{"id": 1, "t": "\\ud800 ] } \\" , : {"}]}',
        b'{"events": [{"id": 1, "t": "\x02"}]}',
        b'{"events": [{"id": 1, "t": NaN}]}',
        b'{"events": [' + b"[" * 30_000 + b"]" * 30_000 + b"]}",
    ],
    ids=["surrogate", "control", "nan", "deep"],
)
def test_raw_page_that_the_fast_reader_refuses(text: bytes) -> None:
    body = b'{"page_size": 7, "_embedded": ' + text + b', "_links": {"next": {"href": "?cursor=z"}}}'
    one = raw(body)
    assert (bytes(one.embedded), one.next_cursor, one.page_size, one.body) == (text, "z", 7, body)
    with pytest.raises(Exception, match=r"cut off|damaged"):
        raw(body[:-30])


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b"<p>", b'{"foo": 1}', b'{"title": "x", "code": "y"}', b'{"_embedded": {"e']
)
def test_what_is_no_page(body: bytes) -> None:
    flow = walk().next_page()
    next(flow)
    with pytest.raises(errors.UnexpectedPayload):
        flow.send(Reply(200, {}, body))


def test_clients_page_alike(face: Face, server: Server) -> None:
    server.script = [page([1, 2], "b%2Bc", "events"), page([2, 3], None, "events")]
    assert [event.id for event in face.call("list_all_events", "CON-1", start_id=1)] == [1, 2, 3]
    assert server.asked[1].target == "/v1/conversations/CON-1/events?start_id=1&page_size=100&cursor=b%2Bc"
    server.script = [page([1], "b", "members"), page([2], None, "members")]
    pages = face.call("raw_pages", endpoints.list_all_members("CON-1"))
    assert [(one.cursor, one.next_cursor) for one in pages] == [(None, "b"), ("b", None)]
    server.script = [page([1], "b+/=", "members")]
    one = face.call("raw_page", endpoints.list_all_members("CON-1"), "b+/=")
    assert (one.cursor, one.next_cursor) == ("b+/=", "b+/=")
    assert server.asked[-1].target.endswith("&cursor=b%2B%2F%3D")


def test_clients_warn(face: Face, server: Server) -> None:
    server.script = [{"_embedded": {"users": [{"id": "USR-1"}]}, "_links": {"next": {"href": "/v1/users"}}}]
    with pytest.warns(errors.PagingWarning, match="may be incomplete"):
        assert len(face.call("list_all_users")) == 1
