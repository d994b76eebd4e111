"""The call list of the Voice API through both clients: offsets, odd links, lists that stand still (live contract 7)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.resources import CallPage, Problem, VoiceCall
from tests._helpers.scripted_server import Answer, Asked, Face, Server

FIXTURES = Path(__file__).parents[1] / "fixtures" / "live"

#: How the link to the page at an offset may look; the size in it does not count either.
LINKS: dict[str, Callable[[int], Any]] = {
    "relative": lambda offset: {"next": {"href": f"/v1/calls?page_size=2&record_index={offset}"}},
    "absolute": lambda offset: {"next": {"href": f"https://evil.example/v1/calls?record_index={offset}&page_size=0"}},
    "short": lambda offset: {"next": {"href": f"/calls?record_index={offset}"}},
    "text": lambda offset: {"next": f"/v1/calls?record_index={offset}"},
    "without an offset": lambda _: {"next": {"href": "/v1/calls"}},
    "to the beginning": lambda _: {"next": {"href": "/v1/calls?record_index=0"}},
    "none": lambda _: {},
}


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def calls(*numbers: int) -> list[dict[str, Any]]:
    return [{"uuid": f"leg-{number}", "status": "completed"} for number in numbers]


def serve(total: int, link: Callable[[int], Any], **page: Any) -> Callable[[Asked], Any]:
    """A list of so many calls; the last page has no link to a next one."""

    def answer(asked: Asked) -> Any:
        begin, size = int(asked.params.get("record_index", "0")), int(asked.params["page_size"])
        end = min(begin + size, total)
        links = link(end) if end < total else {}
        said = {"count": total, "page_size": size, "record_index": begin, **page}
        return {**said, "_embedded": {"calls": calls(*range(begin, end))}, "_links": links}

    return answer


@pytest.mark.parametrize("link", LINKS)
def test_every_call_comes_once_whatever_the_links_say(server: Server, face: Face, link: str) -> None:
    server.script = [serve(7, LINKS[link])]
    found = face.call("list_all_calls", page_size=3, conversation_uuid="CON-1", date_end="2026-11-21T00:00:00Z")
    assert [call.uuid for call in found] == [f"leg-{number}" for number in range(7)]
    assert [asked.params.get("record_index") for asked in server.asked] == [None, "3", "6"]
    assert {(asked.path, asked.params["conversation_uuid"], asked.params["page_size"]) for asked in server.asked} == {
        ("/v1/calls", "CON-1", "3")
    }


def test_a_count_of_the_page_alone_ends_the_list_with_its_links(server: Server, face: Face) -> None:
    server.script = [
        {"count": 2, "_embedded": {"calls": calls(0, 1)}, "_links": LINKS["short"](2)},
        {"count": 1, "_embedded": {"calls": calls(2)}, "_links": {}},
    ]
    assert len(face.call("list_all_calls", page_size=2)) == 3
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("script", "asked", "warning"),
    [
        ([{"count": 9, "_embedded": {"calls": calls(0, 1)}}, {"count": 9, "_embedded": {"calls": []}}], 2, "9 records"),
        ([{"count": 9, "_embedded": {"calls": calls(0, 1)}, "_links": LINKS["short"](2)}], 2, "seen before"),
    ],
    ids=["the rest is missing", "the offset is ignored"],
)
def test_a_list_that_stands_still_ends_with_a_warning(
    server: Server, face: Face, script: list[Any], asked: int, warning: str
) -> None:
    server.script = list(script)
    with pytest.warns(errors.PagingWarning, match=warning):
        found = face.call("list_all_calls", page_size=2)
    assert [call.uuid for call in found] == ["leg-0", "leg-1"]
    assert len(server.asked) == asked


def test_a_page_that_is_no_list_is_an_error_and_no_end(server: Server, face: Face) -> None:
    server.script = [serve(3, LINKS["short"]), {"count": 3, "_embedded": {"calls": "busy"}, "_links": {}}]
    with pytest.raises(errors.UnexpectedPayload, match="calls are not a list"):
        face.call("list_all_calls", page_size=2)


def test_one_call_and_one_page(server: Server, face: Face) -> None:
    server.script = [fixture("call_one"), fixture("calls_page_first"), Answer(404, {"title": "Not found"})]
    call = face.call("get_call", "4b7e1c90-2d3f-4a58-9c61-70e8d2f5a3b6")
    assert (call.price, call.duration, call.network) == (Decimal("0.03217333"), 152, "23410")
    page = face.call("get_call_page", page_size=2, status="completed")
    assert (page.count, page.next_cursor, [each.direction for each in page]) == (4, "2", ["inbound", "outbound"])
    with pytest.raises(errors.NotFound):
        face.call("get_call", "unknown")


def test_the_pages_of_the_contract_are_followed_to_their_end(server: Server, face: Face) -> None:
    server.script = [fixture("calls_page_first"), fixture("calls_page_last")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = face.call("list_all_calls", page_size=2, order="asc")
    assert [(call.status, call.price is None, call.to.address) for call in found][2:] == [
        ("completed", False, "wss://bot.example.com/socket"),
        ("answered", True, "442079460201"),
    ]


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("calls_page_*.json")))
def test_the_fixtures_read_without_a_problem(name: str) -> None:
    problems: list[Problem] = []
    page = CallPage.from_wire(fixture(name), problems)
    assert problems == []
    assert all(call.uuid and call.conversation_uuid and not call.extra for call in page)


def test_both_ways_to_write_a_time_and_an_end(server: Server) -> None:
    payload = {
        "uuid": "a",
        "from": [],
        "to": [{"type": "sip", "uri": "sip:a@example.org", "shaken": "x"}],
        "start_time": "2026-11-20 09:15:10",
        "end_time": "2026-11-20T09:15:12.500Z",
        "price": "",
        "rate": 0.004,
        "duration": "2",
    }
    problems: list[Problem] = []
    call = VoiceCall.from_wire(payload, problems)
    assert problems == []
    assert (call.end_time - call.start_time).total_seconds() == 2.5
    assert (call.from_, call.to.uri, call.price, call.rate, call.duration) == (
        None,
        "sip:a@example.org",
        None,
        Decimal("0.004"),
        2,
    )
