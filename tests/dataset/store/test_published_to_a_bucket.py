"""Delta tables in a bucket have each commit once, whatever happens to requests, answers and processes."""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from conv_analytics import open_dataset
from conv_analytics.dataset.store import bucket
from conv_analytics.dataset.store.address import parse
from conv_analytics.dataset.store.bucket import BucketStore
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import DestinationError, PublishIncomplete
from conv_analytics.tables import TABLES
from tests._helpers.delta_tables import FEW, commit, from_source, given_twice, grown, is_same
from tests._helpers.killed_publish import start_publishing
from tests._helpers.object_stores import FAULTS, Fault, Proxy, some_of, variables
from tests._helpers.table_rows import rows

# One S3 server serves the whole group.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bucket commits")]

#: 24 on request.
RUNS = int(os.environ.get("DELTA_RUNS", "2"))
on_request = pytest.mark.skipif(os.environ.get("DELTA_KILLED") != "1", reason="on request: DELTA_KILLED=1")
OPTIONS = {"storage_options": {"aws_conditional_put": "etag", "allow_http": "true"}}


@pytest.fixture
def lake(url: str) -> str:
    return url.replace("/night", "/lake")


def run(root: Path, number: int) -> None:
    """Every third run corrects events of two runs before; the others see records again, and have new events."""
    if number % 3 == 0:
        commit(root, {name: from_source(name, 3, 100 * number, "live") for name in FEW})
    elif number % 3 == 1:
        grown(root, number)
    else:
        first = 100 * (number - 2)
        listed = {name: rows(TABLES[name], 1, start=first) for name in FEW}
        commit(root, {"event_sources": given_twice(first, [True, False]), **listed})


def transactions(lake: str) -> Counter[tuple[str, int]]:
    """How often each commit is in the log of a table."""
    found: Counter[tuple[str, int]] = Counter()
    store = BucketStore(parse(lake))
    for each in store.list(""):
        if "/_delta_log/" in each.name and each.name.endswith(".json"):
            for line in store.read(each.name).decode().splitlines():
                if ':commit","version":' in line:
                    table, number = (
                        each.name.split("/")[0],
                        int(line.split('"version":')[1].split("}")[0].split(",")[0]),
                    )
                    found[table, number] += 1
    return found


def test_published_through_a_network_that_fails(url: str, lake: str, proxy: Proxy, monkeypatch: Any) -> None:
    # A request without an answer is given up soon; what became of it, the table tells.
    monkeypatch.setattr(bucket, "PATIENCE_S", 20.0)
    root = dataset_folder(url)
    run(root, 0)
    gave_up = 0
    for number in range(RUNS):
        proxy.fault = lambda *_: None
        if number:
            run(root, number)
        dataset = open_dataset(url)
        proxy.fault = some_of(number, 0.2)
        while True:
            try:
                dataset.publish(f"delta://{lake}")
                break
            except (PublishIncomplete, DestinationError):
                gave_up += 1
    # Few writes are in each other's way: all of their faults take more runs.
    wanted = {*FAULTS} if RUNS >= 24 else {"lose", "reset", "slow down"}
    assert wanted <= set(proxy.counted)
    proxy.fault = lambda *_: None
    assert open_dataset(url).publish(f"delta://{lake}").tables == ()
    is_same(open_dataset(url), lake, **OPTIONS)
    found = transactions(lake)
    assert set(found.values()) == {1}
    # What is given up is repeated, as often as it takes; how often, the network decides.
    assert gave_up < 10 * RUNS
    assert len([table for table, _ in found if table == "commits"]) == RUNS


def kill_at(write: int, process: Any, answer: str | None) -> Fault:
    """Kill a process at one of its requests that change something; it is carried out unless it gets an answer."""
    count = itertools.count(1)

    def fault(method: str, _path: str) -> str | None:
        if method not in {"GET", "HEAD"} and next(count) == write:
            os.kill(process.pid, signal.SIGKILL)
            return answer
        return None

    return fault


@on_request
@pytest.mark.parametrize("carried_out", [True, False])
def test_killed_at_each_write(tmp_path: Path, lake: str, proxy: Proxy, carried_out: bool) -> None:
    """Killed between two writes, a call leaves what it leaves at the second, not carried out."""
    root = tmp_path / "exports"
    run(root, 0)
    open_dataset(root).publish(f"delta://{lake}")
    numbers, killed = itertools.count(1), 0
    for write in itertools.count(1):
        ended = []
        # Each of the three kinds of runs.
        for number in itertools.islice(numbers, 3):
            run(root, number)
            process = start_publishing(root, f"delta://{lake}", variables(proxy.address))
            proxy.fault = kill_at(write, process, None if carried_out else "reset")
            process.join(300)
            proxy.fault = lambda *_: None
            assert process.exitcode in {0, -signal.SIGKILL}
            ended.append(process.exitcode == 0)
            killed += process.exitcode != 0
            open_dataset(root).publish(f"delta://{lake}")
            is_same(open_dataset(root), lake, **OPTIONS)
        if all(ended):
            # They needed fewer writes than that.
            break
    assert killed > 30
    is_same(open_dataset(root), lake, **OPTIONS)
    assert set(transactions(lake).values()) == {1}


def test_a_server_that_ignores_conditions_gets_no_tables(tmp_path: Path, lake: str, proxy: Proxy) -> None:
    root = tmp_path / "exports"
    run(root, 0)
    proxy.conditional = False
    with pytest.raises(DestinationError, match=f"^Cannot write to {lake}: .*If-None-Match"):
        open_dataset(root).publish(f"delta://{lake}")
    assert BucketStore(parse(lake)).list("") == []


def test_a_bucket_that_is_not_there(tmp_path: Path, proxy: Proxy) -> None:
    root = tmp_path / "exports"
    run(root, 0)
    with pytest.raises((DestinationError, PublishIncomplete), match="nowhere"):
        open_dataset(root).publish("delta://s3://nowhere/lake")


def test_a_key_that_is_refused(tmp_path: Path, lake: str, proxy: Proxy) -> None:
    root = tmp_path / "exports"
    run(root, 0)
    proxy.fault = lambda *_: "denied"
    with pytest.raises((DestinationError, PublishIncomplete), match=r"denied|403"):
        open_dataset(root).publish(f"delta://{lake}")
    assert proxy.counted["denied"] < 60


def test_tables_beside_the_dataset(url: str, lake: str, proxy: Proxy) -> None:
    root = dataset_folder(url)
    run(root, 0)
    with pytest.raises(ValueError, match=r"is inside .*, or contains it"):
        open_dataset(url).publish(f"delta://{url}/lake")
    done = open_dataset(url).publish(f"delta://{lake}")
    assert {each.table for each in done.tables} == {*FEW, "commits"}
    is_same(open_dataset(url), lake, **OPTIONS)
    assert DeltaTable(f"{lake}/events", storage_options=OPTIONS["storage_options"]).version() == 1
