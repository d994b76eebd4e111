"""The second run and the third: what is new and nothing else, with no row twice for any reader."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.errors import ConfigError, ExportIncomplete
from conv_analytics.exporter.options import DEFAULT_TABLES, LISTED_TABLES
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.sandbox.world.records import Event
from conv_analytics.tables import TABLES
from tests._helpers.sandboxes import Serve, agree, client_of, contents_of, least, members_of, pages

pytestmark = pytest.mark.slow

#: Tables whose rows never change: in a plain reader's frame, too, a key must be there once.
FINAL = [name for name, table in TABLES.items() if table.latest is None]


def plain(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / name) for name in FINAL if (folder / name).exists()}


def heights(folder: Path) -> dict[str, int]:
    return {name: len(frame) for name, frame in plain(folder).items()}


def writer(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers())


def lively(sandbox: Sandbox) -> str:
    """An ACTIVE conversation with events."""
    world = sandbox.world
    found = (world.conversation(ordinal) for ordinal in world.ordinals)
    return next(each.id for each in found if each.state == "ACTIVE" and each.sequence_number > 5)


def test_an_unchanged_application_costs_the_list_and_one_request_each(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=30, quirks=True)
    first = export(client_of(sandbox), tmp_path, rate=0)
    before = plain(tmp_path)
    sandbox.requests.clear()
    second = export(client_of(sandbox), tmp_path, rate=0)
    assert second.report.requests == len(sandbox.requests) == 1 + 30
    assert second.report.unchanged == 30
    for name, frame in plain(tmp_path).items():
        pd.testing.assert_frame_equal(frame, before[name])
    assert second.report.commit == first.report.commit + 1
    # Conversations are as last seen: a row each time, the latest one for readers of the dataset.
    assert len(pd.read_parquet(tmp_path / "conversations")) == 60
    assert len(second.dataset["conversations"]) == 30


def test_the_third_run_has_exactly_what_is_new(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=20)
    export(client_of(sandbox), tmp_path, rate=0)
    before, old = heights(tmp_path), sandbox.truth()
    conversation = lively(sandbox)
    path = f"/v1/conversations/{conversation}"
    with writer(sandbox) as http:
        for number in range(120):
            body = {"type": "message", "body": {"message_type": "text", "text": f"new {number}"}}
            assert http.post(f"{path}/events", json=body).status_code == 201
        assert http.post(f"{path}/events", json={"type": "custom:Order", "body": {"Key": 1}}).status_code == 201
        user = sandbox.world.people.user(3)
        member = {"state": "joined", "user": {"id": user.id}, "channel": {"type": "app"}}
        answers = [http.post(f"{path}/members", json=member).status_code]
        made = http.post("/v1/conversations", json={"name": "made-later"})
        new_path = f"/v1/conversations/{made.json()['id']}"
        answers.append(http.post(f"{new_path}/members", json=member).status_code)
        messages = list(sandbox.world.conversation(sandbox.world.ordinal_of(conversation) or 0).event_ids)
        answers.append(http.delete(f"{path}/events/{messages[-60]}").status_code)
    assert answers == [201, 201, 204]

    sandbox.requests.clear()
    result = export(client_of(sandbox), tmp_path, rate=0)
    truth = sandbox.truth()
    agree(contents_of(result), truth)
    after = heights(tmp_path)
    assert after["events"] - before["events"] == truth.events - old.events == 120 + 1 + 2 + 2 + 1
    assert after["messages"] - before["messages"] == 120
    assert after["member_events"] - before["member_events"] == 4
    assert result.report.tables["events"] == truth.events - old.events
    changed = {"events", "messages", "member_events"}
    assert {name for name in after if after[name] != before[name]} == changed
    # 1 list page, a GET each, and events and members of the two that changed; 124 new events are two pages.
    assert result.report.requests == 1 + 21 + (1 + 2) + (1 + 1)
    starts = [seen.query for seen in sandbox.requests if seen.path == f"{path}/events"]
    assert all(f"start_id={old.sequence_numbers[conversation] + 1}" in query for query in starts)
    assert not pd.read_parquet(tmp_path / "events").duplicated(["conversation_id", "event_id"]).any()
    deleted = result.dataset["events"].query("type == 'event:delete' and conversation_id == @conversation")
    assert len(deleted) >= 1


def test_a_conversation_that_changed_shows_its_latest_row_everywhere(serve: Serve, tmp_path: Path) -> None:
    """Also when the runs begin within the same second."""
    sandbox = serve(conversations=6)
    conversation = lively(sandbox)
    names = []
    with writer(sandbox) as http:
        for number in range(4):
            name = f"name-{number}"
            assert http.put(f"/v1/conversations/{conversation}", json={"name": name}).status_code == 200
            dataset = export(client_of(sandbox), tmp_path, rate=0, tables=["conversations"]).dataset
            row = dataset["conversations"].set_index("conversation_id").loc[conversation]
            query = f"select name from conversations where conversation_id = '{conversation}'"
            names.append((row["name"], *dataset.duckdb().execute(query).fetchone()))
    assert names == [(f"name-{number}", f"name-{number}") for number in range(4)]


def test_events_that_come_while_a_conversation_is_read_are_kept_once(serve: Serve, tmp_path: Path) -> None:
    """The watermark is the last event read, even when the conversation said less a moment before."""
    sandbox = serve(conversations=5)
    conversation = lively(sandbox)
    whole = sandbox.world.conversation(sandbox.world.ordinal_of(conversation) or 0)
    stale = msgspec.json.encode({"id": conversation, "sequence_number": whole.sequence_number - 2, "state": "ACTIVE"})
    sandbox.script(lambda request: request.path.endswith(conversation), Reply(200, stale))
    export(client_of(sandbox), tmp_path, rate=0)
    truth, before = sandbox.truth(), heights(tmp_path)
    assert before["events"] == truth.events
    sandbox.requests.clear()
    second = export(client_of(sandbox), tmp_path, rate=0)
    assert heights(tmp_path) == before
    assert second.report.requests == 6


def test_an_event_with_an_absurd_id_hides_no_later_one(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    path, absurd = f"/v1/conversations/{conversation}", 10**15

    def answers(last: int) -> None:
        """The conversation has so many events, and one more with an id that is none of its numbers."""
        sandbox._scripts.clear()
        head = msgspec.json.encode({"id": conversation, "sequence_number": last, "state": "ACTIVE"})
        sandbox.script(lambda request: request.path == path, Reply(200, head), times=-1)

        def events(request: Request) -> Reply:
            numbers = [*range(int(request.query.get("start_id", "1")), last + 1), absurd]
            found = [{"id": number, "type": "message", "body": {"text": f"no. {number}"}} for number in numbers]
            return Reply(200, msgspec.json.encode({"page_size": 100, "_embedded": {"events": found}}))

        sandbox.script(lambda request: request.path == f"{path}/events", events, times=-1)

    for last in (5, 5, 8, 9):
        answers(last)
        done = export(client_of(sandbox), tmp_path, rate=0)
        ids = pd.read_parquet(tmp_path / "events").query("conversation_id == @conversation")["event_id"]
        assert sorted(ids) == [*range(1, last + 1), absurd]
        assert done.report.status == "complete"
    runs = open_dataset(tmp_path).commits
    assert [run.watermarks.get(conversation) for run in runs] == [5, None, 8, 9]
    assert [run.report["implausible_ids"] for run in runs] == [{conversation: 1}, {}, {}, {}]

    # Commits of earlier versions have the number under another name.
    for record in (tmp_path / "_commits").glob("*.json"):
        record.write_bytes(record.read_bytes().replace(b'"implausible_ids"', b'"beyond"'))
    answers(10)
    export(client_of(sandbox), tmp_path, rate=0)
    ids = pd.read_parquet(tmp_path / "events").query("conversation_id == @conversation")["event_id"]
    assert sorted(ids) == [*range(1, 11), absurd]


def test_another_conversation_than_the_one_asked_for_is_no_answer(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    conversation = lively(sandbox)
    foreign = msgspec.json.encode({"id": "CON-someone-else", "sequence_number": 9, "state": "ACTIVE"})
    sandbox.script(lambda request: request.path.endswith(conversation), Reply(200, foreign))
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), tmp_path, rate=0)
    assert caught.value.report.incomplete == {conversation: "the API answered with another conversation"}
    assert "CON-someone-else" not in set(open_dataset(tmp_path)["conversations"]["conversation_id"])
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


def test_events_that_are_none_are_put_aside_once(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    conversation = lively(sandbox)
    # As many as it says that it has: fewer would leave some to be asked for again.
    last = sandbox.truth().sequence_numbers[conversation]
    body = msgspec.json.encode({"page_size": 100, "_embedded": {"events": ["two"] * last}})
    sandbox.script(lambda request: request.path.endswith(f"{conversation}/events"), Reply(200, body), times=-1)
    first = export(client_of(sandbox), tmp_path, rate=0).report
    assert (first.status, first.quarantined, first.lost, first.pending) == ("complete", last, last, {})
    again = export(client_of(sandbox), tmp_path, rate=0).report
    assert (again.status, again.quarantined, again.unchanged) == ("complete", 0, 5 - _empty(sandbox))


def _empty(sandbox: Sandbox) -> int:
    return sum(not number for number in sandbox.truth().sequence_numbers.values())


def test_ids_used_up_by_ephemeral_events_are_asked_for_with_one_request(serve: Serve, tmp_path: Path) -> None:
    """Until that has gone on for long enough: see `test_completeness.py`."""
    sandbox = serve(conversations=5)
    with writer(sandbox) as http:
        answer = http.post(f"/v1/conversations/{lively(sandbox)}/events", json={"type": "ephemeral", "body": {}})
        assert answer.status_code == 201
    assert export(client_of(sandbox), tmp_path, rate=0).report.pending == {lively(sandbox): 1}
    assert export(client_of(sandbox), tmp_path, rate=0).report.requests == 7


def test_a_conversation_that_tells_no_sequence_number_is_read_from_its_last_event(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    bare = msgspec.json.encode({"id": conversation, "name": "bare"})
    sandbox.script(lambda request: request.path.endswith(conversation), Reply(200, bare), times=-1)
    export(client_of(sandbox), tmp_path, rate=0)
    before = heights(tmp_path)
    assert before["events"] == sandbox.truth().events
    result = export(client_of(sandbox), tmp_path, rate=0)
    assert heights(tmp_path) == before
    assert result.report.duplicates == 0


def update(number: int, *statuses: str, leg: str = "leg-1", at: int = 0) -> Event:
    history = [
        {"status": status, "state": {"status": status}, "date": f"2026-11-19T10:00:{second:02}Z", "member_id": "MEM-1"}
        for second, status in enumerate(statuses)
    ]
    body = {"leg_id": leg, "direction": "inbound", "type": "phone", "status": statuses[-1], "statusHistory": history}
    return Event(number, "leg:status:update", None, body, at, {})


def add(sandbox: Sandbox, conversation: str, *statuses: str) -> None:
    world = sandbox.world
    ordinal = world.ordinal_of(conversation)
    assert ordinal is not None
    last = world.conversation(ordinal).sequence_number
    world.append_event(ordinal, update(last + 1, *statuses, at=world.tick()))


def test_a_legs_history_repeated_in_a_later_run_gives_only_its_new_statuses(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    add(sandbox, conversation, "started", "ringing")
    export(client_of(sandbox), tmp_path, rate=0)
    add(sandbox, conversation, "started", "ringing", "answered")
    add(sandbox, conversation, "started", "ringing", "answered", "completed")
    dataset = export(client_of(sandbox), tmp_path, rate=0).dataset
    for frame in (pd.read_parquet(tmp_path / "leg_statuses"), dataset["leg_statuses"]):
        assert frame[frame["leg_id"] == "leg-1"]["status"].tolist() == ["started", "ringing", "answered", "completed"]
    assert export(client_of(sandbox), rate=0)["leg_statuses"].shape[0] == dataset.rows("leg_statuses")


def test_one_that_failed_is_completed_by_the_next_run(serve: Serve, tmp_path: Path) -> None:
    """Two of three pages came: they are kept, and only the rest is asked for."""
    sandbox = serve(conversations=8)
    conversation = lively(sandbox)
    path = f"/v1/conversations/{conversation}"
    with writer(sandbox) as http:
        for number in range(250):
            http.post(f"{path}/events", json={"type": "custom:n", "body": {"n": number}})
    cursors: list[str] = []

    def third(request: Request) -> bool:
        cursor = request.query.get("cursor")
        if request.path != f"{path}/events" or cursor is None:
            return False
        cursors.extend([] if cursor in cursors else [cursor])
        return cursors.index(cursor) == 1

    sandbox.script(third, Reply(500), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), tmp_path, rate=0)
    report, result = caught.value.report, caught.value.result
    assert report.status == "incomplete"
    assert list(report.incomplete) == [conversation]
    assert "500" in report.incomplete[conversation]
    truth = sandbox.truth()
    have = result.dataset["events"].groupby("conversation_id").size().to_dict()
    assert {each: n for each, n in truth.events_per_conversation.items() if n and each != conversation} == {
        each: n for each, n in have.items() if each != conversation
    }
    assert have[conversation] == 200

    sandbox._scripts.clear()
    sandbox.requests.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    agree(contents_of(done), truth)
    events = pd.read_parquet(tmp_path / "events")
    assert len(events) == truth.events
    asked = [seen.query for seen in sandbox.requests if seen.path == f"{path}/events"]
    assert len(asked) == pages(truth.events_per_conversation[conversation] - 200)
    assert all("start_id=201" in query for query in asked)


def test_an_empty_page_where_events_must_be_is_not_the_last_word(serve: Serve, tmp_path: Path) -> None:
    """``{}`` is an empty last page (contract 2.5), but the conversation says that it has events."""
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    sandbox.script(lambda request: request.path.endswith(f"{conversation}/events"), Reply(200, b"{}"))
    with contextlib.suppress(ExportIncomplete):
        export(client_of(sandbox), tmp_path, rate=0)
    result = export(client_of(sandbox), tmp_path, rate=0)
    agree(contents_of(result), sandbox.truth())


def test_other_tables_than_the_folder_holds_are_refused(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=4)
    export(client_of(sandbox), tmp_path, rate=0, tables="hangups,conversations")
    before = open_dataset(tmp_path).commits
    with pytest.raises(ConfigError, match=r"holds the tables conversations, hangups.*--tables"):
        export(client_of(sandbox), tmp_path, rate=0, tables=["events"])
    same = export(client_of(sandbox), tmp_path, rate=0, tables=["hangups", "conversations"])
    without = export(client_of(sandbox), tmp_path, rate=0)
    assert without.report.commit == same.report.commit + 1 == len(before) + 2
    assert set(without.dataset) == {"hangups", "conversations"}
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("_")) == [
        "conversations",
        "hangups",
    ]


@pytest.mark.parametrize("tables", ["all", None, "events", "leg_statuses,transcripts", "members", "users", "sessions"])
def test_only_the_tables_asked_for_are_written_and_only_their_requests_sent(
    tables: str | None, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(conversations=10)
    result = export(client_of(sandbox), tmp_path, rate=0, tables=tables)
    names = {"all": set(LISTED_TABLES), None: set(DEFAULT_TABLES)}.get(tables) or set(str(tables).split(","))
    folders = {path.name for path in tmp_path.iterdir() if not path.name.startswith("_")}
    assert set(result.dataset) == folders == names
    for name in folders:
        assert pq.ParquetDataset(tmp_path / name).fragments
    paths = [seen.path for seen in sandbox.requests]
    truth: Any = sandbox.truth()
    assert any(path.endswith("/members") for path in paths) == ("members" in names)
    assert any(path.endswith("/events") for path in paths) == bool(names & {"events", "leg_statuses", "transcripts"})
    assert any(path.endswith("/sessions") for path in paths) == ("sessions" in names)
    if tables is None:
        assert len(paths) == least(truth, members_of(sandbox))
