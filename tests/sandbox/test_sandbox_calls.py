"""The call list: every leg of the world, by offset, with the irregular links that clients have met."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from conv_analytics.sandbox.calls import plain_id

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from conv_analytics.sandbox import Sandbox

    Json = dict[str, Any]
    Serve = Callable[..., tuple[Sandbox, httpx.Client]]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "live"


def all_calls(client: httpx.Client, **query: object) -> list[Json]:
    """Walk the list by the offset of `next`, and nothing else of it."""
    calls: list[Json] = []
    params: dict[str, Any] = {"page_size": 100, **query}
    while True:
        answer = client.get("/v1/calls", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        calls += page["_embedded"]["calls"]
        following = page["_links"].get("next")
        if following is None:
            assert page["count"] == len(calls)
            return calls
        params |= {name: texts[0] for name, texts in parse_qs(following["href"].partition("?")[2]).items()}


@pytest.mark.parametrize("quirks", [False, True])
@pytest.mark.parametrize("size", [3, 100])
def test_every_leg_is_listed_once_whether_its_conversation_is_or_not(serve: Serve, size: int, quirks: bool) -> None:
    sandbox, client = serve(conversations=60, transient=0.3, quirks=quirks)
    calls = all_calls(client, page_size=size)
    truth = sandbox.truth().calls
    assert [plain_id(call["uuid"]) for call in calls] == [plain_id(call.leg_id) for call in truth]
    assert any(call.transient for call in truth)
    for call, true in zip(calls, truth, strict=True):
        assert (call["status"], call["direction"]) == (true.status, true.direction)
        assert call["conversation_uuid"] == true.conversation_id
        assert true.price == (Decimal(call["price"]) if "price" in call else None)
        assert true.duration_s == (int(call["duration"]) if "duration" in call else None)
    assert (len({len(call["uuid"]) for call in calls}) == 2) == quirks
    assert any(isinstance(call["to"], list) for call in calls) == quirks
    backwards = all_calls(client, page_size=size, order="desc")
    assert [call["uuid"] for call in backwards] == [call["uuid"] for call in calls][::-1]


def test_the_money_is_what_the_events_say(serve: Serve) -> None:
    sandbox, client = serve(conversations=80)
    truth = sandbox.truth()
    billed = [call for call in all_calls(client) if call["status"] == "completed"]
    assert sum(Decimal(call["price"]) for call in billed) == truth.price_sum > 0
    assert sum(int(call["duration"]) for call in billed) == truth.duration_s_sum
    assert {call["price"] is not None for call in billed} == {True}


def keys_of(call: Json) -> set[str]:
    return {*call, *(f"from.{key}" for key in call["from"]), *(f"to.{key}" for key in call["to"])}


def test_calls_look_like_those_of_the_contract(serve: Serve) -> None:
    _, client = serve(conversations=80)
    calls = all_calls(client)
    page = json.loads((FIXTURES / "calls_page_first.json").read_text())
    samples = [
        *page["_embedded"]["calls"],
        *json.loads((FIXTURES / "calls_page_last.json").read_text())["_embedded"]["calls"],
    ]
    for sample in samples:
        # Under way or failed: no price, no times.
        status = {"answered": "busy"}.get(sample["status"], sample["status"])
        alike = [
            call
            for call in calls
            if call["status"] == status and call["to"]["type"] == sample["to"]["type"]
            and (call["from"]["type"] == sample["from"]["type"] or status == "busy")
        ]  # fmt: skip
        assert alike, sample
        assert {frozenset(keys_of(call) - {"from.number", "from.uri"}) for call in alike} == {
            frozenset(keys_of(sample) - {"from.number", "from.uri"})
        }
    assert "password" not in json.dumps(calls)
    first = client.get("/v1/calls", params={"page_size": 2, "order": "asc"}).json()
    assert first.keys() == page.keys()
    assert first["_links"].keys() == page["_links"].keys()
    assert client.get("/v1/calls").json()["page_size"] == 10
    empty = client.get("/v1/calls", params={"conversation_uuid": "CON-0"}).json()
    assert empty["_links"].keys() == json.loads((FIXTURES / "calls_page_empty.json").read_text())["_links"].keys()


def test_filters_choose_by_conversation_status_and_time(serve: Serve) -> None:
    sandbox, client = serve(conversations=80)
    calls = sandbox.truth().calls
    for status, count in Counter(call.status for call in calls).items():
        assert len(all_calls(client, status=status, page_size=7)) == count
    busiest = Counter(call.conversation_id for call in calls).most_common(1)[0]
    assert len(all_calls(client, conversation_uuid=busiest[0])) == busiest[1] > 2
    # Inclusive from, exclusive to: windows that touch neither lose a call nor list one twice.
    middle = calls[len(calls) // 2].began
    edges = [datetime(2026, 11, 1, tzinfo=UTC), middle, datetime(2026, 12, 1, tzinfo=UTC)]
    halves = [
        all_calls(client, date_start=low.isoformat(), date_end=high.isoformat(), page_size=9)
        for low, high in itertools.pairwise(edges)
    ]
    assert [call["uuid"] for half in halves for call in half] == [call.leg_id for call in calls]
    assert halves[1][0]["uuid"] == calls[len(calls) // 2].leg_id


@pytest.mark.parametrize(
    "query",
    ["page_size=0", "page_size=101", "page_size=x", "record_index=-1", "order=DESC", "status=gone", "date_start=soon"],
)
def test_bad_queries_are_refused(serve: Serve, query: str) -> None:
    _, client = serve(conversations=10)
    answer = client.get(f"/v1/calls?{query}")
    assert answer.status_code == 400
    assert [each["name"] for each in answer.json()["invalid_parameters"]] == [query.partition("=")[0]]


def test_one_call_is_found_with_and_without_dashes_and_needs_a_token(serve: Serve) -> None:
    sandbox, client = serve(conversations=20, transient=1.0)
    call = sandbox.truth().calls[0]
    for spelled in (call.leg_id, call.leg_id.replace("-", ""), call.leg_id.upper()):
        assert client.get(f"/v1/calls/{spelled}").json()["uuid"] == call.leg_id
    assert client.get("/v1/calls/00000000-0000-4000-8000-000000000000").status_code == 404
    assert client.get("/v1/calls/").status_code == 404
    assert client.get("/v1/calls", headers={"Authorization": ""}).status_code == 401
    assert client.get("/v1/calls", headers=sandbox.headers(application_id="another")).status_code == 401


def test_a_live_call_has_no_price_and_one_to_come_is_not_there(serve: Serve) -> None:
    sandbox, client = serve(conversations=80)
    calls = sandbox.truth().calls
    call = next(call for call in calls if call.status == "completed" and call.duration_s and call.duration_s > 60)
    sandbox.clock.set(call.began.replace(microsecond=0))
    assert client.get(f"/v1/calls/{call.leg_id}").status_code == 404
    sandbox.clock.set(call.began + (call.ended - call.began) / 2)
    live = client.get(f"/v1/calls/{call.leg_id}").json()
    assert live["status"] in {"ringing", "answered"}
    assert not live.keys() & {"price", "rate", "duration", "start_time", "end_time", "network"}
    sandbox.clock.set(call.ended)
    assert client.get(f"/v1/calls/{call.leg_id}").json()["status"] == "completed"


def test_the_list_forgets_legs_after_their_persistence_time(serve: Serve) -> None:
    sandbox, client = serve(conversations=80, leg_persistence_days=2)
    cut = sandbox.world.end_ms - 2 * 86_400_000
    kept = [call.leg_id for call in sandbox.truth().calls if call.ended.timestamp() * 1000 > cut]
    assert [call["uuid"] for call in all_calls(client)] == kept
    forgotten = next(call.leg_id for call in sandbox.truth().calls if call.leg_id not in kept)
    assert client.get(f"/v1/calls/{forgotten}").status_code == 404


def test_the_call_list_has_a_limit_of_its_own(serve: Serve) -> None:
    _, client = serve(conversations=10, calls_rate=1)
    assert [client.get("/v1/calls").status_code for _ in range(3)][:2] == [200, 429]
    assert all(client.get("/v1/conversations").status_code == 200 for _ in range(5))
