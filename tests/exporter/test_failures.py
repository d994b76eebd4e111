"""What fails costs nothing else; what was read is kept; nothing is left running."""

from __future__ import annotations

import asyncio
import math
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from conv_analytics import aexport, export, open_dataset
from conv_analytics.errors import AuthError, ExportIncomplete, ExportStopped, TransportError
from conv_analytics.exporter.options import MAX_CONSECUTIVE_FAILURES
from conv_analytics.exporter.progress import Progress
from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import (
    NEVER,
    Serve,
    after,
    agree,
    client_of,
    contents_of,
    least,
    members_of,
    soon,
)

pytestmark = pytest.mark.slow

Matches = Callable[[Request], bool]

DENIED = Reply(401, b'{"title": "Unauthorized", "code": "system:error:invalid-token", "detail": "no"}')


def ends(*endings: str) -> Matches:
    return lambda request: request.path.endswith(endings)


def ids(sandbox: Sandbox) -> list[str]:
    world = sandbox.world
    return [world.head(ordinal).id for ordinal in world.ordinals]


def busy(sandbox: Sandbox) -> list[str]:
    return [each for each, number in sandbox.truth().sequence_numbers.items() if number]


def test_conversations_that_keep_failing_cost_no_other_one(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=20)
    bad = busy(sandbox)[:3]
    sandbox.script(ends(f"{bad[0]}/events"), Reply(500), times=-1)
    sandbox.script(ends(f"{bad[1]}/members"), Reply(200, b"<html>sign in</html>", "text/html"), times=-1)
    sandbox.script(ends(bad[2]), Reply(200, b'{"code": "throttled", "detail": "later"}'), times=-1)
    with pytest.raises(ExportIncomplete, match="Run the same call again") as caught:
        export(client_of(sandbox), tmp_path, rate=0)
    report, dataset = caught.value.report, caught.value.result.dataset
    assert report.status == "incomplete"
    assert set(report.incomplete) == set(bad)
    assert "500" in report.incomplete[bad[0]]
    assert "HTML" in report.incomplete[bad[1]]
    assert "throttled" in report.incomplete[bad[2]]
    truth = sandbox.truth()
    counts = dataset["events"].groupby("conversation_id").size().to_dict()
    assert counts == {each: n for each, n in truth.events_per_conversation.items() if n and each not in bad}
    assert dataset.commits[-1].report["status"] == "incomplete"
    assert set(dataset.commits[-1].watermarks) == set(truth.sequence_numbers) - set(bad)

    sandbox._scripts.clear()
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), truth)
    assert not pd.read_parquet(tmp_path / "events").duplicated(["conversation_id", "event_id"]).any()


def test_gone_between_its_conversation_and_its_events(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=10)
    gone = busy(sandbox)[0]
    sandbox.script(ends(f"{gone}/events"), Reply(404, b'{"code": "conversation:error:not-found"}'), times=-1)
    result = export(client_of(sandbox), tmp_path, rate=0)
    assert result.report.status == "complete"
    assert result.report.gone == [gone]
    assert (result.dataset["conversations"]["conversation_id"] == gone).sum() == 1
    assert not (result.dataset["events"]["conversation_id"] == gone).any()
    assert gone not in result.dataset.commits[-1].watermarks


@pytest.mark.parametrize("destination", [None, "folder"])
def test_when_everything_fails_the_run_stops_asking(destination: str | None, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=300)
    known = set(ids(sandbox))
    sandbox.script(lambda request: request.path.rpartition("/")[2] in known, Reply(500), times=-1)
    folder = None if destination is None else tmp_path / destination
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox, retries=1), folder, rate=0, concurrency=5)
    asked = {seen.path for seen in sandbox.requests if seen.path != "/v1/conversations"}
    assert MAX_CONSECUTIVE_FAILURES <= len(asked) <= MAX_CONSECUTIVE_FAILURES + 5
    assert f"{MAX_CONSECUTIVE_FAILURES} conversations in a row" in caught.value.report.incomplete["conversations"]
    assert (
        len(caught.value.result["conversations"] if folder is None else caught.value.result.dataset["conversations"])
        == 0
    )


def test_some_failures_do_not_stop_a_run(serve: Serve) -> None:
    sandbox = serve(conversations=90)
    bad = set(ids(sandbox)[::2])
    sandbox.script(lambda request: request.path.rpartition("/")[2] in bad, Reply(500), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox, retries=0), rate=0, tables="conversations", concurrency=1)
    assert set(caught.value.report.incomplete) == bad
    assert len(caught.value.result["conversations"]) == 45


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_token_refused_midway_keeps_what_was_read(where: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=150)
    read = busy(sandbox)[:20]
    after(sandbox, 1 + 3 * 20, DENIED)
    folder = tmp_path if where == "folder" else None
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), folder, rate=0, concurrency=1)
    incomplete = caught.value.report.incomplete
    assert "401" in incomplete["conversations"]
    assert sum("401" in why for why in incomplete.values()) <= MAX_CONSECUTIVE_FAILURES + 1, (
        "and the others are not even asked for"
    )
    result = caught.value.result
    rows = result["conversations"] if folder is None else result.dataset["conversations"]
    assert set(read[:15]) <= set(rows["conversation_id"])
    if folder:
        sandbox._scripts.clear()
        agree(contents_of(export(client_of(sandbox), folder, rate=0)), sandbox.truth())


@pytest.mark.parametrize("reply", [DENIED, Reply(403, b"{}")])
def test_a_token_refused_at_once_leaves_no_dataset(reply: Reply, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=3)
    sandbox.script(lambda _: True, reply, times=-1)
    with pytest.raises(AuthError):
        export(client_of(sandbox), tmp_path, rate=0)
    clean(tmp_path)
    assert not list((tmp_path / "_commits").iterdir())
    assert len(sandbox.requests) <= 2


def test_an_unreachable_host_is_said(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=3)
    client = client_of(sandbox, retries=1)
    sandbox.close()
    with pytest.raises(TransportError, match=r"got no answer.*Check the network"):
        export(client, tmp_path, rate=0)
    clean(tmp_path)


def test_a_list_that_breaks_off_is_incomplete(serve: Serve) -> None:
    sandbox = serve(conversations=150)
    sandbox.script(lambda r: r.path == "/v1/conversations" and "cursor" in r.query, Reply(502, b"<h1>no</h1>"), -1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), rate=0, tables="conversations")
    assert list(caught.value.report.incomplete) == ["conversations"]
    assert len(caught.value.result["conversations"]) == 100


def test_a_listener_that_raises_stops_the_run_cleanly(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)

    def broken(_progress: Progress) -> None:
        raise RuntimeError("the notebook is gone")

    with pytest.raises(RuntimeError, match="notebook"):
        export(client_of(sandbox), tmp_path, rate=0, progress=broken)
    quiet()
    export(client_of(sandbox), tmp_path, rate=0)


def test_progress_ends_with_what_the_report_says(serve: Serve) -> None:
    sandbox, seen = serve(conversations=20, latency_ms=20), []
    report = export(client_of(sandbox), rate=0, concurrency=2, progress=seen.append).report
    assert len(seen) > 3
    assert [progress.finished for progress in seen] == [*[False] * (len(seen) - 1), True]
    last = seen[-1]
    assert (last.listed, last.done, last.requests, last.events) == (20, 20, report.requests, report.tables["events"])
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)


# -- loops


def test_inside_a_running_loop(calm: Sandbox) -> None:
    """As in a notebook cell, where a loop runs already."""

    async def cell() -> int:
        return len(export(client_of(calm), rate=0)["events"])

    assert asyncio.run(cell()) == calm.truth().events
    quiet()


def test_awaited(calm: Sandbox, tmp_path: Path) -> None:
    async def main() -> tuple[int, int]:
        frames, exported = await asyncio.gather(
            aexport(client_of(calm), rate=0), aexport(client_of(calm), tmp_path, rate=0)
        )
        return len(frames["events"]), exported.dataset.rows("events")

    assert asyncio.run(main()) == (calm.truth().events,) * 2


@pytest.mark.parametrize("seconds", [math.inf, 0.0], ids=["time to commit", "no time"])
def test_cancelling_keeps_what_was_read(
    seconds: float, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conv_analytics.exporter.run.STOP_S", seconds)
    sandbox = serve(conversations=40)
    reached = after(sandbox, 60, NEVER)

    async def main() -> None:
        task = asyncio.create_task(aexport(client_of(sandbox), tmp_path, rate=0, concurrency=4))
        await asyncio.to_thread(soon, reached.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        stopped = caught.value.__cause__
        assert isinstance(stopped, ExportStopped)
        assert (stopped.report.commit, stopped.result is None) == ((1, False) if seconds else (None, True))

    asyncio.run(main())
    quiet()
    clean(tmp_path)
    if seconds:
        dataset = open_dataset(tmp_path)
        assert dataset.commits[0].report["interrupted"]
        assert 5 <= len(dataset["conversations"]) < 40
        assert len(dataset["events"]) > 100
    else:
        assert not list((tmp_path / "_commits").glob("*.json"))
        assert not list(tmp_path.glob("*/date=*"))
    sandbox._scripts.clear()
    sandbox.requests.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    agree(contents_of(done), sandbox.truth())
    assert len(sandbox.requests) <= least(sandbox.truth(), members_of(sandbox)) - 60 + 4, "all but what was in flight"


INTERRUPTED = """
    import sys, threading
    from conv_analytics import Conversations, export, open_dataset
    base_url, application, key, folder = sys.argv[1:]
    client = Conversations(application, key, base_url=base_url)
    before = threading.active_count()
    try:
        export(client, folder, rate=0, concurrency=4)
    except KeyboardInterrupt:
        assert threading.active_count() == before, threading.enumerate()
        print("interrupted")
        sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_in_a_script_keeps_what_was_read(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=80)
    reached = after(sandbox, 60, NEVER)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(INTERRUPTED),
            sandbox.base_url,
            sandbox.application_id,
            sandbox.key_path,
            tmp_path,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    soon(reached.is_set)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out.strip()) == (130, "interrupted"), err
    clean(tmp_path)
    sandbox._scripts.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    agree(contents_of(done), sandbox.truth())
    assert done.report.resumed > 0


def quiet() -> None:
    """No thread of an export lives."""
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("conv_analytics ")], names


def clean(folder: Path) -> None:
    """Nothing is staged and nobody holds the lock."""
    assert not [path for path in (folder / "_work").iterdir() if path.is_dir() or path.name == "owner.json"]
