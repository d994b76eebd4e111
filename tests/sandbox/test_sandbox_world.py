"""The world: reproducible, complete, and exactly what its truth says."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from conv_analytics.sandbox import World
from conv_analytics.sandbox.world.clock import to_ms
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.quality import measure, mos_hundredths, no_media

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from conv_analytics.sandbox import Sandbox

    Serve = Callable[..., tuple[Sandbox, httpx.Client]]
    Export = Callable[[Any], Any]
    Agree = Callable[[Any, Any], None]

LISTABLE = {
    "message", "message:submitted", "message:delivered", "message:seen", "message:rejected",
    "message:undeliverable", "member:message:status", "audio:play", "audio:play:stop", "audio:play:done",
    "audio:say", "audio:say:stop", "audio:say:done", "audio:dtmf", "audio:record", "audio:record:stop",
    "audio:record:done", "audio:mute:on", "audio:mute:off", "audio:earmuff:on", "audio:earmuff:off",
    "audio:speaking:on", "audio:speaking:off", "audio:asr:done", "audio:asr:record:done", "member:invited",
    "member:joined", "member:left", "member:media", "conversation:updated", "event:delete",
    "leg:status:update", "sip:status", "sip:ringing", "sip:answered", "sip:hangup", "sip:machine",
    "sip:amd_machine", "rtc:status", "rtc:ringing", "rtc:answered", "rtc:hangup", "rtc:transfer",
    "rtc:answer", "rtc:terminate",
}  # fmt: skip


def digest(world: World) -> str:
    text = hashlib.sha256()
    for ordinal in world.ordinals:
        made = world.conversation(ordinal)
        text.update(json.dumps([made.full(), [m.full(made.id) for m in made.members]]).encode())
        text.update(b"\n".join(made.rendered))
    return text.hexdigest()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes() -> None:
    assert digest(World(3, 60)) == digest(World(3, 60))
    assert digest(World(3, 60)) != digest(World(4, 60))
    assert digest(World(3, 60, quirks=True)) == digest(World(3, 60, quirks=True)) != digest(World(3, 60))


def test_usual_worlds_stay_as_they_are() -> None:
    # Figures in tests and pages depend on them: what is new in a world is off unless asked for, with dice of its own.
    assert digest(World(3, 60)).startswith("02ac624672f23d82")
    assert digest(World(3, 60, quirks=True, broken=0.1, causes="all")).startswith("eb9e5615542435a3")


def test_a_conversation_does_not_depend_on_what_was_touched_before() -> None:
    one, other = World(5, 80), World(5, 80)
    other.truth()
    assert one.conversation(77).rendered == other.conversation(77).rendered


def test_forgotten_conversations_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conv_analytics.sandbox.world.world.CACHED_EVENTS", 200)
    world = World(5, 40)
    before = world.conversation(0).rendered
    truth = world.truth()
    assert len(world._cached) < 40
    assert world.conversation(0).rendered == before
    assert world.truth() == truth


def test_every_listable_event_type_and_message_type_occurs() -> None:
    truth = World(7, 160).truth()
    assert not LISTABLE - truth.events_by_type.keys()
    assert "ephemeral" not in truth.events_by_type
    assert len(truth.messages_by_type) == 10
    assert any(kind.startswith("custom:") for kind in truth.events_by_type)
    assert {"video:hologram:on", "text:typing:on"} <= truth.events_by_type.keys()


def test_conversations_begin_in_order_within_the_days_asked_for() -> None:
    end = datetime(2026, 3, 9, tzinfo=UTC)
    world = World(1, 300, end, 3)
    created = [world.head(ordinal).created for ordinal in world.ordinals]
    assert created == sorted(created)
    assert created[0] >= to_ms(end) - 3 * 86_400_000
    assert created[-1] < to_ms(end)
    by_hour = [0] * 24
    for at in created:
        by_hour[at // 3_600_000 % 24] += 1
    assert sum(by_hour[8:18]) > 3 * sum(by_hour[:6])


def test_ids_are_unique() -> None:
    world = World(2, 200)
    members = [m.id for o in world.ordinals for m in world.conversation(o).members]
    assert len(set(members)) == len(members)
    assert len({world.head(o).id for o in world.ordinals}) == 200
    for ordinal in world.ordinals:
        ids = world.conversation(ordinal).event_ids
        assert ids == sorted(set(ids))


@pytest.mark.parametrize(("r", "mos"), [(100, 450), (99, 449), (76, 386), (0, 100)])
def test_mos_follows_from_r_as_in_freeswitch(r: int, mos: int) -> None:
    assert mos_hundredths(r) == mos


def test_bad_legs_look_bad_and_dead_air_looks_perfect() -> None:
    lost = [measure(Dice(n), 60, "phone", "loss") for n in range(50)]
    assert all(one.loss_percent >= 3.9 and one.quality < 97 for one in lost if one.flaws < one.packets)
    assert all(measure(Dice(n), 60, "phone", "one_way").byte_in < 3000 for n in range(20))
    assert measure(Dice(1), 60, "phone", "dead_air") == no_media()
    assert no_media().quality_json()["mos_score"] == 4.5


@pytest.mark.slow
def test_a_bad_route_can_be_found() -> None:
    world = World(7, 1200)
    flawed: dict[str, list[bool]] = {}
    for ordinal in world.ordinals:
        made = world.conversation(ordinal)
        network = {}
        for raw in made.rendered:
            event = json.loads(raw)
            if event["type"] == "sip:status":
                network[event["body"]["channel"]["id"]] = event["body"]["network_code"]
        for raw in made.rendered:
            event = json.loads(raw)
            if event["type"] == "sip:hangup" and event["body"]["channel"]["id"] in network:
                loss = event["body"].get("quality", {}).get("packet_loss_perc", 0)
                flawed.setdefault(network[event["body"]["channel"]["id"]], []).append(loss > 3)
    shares = {network: sum(seen) / len(seen) for network, seen in flawed.items()}
    assert max(shares, key=lambda network: shares[network]) == "20810"
    assert shares["20810"] > 3 * shares["20801"]


def test_truth_is_what_the_api_serves(sandbox: Sandbox, client: httpx.Client, export: Export, agree: Agree) -> None:
    agree(sandbox.truth(), export(client))


@pytest.mark.slow
def test_quirks_do_not_change_the_truth(serve: Serve, export: Export, agree: Agree, sandbox: Sandbox) -> None:
    odd, client = serve(seed=7, conversations=160, quirks=True)
    assert odd.truth() == sandbox.truth()
    agree(odd.truth(), export(client))


@pytest.mark.slow
def test_broken_cells_are_counted_apart(serve: Serve, export: Export, agree: Agree) -> None:
    odd, client = serve(seed=7, conversations=160, broken=0.25)
    truth = odd.truth()
    kinds = {"duration", "price", "history", "without_id", "timestamp", "mos_score", "packet_cnt",
             "huge_integer", "byte_in", "sip_code", "results", "lone_surrogate"}  # fmt: skip
    assert truth.broken.keys() == kinds
    agree(truth, export(client))
    text = b"".join(raw for o in odd.world.ordinals for raw in odd.world.conversation(o).rendered)
    assert b"\\ud83d" in text
    assert b"9223372036854775808123" in text


def test_rows_of_the_typed_tables(sandbox: Sandbox) -> None:
    truth = sandbox.truth()
    kinds = truth.events_by_type
    assert truth.rows["hangups"] == kinds["sip:hangup"] + kinds["rtc:hangup"]
    assert truth.rows["call_records"] == kinds["sip:status"] + kinds["rtc:status"]
    calls = sum(n for kind, n in kinds.items() if kind.startswith(("sip:", "rtc:")))
    assert truth.rows["call_events"] == calls - truth.rows["hangups"] - truth.rows["call_records"]
    assert truth.rows["audio_events"] == sum(n for kind, n in kinds.items() if kind.startswith("audio:"))
    assert truth.rows["messages"] == kinds["message"] == sum(truth.messages_by_type.values())
    statuses = ("submitted", "delivered", "seen", "rejected", "undeliverable")
    expected = sum(kinds[f"message:{status}"] for status in statuses) + kinds["member:message:status"]
    assert truth.rows["message_statuses"] == expected
