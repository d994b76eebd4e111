"""Lifetimes: transient conversations, expiry by creation, the present of the world, the other data centre."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from conv_analytics.sandbox import Sandbox, World
from conv_analytics.sandbox.world.clock import to_ms
from conv_analytics.sandbox.world.scenarios import TRANSIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    Json = dict[str, Any]
    Serve = Callable[..., tuple[Sandbox, httpx.Client]]
    Walk = Callable[..., list[Json]]
    WalkPages = Callable[..., Iterator[Json]]


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def listed(client: httpx.Client, walk: Walk) -> list[str]:
    return [one["id"] for one in walk(client, "/v1/conversations", "conversations", page_size=100) if "id" in one]


def a_transient_call(world: World) -> tuple[int, str]:
    """A transient conversation with two legs that are answered."""
    for ordinal in world.ordinals:
        legs = world.legs(ordinal)
        if world.is_transient(ordinal) and len(legs) == 2 and all(leg.answered_at for leg in legs):
            return ordinal, world.head(ordinal).id
    raise AssertionError


@pytest.mark.slow
def test_a_share_of_the_voice_calls_is_transient_and_nothing_else_changes() -> None:
    usual, world = World(7, 800), World(7, 800, transient=0.3)
    drawn = [ordinal for ordinal in world.ordinals if world.is_transient(ordinal)]
    eligible = [ordinal for ordinal in world.ordinals if world._scenario(ordinal) in TRANSIENT]
    assert 0.25 < len(drawn) / len(eligible) < 0.35
    assert set(drawn) <= set(eligible)
    for ordinal in world.ordinals:
        assert world.head(ordinal).id == usual.head(ordinal).id
        same = world.conversation(ordinal).rendered == usual.conversation(ordinal).rendered
        # A transient conversation has a name of its own kind, which its invitations show.
        assert same or ordinal in drawn
        assert not (ordinal in drawn and world.head(ordinal).name.startswith("intake"))
    # The truth has them all: a complete folder knows of every call.
    assert world.truth().events_by_type == usual.truth().events_by_type


def test_in_a_finished_world_transient_conversations_are_neither_listed_nor_found(serve: Serve, walk: Walk) -> None:
    sandbox, client = serve(conversations=80, transient=0.3)
    truth = sandbox.truth()
    transient = {call.conversation_id for call in truth.calls if call.transient}
    assert transient
    assert set(listed(client, walk)) == truth.sequence_numbers.keys() - transient
    assert truth.sequence_numbers.keys() - transient == sandbox.truth(listed=True).sequence_numbers.keys()
    for gone in transient:
        for path in ("", "/events", "/members", "/events/1"):
            answer = client.get(f"/v1/conversations/{gone}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "conversation:error:not-found")


def test_a_transient_conversation_answers_until_two_seconds_after_its_last_leg(serve: Serve, walk: Walk) -> None:
    sandbox, client = serve(conversations=80, transient=0.5)
    ordinal, conversation_id = a_transient_call(sandbox.world)
    path = f"/v1/conversations/{conversation_id}"
    legs = sandbox.world.legs(ordinal)
    ended = max(leg.over_at for leg in legs)
    created = sandbox.world.head(ordinal).created
    for at, status in ((created - 1, 404), (created, 200), (ended, 200), (ended + 1999, 200), (ended + 2000, 404)):
        sandbox.clock.set(instant(at))
        assert client.get(path).status_code == client.get(f"{path}/events").status_code == status, at - ended
        assert (conversation_id in listed(client, walk)) == (status == 200)


def test_what_is_still_to_come_cannot_be_read(serve: Serve, walk: Walk) -> None:
    sandbox, client = serve(conversations=80, transient=0.5)
    ordinal, conversation_id = a_transient_call(sandbox.world)
    path = f"/v1/conversations/{conversation_id}"
    whole = sandbox.world.conversation(ordinal)
    answered = max(leg.answered_at or 0 for leg in sandbox.world.legs(ordinal))
    sandbox.clock.set(instant(answered))
    events = walk(client, f"{path}/events", "events", page_size=100)
    assert [event["id"] for event in events] == [
        number for number, at in zip(whole.event_ids, whole.event_times, strict=True) if at <= answered
    ]
    assert not {event["type"] for event in events} & {"sip:hangup", "sip:status", "member:left"}
    assert client.get(path).json()["sequence_number"] == events[-1]["id"] < whole.sequence_number
    states = {member["state"] for member in walk(client, f"{path}/members", "members")}
    assert "LEFT" not in states
    assert client.get(f"{path}/events/{whole.sequence_number}").status_code == 404
    begun = [o for o in sandbox.world.ordinals if sandbox.world.head(o).created <= answered]
    assert len(listed(client, walk)) <= len(begun) < 80


def test_named_conversations_expire_so_many_hours_after_their_creation(serve: Serve, walk: Walk) -> None:
    sandbox, client = serve(conversations=120, ttl_hours=48, transient=0.3)
    world = sandbox.world
    young = {
        world.head(o).id
        for o in world.ordinals
        if world.head(o).created > world.end_ms - 48 * 3_600_000 and not world.is_transient(o)
    }
    assert 0 < len(young) < 100
    assert set(listed(client, walk)) == young
    calls = sandbox.truth().calls
    assert {call.conversation_id for call in calls if call.expired} == {
        call.conversation_id for call in calls if not call.transient and call.conversation_id not in young
    }
    old = next(call.conversation_id for call in calls if call.expired)
    assert client.get(f"/v1/conversations/{old}").status_code == 404
    # What was made through the API is young, wherever the present is.
    made = client.post("/v1/conversations", json={}).json()["id"]
    sandbox.clock.set(instant(to_ms(datetime(2026, 11, 15, tzinfo=UTC))))
    assert client.get(f"/v1/conversations/{made}").status_code == 200


def test_the_other_data_centre_has_the_other_conversations(serve: Serve, walk: Walk) -> None:
    import httpx

    sandbox, client = serve(conversations=80, other_region=0.25)
    with httpx.Client(base_url=sandbox.other_region_url, headers=sandbox.headers()) as other:
        here, there = listed(client, walk), listed(other, walk)
        assert here
        assert there
        assert not set(here) & set(there)
        assert len(here) + len(there) == 80
        assert client.get(f"/v1/conversations/{there[0]}").status_code == 404
        assert other.get(f"/v1/conversations/{there[0]}").status_code == 200
        call = next(call for call in sandbox.truth().calls if call.other_region)
        assert call.conversation_id in there
        assert client.get(f"/v1/calls/{call.leg_id}").status_code == 404
        assert other.get(f"/v1/calls/{call.leg_id}").json()["uuid"] == call.leg_id


@pytest.mark.parametrize("shape", ["list", "object"])
def test_an_export_of_a_world_with_transient_calls_holds_what_is_listed(
    serve: Serve, export: Callable[[Any], Any], agree: Callable[[Any, Any], None], shape: str
) -> None:
    sandbox, client = serve(conversations=60, transient=0.3, quirks=True, events_shape=shape)
    agree(sandbox.truth(listed=True), export(client))


def test_each_leg_has_the_class_that_a_coverage_check_must_give_it() -> None:
    with Sandbox(conversations=120, transient=0.3, other_region=0.1, ttl_hours=96) as sandbox:
        exported = sandbox.truth(listed=True).sequence_numbers.keys()
        calls = sandbox.truth().calls
        classes = {call.leg_id: call.expected_class(exported=exported) for call in calls}
        assert set(classes.values()) == {"covered", "transient_missed", "other_region"}
        before = {call.conversation_id for call in calls if call.expired}
        assert {call.expected_class(exported=exported, listed_before=before) for call in calls if call.expired} == {
            "expired"
        }
        for call in calls:
            live = {call.leg_id}
            if call.conversation_id not in exported:
                assert call.expected_class(exported=exported, seen_live=live) == "partial"
                assert call.expected_class(exported=exported, seen_live=live, ended_live=live) == "covered_live"
        sandbox.clock.set(calls[50].began + timedelta(milliseconds=1))
        assert "not_yet" in {call.expected_class(exported=exported) for call in sandbox.truth().calls}
