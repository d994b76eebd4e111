"""What a plan expects is what a run costs, within the bounds it gives."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from conv_analytics import export
from conv_analytics.errors import ConfigError, DestinationError, ExportIncomplete
from conv_analytics.exporter import Report
from conv_analytics.exporter.plan import Plan, plan
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.sandboxes import Serve, client_of

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
WORLDS = [{"seed": 3}, {"seed": 19, "quirks": True}, {"seed": 23, "events_shape": "list", "broken": 0.03}]


def compared(sandbox: Sandbox, folder: Path, *, sample: int = 20, **options: Any) -> tuple[Plan, Report]:
    """Plan, run, and hold one against the other."""
    sandbox.requests.clear()
    found = plan(client_of(sandbox), folder, rate=0, sample=sample, **options)
    assert found.sent == len(sandbox.requests)
    # The list, the sample, and a page of members and of events of three.
    assert found.sent <= found.list_requests.expected + sample + 6
    report = export(client_of(sandbox), folder, rate=0, **options).report
    low, high = found.requests.rounded()["low"], found.requests.rounded()["high"]
    assert low <= report.requests <= high
    assert abs(found.requests.expected / report.requests - 1) <= 0.25
    assert report.planned is not None
    assert report.planned["requests"] == round(found.requests.expected)
    assert report.planned["error"] == round(report.requests / report.planned["requests"] - 1, 4)
    assert "planned: " in str(report)
    assert not (folder / "_work" / "plan.json").exists()
    return found, report


def change(sandbox: Sandbox, count: int) -> None:
    """Let something be said in some conversations."""
    world = sandbox.world
    active = [each for each in map(world.conversation, world.ordinals) if each.state == "ACTIVE"]
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        for each in active[:: len(active) // count][:count]:
            body = {"type": "message", "body": {"message_type": "text", "text": "new"}}
            assert http.post(f"/v1/conversations/{each.id}/events", json=body).status_code == 201


@pytest.mark.parametrize("options", WORLDS)
def test_the_run_costs_what_was_planned(options: dict[str, Any], serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=120, **options)
    first, report = compared(sandbox, tmp_path)
    assert (first.listed, first.new, first.not_probed) == (120, 120, 0)
    # Few conversations have most of the events, so these two are rough.
    assert report.tables["events"] / 4 < first.events.expected < 4 * report.tables["events"]
    assert report.downloaded_bytes / 4 < first.bytes.expected < 4 * report.downloaded_bytes
    nothing, report = compared(sandbox, tmp_path)
    assert (nothing.new, nothing.requests.expected) == (0, 2 + 120)
    assert report.requests == 2 + 120
    change(sandbox, 4)
    few, report = compared(sandbox, tmp_path)
    assert report.requests > 2 + 120
    assert few.requests.low >= 2 + 120
    change(sandbox, 4)
    quiet, report = compared(sandbox, tmp_path, lookback=timedelta(hours=1))
    assert quiet.not_probed == report.not_probed
    assert "without a change since" in str(quiet)
    full, _ = compared(sandbox, tmp_path, full=True)
    assert full.requests.expected > 2 * nothing.requests.expected


@pytest.mark.parametrize(("seed", "conversations"), [(19, 3), (29, 3), (28, 4), (26, 8)])
def test_lists_that_may_be_cut_off_are_asked_for_again(
    seed: int, conversations: int, serve: Serve, tmp_path: Path
) -> None:
    """Pages that give the number of their records as their size: whether there are more, only a request tells."""
    found, report = compared(serve(seed=seed, quirks=True, conversations=conversations), tmp_path)
    assert report.requests > found.list_requests.expected + found.event_requests.expected + 2 * conversations
    assert found.member_requests.high > conversations


def test_all_tables_and_few_conversations(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=12)
    found, report = compared(sandbox, tmp_path, tables="all")
    assert found.requests.low == found.requests.high == report.requests, "all were looked at"
    assert compared(sandbox, tmp_path)[0].list_requests == found.list_requests


def test_only_tables_without_events(serve: Serve, tmp_path: Path) -> None:
    found, _ = compared(serve(conversations=30), tmp_path, tables="conversations")
    assert found.requests.rounded() == {"expected": 31, "low": 31, "high": 31}


def test_what_is_gone_or_empty_costs_one_request(serve: Serve, tmp_path: Path) -> None:
    compared(serve(conversations=30, faults="gone=6"), tmp_path, sample=36)


def test_no_conversation_at_all(serve: Serve, tmp_path: Path) -> None:
    found, _ = compared(serve(conversations=0), tmp_path)
    assert found.requests.rounded() == {"expected": 1, "low": 1, "high": 1}
    assert "nothing is listed" in str(found)


def test_the_time_is_that_of_the_rate(serve: Serve, tmp_path: Path) -> None:
    found = plan(client_of(serve(conversations=12)), tmp_path, rate=200)
    assert found.seconds.expected == pytest.approx(found.requests.expected / 200)
    assert "200 requests/s" in str(found)


def test_a_plan_is_for_one_run_with_the_same_options(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    client, kept = client_of(sandbox), tmp_path / "_work" / "plan.json"

    def planned(**options: Any) -> Any:
        return export(client, tmp_path, rate=0, **options).report.planned

    plan(client, tmp_path, rate=0)
    assert planned() is not None
    assert planned() is None
    for other in ({"full": True}, {"lookback": DAY}, {"since": datetime(2020, 1, 1, tzinfo=UTC)}):
        plan(client, tmp_path, rate=0, **other)
        assert planned() is None
        plan(client, tmp_path, rate=0, **other)
        assert planned(**other) is not None
    now = datetime.now(UTC)
    plan(client, tmp_path, rate=0, since=now - 30 * DAY)
    assert planned(since=datetime.now(UTC) - 30 * DAY) is not None, "as with --since 30d"
    plan(client, tmp_path, rate=0)
    values = json.loads(kept.read_text())
    for change in ({"made_at": (now - 2 * DAY).isoformat()}, {"made_at": "x"}, {"requests": 7}, {"asked_for": {}}):
        kept.write_text(json.dumps({**values, **change}))
        assert planned() is None
        assert not kept.exists()
    kept.write_text("[]")
    assert planned() is None


def test_a_run_that_ends_early_is_not_compared(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    plan(client_of(sandbox), tmp_path, rate=0)
    sandbox.script(lambda request: request.path.endswith(sandbox.world.head(2).id), Reply(500), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), tmp_path, rate=0)
    assert caught.value.report.planned is None


def test_what_cannot_be_planned_is_refused(calm: Sandbox, tmp_path: Path) -> None:
    calm.requests.clear()
    with pytest.raises(ConfigError, match="sample is 2"):
        plan(client_of(calm), tmp_path, sample=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationError, match="it is a file"):
        plan(client_of(calm), tmp_path / "file")
    assert not calm.requests
