"""Parts of a dataset: every row once, no conversation in two, and counts of parts add up to those of the whole."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.analysis import detect_units, kpi, kpi_values, legs, quality, wilson
from conv_analytics.dataset import Dataset, DatasetWriter, map_conversations
from conv_analytics.dataset.parts.workers import in_processes
from conv_analytics.errors import ConfigError, DatasetError, TableNotFound
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.leg_tables import hangup, statuses, tables
from tests._helpers.table_rows import DAY, rows

pytestmark = pytest.mark.slow

PARTS = 5
NAMES = ["conversations", "members", "events", "users"]
COUNTS = ["k", "n", "unknown"]
KEYS = {name: ["conversation_id", *table.key] for name, table in TABLES.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two nights, so that conversations and members are there twice, with the users."""
    folder = tmp_path_factory.mktemp("parts") / "exports"
    with Sandbox(conversations=30, days=2, seed=3) as box:
        client = Conversations(box.application_id, box.private_key, base_url=box.base_url)
        for _ in range(2):
            dataset = export(client, folder, rate=0, tables="all", progress=None, processes=1).dataset
    return dataset


def same_rows(parts: list[pd.DataFrame], whole: pd.DataFrame, key: list[str], *, typed: bool = True) -> None:
    """The rows of the parts are those of the whole, in the same types; each part has them in the whole's order."""
    # Words of several applications are in one vocabulary here, and texts there.
    assert not typed or all((part.dtypes.astype(str) == whole.dtypes.astype(str)).all() for part in parts)
    joined, same = (frame.astype(object) for frame in (pd.concat(parts), whole))
    mine, yours = (each.iloc[np.lexsort([each[name].map(repr) for name in key])] for each in (joined, same))
    pd.testing.assert_frame_equal(mine.reset_index(drop=True), yours.reset_index(drop=True))


def test_every_row_is_in_one_part_and_no_conversation_in_two(exported: Dataset) -> None:
    done = map_conversations(dict, exported, parts=PARTS)
    assert [set(part) for part in done] == [set(exported.tables)] * PARTS
    owner: dict[str, int] = {}
    for name, whole in exported.items():
        if "conversation_id" not in whole:
            for part in done:
                pd.testing.assert_frame_equal(part[name], whole)
            continue
        same_rows([part[name] for part in done], whole, KEYS[name])
        for number, part in enumerate(done):
            for each in part[name]["conversation_id"].dropna().unique():
                assert owner.setdefault(each, number) == number
    assert set(owner.values()) == set(range(PARTS))


def test_rows_of_every_kind_are_as_in_the_dataset(runs: tuple[Path, Any]) -> None:
    dataset = open_dataset(runs[0])
    done = map_conversations(dict, dataset, parts=3)
    for name, whole in dataset.items():
        if "conversation_id" in whole:
            same_rows([part[name] for part in done], whole, KEYS[name])


def test_a_part_is_asked_like_a_dataset(exported: Dataset) -> None:
    def asked(part: Any) -> tuple[int, int, int, list[str]]:
        with part.duckdb() as connection:
            counted = connection.sql("select count(*), count(distinct date) from hangups").fetchall()[0]
        arrow = part.selected("hangups", ["sip_code", "leg_id"])
        return len(part["hangups"]), *counted, arrow.column_names

    done = map_conversations(asked, exported, parts=2, tables=["hangups"])
    assert [height for height, *_ in done] == [height for _, height, *_ in done]
    assert sum(height for height, *_ in done) == exported.rows("hangups")
    assert done[0][3] == ["sip_code", "leg_id"]
    with pytest.raises(TableNotFound, match="part 0"):
        map_conversations(lambda part: part["events"], exported, parts=2, tables=["hangups"])


@pytest.mark.parametrize("by", [(), ("network_code", "day")])
def test_counts_of_rates_add_up(exported: Dataset, by: tuple[str, ...]) -> None:
    whole = kpi(exported, by=by, scope="all")
    parts = map_conversations(partial(kpi, by=by, scope="all"), exported, parts=PARTS)
    keys = [*by, "metric"]
    added = pd.concat(parts).groupby(keys, dropna=False, sort=False)[COUNTS].sum().reset_index()
    rates = added.assign(rate=added["k"].astype(float) / added["n"].where(added["n"] > 0).astype(float))
    rates["lo"], rates["hi"] = wilson(added["k"], added["n"])
    mine, yours = (frame.sort_values(keys, ignore_index=True) for frame in (rates, whole[list(rates)]))
    pd.testing.assert_frame_equal(mine, yours, check_dtype=False)
    assert whole["n"].sum() > 100


def test_verdicts_of_legs_are_those_of_the_whole(exported: Dataset) -> None:
    units = detect_units(exported)
    whole = quality(exported, units=units)
    parts = map_conversations(partial(quality, units=units), exported, parts=PARTS)
    same_rows(parts, whole, ["conversation_id", "leg_id"])
    counts = [part.groupby(["network_code", "verdict"], dropna=False).size() for part in parts]
    pd.testing.assert_series_equal(
        pd.concat(counts).groupby(level=[0, 1], dropna=False).sum(),
        whole.groupby(["network_code", "verdict"], dropna=False).size(),
        check_dtype=False,
    )


def test_medians_of_parts_are_no_median(exported: Dataset) -> None:
    """What the page says: rows are collected, and the median is that of all."""
    whole = kpi_values(exported, measures="talk_s", scope="all")["p50"].iloc[0]
    ask = partial(kpi_values, measures="talk_s", scope="all")
    of_parts = [frame["p50"].iloc[0] for frame in map_conversations(ask, exported, parts=PARTS)]
    assert not np.isclose(np.median(of_parts), whole)
    talk = map_conversations(lambda part: legs(part)["talk_s"].dropna(), exported, parts=PARTS)
    assert np.isclose(pd.concat(talk).median(), whole)


def of(conversation: str | None, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "conversation_id": conversation} for row in rows]


def transferred() -> dict[str, pd.DataFrame]:
    """Legs that move on from conversation to conversation, some of which first ring without any."""
    history = [
        of(
            f"CON-{number + moved}",
            *statuses(f"leg-{number}", ("started", 0.0), ("answered", 9.0), ("completed", 60.0)),
        )
        for number in range(0, 60, 3)
        for moved in range(2)
    ]
    ringing = [of(None, *statuses(f"leg-{number}", ("started", -3.0))) for number in range(0, 60, 3)]
    hangups = [of(f"CON-{number + 1}", hangup(f"leg-{number}", 60, 40)) for number in range(0, 60, 3)]
    return tables(
        leg_statuses=[row for each in (*history, *ringing) for row in each],
        hangups=[row for each in hangups for row in each],
    )


KINDS = {
    "pandas": dict,
    "polars": lambda frames: {name: pl.from_pandas(frame) for name, frame in frames.items()},
    "pyarrow": lambda frames: {name: pa.Table.from_pandas(frame) for name, frame in frames.items()},
}


@pytest.mark.parametrize("kind", KINDS)
def test_conversations_that_share_a_leg_are_together(kind: str) -> None:
    data = KINDS[kind](transferred())
    assert len(legs(data)) == 20
    done = map_conversations(legs, data, parts=7)
    assert {type(part) for part in done} == {type(legs(data))}
    assert sum(map(len, done)) == 20
    assert sum(len(part) > 0 for part in done) > 1
    counted = map_conversations(lambda part: {name: len(frame) for name, frame in part.items()}, data, parts=7)
    assert {name: sum(part[name] for part in counted) for name in data} == {
        name: len(each) for name, each in data.items()
    }


def test_a_transfer_names_the_conversation_that_it_comes_from() -> None:
    data = tables(
        call_events=[
            row
            for number in range(30)
            for row in of(f"CON-{number}b", {**hangup(f"leg-{number}", 5, 7), "transferred_from": f"CON-{number}a"})
        ],
        members=[{"conversation_id": f"CON-{number}a", "member_id": f"MEM-{number}"} for number in range(30)],
    )

    def both(part: Any) -> tuple[set[str], set[str]]:
        names = (part["call_events"]["conversation_id"], part["members"]["conversation_id"])
        return tuple({name[:-1] for name in each} for each in names)

    done = map_conversations(both, data, parts=4)
    assert all(events == members for events, members in done)
    assert len(done[0][0]) < 30


def test_several_applications(tmp_path: Path) -> None:
    """Each has seen its conversations twice, under numbers of its own."""
    for number, name in enumerate(("first", "second")):
        for night in range(2 + number):
            writer = DatasetWriter(tmp_path / f"application_id={name}", DAY + timedelta(days=night), NAMES)
            for each in NAMES:
                writer.write(each, rows(TABLES[each], 8, start=100 * number + (night if each == "events" else 0) * 10))
            writer.commit([], {"status": "complete"})
    root = open_dataset(tmp_path)
    done = map_conversations(dict, root, parts=3)
    for name, whole in root.items():
        if "conversation_id" in whole:
            same_rows([part[name] for part in done], whole, [*KEYS[name], "application_id"], typed=False)
    ids = map_conversations(lambda part: part.application_ids().to_pylist(), root, parts=3)
    found = {(row["conversation_id"], row["application_id"]) for each in ids for row in each}
    assert found >= {(row["conversation_id"], row["application_id"]) for row in root.application_ids().to_pylist()}
    assert {application for _, application in found} == {"first", "second"}


# -- who works


def failing(part: Any) -> int:
    if part.number == 1:
        raise KeyError("no such number")
    return int(part.number)


def test_errors_name_the_part(exported: Dataset) -> None:
    with pytest.raises(KeyError, match="no such number") as told:
        map_conversations(failing, exported, parts=3, tables=["hangups"])
    assert told.value.__notes__ == ["Raised for part 1 of 3 (they count from 0)."]


def test_processes_give_the_same_in_order(exported: Dataset) -> None:
    def ask(part: Any) -> tuple[int, int, pd.DataFrame]:
        sys.stdout.write("not an answer")
        return part.number, os.getpid(), part["hangups"]

    one = map_conversations(ask, exported, parts=4, tables=["hangups"])
    two = map_conversations(ask, exported, parts=4, tables=["hangups"], processes=2)
    assert [number for number, *_ in two] == [0, 1, 2, 3]
    assert os.getpid() not in {pid for _, pid, _ in two}
    assert len({pid for _, pid, _ in two}) <= 2
    for (*_, mine), (*_, yours) in zip(one, two, strict=True):
        pd.testing.assert_frame_equal(mine, yours)


def test_what_goes_wrong_in_a_process_names_the_part() -> None:
    parts = [SimpleNamespace(number=number, parts=3) for number in range(3)]

    class OddError(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} of {two}")

    def odd(part: Any) -> None:
        raise OddError(part.number, part.parts)

    def killed(part: Any) -> None:
        os.kill(os.getpid(), 9 if part.number == 1 else 0)

    def local(part: Any) -> None:
        raise KeyError(part.number)

    with pytest.raises(KeyError) as told:
        in_processes(local, parts, 1)
    assert told.value.__notes__ == ["Raised for part 0 of 3 (they count from 0)."]
    with pytest.raises(RuntimeError, match=r"^OddError: 0 of 3") as told_odd:
        in_processes(odd, parts, 1)
    assert told_odd.value.__notes__ == ["Raised for part 0 of 3 (they count from 0)."]
    with pytest.raises(DatasetError, match=r"process of part 1 of 3 was killed by signal 9\..*more parts"):
        in_processes(killed, parts, 2)
    with pytest.raises(TypeError, match="generator cannot be sent"):
        in_processes(lambda part: (each for each in range(part.number)), parts, 1)


def test_a_script_without_a_main_guard(exported: Dataset) -> None:
    """As from a cell: the function is defined where no other process can import it."""
    code = f"""
from conv_analytics.dataset import map_conversations, open_dataset
WANTED = "hangups"
def count(part):
    return len(part[WANTED])
print(map_conversations(count, open_dataset({str(exported.path)!r}), parts=3, tables=[WANTED], processes=2))
"""
    done = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(
        map_conversations(lambda part: len(part["hangups"]), exported, parts=3, tables=["hangups"])
    )


@pytest.mark.filterwarnings("ignore")  # of the cluster's own threads, as they end
@pytest.mark.skipif("CONV_ANALYTICS_TEST_DASK" not in os.environ, reason="CONV_ANALYTICS_TEST_DASK=1 starts a cluster")
def test_a_cluster_of_dask(exported: Dataset) -> None:
    distributed = pytest.importorskip("distributed")
    where: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "protocol": "tcp://", "dashboard_address": None}
    ask = partial(kpi, by="country", metrics=["asr", "ner"])
    with distributed.LocalCluster(**where) as cluster:
        ours = map_conversations(ask, exported, parts=3, client=cluster)
        with distributed.Client(cluster) as client:
            again = map_conversations(ask, exported, parts=3, client=client)
            with pytest.raises(KeyError) as told:
                map_conversations(failing, exported, parts=3, client=client)
    assert told.value.__notes__ == ["Raised for part 1 of 3 (they count from 0)."]
    for mine, yours, once_more in zip(map_conversations(ask, exported, parts=3), ours, again, strict=True):
        pd.testing.assert_frame_equal(mine, yours)
        pd.testing.assert_frame_equal(mine, once_more)


def test_what_is_wrong_is_refused(exported: Dataset, tmp_path: Path) -> None:
    for wrong, told in (
        ({"parts": 0}, "parts=0 is not a number"),
        ({"processes": 0}, "processes=0 is not a number"),
        ({"processes": 2, "client": object()}, "not both"),
        ({"client": object()}, "client is a object: give a dask"),
    ):
        with pytest.raises(ConfigError, match=told):
            map_conversations(len, exported, tables=["hangups"], **wrong)
    with pytest.raises(ConfigError, match="data is a list"):
        map_conversations(len, [1])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="hangups is a int"):
        map_conversations(len, {"hangups": 1}, parts=2)
    for options in ({}, {"parts": 2}):
        with pytest.raises(ConfigError, match=r"hangups is a LazyFrame.*frame\.collect\(\)"):
            map_conversations(len, {"hangups": pl.LazyFrame({"conversation_id": ["CON-1"]})}, **options)
    with pytest.raises(ConfigError, match="hangups is a int"):
        map_conversations(len, {"hangups": 1})
    with pytest.raises(TableNotFound):
        map_conversations(len, exported, tables=["nothing"])
    with pytest.raises(TableNotFound):
        map_conversations(len, {"hangups": exported["hangups"]}, parts=2, tables=["nothing"])
    with pytest.raises(DatasetError, match="nowhere"):
        map_conversations(len, exported, scratch=tmp_path / "nowhere")
    lock = threading.Lock()
    with pytest.raises(ConfigError, match="cannot be sent to another process"):
        map_conversations(lambda part: lock.locked() or len(part), exported, tables=["hangups"], processes=2)


def test_one_table_may_be_given_by_its_name_alone(exported: Dataset) -> None:
    frames = {name: exported[name] for name in ("hangups", "members")}
    for data in (exported, frames):
        assert map_conversations(list, data, parts=2, tables="hangups") == [["hangups"], ["hangups"]]
    with pytest.raises(TableNotFound, match="'nothing'"):
        map_conversations(list, frames, parts=2, tables="nothing")


def test_nothing_is_left_behind(exported: Dataset, tmp_path: Path) -> None:
    seen = map_conversations(lambda _: len(list(tmp_path.iterdir())), exported, parts=2, scratch=tmp_path)
    assert seen == [1, 1]
    with pytest.raises(KeyError):
        map_conversations(failing, exported, parts=3, scratch=tmp_path)
    assert not list(tmp_path.iterdir())


def test_there_are_as_many_parts_as_rows_need(exported: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conv_analytics.dataset.parts.map_conversations.ROWS", 40)
    wanted = -(-exported.rows("hangups") // 40)
    assert len(map_conversations(len, exported, tables=["hangups"])) == wanted > 1
    assert len(map_conversations(len, {"hangups": exported["hangups"]})) == wanted
