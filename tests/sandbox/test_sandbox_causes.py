"""Planted causes: drawn by the seed, labelled, to be seen in the records, and nothing else changes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from conv_analytics.sandbox import Sandbox, World
from conv_analytics.sandbox.world.causes import EXPECT, KINDS, parse

pytestmark = pytest.mark.slow

Json = dict[str, Any]
#: The usual world of 60 conversations with seed 3, as it was before there were causes.
AS_EVER = "02ac624672f23d82"


def digest(world: World) -> str:
    text = hashlib.sha256()
    for ordinal in world.ordinals:
        made = world.conversation(ordinal)
        text.update(json.dumps([made.full(), [m.full(made.id) for m in made.members]]).encode())
        text.update(b"\n".join(made.rendered))
    return text.hexdigest()


def events(world: World) -> list[list[Json]]:
    return [[json.loads(raw) for raw in world.conversation(ordinal).rendered] for ordinal in world.ordinals]


def networks(conversation: list[Json]) -> dict[str, str]:
    """Network by leg."""
    return {
        event["body"]["channel"]["id"]: event["body"]["network_code"]
        for event in conversation
        if event["type"] == "sip:status"
    }


def cause_of(world: World, kind: str) -> Any:
    (found,) = [cause for cause in world.causes if cause.kind == kind and not cause.built_in]
    return found


@pytest.fixture(scope="module")
def planted() -> World:
    return World(4, 900, causes="all", clean=True)


def test_the_usual_world_is_as_ever() -> None:
    assert digest(World(3, 60))[:16] == AS_EVER
    assert digest(World(3, 60, causes=(), clean=False))[:16] == AS_EVER


def test_built_in_routes_are_labelled_and_a_clean_world_has_none() -> None:
    usual = World(7, 40)
    assert {(cause.kind, cause.network_code) for cause in usual.causes} == {
        ("loss", "20810"), ("one_way", "50501"), ("fails", "24001"),
    }  # fmt: skip
    assert all(cause.built_in for cause in usual.causes)
    assert [cause.since for cause in usual.causes if cause.kind == "loss"] == [datetime(2026, 11, 17, tzinfo=UTC)]
    assert "loss" not in {cause.kind for cause in World(7, 40, days=3).causes}, "its day is after the end"
    assert World(7, 40, clean=True).causes == ()
    assert digest(World(7, 60, clean=True)) != digest(World(7, 60))


def test_causes_are_at_places_of_the_seed_and_each_at_one_of_its_own() -> None:
    everything = World(4, 40, causes="all").causes
    kinds = [cause.kind for cause in everything if not cause.built_in]
    assert kinds == list(KINDS) == list(EXPECT)
    places = [cause.where for cause in everything]
    assert len(set(places)) == len(places), "no network has two causes"
    alone = cause_of(World(4, 40, causes=["cliff"]), "cliff")
    assert alone in everything, "what else is planted does not move a cause"
    drawn = {cause_of(World(seed, 40, causes="loss"), "loss").network_code for seed in range(20)}
    assert len(drawn) > 3


def test_the_same_arguments_give_the_same_bytes() -> None:
    one = digest(World(4, 60, causes="loss,muted"))
    assert one == digest(World(4, 60, causes=("muted", "loss")))
    assert one != digest(World(4, 60, causes="loss"))


@pytest.mark.parametrize("wrong", ["los", "loss;cliff", ["loss", "everything"]])
def test_unknown_causes_are_refused(wrong: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"is not a cause; known are loss, one_way, .* and all"):
        World(4, 40, causes=wrong)


def test_parsing() -> None:
    assert parse(" loss , loss,") == ("loss",)
    assert parse(("all",)) == parse("all") == KINDS


def test_truth_has_the_labels() -> None:
    with Sandbox(seed=4, conversations=20, causes="busy_hour", clean=True) as sandbox:
        (cause,) = sandbox.truth().causes
    assert cause.kind == "busy_hour"
    assert cause.hours in {(9, 10), (10, 11), (14, 15)}
    assert cause.where == cause.network_code


def test_bad_audio_is_on_the_networks_that_are_labelled(planted: World) -> None:
    shares: dict[str, dict[str, list[bool]]] = {"loss": {}, "one_way": {}, "dead_air": {}}
    loss = cause_of(planted, "loss")
    for conversation in events(planted):
        network = networks(conversation)
        for event in conversation:
            body = event["body"]
            if event["type"] != "sip:hangup" or body["channel"]["id"] not in network or "bandwidth" not in body:
                continue
            where, quality, bandwidth = network[body["channel"]["id"]], body["quality"], body["bandwidth"]
            if bandwidth["byte_out"] > 100_000 and event["timestamp"] >= loss.since.isoformat():
                shares["loss"].setdefault(where, []).append(5 < quality["packet_loss_perc"] < 11)
            if bandwidth["byte_out"] > 100_000:
                shares["one_way"].setdefault(where, []).append(bandwidth["byte_in"] < 3000)
            if body["reason"]["sip_code"] == "200":
                dead = quality["packet_cnt"] == 0 and quality["mos_score"] == 4.5
                shares["dead_air"].setdefault(where, []).append(dead)
    for kind, low in (("loss", 0.4), ("one_way", 0.25), ("dead_air", 0.15)):
        rates = {where: sum(bad) / len(bad) for where, bad in shares[kind].items() if len(bad) >= 20}
        place = cause_of(planted, kind).network_code
        assert max(rates, key=lambda where: rates[where]) == place
        assert rates[place] > low
        assert all(rate < low / 2 for where, rate in rates.items() if where != place)


def test_calls_of_the_cliff_end_after_32_seconds(planted: World) -> None:
    place, lengths = cause_of(planted, "cliff").network_code, []
    for conversation in events(planted):
        network, answered = networks(conversation), {}
        for event in conversation:
            leg = event["body"].get("channel", {}).get("id") if isinstance(event["body"], dict) else None
            at = datetime.fromisoformat(event["timestamp"])
            if event["type"] == "sip:answered":
                answered[leg] = at
            elif event["type"] == "sip:hangup" and leg in answered and network.get(leg) == place:
                lengths.append((at - answered[leg]).total_seconds())
    at_32 = sum(31 <= length < 34.5 for length in lengths)
    assert at_32 > 4 * sum(27.5 <= length < 31 for length in lengths)
    assert at_32 > 0.1 * len(lengths)


def test_the_carrier_fails_at_its_hours_only(planted: World) -> None:
    cause, inside, outside = cause_of(planted, "busy_hour"), [], []
    for conversation in events(planted):
        for event in conversation:
            body = event["body"]
            if event["type"] == "sip:status" and body["direction"] == "out" and body["network_code"] == cause.where:
                hour = int(body["request_time"][11:13])
                (inside if hour in cause.hours else outside).append(body["state"]["reason"] == "service_unavailable")
    assert sum(inside) > 0.4 * len(inside) > 4
    assert sum(outside) < 0.15 * len(outside)


def test_an_agent_speaks_while_muted(planted: World) -> None:
    spoke: dict[str, int] = {}
    for conversation in events(planted):
        muted: set[str] = set()
        heard: set[str] = set()
        for event in conversation:
            who = event.get("_embedded", {}).get("from_user", {}).get("id", "")
            if event["type"] == "audio:mute:on":
                muted.add(who)
            elif event["type"] == "audio:mute:off":
                muted.discard(who)
            elif event["type"] == "audio:speaking:on" and who in muted:
                heard.add(who)
        for who in heard:
            spoke[who] = spoke.get(who, 0) + 1
    agent = cause_of(planted, "muted").user_id
    assert max(spoke, key=lambda who: spoke[who]) == agent
    assert spoke[agent] > 4 * max(count for who, count in spoke.items() if who != agent)


def test_calls_move_to_a_network_that_was_no_better_before(planted: World) -> None:
    cause, seen = cause_of(planted, "mix_shift"), {True: [0, 0], False: [0, 0]}
    for ordinal, conversation in zip(planted.ordinals, events(planted), strict=True):
        after = planted.head(ordinal).created >= cause.since.timestamp() * 1000
        for event in conversation:
            body = event["body"]
            if event["type"] == "sip:status" and body["direction"] == "out":
                seen[after][0] += 1
                seen[after][1] += body["network_code"] == cause.where
    before, later = (seen[after][1] / seen[after][0] for after in (False, True))
    assert later > 2 * before
