"""Pages that no client wants to see: what can be read is read, what cannot is said, and the rest does not suffer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import export
from conv_analytics.errors import ExportIncomplete
from conv_analytics.exporter import Frames
from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.sandboxes import QUICK, Serve, client_of

pytestmark = pytest.mark.slow

TEXT = b'{"id": %d, "type": "message", "timestamp": "2026-11-19T10:00:00Z", "body": %b}'
GOOD = b'{"message_type": "text", "text": "fine"}'
DEEP = b"[" * 2000 + b"]" * 2000


def event(number: int, body: bytes = GOOD) -> bytes:
    return TEXT % (number, body)


def page(*events: bytes, links: bytes | None = b"{}") -> bytes:
    tail = b"" if links is None else b', "_links": ' + links
    return b'{"page_size": 100, "_embedded": {"events": [' + b", ".join(events) + b"]}" + tail + b"}"


@pytest.fixture
def one(serve: Serve) -> tuple[Sandbox, str]:
    """A world, and the conversation in it whose pages are about to be replaced."""
    sandbox = serve(conversations=4)
    return sandbox, next(each for each, number in sandbox.truth().sequence_numbers.items() if number > 3)


def replace(sandbox: Sandbox, conversation: str, *bodies: bytes | Callable[[Request], Reply]) -> None:
    for body in bodies:
        then: Any = body if callable(body) else Reply(200, body)
        sandbox.script(lambda request: request.path == f"/v1/conversations/{conversation}/events", then)


def of(frames: Any, table: str, conversation: str) -> Any:
    return frames[table].query("conversation_id == @conversation").sort_values("event_id")


def others_unharmed(sandbox: Sandbox, frames: Any, conversation: str) -> None:
    truth = sandbox.truth()
    rest = frames["events"].query("conversation_id != @conversation")
    assert len(rest) == truth.events - truth.events_per_conversation[conversation] > 0


BAD_VALUES = {
    "lone surrogate": (b'{"message_type": "text", "text": "half \\ud83d"}', "text"),
    "deep nesting": (b'{"message_type": "text", "text": ' + DEEP + b"}", "text"),
    "deep location": (b'{"message_type": "location", "location": {"latitude": ' + DEEP + b"}}", "latitude"),
    "huge integer": (b'{"message_type": "text", "viber_service": {"ttl": 9223372036854775808}}', "viber_ttl"),
    "endless integer": (b'{"message_type": "text", "viber_service": {"ttl": ' + b"9" * 5000 + b"}}", "viber_ttl"),
    "wrong type": (b'{"message_type": "text", "text": {"a": 1}}', "text"),
    "not finite": (b'{"message_type": "location", "location": {"latitude": 1e400}}', "latitude"),
}


@pytest.mark.parametrize("kind", BAD_VALUES)
def test_a_bad_value_costs_one_cell(kind: str, one: tuple[Sandbox, str]) -> None:
    body, column = BAD_VALUES[kind]
    sandbox, conversation = one
    replace(sandbox, conversation, page(event(1), event(2, body), event(3)))
    frames = export(client_of(sandbox), rate=0)
    assert isinstance(frames, Frames)
    events, messages = of(frames, "events", conversation), of(frames, "messages", conversation)
    assert events["event_id"].tolist() == messages["event_id"].tolist() == [1, 2, 3]
    assert events["body"].tolist() == [GOOD.decode(), body.decode(), GOOD.decode()]
    assert messages[column].isna().iloc[1]
    assert messages["text"].tolist()[0::2] == ["fine", "fine"]
    assert frames.report.quarantined == 1
    line = json.loads(frames.broken[0])
    assert (line["conversation_id"], line["event_id"], line["kept"]) == (conversation, 2, True)
    assert line["raw"] == event(2, body).decode()
    assert [problem["column"] for problem in line["problems"]] == [column]
    others_unharmed(sandbox, frames, conversation)


def test_a_run_says_where_its_unreadable_records_are(one: tuple[Sandbox, str], tmp_path: Path) -> None:
    sandbox, conversation = one
    replace(sandbox, conversation, page(event(1), event(2, BAD_VALUES["huge integer"][0])))
    frames = export(client_of(sandbox), rate=0)
    assert isinstance(frames, Frames)
    assert len(frames.broken) == 1
    assert "1 records have something unreadable; see .broken of the result" in str(frames.report)
    assert "_quarantine" not in f"{frames.report}{frames._repr_html_()}"
    replace(sandbox, conversation, page(event(1), event(2, BAD_VALUES["huge integer"][0])))
    stored = export(client_of(sandbox), tmp_path, rate=0, progress=False)
    assert "1 records have something unreadable; see _quarantine/" in str(stored.report)
    assert ".broken" not in f"{stored.report}{stored._repr_html_()}"
    assert len(list((tmp_path / "_quarantine").iterdir())) == 1


@pytest.mark.parametrize("number", [b"9223372036854775808", b"1.5", b'"x"', b"[1]", b"1e999", b"null"])
def test_an_event_with_a_bad_id_keeps_its_row(number: bytes, one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    odd = event(2).replace(b'"id": 2', b'"id": ' + number)
    replace(sandbox, conversation, page(event(1), odd, event(3)))
    frames = export(client_of(sandbox), rate=0)
    ids = of(frames, "events", conversation)["event_id"]
    assert ids.dropna().tolist() == [1, 3]
    assert ids.isna().sum() == 1
    assert frames.report.quarantined == 1
    assert json.loads(frames.broken[0])["raw"] == odd.decode()


@pytest.mark.parametrize("odd", [b"{}", b"null", b"7", b'"text"', b"[]", b"[[]]", b'{"type": "message"}'])
def test_what_is_no_event_costs_no_event(odd: bytes, one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    replace(sandbox, conversation, page(event(1), odd, event(3)))
    frames = export(client_of(sandbox), rate=0)
    assert of(frames, "events", conversation)["event_id"].dropna().tolist() == [1, 3]
    assert [json.loads(line)["raw"] for line in frames.broken] == [odd.decode()]
    lost = [line for line in frames.broken if not json.loads(line)["kept"]]
    assert frames.report.lost == len(lost) == (not odd.startswith(b"{"))
    others_unharmed(sandbox, frames, conversation)


def test_events_that_come_twice_are_kept_once(one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    path = f"/v1/conversations/{conversation}/events"
    following = json.dumps({"next": {"href": f"https://elsewhere.example{path}?cursor=two"}}).encode()
    replace(
        sandbox, conversation, page(event(1), event(2), event(2), links=following), page(event(2), event(1), event(3))
    )
    frames = export(client_of(sandbox), rate=0)
    assert of(frames, "events", conversation)["event_id"].tolist() == [1, 2, 3]
    assert of(frames, "messages", conversation)["event_id"].tolist() == [1, 2, 3]
    assert frames.report.duplicates == 3
    assert any(seen.query.endswith("cursor=two") for seen in sandbox.requests)


@pytest.mark.parametrize("links", [None, b"null", b"[]", b'{"next": null}', b'{"next": {}}', b'{"next": {"href": ""}}'])
def test_a_page_without_links_is_the_last(links: bytes | None, one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    replace(sandbox, conversation, page(event(1), event(2), links=links))
    frames = export(client_of(sandbox), rate=0)
    assert len(of(frames, "events", conversation)) == 2
    assert frames.report.status == "complete"
    others_unharmed(sandbox, frames, conversation)


def test_pages_that_lead_in_a_circle_end(one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one

    def circle(request: Request) -> Reply:
        following = {"a": "b", "b": "a"}.get(request.query.get("cursor", ""), "a")
        number = {"a": 1, "b": 2}[following]
        return Reply(200, page(event(number), links=b'{"next": {"href": "?cursor=%b"}}' % following.encode()))

    sandbox.script(lambda request: request.path == f"/v1/conversations/{conversation}/events", circle, times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), rate=0)
    assert "leads back to a page already read" in caught.value.report.incomplete[conversation]
    assert caught.value.report.requests < 40
    frames = caught.value.result
    assert of(frames, "events", conversation)["event_id"].tolist() == [1, 2]
    others_unharmed(sandbox, frames, conversation)


def test_a_next_link_without_a_cursor_is_incomplete(one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    links = json.dumps({"next": {"href": f"/v1/conversations/{conversation}/events?order=asc"}}).encode()
    replace(sandbox, conversation, page(event(1), links=links))
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), rate=0)
    assert "may be incomplete" in str(caught.value.report.incomplete)
    others_unharmed(sandbox, caught.value.result, conversation)


def test_a_list_of_conversations_in_a_circle_ends(serve: Serve) -> None:
    sandbox = serve(conversations=5)
    item = b'{"id": "%b"}' % sandbox.world.head(0).id.encode()
    body = b'{"_embedded": {"conversations": [%b]}, "_links": {"next": {"href": "?cursor=x"}}}' % item
    sandbox.script(lambda request: request.path == "/v1/conversations", Reply(200, body), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), rate=0)
    assert "already read" in caught.value.report.incomplete["conversations"]
    assert len(caught.value.result["conversations"]) == 1


NO_PAGES = {
    "html": Reply(200, b"<!doctype html><title>Sign in</title>", "text/html"),
    "error object": Reply(200, b'{"type": "x#unavailable", "title": "Unavailable", "detail": "Try later"}'),
    "truncated": Reply(200, b'{"_embedded": {"events": [{"id": 1, "type": "mess'),
    "nothing": Reply(200, b""),
    "no content": Reply(204),
    "array": Reply(200, b"[]"),
    "null": Reply(200, b"null"),
    "other object": Reply(200, b'{"hello": "world"}'),
    "binary": Reply(200, bytes(range(128, 256))),
}


@pytest.mark.parametrize("kind", NO_PAGES)
def test_an_answer_that_is_no_page_is_repeated_then_said(kind: str, one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one

    def events(request: Request) -> bool:
        return request.path == f"/v1/conversations/{conversation}/events"

    sandbox.script(events, NO_PAGES[kind], times=2)
    frames = export(client_of(sandbox), rate=0)
    assert frames.report.retries == 2
    others_unharmed(sandbox, frames, conversation)
    assert len(of(frames, "events", conversation)) == sandbox.truth().events_per_conversation[conversation]

    sandbox.script(events, NO_PAGES[kind], times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox, retries=1), rate=0)
    assert list(caught.value.report.incomplete) == [conversation]
    others_unharmed(sandbox, caught.value.result, conversation)


def test_an_empty_object_in_place_of_the_list_of_conversations_is_an_empty_application(serve: Serve) -> None:
    sandbox = serve(conversations=5)
    sandbox.script(lambda request: request.path == "/v1/conversations", Reply(200, b"{}"))
    frames = export(client_of(sandbox), rate=0)
    assert frames.report.listed == 0
    assert all(frame.empty for frame in frames.values())


def test_fifty_megabytes_are_read_to_the_last_byte(one: tuple[Sandbox, str], tmp_path: Path) -> None:
    sandbox, conversation = one
    size = 50 * 2**20
    body = b'{"message_type": "text", "text": "%b"}' % (b"x" * size)
    replace(sandbox, conversation, page(event(1), event(2, body)))
    result = export(client_of(sandbox), tmp_path, rate=0)
    texts = result.dataset.arrow("messages", columns=["conversation_id", "event_id", "text"]).to_pylist()
    mine = {row["event_id"]: row["text"] for row in texts if row["conversation_id"] == conversation}
    assert mine == {1: "fine", 2: "x" * size}
    others_unharmed(sandbox, result.dataset, conversation)


def test_a_body_above_the_limit_is_incomplete_and_not_repeated(one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    replace(sandbox, conversation, page(event(1, b'{"text": "%b"}' % (b"x" * 3_000_000))))
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox, max_body_bytes=2_000_000, retries=QUICK), rate=0)
    assert "over 2,000,000 bytes" in caught.value.report.incomplete[conversation]
    assert caught.value.report.retries == 0
    others_unharmed(sandbox, caught.value.result, conversation)


def test_a_conversation_whose_own_fields_are_ugly(one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    ugly = b'{"id": "%b", "name": {"a": 1}, "sequence_number": "many", "state": 7, "x": %b}' % (
        conversation.encode(),
        DEEP,
    )
    sandbox.script(lambda request: request.path.endswith(conversation), Reply(200, ugly))
    frames = export(client_of(sandbox), rate=0)
    row = frames["conversations"].set_index("conversation_id").loc[conversation]
    assert row[["name", "sequence_number", "state"]].isna().all()
    assert json.loads(frames.broken[0])["raw"] == ugly.decode()
    # Without a readable sequence number its events are asked for all the same.
    assert len(of(frames, "events", conversation)) == sandbox.truth().events_per_conversation[conversation]


@pytest.mark.parametrize("name", ["members", "events"])
@pytest.mark.parametrize("found", [b"5", b'"x"', b'{"a": 1}', b"true"])
def test_a_list_that_is_none_is_no_empty_page(one: tuple[Sandbox, str], name: str, found: bytes) -> None:
    sandbox, conversation = one
    body = b'{"_embedded": {"%b": %b}}' % (name.encode(), found)
    path = f"/v1/conversations/{conversation}/{name}"
    sandbox.script(lambda request: request.path == path, Reply(200, body), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), rate=0)
    assert f"a page whose {name} are not a list" in caught.value.report.incomplete[conversation]
    assert len(caught.value.report.incomplete) == 1


def test_a_conversation_whose_id_is_a_number_is_asked_for(one: tuple[Sandbox, str]) -> None:
    sandbox, _ = one
    listed = b'{"_embedded": {"conversations": [{"id": 5}]}}'
    sandbox.script(lambda request: request.path == "/v1/conversations", Reply(200, listed), times=-1)
    frames = export(client_of(sandbox), rate=0)
    assert isinstance(frames, Frames)
    assert "/v1/conversations/5" in {path for _, path, *_ in sandbox.requests}
    assert (frames.report.gone, frames["conversations"]["conversation_id"].tolist()) == (["5"], ["5"])


def test_a_byte_order_mark_is_no_part_of_an_answer(one: tuple[Sandbox, str]) -> None:
    sandbox, conversation = one
    mark = b"\xef\xbb\xbf"
    replace(sandbox, conversation, mark + page(event(1), event(2)))
    document = b'{"id": "%b", "sequence_number": 2, "state": "ACTIVE"}' % conversation.encode()
    path = f"/v1/conversations/{conversation}"
    sandbox.script(lambda request: request.path == path, Reply(200, mark + document))
    frames = export(client_of(sandbox), rate=0)
    assert of(frames, "events", conversation)["event_id"].tolist() == [1, 2]
    found = frames["conversations"].query("conversation_id == @conversation")
    assert found["sequence_number"].tolist() == [2]
