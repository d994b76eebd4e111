"""Killed at any instant, a run costs the pages in flight; the next one ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conv_analytics import export
from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import DatasetError
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.killed_export import FEW_TABLES, Reader, at_request, content, export_until, kill, same, start
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import client_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]

CONCURRENCY = 4
#: How many instants are tried; more on request.
INSTANTS = int(os.environ.get("KILL_INSTANTS", "5"))
#: What a folder holds, by table.
Content = dict[str, pa.Table]


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    """A world of one day: each table has a file for each day."""
    with Sandbox(seed=5, conversations=7, days=1, quirks=True) as sandbox:
        yield sandbox


def _not_ours(_request: object) -> Reply:
    raise AssertionError("the script only looks on")


def _finish(sandbox: Sandbox, dest: Path, **options: Any) -> None:
    """The next run, which nothing happens to."""
    assert export(client_of(sandbox), dest, rate=0, concurrency=CONCURRENCY, **options).report.status == "complete"


def test_a_run_killed_at_any_request_goes_on_where_it_was(small: Sandbox, tmp_path: Path) -> None:
    small.requests.clear()
    _finish(small, tmp_path / "whole")
    wanted, least = content(tmp_path / "whole"), len(small.requests)
    assert least > 20
    for number in range(1, least + 1):
        dest = tmp_path / f"at-{number}"
        small.requests.clear()
        doomed: list[BaseProcess] = []
        small.script(at_request(number, lambda doomed=doomed: kill(doomed[0])), _not_ours)
        doomed.append(start(small, dest, concurrency=CONCURRENCY))
        doomed[0].join(PATIENCE_S)
        assert doomed[0].exitcode == -signal.SIGKILL, number
        with pytest.raises(DatasetError, match="no commit"):
            open_dataset(dest)
        _finish(small, dest)
        same(content(dest), wanted)
        assert len(small.requests) - least <= CONCURRENCY, number
        assert not (dest / "_work" / "journal").exists()


def _first_half(sandbox: Sandbox, folder: Path, **options: Any) -> Path:
    """A folder with the first half of a world."""
    middle = sandbox.world.start_ms + (sandbox.world.end_ms - sandbox.world.start_ms) // 2
    export(client_of(sandbox), folder, rate=0, until=datetime.fromtimestamp(middle / 1000, UTC), **options)
    return folder


def _is_sound(dest: Path) -> None:
    # Ephemeral events leave holes in the numbers of any world; everything else is as it should be.
    assert {finding.where for finding in verify(dest) if finding.level is not Level.OK} <= {"events"}


def test_a_run_killed_before_any_change_of_the_disk_leaves_no_trace(small: Sandbox, tmp_path: Path) -> None:
    """A second run, over what the first one left; readers find all of it or nothing, at every step."""
    # Each table is written the same way; further ones would be more of the same changes.
    half, whole = _first_half(small, tmp_path / "half", tables=FEW_TABLES), tmp_path / "whole"
    shutil.copytree(half, whole)
    _finish(small, whole, tables=FEW_TABLES)
    wanted, rows = content(whole), len(open_dataset(half)["events"])
    assert rows < wanted["events"].num_rows
    before = Reader(half)
    before.read()
    seen, change = set[str](), 1
    while True:
        dest = tmp_path / f"at-{change}"
        shutil.copytree(half, dest)
        reader = Reader(dest, before.rows)
        if not export_until(small, dest, change, concurrency=CONCURRENCY):
            break
        reader.read()
        committed = len(open_dataset(dest).commits) > 1
        assert len(open_dataset(dest)["events"]) == (wanted["events"].num_rows if committed else rows), change
        promised = any((dest / "_work").glob("*/commit.json"))
        seen.add("committed" if committed else "promised" if promised else "staged")
        _finish(small, dest, tables=FEW_TABLES)
        reader.read()
        same(content(dest), wanted)
        _is_sound(dest)
        shutil.rmtree(dest)
        change += 1
    assert seen == {"staged", "promised", "committed"}
    assert change > 30


@pytest.fixture(scope="module")
def large() -> Iterator[Sandbox]:
    with Sandbox(seed=6, conversations=60, days=2) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def half(large: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _first_half(large, tmp_path_factory.mktemp("half") / "out")


@pytest.fixture(scope="module")
def both(large: Sandbox, half: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Content, float]:
    """What the folder holds after an uninterrupted second run, and how long that takes. [s]"""
    dest = tmp_path_factory.mktemp("both") / "out"
    shutil.copytree(half, dest)
    begin = time.monotonic()
    _finish(large, dest)
    return content(dest), time.monotonic() - begin


@pytest.mark.parametrize("number", range(INSTANTS))
def test_a_run_killed_at_any_instant_leaves_no_trace(
    number: int, large: Sandbox, half: Path, both: tuple[Content, float], tmp_path: Path
) -> None:
    """Between changes of the disk, too, and with a reader all the while."""
    wanted, took_s = both
    dest = tmp_path / "out"
    shutil.copytree(half, dest)
    with Reader(dest) as reader:
        process = start(large, dest, concurrency=CONCURRENCY)
        time.sleep(random.Random(number).uniform(0, took_s))
        kill(process)
        process.join(PATIENCE_S)
        _finish(large, dest)
    same(content(dest), wanted)
    assert reader.reads > 0
    _is_sound(dest)
