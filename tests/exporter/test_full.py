"""Everything read again: holes heal, nothing is there twice for any reader, and bounded runs hide nothing."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.memory.event_index import EventIndex
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.errors import ExportIncomplete
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.sandboxes import Serve, agree, client_of, contents_of, holds_twice, least, members_of, pages

pytestmark = pytest.mark.slow

FINAL = [name for name, table in TABLES.items() if table.latest is None]


def heights(folder: Path) -> dict[str, int]:
    """Rows for a plain reader; no key may be there twice."""
    result = {}
    for name in FINAL:
        if (folder / name).exists():
            key = list(TABLES[name].key)
            assert not holds_twice(folder / name, key), name
            result[name] = pq.read_table(folder / name, columns=key).num_rows
    return result


def whole(folder: Path) -> None:
    assert [str(each) for each in verify(folder) if each.level is Level.ERROR] == []


def long_one(sandbox: Sandbox) -> str:
    """A conversation with more than two pages of events."""
    world = sandbox.world
    return next(each.id for each in map(world.conversation, world.ordinals) if len(each.rendered) > 250)


def without(sandbox: Sandbox, conversation: str, lost: range) -> None:
    """Serve the events of a conversation without some of them."""

    def answer(request: Request) -> Reply:
        assert sandbox._app is not None
        page = json.loads(sandbox._app.answer(request).body)
        page["_embedded"]["events"] = [each for each in page["_embedded"]["events"] if each["id"] not in lost]
        return Reply(200, msgspec.json.encode(page))

    sandbox.script(lambda request: request.path.endswith(f"{conversation}/events"), answer, times=-1)


def test_a_full_run_fills_holes_and_adds_nothing_else(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    conversation = long_one(sandbox)
    without(sandbox, conversation, range(20, 90))
    export(client_of(sandbox), tmp_path, rate=0)
    sandbox._scripts.clear()
    truth, before = sandbox.truth(), heights(tmp_path)
    assert export(client_of(sandbox), tmp_path, rate=0).report.tables.get("events", 0) == 0
    assert heights(tmp_path) == before, "the watermark says that nothing is missing"
    done = export(client_of(sandbox), tmp_path, rate=0, full=True)
    assert done.report.requests == least(truth, members_of(sandbox))
    assert before["events"] < truth.events == heights(tmp_path)["events"]
    assert (done.report.already_stored, done.report.changed, done.report.duplicates) == (before["events"], 0, 0)
    assert done.report.tables["events"] == truth.events - before["events"]
    agree(contents_of(done), truth)
    whole(tmp_path)
    # What was added lies below the watermark; the next runs know it all the same.
    after = heights(tmp_path)
    again = export(client_of(sandbox), tmp_path, rate=0, full=True).report
    assert (again.already_stored, again.tables.get("events", 0)) == (truth.events, 0)
    assert export(client_of(sandbox), tmp_path, rate=0).report.requests == 1 + 8
    assert heights(tmp_path) == after


@pytest.mark.parametrize("options", [{"quirks": True}, {"broken": 0.05}, {"events_shape": "list", "broken": 0.05}])
@pytest.mark.parametrize("tables", [None, "leg_statuses,hangups,transcripts,conversations"])
def test_odd_events_are_there_once(options: dict[str, Any], tables: str | None, serve: Serve, tmp_path: Path) -> None:
    """Events without an id, too: their bodies tell."""
    sandbox = serve(conversations=24, **options)
    first = export(client_of(sandbox), tmp_path, rate=0, tables=tables)
    before = heights(tmp_path)
    assert tables or not options.get("broken") or first.dataset["events"]["event_id"].isna().any()
    if tables is None:
        agree(contents_of(first), sandbox.truth())
    done = export(client_of(sandbox), tmp_path, rate=0, full=True)
    assert heights(tmp_path) == before
    assert (done.report.changed, done.report.duplicates) == (0, 0)
    if tables is None:
        assert done.report.already_stored == before["events"]
        again = [line for line in contents_of(done).lines[first.report.quarantined :] if line["list"] == "events"]
        assert not [line for line in again if line["kept"]], "told once"
    whole(tmp_path)


def test_events_changed_in_place_are_counted_and_stay_as_they_were(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=40)
    world = sandbox.world
    found = (
        (each, number)
        for each in map(world.conversation, world.ordinals)
        for number, kind in zip(each.event_ids, each.event_types, strict=True)
        if kind == "message" and number not in each.deleted
    )
    chosen, event_id = next(found)
    first = export(client_of(sandbox), tmp_path, rate=0).dataset["events"]
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        assert http.delete(f"/v1/conversations/{chosen.id}/events/{event_id}").status_code == 204
    done = export(client_of(sandbox), tmp_path, rate=0, full=True)
    assert (done.report.changed, done.report.already_stored) == (1, len(first))
    assert "1 of them have another body now" in str(done.report)
    events = done.dataset["events"].set_index(["conversation_id", "event_id"])["body"]
    kept = first.set_index(["conversation_id", "event_id"])["body"]
    assert events.loc[(chosen.id, event_id)] == kept.loc[(chosen.id, event_id)]
    assert done.report.tables["events"] == 1, "event:delete"
    heights(tmp_path)


def test_a_full_run_that_fails_half_way_moves_no_watermark_back(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    conversation = long_one(sandbox)
    without(sandbox, conversation, range(20, 30))
    export(client_of(sandbox), tmp_path, rate=0)
    sandbox._scripts.clear()

    def later(request: Request) -> bool:
        return request.path.endswith(f"{conversation}/events") and "cursor" in request.query

    sandbox.script(later, Reply(500), times=-1)
    with pytest.raises(ExportIncomplete):
        export(client_of(sandbox), tmp_path, rate=0, full=True)
    sandbox._scripts.clear()
    assert heights(tmp_path)["events"] == sandbox.truth().events, "its first page filled the hole"
    assert export(client_of(sandbox), tmp_path, rate=0).report.requests == 1 + 8
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, full=True)), sandbox.truth())
    heights(tmp_path)
    whole(tmp_path)


def test_an_answer_of_yesterday_moves_no_watermark_back(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    conversation = long_one(sandbox)
    export(client_of(sandbox), tmp_path, rate=0)
    before = heights(tmp_path)
    stale = msgspec.json.encode({"id": conversation, "sequence_number": 3, "state": "ACTIVE"})
    sandbox.script(lambda request: request.path.endswith(conversation), Reply(200, stale))
    export(client_of(sandbox), tmp_path, rate=0)
    assert export(client_of(sandbox), tmp_path, rate=0).report.requests == 1 + 8
    assert heights(tmp_path) == before


def test_a_bounded_run_hides_nothing_from_a_later_one(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=20)
    world = sandbox.world
    middle = datetime.fromtimestamp(world.head(10).created / 1000, UTC) - timedelta(seconds=30)
    early, late = (
        next(each.id for each in map(world.conversation, part) if each.state == "ACTIVE" and each.sequence_number > 5)
        for part in (range(10), range(10, 20))
    )

    def said(conversation: str) -> None:
        with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
            body = {"type": "message", "body": {"message_type": "text", "text": "later"}}
            assert http.post(f"/v1/conversations/{conversation}/events", json=body).status_code == 201

    week = timedelta(days=7)
    for bounds in ({"until": middle}, {"since": middle}):
        said(early)
        said(late)
        done = export(client_of(sandbox), tmp_path, rate=0, lookback=week, **bounds)
        assert 0 < done.report.listed < 20
        assert done.report.swept_at is None, "a part is no sweep"
    said(early)
    with_bound = export(client_of(sandbox), tmp_path, rate=0, full=True, since=middle)
    assert with_bound.report.tables["events"] == 0
    done = export(client_of(sandbox), tmp_path, rate=0, lookback=week)
    agree(contents_of(done), sandbox.truth())
    assert done.report.swept_at == done.report.started_at[:19] + "Z" or done.report.swept_at == done.report.started_at
    assert done.report.requests == 1 + 20 + 2
    heights(tmp_path)
    whole(tmp_path)


def test_holdings_are_those_of_the_files(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=9)
    export(client_of(sandbox), tmp_path, rate=0)
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        body = {"type": "message", "body": {"message_type": "text", "text": "later"}}
        assert http.post(f"/v1/conversations/{long_one(sandbox)}/events", json=body).status_code == 201
    dataset = export(client_of(sandbox), tmp_path, rate=0).dataset
    names = sorted(sandbox.truth().sequence_numbers)
    with closing(WatermarkIndex(tmp_path, dataset.commits)) as known:
        holdings, runs = EventIndex(tmp_path, dataset.commits, known), known.runs(names)
        found = {name: one for part in (names[:7], names[7:]) for name, one in holdings.of(part).items()}
        holdings.close()
    events = dataset["events"].groupby("conversation_id")["event_id"].apply(set).to_dict()
    assert {name: one.bodies.keys() for name, one in found.items() if one.bodies} == events
    items = [(name, item) for name, one in found.items() for item in one.items]
    assert sorted(items) == sorted(open_dataset(tmp_path).keys_of("leg_statuses", names, runs))
    assert pages(len(found)) == 1
