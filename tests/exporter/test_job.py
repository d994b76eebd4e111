"""An export in the background: looked at, listened to, stopped, and gone on with."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Job, export
from conv_analytics.api.notices import RequestSent
from conv_analytics.errors import ConfigError, DatasetLocked, ExportStopped, NotFound
from conv_analytics.exporter import Progress
from conv_analytics.exporter.run_events import RunFinished, RunStarted
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import LATER, NEVER, Serve, after, agree, client_of, contents_of, soon

pytestmark = pytest.mark.slow


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("conv_analytics ")]


def test_a_job_tells_all_the_way_and_gives_what_export_gives(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=20)
    reached = after(sandbox, 12, NEVER)
    seen: list[object] = []
    job = export(client_of(sandbox), tmp_path, wait=False, rate=0, concurrency=2, on_event=seen.append, progress=False)
    soon(reached.is_set)
    assert (job.running, job.done, job.status) == (True, False, "running")
    assert not job.wait(0.01)
    with pytest.raises(TimeoutError, match=r"still running after 0\.01 s"):
        job.result(0.01)
    job.stop()
    sandbox._scripts.clear()

    again = export(client_of(sandbox), tmp_path, wait=False, rate=0, progress=False)
    result = again.result()
    assert (again.running, again.done, again.status) == (False, True, "complete")
    assert again.progress is not None
    assert again.progress.finished
    assert again.progress.done == again.progress.total == result.report.listed == 20
    agree(contents_of(result), sandbox.truth())
    assert again.result() is result
    assert isinstance(seen[0], RunStarted)
    assert isinstance(seen[-1], RunFinished)
    assert _threads() == []


@pytest.mark.parametrize("state", ["reading", "waiting for half an hour"])
def test_stop_leaves_nothing_behind_and_the_next_call_goes_on(state: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=40)
    reached = after(sandbox, 60, NEVER) if state == "reading" else after(sandbox, 60, LATER, path="/events")
    job = export(client_of(sandbox), tmp_path, wait=False, rate=0, concurrency=4, progress=False)
    soon(reached.is_set)
    if state != "reading":
        soon(lambda: job.progress is not None and job.progress.waiting_s > 60)
    assert job.stop()
    assert _threads() == []
    assert (job.running, job.done, job.status) == (False, True, "stopped")
    with pytest.raises(ExportStopped, match="continues where this one stopped") as caught:
        job.result()
    assert caught.value.report.interrupted
    assert job.stop(), "again, and nothing happens"
    assert not [path for path in (tmp_path / "_work").iterdir() if path.is_dir() or path.name == "owner.json"]

    asked = len(sandbox.requests)
    sandbox._scripts.clear()
    done = export(client_of(sandbox), tmp_path, wait=False, rate=0, progress=False).result()
    assert done.report.resumed > 0
    agree(contents_of(done), sandbox.truth())
    alone = export(client_of(sandbox), rate=0, progress=False).report.requests
    # What was in flight is asked for again, and no more.
    assert asked + done.report.requests - alone <= 4 + sum(seen.status == 429 for seen in sandbox.requests)


def test_stop_in_memory_gives_what_was_read(serve: Serve) -> None:
    sandbox = serve(conversations=40)
    reached = after(sandbox, 60, NEVER)
    job = export(client_of(sandbox), wait=False, rate=0, concurrency=4, progress=False)
    soon(reached.is_set)
    job.stop()
    with pytest.raises(ExportStopped, match=r"What was read is in \.result of this error") as caught:
        job.result()
    frames = caught.value.result
    assert 0 < len(frames["conversations"]) < 40
    assert len(frames["events"]) == caught.value.report.tables["events"] > 0
    assert frames["events"] is frames["events"]
    assert repr(frames).startswith("Frames(conversations ")


def test_of_two_jobs_on_one_folder_the_second_names_the_first(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    reached = after(sandbox, 3, NEVER)
    first = export(client_of(sandbox), tmp_path / "a", wait=False, rate=0, progress=False)
    soon(reached.is_set)
    second = export(client_of(sandbox), tmp_path / "a", wait=False, rate=0, progress=False)
    with pytest.raises(DatasetLocked, match=r"is being written by process \d+ on \S+ since 20\d\d-"):
        second.result()
    assert second.status == "failed"
    sandbox._scripts.clear()
    elsewhere = [export(client_of(sandbox), tmp_path / name, wait=False, rate=0, progress=False) for name in "bc"]
    for job in elsewhere:
        agree(contents_of(job.result()), sandbox.truth())
    assert first.running
    first.stop()


def test_listeners_come_and_go_and_one_that_fails_ends_no_run(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("conv_analytics"), "propagate", True)
    sandbox = serve(conversations=20)
    go_on = threading.Event()
    sandbox.script(lambda _: not go_on.wait(PATIENCE_S), Reply(500))
    job = export(client_of(sandbox), wait=False, rate=0, progress=False)
    gone: list[object] = []
    seen: list[Any] = []
    inside: list[object] = []
    ended: list[Job[Any]] = []

    def broken(event: object) -> None:
        raise ValueError("a widget that was closed")

    def waits(event: object) -> None:
        if not inside and isinstance(event, Progress):
            for call in (job.result, job.wait, lambda: export(client_of(sandbox))):
                with pytest.raises(ConfigError, match="in the thread of a running export"):
                    call()
                inside.append(call)

    for listener in (gone.append, broken, seen.append, waits):
        job.add_listener(listener)
    job.add_done_callback(ended.append)
    job.remove_listener(gone.append)
    go_on.set()
    agree(contents_of(job.result()), sandbox.truth())
    assert gone == []
    assert len(inside) == 3
    assert isinstance(seen[-1], RunFinished)
    assert caplog.text.count("a listener of the export failed") == 1
    assert ended == [job]
    job.add_done_callback(ended.append)
    assert ended == [job, job]


def test_a_listener_may_stop_the_run(serve: Serve) -> None:
    sandbox = serve(conversations=30)
    jobs: list[Job[Any]] = []
    sent: list[bool] = []

    def enough(event: object) -> None:
        sent.append(isinstance(event, RequestSent))
        if sum(sent) >= 3:
            # It cannot have ended: this is what it waits for.
            assert jobs[0].stop() is False

    go_on = threading.Event()
    sandbox.script(lambda _: not go_on.wait(PATIENCE_S), Reply(500))
    after(sandbox, 5, NEVER)
    jobs.append(export(client_of(sandbox), wait=False, rate=0, concurrency=1, progress=False))
    jobs[0].add_listener(enough)
    go_on.set()
    with pytest.raises(ExportStopped):
        jobs[0].result()


def test_wrong_arguments_are_told_at_once_and_a_failure_by_the_result(serve: Serve) -> None:
    sandbox = serve(conversations=3)
    with pytest.raises(ConfigError, match="concurrency is 0"):
        export(client_of(sandbox), wait=False, concurrency=0)
    sandbox.script(lambda _: True, Reply(404, b'{"detail": "<script>alert(1)</script>"}'), times=-1)
    job = export(client_of(sandbox), wait=False, rate=0, progress=False)
    with pytest.raises(NotFound):
        job.result()
    assert job.status == "failed"
    assert "<script>" not in job._repr_html_()
    assert "&lt;script&gt;" in job._repr_html_()


def test_how_a_job_looks(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    reached = after(sandbox, 8, NEVER)
    folder = tmp_path / "<b>out"
    job = export(client_of(sandbox), folder, wait=False, rate=0, concurrency=2, progress=False)
    soon(reached.is_set)
    soon(lambda: job.progress is not None)
    assert repr(job).startswith(f"<Job: export into {folder}, running, ")
    html = job._repr_html_()
    assert "&lt;b&gt;out</code>: running.</b> <code>.stop()</code> stops it" in html
    assert "<progress" in html
    job.stop()
    assert ": stopped.</b> The export was stopped. Run the same call again: it continues where" in job._repr_html_()
    sandbox._scripts.clear()
    job = export(client_of(sandbox), folder, wait=False, rate=0, progress=False)
    job.wait()
    assert ": complete.</b>" in job._repr_html_()
    assert "6 of 6 conversations" in repr(job)


SCRIPT = """
    import os, sys, threading, warnings
    from conv_analytics import Conversations, export
    from conv_analytics.errors import ConfigError
    base_url, application, key, folder, way = sys.argv[1:]
    client = Conversations(application, key, base_url=base_url)
    if way == "leave":
        job = export(client, folder, wait=False, rate=0, concurrency=4, progress=False)
        sys.stdin.readline()
        print(job.status)
        sys.exit(7)
    warnings.simplefilter("ignore", DeprecationWarning)  # of threads at a fork
    whole = export(client, rate=0, progress=False)
    print("ready", flush=True)
    sys.stdin.readline()
    job = export(client, folder, wait=False, rate=0, concurrency=4, progress=False)
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        for ask in (job.result, job.wait, job.stop):
            try:
                ask()
            except ConfigError as error:
                assert "the process that this one was forked from" in str(error)
            else:
                os._exit(1)
        again = export(client, rate=0, progress=False)
        os._exit(2 * (job.running or job.done or len(again["events"]) != len(whole["events"])))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), job.running, job.stop(), job.status)
"""


def _script(sandbox: Sandbox, folder: Path, way: str) -> subprocess.Popen[str]:
    where = [sandbox.base_url, sandbox.application_id, str(sandbox.key_path), str(folder), way]
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), *where]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_script_that_ends_stops_its_job(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=40)
    reached = after(sandbox, 60, NEVER)
    with _script(sandbox, tmp_path, "leave") as process:
        soon(reached.is_set)
        out, err = process.communicate("\n", timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (7, "running\n", "")
    assert not [path for path in (tmp_path / "_work").iterdir() if path.is_dir() or path.name == "owner.json"]
    sandbox._scripts.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    assert done.report.resumed > 0
    agree(contents_of(done), sandbox.truth())


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_a_forked_process_is_told_whose_job_it_is_and_exports_itself(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=12)
    with _script(sandbox, tmp_path, "fork") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # The job's four requests in flight are held, and nobody else's.
        reached = after(sandbox, 5, NEVER, times=4)
        process.stdin.write("\n")
        process.stdin.flush()
        soon(lambda: reached.is_set() and not sandbox._scripts)
        out, err = process.communicate("\n", timeout=PATIENCE_S)
    assert (process.returncode, out) == (0, "0 True True stopped\n"), err
