"""The whole story on a sandbox: calls that a list loses, webhooks, exports by night, and what coverage must say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import conv_analytics as ca
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.exporter.coverage import coverage
from conv_analytics.exporter.ingestion import ingest
from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.webhooks.delivery import Deliveries

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 17, 13, tzinfo=UTC)


def written(deliveries: Deliveries, path: Path) -> Path:
    """Write what arrives as lines of JSON, as a log of one's own webhook has it."""
    path.write_text("".join(f"{json.dumps(each.event)}\n" for each in deliveries.sent))
    return path


def client_of(sandbox: Sandbox) -> ca.Conversations:
    return ca.Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)


@pytest.mark.parametrize(("shape", "quirks"), [("object", False), ("list", True)])
def test_with_webhooks_nightly_exports_hold_all_but_what_was_never_delivered(
    tmp_path: Path, shape: Any, quirks: bool
) -> None:
    options: Any = {
        "conversations": 24,
        "days": 3,
        "transient": 0.3,
        "ttl_hours": 48,
        "events_shape": shape,
        "quirks": quirks,
    }
    arrived: set[tuple[str, int]] = set()
    expected: set[tuple[str, int]] = set()
    unlisted = 0
    with Sandbox(**options, now=FIRST) as sandbox, client_of(sandbox) as client:
        world = sandbox.world
        for before, night in pairwise(FIRST + n * DAY for n in range(-1, 6)):
            sandbox.clock.set(night)
            new = sandbox.deliveries(since=before, drop=0.02, duplicates=0.05, shuffle=True)
            ingest(tmp_path / "out", written(new, tmp_path / f"{night:%d}.jsonl"))
            ca.export(client, tmp_path / "out", rate=0, progress=False, allow_empty=True)
            told = [each for each in new.accepted if each.interface == "rtc"]
            arrived |= {(each.conversation_id, each.event_id) for each in told if each.event_id is not None}
            unlisted += sum(each.event_id is None for each in told)
        assert len(sandbox.lifetimes.ordinals()) == 0, "at the end, nothing can be read any more"
        for ordinal in world.ordinals:
            made = world.conversation(ordinal)
            events = {(made.id, number) for number in made.event_ids}
            expected |= events & arrived if world.is_transient(ordinal) else events
        # A mixer's event has an id that no list ever shows.
        expected |= {(id_, number) for id_, number in arrived if number > _last(world, id_)}
    events = ca.open_dataset(tmp_path / "out")["events"]
    with_id = events[events["event_id"].notna() & events["conversation_id"].notna()]
    found = list(zip(with_id["conversation_id"], with_id["event_id"].astype(int), strict=True))
    assert len(set(found)) == len(found)
    assert set(found) == expected
    assert len(events) - len(found) == unlisted > 100


def _last(world: Any, conversation_id: str) -> int:
    return world.conversation(world.ordinal_of(conversation_id)).sequence_number


@pytest.mark.parametrize("quirks", [False, True])
@pytest.mark.parametrize("drop", [0.6, None], ids=["webhooks", "no listener"])
def test_coverage_gives_each_leg_the_class_that_the_sandbox_expects(
    tmp_path: Path, drop: float | None, quirks: bool
) -> None:
    with (
        Sandbox(conversations=50, days=2, transient=0.3, other_region=0.2, quirks=quirks) as sandbox,
        client_of(sandbox) as client,
    ):
        ca.export(client, tmp_path / "out", rate=0, progress=False)
        arrived = Deliveries()
        if drop is not None:
            arrived = sandbox.deliveries(drop=drop, transient_only=True)
            ingest(tmp_path / "out", written(arrived, tmp_path / "events.jsonl"))
        exported = sandbox.truth(listed=True).sequence_numbers
        expected = {
            call.leg_id.replace("-", ""): call.expected_class(
                exported=exported, seen_live=arrived.begun, ended_live=arrived.ended
            )
            for call in sandbox.truth().calls
        }
        hosts = (sandbox.other_region_url,)
        coverage(client, tmp_path / "out", since=FIRST - 9 * DAY, until=FIRST + 9 * DAY, base_urls=hosts)
    kept = ca.open_dataset(tmp_path / "out")["voice_calls"]
    legs = [leg_id.replace("-", "") for leg_id in kept["leg_id"]]
    assert dict(zip(legs, kept["coverage_class"], strict=True)) == expected
    assert set(expected.values()) == {"covered", "other_region"} | (
        {"transient_missed"} if drop is None else {"covered_live", "partial"}
    )


@pytest.mark.parametrize("quirks", [False, True])
def test_legs_that_a_webhook_gave_before_the_list_are_covered_by_the_list(tmp_path: Path, quirks: bool) -> None:
    """In the folder as it was written, and in a compacted copy."""
    with Sandbox(conversations=30, days=2, transient=0.3, quirks=quirks) as sandbox, client_of(sandbox) as client:
        arrived = sandbox.deliveries(drop=0.3, duplicates=0.05, shuffle=True)
        out, small = tmp_path / "out", tmp_path / "small"
        ingest(out, written(arrived, tmp_path / "events.jsonl"))
        ca.export(client, out, rate=0, progress=False)
        # Before coverage adds to the one.
        compact(out, small)
        exported = sandbox.truth(listed=True).sequence_numbers
        expected = {
            call.leg_id.replace("-", ""): call.expected_class(
                exported=exported, seen_live=arrived.begun, ended_live=arrived.ended
            )
            for call in sandbox.truth().calls
        }
        found = {
            folder: coverage(client, folder, since=FIRST - 9 * DAY, until=FIRST + 9 * DAY) for folder in (out, small)
        }
    assert {"covered", "covered_live"} <= set(expected.values())
    for folder, told in found.items():
        kept = ca.open_dataset(folder)["voice_calls"]
        legs = [leg_id.replace("-", "") for leg_id in kept["leg_id"]]
        assert dict(zip(legs, kept["coverage_class"], strict=True)) == expected
        # Their rows are the webhooks': that the list has their events, too, is in a table of its own.
        hangups = ca.open_dataset(folder)["hangups"]
        assert told.counts["covered"] > (hangups["source"] == "list").sum()
        assert (hangups["conversation_id"].isin(list(exported)) & (hangups["source"] == "live")).any()
