"""A run that was cut short is gone on with: what it had is not asked for again."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from conv_analytics import coverage, export, ingest
from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.memory.journal import Header, Journal
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import DestinationError
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.entry import aexport
from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.killed_export import at_request, content, same
from tests._helpers.sandboxes import Serve, client_of
from tests._helpers.webhooks import rtc_event

pytestmark = pytest.mark.slow

CONCURRENCY = 4
NO_MASK = "null"


def _not_ours(_request: Request) -> Reply:
    raise AssertionError("the script only looks on")


def _interrupt_at(sandbox: Sandbox, dest: Path, number: int) -> None:
    """A run that is interrupted at one of its requests, as a cell's stop button does it."""
    import asyncio

    async def run() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None
        sandbox.script(at_request(number, lambda: loop.call_soon_threadsafe(task.cancel)), _not_ours)
        await aexport(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY)

    with pytest.raises(asyncio.CancelledError):
        run_blocking(run)


@pytest.mark.parametrize("seconds", [math.inf, 0.0], ids=["committed", "in the journal"])
@pytest.mark.parametrize("number", [3, 12, 25, 40])
def test_an_interrupted_run_is_gone_on_with(
    number: int, seconds: float, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conv_analytics.exporter.run.STOP_S", seconds)
    sandbox = serve(seed=8, conversations=14)
    whole = export(client_of(sandbox), tmp_path / "whole", rate=0, concurrency=CONCURRENCY)
    sandbox.requests.clear()
    _interrupt_at(sandbox, tmp_path / "out", number)
    done = export(client_of(sandbox), tmp_path / "out", rate=0, concurrency=CONCURRENCY)
    assert len(sandbox.requests) - whole.report.requests <= CONCURRENCY
    assert done.report.resumed > 0
    assert "answers were kept" in str(done.report)
    same(content(tmp_path / "out"), content(tmp_path / "whole"))


@pytest.mark.parametrize("age", [timedelta(hours=5), timedelta(days=-90)], ids=["hours ago", "clock ahead"])
def test_a_run_of_long_ago_is_finished_and_followed_by_one_of_today(
    age: timedelta, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conv_analytics.exporter.run.STOP_S", math.inf)
    sandbox = serve(seed=8, conversations=6)
    _interrupt_at(sandbox, tmp_path, 20)
    layout = Layout(tmp_path)
    began = datetime.now(UTC) - age
    _age(layout, f"{sandbox.base_url} {sandbox.application_id}", began)
    sandbox.requests.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    runs = open_dataset(tmp_path).commits
    assert [bool(run.report["resumed_from"]) for run in runs] == [False, True, False]
    assert done.report.resumed == 0
    assert open_dataset(tmp_path)["conversations"]["exported_at"].max() <= datetime.now(UTC)
    # The list is asked for again, or what came in the meantime would be missed.
    assert sum(request.path == "/v1/conversations" for request in sandbox.requests) >= 1
    same(content(tmp_path), content(export(client_of(sandbox), tmp_path / "whole", rate=0).dataset.path))


def _interrupted(sandbox: Sandbox, dest: Path, monkeypatch: pytest.MonkeyPatch, number: int = 36) -> None:
    """A run that read almost everything, and left it to the journal alone."""
    sandbox.requests.clear()
    with monkeypatch.context() as patch:
        patch.setattr("conv_analytics.exporter.run.STOP_S", 0.0)
        _interrupt_at(sandbox, dest, number)


def _half(sandbox: Sandbox, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one run, and another run that was interrupted."""
    middle = datetime.fromtimestamp((sandbox.world.start_ms + sandbox.world.end_ms) / 2000, UTC)
    export(client_of(sandbox), dest, rate=0, until=middle)
    _interrupted(sandbox, dest, monkeypatch, 22)


def _first_asked(sandbox: Sandbox) -> str:
    """A conversation whose answers are all in the journal: one that still runs, and that is among the first."""
    world = sandbox.world
    return next(each.id for each in map(world.conversation, world.ordinals) if each.state == "ACTIVE")


def _paths(sandbox: Sandbox) -> set[str]:
    return {request.path for request in sandbox.requests}


def test_the_journal_outlives_an_ingest(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the conversations that it met are requested again: something happened there since."""
    sandbox, dest, file = serve(seed=8, conversations=14), tmp_path / "out", tmp_path / "events.jsonl"
    _interrupted(sandbox, dest, monkeypatch)
    met = _first_asked(sandbox)
    body = {"type": "message", "body": {"message_type": "text", "text": "later"}}
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        number = http.post(f"/v1/conversations/{met}/events", json=body).json()["id"]
    event = rtc_event(number, "message", met, application_id=sandbox.application_id, body=body["body"])
    unlisted = rtc_event(1, conversation="CON-elsewhere", application_id=sandbox.application_id)
    file.write_bytes(event + b"\n" + unlisted)
    assert ingest(dest, file).tables["events"] == 2
    sandbox.requests.clear()
    done = export(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY).report
    assert done.resumed > 20
    assert f"/v1/conversations/{met}" in _paths(sandbox)
    assert f"/v1/conversations/{met}/events" in _paths(sandbox)
    assert len(sandbox.requests) <= 20
    found, wanted = open_dataset(dest), export(client_of(sandbox), rate=0)
    key = ["conversation_id", "event_id"]
    listed = found["events"][found["events"]["conversation_id"] != "CON-elsewhere"]
    assert sorted(listed[key].itertuples(index=False)) == sorted(wanted["events"][key].itertuples(index=False))
    assert listed.set_index(key)["source"].get((met, number)) == "both"
    assert len(found["members"]) == len(wanted["members"])
    sequence = found["conversations"].set_index("conversation_id")["sequence_number"]
    assert sequence[met] == number
    # Nothing is left for the next run.
    assert export(client_of(sandbox), dest, rate=0).report.events == 0


def test_records_of_a_file_that_are_newer_than_the_journal_are_requested_again(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, dest, file = serve(seed=8, conversations=14), tmp_path / "out", tmp_path / "conversation.json"
    _interrupted(sandbox, dest, monkeypatch)
    met = _first_asked(sandbox)
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        file.write_bytes(http.get(f"/v1/conversations/{met}").content)
    assert ingest(dest, file).tables == {"conversations": 1}
    sandbox.requests.clear()
    assert export(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY).report.resumed > 20
    assert f"/v1/conversations/{met}" in _paths(sandbox)


def test_a_coverage_makes_no_answer_stale(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox, dest = serve(seed=8, conversations=14), tmp_path / "out"
    _half(sandbox, dest, monkeypatch)
    coverage(client_of(sandbox), dest, rate=0)
    sandbox.requests.clear()
    assert export(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY).report.resumed > 10
    whole = export(client_of(sandbox), tmp_path / "whole", rate=0).dataset.path
    same(content(dest), content(whole) | {"voice_calls": content(dest)["voice_calls"]})


def test_answers_older_than_another_export_are_not_taken(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another machine, where the journal is not."""
    sandbox, dest = serve(seed=8, conversations=14), tmp_path / "out"
    _half(sandbox, dest, monkeypatch)
    (dest / "_work" / "journal").rename(tmp_path / "journal")
    export(client_of(sandbox), dest, rate=0)
    (tmp_path / "journal").rename(dest / "_work" / "journal")
    sandbox.requests.clear()
    done = export(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY).report
    assert (done.resumed, done.resumed_from) == (0, None)
    assert done.listed == 14


def _age(layout: Layout, source: str, began: datetime) -> None:
    """Let the journal's run have begun earlier."""
    number = len(list(layout.commits.iterdir())) + 1
    old = Journal(layout.journal, Header(source, NO_MASK, number, ""))
    assert old.resumed
    answers = {key.decode(): old.take(key.decode()) for (key,) in list(old._index.all("select key from answers"))}
    old.remove()
    aged = Journal(layout.journal, Header(source, NO_MASK, number, began.isoformat()))
    for key, kept in answers.items():
        aged.add(key, kept.body, kept.next_cursor) if kept else aged.add(key, None)
    aged.close()


def test_a_journal_that_cannot_be_written_ends_the_run_with_advice(serve: Serve, tmp_path: Path) -> None:
    import resource

    sandbox = serve(seed=8, conversations=14)
    whole = export(client_of(sandbox), tmp_path / "whole", rate=0)
    sandbox.requests.clear()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(DestinationError, match="File too large"):
            export(client_of(sandbox), tmp_path / "out", rate=0, concurrency=CONCURRENCY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert threading.active_count() < 50
    done = export(client_of(sandbox), tmp_path / "out", rate=0, concurrency=CONCURRENCY)
    assert done.report.resumed > 0
    # The answers that could not be kept, one per worker, are asked for again.
    assert len(sandbox.requests) - whole.report.requests <= CONCURRENCY
    same(content(tmp_path / "out"), content(tmp_path / "whole"))
