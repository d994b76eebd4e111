"""An export converts in a process of its own: it writes the same, dies with the run, and no row is lost with either."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conv_analytics import export
from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import ConfigError, DatasetError, DestinationError
from conv_analytics.exporter import conversion_process, convert
from conv_analytics.exporter.cpus import available_cpus, cgroup_quota
from conv_analytics.exporter.run_events import BatchConverted, RunStarted
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.conversion_process import conversion_processes, gone, wait_for
from tests._helpers.killed_export import SMALL_BATCH, at_request, content, kill, same, start
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import LATER, Serve, after, client_of, soon

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")]

ROOT = Path(__file__).parents[2]
CONCURRENCY = 4
#: How many instants by the clock are tried for each process; more on request.
INSTANTS = int(os.environ.get("KILL_INSTANTS", "2"))
#: What tells when a run was, how long it took, and what it was called.
_WHEN = {"started_at", "seconds", "swept_at", "waited_s", "pace", "resumed_from"}


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    yield
    assert conversion_processes(os.getpid()) == []


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with Sandbox(seed=5, conversations=16, days=2, quirks=True, broken=0.02) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    with Sandbox(seed=5, conversations=7, days=1, quirks=True) as sandbox:
        yield sandbox


def written(folder: Path) -> dict[str, Any]:
    """All that a folder holds, in its order, but for names and times: files, row groups, rows, quarantine, commits."""
    found: dict[str, Any] = {}
    for commit in open_dataset(folder).commits:
        for file in commit.files:
            parquet = pq.ParquetFile(folder / file.path)
            rows = parquet.read().to_pandas(types_mapper=None)
            name = file.path.replace(commit.run, "run")
            groups = [parquet.metadata.row_group(number).num_rows for number in range(parquet.num_row_groups)]
            found[name] = (groups, rows.drop(columns=["exported_at"], errors="ignore").astype(str))
        kept = commit.quarantine and (folder / commit.quarantine).read_text()
        watermarks = [each[:2] + each[3:4] + each[5:] for each in commit.read_watermarks(folder)]
        report = {name: value for name, value in commit.report.items() if name not in _WHEN}
        found[f"commit {commit.number}"] = (kept, watermarks, json.loads(json.dumps(report)))
    return found


def test_what_is_written_is_the_same(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "BATCH_BYTES", SMALL_BATCH)
    middle = datetime.fromtimestamp((world.world.start_ms + world.world.end_ms) / 2000, UTC)
    nights: list[dict[str, Any]] = [{"until": middle, "tables": "all"}, {}, {"full": True}]
    for processes in (1, 2):
        for night in nights:
            # One request after the other, so that the order of the pages is that of the requests.
            options = {"rate": 0, "concurrency": 1, "allow_empty": True, "progress": False} | night
            export(client_of(world), tmp_path / str(processes), processes=processes, **options)
    one, two = written(tmp_path / "1"), written(tmp_path / "2")
    assert list(one) == list(two)
    assert sum(name.startswith("commit") for name in one) == len(nights)
    assert any(kept for name, (kept, *_) in one.items() if name.startswith("commit")), "something is in quarantine"
    for name, expected in one.items():
        if name.startswith("commit"):
            assert two[name] == expected
        else:
            assert two[name][0] == expected[0]
            pd.testing.assert_frame_equal(two[name][1], expected[1], obj=name)
    assert {finding.where for finding in verify(tmp_path / "2") if finding.level is not Level.OK} <= {"events"}


@pytest.mark.parametrize("own", [None, "system"])
def test_the_process_has_an_allocator_that_gives_memory_back(
    small: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    if own is not None:
        monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", own)
    variables: set[str] = set()

    def look(event: object) -> None:
        if isinstance(event, BatchConverted):
            (pid,) = conversion_processes(os.getpid())
            variables.update(Path(f"/proc/{pid}/environ").read_text().split("\0"))

    export(client_of(small), tmp_path, rate=0, progress=False, on_event=look, processes=2)
    usual = "jemalloc" if "jemalloc" in pa.supported_memory_backends() else "system"
    assert variables >= {f"ARROW_DEFAULT_MEMORY_POOL={own or usual}", "MALLOC_ARENA_MAX=1"}


def test_a_process_is_started_where_it_is_worth_it(
    small: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def look(event: object) -> None:
        if isinstance(event, BatchConverted):
            started[:] = started or conversion_processes(os.getpid())

    def starts(name: str, **options: Any) -> bool:
        started.clear()
        export(client_of(small), tmp_path / name, rate=0, progress=False, on_event=look, **options)
        return bool(started)

    monkeypatch.setattr("conv_analytics.exporter.run.available_cpus", lambda: 2)
    assert not starts("small")
    assert starts("small but told so", processes=2)
    monkeypatch.setattr(convert, "PROCESS_BYTES", 1)
    assert starts("large")
    assert not starts("large but told so", processes=1)
    monkeypatch.setattr("conv_analytics.exporter.run.available_cpus", lambda: 1)
    assert not starts("one processor")


@pytest.mark.parametrize("processes", [0, 3, -1])
def test_other_numbers_of_processes_are_refused(processes: int, serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"processes is {processes}; it must be 1 .*, 2 .*, or None"):
        export(client_of(serve(conversations=1)), tmp_path, processes=processes)


def test_where_no_process_starts_the_export_does_everything_itself(
    small: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "python-that-fails"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    broken.chmod(stat.S_IRWXU)
    reasons = {
        "": "is not a Python interpreter",
        "/usr/bin/uwsgi": "is not a Python interpreter",
        str(tmp_path / "python3"): "No such file or directory",
        str(broken): "ended with code 3 (no such luck)",
    }
    for number, (executable, reason) in enumerate(reasons.items()):
        caplog.clear()
        monkeypatch.setattr(sys, "executable", executable)
        with caplog.at_level(logging.WARNING, "conv_analytics"):
            done = export(client_of(small), tmp_path / str(number), rate=0, progress=False, processes=2)
        assert done.report.status == "complete"
        assert "converting in this process" in caplog.text
        assert reason in caplog.text


def test_a_process_that_is_killed_is_an_error_that_says_so(
    world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.requests.clear()
    export(client_of(world), tmp_path / "whole", rate=0, progress=False, processes=1)
    least = len(world.requests)
    # With batches that small the download cannot be far ahead of the conversion.
    monkeypatch.setattr(convert, "BATCH_BYTES", SMALL_BATCH)
    options: dict[str, Any] = {"rate": 0, "progress": False, "processes": 2, "concurrency": CONCURRENCY}
    for at in (least // 2, least * 3 // 4, least - 5):
        dest = tmp_path / f"at-{at}"
        world.requests.clear()
        world.script(at_request(at, lambda: os.kill(wait_for(os.getpid()), signal.SIGKILL)), _not_ours)
        with pytest.raises(DatasetError, match=r"was killed by signal 9\. Nothing was committed.*processes=1"):
            export(client_of(world), dest, **options)
        world._scripts.clear()
        assert conversion_processes(os.getpid()) == []
        with pytest.raises(DatasetError, match="no commit"):
            open_dataset(dest)
        done = export(client_of(world), dest, **options)
        assert done.report.resumed > 0
        assert len(world.requests) - least <= CONCURRENCY
        same(content(dest), content(tmp_path / "whole"))
        assert sorted(path.name for path in (dest / "_work").iterdir()) == ["lock"]


def test_what_fails_in_the_process_fails_the_run(world: Sandbox, tmp_path: Path) -> None:
    def block(event: object) -> None:
        if isinstance(event, RunStarted):
            (staging,) = (path for path in (tmp_path / "_work").iterdir() if path.is_dir())
            (staging / "events").write_text("a file where a folder has to be")

    with pytest.raises(DestinationError, match=r"Cannot write to .*(exists|Not a directory). Nothing was committed"):
        export(client_of(world), tmp_path, rate=0, progress=False, processes=2, on_event=block)
    assert export(client_of(world), tmp_path, rate=0, progress=False, processes=2).report.status == "complete"


@pytest.fixture(scope="module")
def whole(small: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pa.Table], int, float]:
    """What an uninterrupted run brings, how many requests it takes, and how long. [s]"""
    dest = tmp_path_factory.mktemp("whole") / "out"
    small.requests.clear()
    begin = time.monotonic()
    _finish(small, dest, processes=2)
    return content(dest), len(small.requests), time.monotonic() - begin


def _not_ours(_request: object) -> Reply:
    raise AssertionError("the script only looks on")


def _finish(sandbox: Sandbox, dest: Path, *, processes: int) -> None:
    """The next run, which nothing happens to."""
    done = export(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY, processes=processes, progress=False)
    assert done.report.status == "complete"


def test_a_run_killed_at_a_request_takes_its_process_along_and_goes_on(
    small: Sandbox, whole: tuple[dict[str, pa.Table], int, float], tmp_path: Path
) -> None:
    wanted, least, _ = whole
    for number in range(1, least + 1, 5):
        dest = tmp_path / f"at-{number}"
        small.requests.clear()
        doomed: list[Any] = []
        reached = threading.Event()
        # The answer waits until there is a process that would be left behind.
        small.script(at_request(number, lambda reached=reached: reached.wait(PATIENCE_S)), _not_ours)
        doomed.append(start(small, dest, concurrency=CONCURRENCY, processes=2))
        worker = wait_for(doomed[0].pid)
        kill(doomed[0])
        reached.set()
        doomed[0].join(PATIENCE_S)
        assert doomed[0].exitcode == -signal.SIGKILL, number
        _finish(small, dest, processes=1 + number % 2)
        assert gone(worker), number
        same(content(dest), wanted)
        assert len(small.requests) - least <= 2 * CONCURRENCY, number
        assert not (dest / "_work" / "journal").exists()


def _came_to(path: Path, pattern: str, process: BaseProcess) -> None:
    """Wait until a run has made some file, or is over."""
    while process.is_alive() and not list(path.glob(pattern)):
        time.sleep(0.0005)


@pytest.mark.parametrize("instant", ["a file", "the commit", *range(INSTANTS)])
@pytest.mark.parametrize("victim", ["run", "worker"])
def test_whichever_process_is_killed_at_any_instant_no_row_is_lost(
    victim: str,
    instant: str | int,
    small: Sandbox,
    whole: tuple[dict[str, pa.Table], int, float],
    tmp_path: Path,
) -> None:
    wanted, _, took_s = whole
    dest = tmp_path / "out"
    process = start(small, dest, concurrency=CONCURRENCY, processes=2)
    worker = wait_for(process.pid)
    match instant:
        case "a file":
            _came_to(dest / "_work", "*/events/*", process)
        case "the commit":
            _came_to(dest / "_work", "*/commit.json", process)
        case int():
            time.sleep(random.Random(f"{victim} {instant}").uniform(0, took_s))
    if victim == "run":
        kill(process)
    elif worker in conversion_processes():
        os.kill(worker, signal.SIGKILL)
    process.join(PATIENCE_S)
    # With its process killed, the run says so; or it had not begun to rely on it, or was over.
    assert process.exitcode in ({0, -signal.SIGKILL} if victim == "run" else {0, 1})
    assert gone(worker)
    _finish(small, dest, processes=1 if victim == "run" else 2)
    same(content(dest), wanted)
    assert {finding.where for finding in verify(dest) if finding.level is not Level.OK} <= {"events"}


def test_a_process_killed_at_a_request_fails_its_run_or_was_not_needed(
    small: Sandbox, whole: tuple[dict[str, pa.Table], int, float], tmp_path: Path
) -> None:
    """The run is in the middle of its requests for certain; the next one has all of it."""
    wanted, least, _ = whole
    for number in range(1, least + 1, 8):
        dest = tmp_path / f"at-{number}"
        reached = threading.Event()
        small.script(at_request(number, lambda reached=reached: reached.wait(PATIENCE_S)), _not_ours)
        process = start(small, dest, concurrency=CONCURRENCY, processes=2)
        worker = wait_for(process.pid)
        os.kill(worker, signal.SIGKILL)
        reached.set()
        process.join(PATIENCE_S)
        assert process.exitcode in {0, 1}, number
        assert gone(worker), number
        _finish(small, dest, processes=1 + number % 2)
        same(content(dest), wanted)


SCRIPT = """
from conv_analytics import Conversations, export
client = Conversations({application!r}, {key!r}, base_url={host!r})
done = export(client, {folder!r}, rate=0, concurrency=4, progress=False, processes=2)
print(done.report.status)
"""


def _script(sandbox: Sandbox, folder: Path) -> str:
    where = {"application": sandbox.application_id, "key": sandbox.private_key, "host": sandbox.base_url}
    return textwrap.dedent(SCRIPT).format(folder=str(folder), **where)


def _run(arguments: list[str], text: str | None = None) -> tuple[str, str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment
    )
    return done.stdout, done.stderr


def test_it_starts_from_any_kind_of_program(small: Sandbox, tmp_path: Path) -> None:
    script = tmp_path / "no_main_guard.py"
    script.write_text(_script(small, tmp_path / "script"))
    assert _run([str(script)]) == ("complete\n", "")
    assert _run(["-c", _script(small, tmp_path / "command")]) == ("complete\n", "")
    assert _run(["-"], _script(small, tmp_path / "stdin")) == ("complete\n", "")
    process = start(small, tmp_path / "daemon", concurrency=CONCURRENCY, processes=2)
    worker = wait_for(process.pid)
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    assert gone(worker)
    for name in ("command", "stdin", "daemon"):
        same(content(tmp_path / name), content(tmp_path / "script"))


def test_ctrl_c_ends_both_and_the_next_run_goes_on(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=30)
    whole = export(client_of(sandbox), tmp_path / "whole", rate=0, progress=False)
    reached = after(sandbox, 60, LATER, path="/events")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _script(sandbox, tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment) as run:
        worker = wait_for(run.pid)
        soon(reached.is_set)
        # As a service manager does it: every process is told, and the run decides.
        os.kill(worker, signal.SIGTERM)
        # As a terminal does it: everything in the foreground gets the signal.
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE_S)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") <= 2
    assert gone(worker)
    sandbox._scripts.clear()
    sandbox.requests.clear()
    done = export(client_of(sandbox), tmp_path / "out", rate=0, progress=False, processes=2)
    assert done.report.resumed > 0
    assert len(sandbox.requests) < whole.report.requests
    same(content(tmp_path / "out"), content(tmp_path / "whole"))


def test_the_quota_of_a_container_counts(tmp_path: Path) -> None:
    inner = tmp_path / "pod" / "container"
    inner.mkdir(parents=True)
    assert cgroup_quota(tmp_path, "/pod/container") is None
    (inner / "cpu.max").write_text("max 100000\n")
    assert cgroup_quota(tmp_path, "/pod/container") is None
    (tmp_path / "pod" / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("400000 100000\n")
    assert cgroup_quota(tmp_path, "/pod/container") == 1.5
    assert cgroup_quota(tmp_path, "/gone") is None
    old = tmp_path / "v1" / "cpu"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text("50000\n")
    (old / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_quota(tmp_path / "v1", "") == 0.5
    (old / "cpu.cfs_quota_us").write_text("-1\n")
    assert cgroup_quota(tmp_path / "v1", "") is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
def test_so_does_the_affinity() -> None:
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(own)})
        assert available_cpus() == 1
    finally:
        os.sched_setaffinity(0, own)
    assert 1 <= available_cpus() <= len(own)


def test_the_process_needs_no_pandas() -> None:
    """What it imports must not import pandas: it would never start then, and every export convert in one process."""
    imports = conversion_process._CODE.format(path=sys.path).removesuffix("main()\n")
    code = f"{imports}assert 'pandas' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
