"""A run is in a bucket as a whole or not at all, and once, whatever happens to requests, answers and processes."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
from collections import Counter
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from conv_analytics import open_dataset
from conv_analytics.dataset import Dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.storage.commit import commits, numbers, promised
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store import bucket
from conv_analytics.dataset.store.address import parse
from conv_analytics.dataset.store.bucket import BucketStore
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.errors import ConfigError, DatasetError, DestinationError
from conv_analytics.tables import TABLES
from tests._helpers.killed_commit import HEIGHT, NAMES, start_writing, write
from tests._helpers.object_stores import FAULTS, Fault, Proxy, some_of, variables
from tests._helpers.table_rows import BIG, DAY, rows

# One S3 server serves the whole group.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("buckets")]

#: More on request.
COMMITS = int(os.environ.get("BUCKET_COMMITS", "20"))


def starts(dataset: Dataset) -> list[int]:
    return [commit.report["start"] for commit in dataset.commits]


def digest(table: pa.Table) -> str:
    """The SHA-256 of rows, in whatever order they are."""
    lines = sorted(repr(list(row.values())) for row in table.to_pylist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_whole(dataset: Dataset) -> None:
    """Nothing is torn, twice, lost or changed, and nothing is there that no commit names."""
    assert [commit.number for commit in dataset.commits] == list(range(1, len(dataset.commits) + 1))
    assert max(Counter(starts(dataset)).values()) == 1
    for name in NAMES:
        found = dataset.arrow(name)
        ids = found["event_id"]
        assert len(ids) == pc.count_distinct(ids).as_py() == HEIGHT * len(dataset.commits)
        runs = pc.divide(pc.subtract(ids, BIG), HEIGHT)
        for start in starts(dataset):
            written = rows(TABLES[name], HEIGHT, start=start * HEIGHT)
            of_run = found.filter(pc.equal(runs, start)).select(written.column_names)
            assert digest(of_run) == digest(written), start
    # The rows have numbers of their own, far from 1: the gaps before them are none.
    odd = [each.what for each in dataset.verify() if each.level is not Level.OK]
    assert not [what for what in odd if "belong to no event" not in what]


def kill_at(request: int, process: BaseProcess, answer: str | None) -> Fault:
    """Kill a process at one of its requests, which is carried out unless it gets an answer."""
    count = itertools.count(1)

    def fault(_method: str, _path: str) -> str | None:
        if next(count) != request:
            return None
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        return answer

    return fault


def test_commits_through_a_network_that_fails(url: str, proxy: Proxy) -> None:
    root = dataset_folder(url)
    write(root, 0)
    proxy.fault = some_of(7, 0.2)
    for start in range(1, COMMITS):
        while True:
            try:
                write(root, start)
                break
            except DatasetError:
                # What a run did not hear of, the next one finishes.
                done = False
                with suppress(DatasetError):
                    DatasetWriter(root, DAY, ()).abandon()
                    done = start in starts(open_dataset(url))
                if done:
                    break
    assert set(FAULTS) <= set(proxy.counted)
    proxy.fault = lambda *_: None
    found = open_dataset(url)
    assert starts(found) == list(range(COMMITS))
    is_whole(found)


@pytest.mark.parametrize("carried_out", [True, False])
def test_killed_at_each_request(url: str, proxy: Proxy, tmp_path: Path, carried_out: bool) -> None:
    root = dataset_folder(url)
    write(root, 0)
    expected, kept, killed = [0], 0, 0
    while True:
        start = killed + 1
        process = start_writing(root, start, variables(proxy.address))
        proxy.fault = kill_at(start, process, None if carried_out else "reset")
        process.join(60)
        proxy.fault = lambda *_: None
        if process.exitcode == 0:
            # It needed fewer requests than that.
            expected.append(start)
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        was_promised = any(promised(staging) for staging in Layout(root).runs())
        kept += was_promised
        expected += [start] if was_promised else []
        # A reader meets whole commits only, here and on another machine.
        for work in (None, tmp_path / f"other-{killed}") if killed % 2 else ():
            assert starts(open_dataset(url, work=work)) in ([expected[:-1], expected] if was_promised else [expected])
        DatasetWriter(root, DAY, ()).abandon()
        assert starts(open_dataset(url)) == expected
    assert 0 < kept < killed
    assert killed >= 5
    write(root, 1000)
    found = open_dataset(url)
    assert starts(found) == [*expected, 1000]
    errors = [str(each) for each in found.verify() if each.level is Level.ERROR]
    assert not errors
    for name in NAMES:
        assert found.rows(name) == HEIGHT * len(found.commits)


def test_of_two_machines_one_takes_a_number_and_the_other_says_so(url: str, proxy: Proxy, tmp_path: Path) -> None:
    here, there = (dataset_folder(url, tmp_path / name) for name in ("here", "there"))
    write(here, 0)
    slow = DatasetWriter(there, DAY, NAMES)
    write(here, 1)
    with pytest.raises(DestinationError, match=f"^Cannot write to {url}: another run entered its commit 2 meanwhile"):
        slow.commit([], {"start": 2})
    slow.abandon()
    assert starts(open_dataset(url)) == [0, 1]
    write(there, 2)
    write(here, 3)
    for root in (here, there):
        assert starts(open_dataset(root)) == [0, 1, 2, 3]
    is_whole(open_dataset(url))


def test_what_a_run_did_not_hear_of_is_finished_by_the_next(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.3)
    root = dataset_folder(url)
    write(root, 0)
    proxy.fault = lambda method, path: "slow down" if method == "PUT" and "_commits/" in path else None
    with pytest.raises(DestinationError, match="The run is kept, and the next one commits it"):
        write(root, 1)
    assert starts(open_dataset(url)) == [0]
    proxy.fault = lambda *_: None
    write(root, 2)
    assert starts(open_dataset(url)) == [0, 1, 2]
    is_whole(open_dataset(url))


def test_files_of_a_run_whose_number_nobody_took_stay(url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.3)
    root, store = dataset_folder(url), BucketStore(parse(url))
    for start in range(2):
        write(root, start)
    proxy.fault = lambda method, path: "slow down" if method == "PUT" and "_commits/" in path else None
    with pytest.raises(DestinationError):
        write(root, 2)
    proxy.fault = lambda *_: None
    # Somebody took the log back by one: what was to be the third is not the second.
    store.delete("_commits/000002.json")
    before = store.list("events")
    DatasetWriter(root, DAY, ()).abandon()
    assert store.list("events") == before
    assert starts(open_dataset(url)) == [0]


def test_a_bucket_that_was_emptied_is_empty(url: str, proxy: Proxy) -> None:
    root, store = dataset_folder(url), BucketStore(parse(url))
    for start in range(3):
        write(root, start)
    for each in store.list(""):
        store.delete(each.name)
    assert numbers(Layout(root)) == []
    write(root, 7)
    assert [commit.report["start"] for commit in commits(Layout(root))] == [7]
    is_whole(open_dataset(url))


def test_a_bucket_that_lost_its_log_is_neither_read_nor_written(url: str, proxy: Proxy) -> None:
    root, store = dataset_folder(url), BucketStore(parse(url))
    for start in range(2):
        write(root, start)
    for each in store.list("_commits"):
        store.delete(each.name)
    there = store.list("")
    lost = f"^{url} holds Parquet files of tables .* but no commit record"
    with pytest.raises(DatasetError, match=lost):
        open_dataset(url)
    with pytest.raises(DatasetError, match=lost):
        write(root, 2)
    assert store.list("") == there
    # The root of several applications does not just leave one out.
    application = f"{url}-root/application_id=0ff1ce00"
    write(dataset_folder(application), 0)
    BucketStore(parse(application)).delete("_commits/000001.json")
    with pytest.raises(DatasetError, match=f"^{application} holds Parquet files of tables"):
        open_dataset(f"{url}-root")


def test_a_server_that_ignores_conditions_gets_nothing(url: str, proxy: Proxy) -> None:
    proxy.conditional = False
    with pytest.raises(DestinationError, match=f"^Cannot write to {url}: .*If-None-Match"):
        write(dataset_folder(url), 0)
    assert BucketStore(parse(url)).list("") == []
    proxy.conditional = True
    write(dataset_folder(url), 0)
    tried = [path for _, path in proxy.requests if "_probe" in path]
    write(dataset_folder(url), 1)
    assert [path for _, path in proxy.requests if "_probe" in path] == tried


def test_a_work_folder_belongs_to_one_bucket(
    url: str, proxy: Proxy, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    assert dataset_folder(url, work) == work
    assert dataset_folder(Path(url), work) == work
    with pytest.raises(ConfigError, match=f"is the work folder of {url} at {proxy.address}, not of {url}2"):
        dataset_folder(f"{url}2", work)
    with pytest.raises(ConfigError, match="goes with a bucket, and exports is a folder"):
        dataset_folder("exports", work)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(ConfigError, match="holds something else"):
        dataset_folder(url, tmp_path / "full")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    with pytest.raises(ConfigError, match="Set the same variables, or name another work folder"):
        numbers(Layout(work))
    assert dataset_folder(url) != work


def test_a_bucket_without_an_export(url: str, proxy: Proxy) -> None:
    with pytest.raises(DatasetError, match=f"^{url} holds no export: there is no commit in it"):
        open_dataset(url)
