"""Nothing is published twice and nothing is lost, wherever a call ends; what would mix is refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from conv_analytics import open_dataset
from conv_analytics.dataset import Dataset
from conv_analytics.dataset.publish.changes import Action
from conv_analytics.dataset.publish.delta_copy import DeltaCopy, Position
from conv_analytics.dataset.publish.delta_schema import delta_schema
from conv_analytics.dataset.publish.delta_writes import Transaction
from conv_analytics.dataset.publish.target import Target
from conv_analytics.errors import ConfigError, CorruptFile, DestinationError
from conv_analytics.tables import TABLES
from tests._helpers.delta_tables import (
    APPLICATION,
    FEW,
    OTHER,
    SOURCES,
    commit,
    delta,
    from_source,
    given_twice,
    grown,
    is_same,
    publish,
    read,
)
from tests._helpers.killed_publish import start_growing
from tests._helpers.table_rows import rows

#: Four writers for longer, on request.
COMMITS = int(os.environ.get("DELTA_COMMITS", "2"))


class StoppedError(Exception):
    """Somebody pulled the plug."""


def transactions(lake: Path) -> Counter[tuple[str, int]]:
    """How often each transaction is in the log of a table."""
    return Counter(
        (f"{path.parts[-3]} {action['txn']['appId']}", action["txn"]["version"])
        for path in lake.glob("*/_delta_log/*.json")
        for action in map(json.loads, path.read_text().splitlines())
        if "txn" in action and action["txn"]["appId"].endswith(":commit")
    )


def stopping_at(step: int) -> Any:
    left = iter(range(step))

    def on_table(_written: object) -> None:
        if next(left, None) is None:
            raise StoppedError

    return on_table


def history(root: Path) -> Iterator[None]:
    """Three commits, the last of which corrects events of the first."""
    commit(root, {name: from_source(name, 3, 0, "live") for name in FEW})
    yield
    grown(root, 2)
    yield
    commit(root, {SOURCES: given_twice(0, [True, False]), **{name: rows(TABLES[name], 1) for name in FEW}})
    yield


@pytest.mark.slow
def test_stopped_between_any_two_transactions(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    stops = 0
    for _ in history(root):
        for step in range(100):
            try:
                # The plug is pulled after one more transaction each time, until none is left.
                publish(root, lake, on_table=stopping_at(0))
            except StoppedError:
                stops += 1
                assert step < 20
            else:
                break
        is_same(open_dataset(root), lake)
    found = transactions(lake)
    assert stops == found.total() == 13
    assert set(found.values()) == {1}


def test_a_call_that_catches_up_after_one_that_was_stopped(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    for number, _ in enumerate(history(root)):
        with pytest.raises(StoppedError):
            publish(root, lake, on_table=stopping_at(number))
    publish(root, lake)
    is_same(open_dataset(root), lake)


def test_tables_are_cleaned_up_and_nothing_is_published_again(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    for start in range(2):
        grown(root, start)
        publish(root, lake)
    for name in (*FEW, "commits"):
        table = delta(lake, name)
        table.optimize.compact()
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        table.create_checkpoint()
        (*old, _last) = sorted((lake / name / "_delta_log").glob("*.json"))
        for path in old:
            path.unlink()
    assert publish(root, lake).tables == ()
    grown(root, 2)
    publish(root, lake)
    is_same(open_dataset(root), lake)


def test_two_calls_at_once_write_a_commit_once(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0)
    publish(root, lake)
    grown(root, 1)
    second, others = open_dataset(root), []

    def meanwhile(_written: object) -> None:
        if not others:
            others.append(second.publish(f"delta://{lake}"))

    publish(root, lake, on_table=meanwhile)
    assert set(transactions(lake).values()) == {1}
    assert len(others[0].tables) == 3
    is_same(open_dataset(root), lake)


def test_of_two_writers_of_one_version_one_commits(tmp_path: Path) -> None:
    """The library keeps what this package stands on: two transactions of one identifier conflict."""
    declared = delta_schema(TABLES["hangups"])
    made = rows(TABLES["hangups"], 2).append_column("date", pa.array([0, 0], pa.timestamp("us", "UTC")))
    copies = [DeltaCopy(Target(tmp_path), declared, OTHER) for _ in range(2)]
    written = []

    def also() -> Iterator[pa.Table]:
        # While the first is at it, the second commits the same. The library's threads take no calls of its own.
        if not written:
            with ThreadPoolExecutor(1) as pool:
                done = pool.submit(copies[1].write, Position(1, "0000000a"), transaction(lambda: iter([made])))
                written.append(done.result())
        yield made

    def transaction(parts: Any) -> Transaction:
        return Transaction(Action.APPEND, declared, OTHER, parts)

    assert copies[0].position() is None
    first = copies[0].write(Position(1, "0000000a"), transaction(also))
    assert written == [1]
    assert first == 1
    assert len(read(tmp_path, "hangups", OTHER)) == 2


@pytest.mark.slow
def test_four_writers_at_once(tmp_path: Path) -> None:
    lake, ids = tmp_path / "lake", [f"{number}{OTHER[1:]}" for number in range(4)]
    processes = [
        start_growing(tmp_path / "root" / f"application_id={name}", f"delta://{lake}", name, COMMITS) for name in ids
    ]
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    assert set(transactions(lake).values()) == {1}
    whole = open_dataset(tmp_path / "root")
    assert whole.publish(f"delta://{lake}").tables == ()
    for name, each in whole.applications.items():  # type: ignore[attr-defined]
        is_same(each, lake, name)
    assert len(delta(lake, "events").to_pyarrow_table()) == 4 * 3 * COMMITS


def test_applications_of_a_root(tmp_path: Path) -> None:
    root, lake = tmp_path / "root", tmp_path / "lake"
    for number, name in enumerate((APPLICATION, OTHER)):
        grown(root / f"application_id={name.lower()}", number, application=name)
    done = publish(root, lake)
    assert {each.application_id for each in done.tables} == {APPLICATION.lower(), OTHER}
    for name, each in open_dataset(root).applications.items():  # type: ignore[attr-defined]
        is_same(each, lake, name)
        # By itself, a folder is the same application.
        assert each.publish(f"delta://{lake}").tables == ()
    grown(root / f"application_id={OTHER}", 5, application=OTHER)
    assert publish(root, lake, application_id=APPLICATION.lower()).tables == ()
    assert {each.application_id for each in publish(root, lake).tables} == {OTHER}
    with pytest.raises(ConfigError, match="has no application nobody"):
        publish(root, lake, application_id="nobody")


# -- what is refused


def test_another_folder_is_refused(tmp_path: Path) -> None:
    roots, lake = [tmp_path / "one", tmp_path / "two"], tmp_path / "lake"
    for root in roots:
        grown(root, 0)
    publish(roots[0], lake)
    before = transactions(lake)
    with pytest.raises(ConfigError, match=r"has commit 1 .* in conversations, and that of .*two is another one"):
        publish(roots[1], lake)
    grown(roots[0], 1)
    ahead = open_dataset(roots[0])
    ahead.publish(f"delta://{lake}")
    (roots[0] / "_commits" / "000002.json").unlink()
    with pytest.raises(ConfigError, match=r"has commit 2 .* ends with commit 1: it is an older copy"):
        publish(roots[0], lake)
    assert len(transactions(lake)) == 2 * len(before)


def test_an_older_snapshot_publishes_nothing(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0)
    old = open_dataset(root)
    grown(root, 1)
    publish(root, lake)
    with pytest.raises(ConfigError, match="older copy"):
        old.publish(f"delta://{lake}")


def test_the_application_has_to_be_known(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0, application=None)
    with pytest.raises(ConfigError, match=r"recorded its application\. Name it"):
        publish(root, lake)
    publish(root, lake, application_id=APPLICATION)
    is_same(open_dataset(root), lake)
    grown(root, 1)
    with pytest.raises(ConfigError, match=f"holds the application {APPLICATION}, not {OTHER}"):
        publish(root, lake, application_id=OTHER)
    publish(root, lake)
    is_same(open_dataset(root), lake)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("lake", "write delta:// before a folder, or the URL of a bucket"),
        ("s3://lake/vonage", "write delta:// before"),
        ("delta://", "names no Delta tables"),
        ("delta://gs://lake/vonage", "gs://lake/vonage is a URL"),
        ("delta://s3://", "names no bucket"),
        ("delta://{root}", "holds an export"),
        ("delta://{root}/lake", "is inside .*, or contains it"),
        ("delta://{root}/..", "is inside .*, or contains it"),
        ("delta://{root}/../50%", "does not accept '%' in a path"),
    ],
)
def test_no_place_for_tables(tmp_path: Path, target: str, message: str) -> None:
    root = tmp_path / "exports"
    grown(root, 0, ["conversations"])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=message):
        open_dataset(root).publish(target.format(root=root))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_table_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0)
    write_deltalake(str(lake / "hangups"), pa.table({"a": [1]}))
    with pytest.raises(ConfigError, match="hangups is a Delta table that this package did not make"):
        publish(root, lake)
    assert [path.name for path in lake.iterdir()] == ["hangups"]
    assert DeltaTable(str(lake / "hangups")).version() == 0


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    grown(root, 0, ["conversations"])
    (tmp_path / "lake").touch()
    with pytest.raises(DestinationError, match=r"Cannot write to delta://.*lake"):
        publish(root, tmp_path / "lake")


def test_a_damaged_file_is_not_published(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0)
    publish(root, lake)
    grown(root, 1)
    dataset: Dataset = open_dataset(root)
    path = Path(dataset.files("events")[-1])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFile, match=r"cut off|bytes"):
        publish(root, lake)
    assert read(lake, "commits", APPLICATION)["commit"].to_pylist() == [1]
    path.write_bytes(whole)
    publish(root, lake)
    is_same(open_dataset(root), lake)
    assert set(transactions(lake).values()) == {1}
