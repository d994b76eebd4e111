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

import pandas as pd
import pytest

from conv_analytics import export
from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import DatasetError
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.killed_export import Reader, at_request, content, kill, same, start
from tests._helpers.sandboxes import client_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]

CONCURRENCY = 4
PATIENCE_S = 120


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    with Sandbox(seed=5, conversations=7, quirks=True) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def whole(small: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], int]:
    """What an uninterrupted run brings, and how many requests it takes."""
    dest = tmp_path_factory.mktemp("whole") / "out"
    small.requests.clear()
    _finish(small, dest)
    return content(dest), len(small.requests)


def _not_ours(_request: object) -> Reply:
    raise AssertionError("the script only looks on")


def _finish(sandbox: Sandbox, dest: Path) -> None:
    process = start(sandbox, dest, concurrency=CONCURRENCY)
    process.join(PATIENCE_S)
    assert process.exitcode == 0


def test_a_run_killed_at_any_request_goes_on_where_it_was(
    small: Sandbox, whole: tuple[dict[str, pd.DataFrame], int], tmp_path: Path
) -> None:
    wanted, least = whole
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


@pytest.fixture(scope="module")
def large() -> Iterator[Sandbox]:
    with Sandbox(seed=6, conversations=60) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def half(large: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the first half of the large world."""
    dest = tmp_path_factory.mktemp("half") / "out"
    middle = large.world.start_ms + (large.world.end_ms - large.world.start_ms) // 2
    until = datetime.fromtimestamp(middle / 1000, UTC)
    export(client_of(large), dest, rate=0, until=until)
    return dest


@pytest.fixture(scope="module")
def both(large: Sandbox, half: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], float]:
    """What the folder holds after an uninterrupted second run, and how long that takes. [s]"""
    dest = tmp_path_factory.mktemp("both") / "out"
    shutil.copytree(half, dest)
    begin = time.monotonic()
    _finish(large, dest)
    return content(dest), time.monotonic() - begin


def _at_the_end(dest: Path, process: BaseProcess, wait_s: float) -> None:
    """Wait until a run begins to publish its files, and a little more."""
    while process.is_alive() and not list((dest / "_work").glob("*/commit.json")):
        time.sleep(0.0005)
    time.sleep(wait_s)


@pytest.mark.parametrize("number", range(50))
def test_a_run_killed_at_any_instant_leaves_no_trace(
    number: int, large: Sandbox, half: Path, both: tuple[dict[str, pd.DataFrame], float], tmp_path: Path
) -> None:
    wanted, took_s = both
    dice, dest = random.Random(number), tmp_path / "out"
    shutil.copytree(half, dest)
    with Reader(dest) as reader:
        process = start(large, dest, concurrency=CONCURRENCY)
        if number % 2:
            time.sleep(dice.uniform(0, took_s))
        else:
            _at_the_end(dest, process, dice.uniform(0, 0.03))
        kill(process)
        process.join(PATIENCE_S)
        _finish(large, dest)
    same(content(dest), wanted)
    assert reader.reads > 0
    # Ephemeral events leave holes in the numbers of any world; everything else is as it should be.
    assert {finding.where for finding in verify(dest) if finding.level is not Level.OK} <= {"events"}
