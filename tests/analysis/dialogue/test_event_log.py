"""Conversations as an event log: each event and each status once, in order, as tools of process mining read it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.analysis import event_log
from conv_analytics.dataset import DatasetWriter
from conv_analytics.errors import DatasetError
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.command_line import call
from tests._helpers.leg_tables import at, statuses, tables
from tests._helpers.sandboxes import client_of
from tests._helpers.table_rows import DAY, rows

CASE, ACTIVITY, TIME, RESOURCE = "case:concept:name", "concept:name", "time:timestamp", "org:resource"


def event(event_id: int, kind: str, second: float | None, **also: object) -> dict[str, object]:
    return {"conversation_id": "CON-1", "event_id": event_id, "type": kind, "at": at(second),
            "from_member_id": None, "from_user_id": None, "from_user_name": None, **also}  # fmt: skip


def test_each_event_and_each_status_stands_once_and_in_order() -> None:
    steps = ("ringing", 1), ("started", 1), ("answered", 5), ("completed", 60)
    told = [row | {"event_id": 2} for row in statuses("a", *steps)]
    data = tables(
        events=[
            event(9, "message", 30, from_user_name="alice", from_user_id="USR-1", from_member_id="MEM-1"),
            event(1, "member:joined", 0, from_member_id="MEM-1"),
            event(2, "leg:status:update", 1),
            event(3, "leg:status:update", 5),
            event(4, "conversation:updated", None),
            event(5, "rtc:hangup", 60, from_user_id="USR-1"),
        ],
        # Each update repeats the history of its leg.
        leg_statuses=[*told, *[row | {"event_id": 40} for row in told]],
    )
    found = event_log(data)
    assert found[ACTIVITY].to_list() == [
        "member:joined", "leg:started", "leg:ringing", "leg:answered", "message", "leg:completed", "rtc:hangup",
    ]  # fmt: skip
    assert found[RESOURCE].to_list() == ["MEM-1", "MEM-a", "MEM-a", "MEM-a", "alice", "MEM-a", "USR-1"]
    assert found[TIME].is_monotonic_increasing
    assert set(found[CASE]) == {"CON-1"}
    alone = event_log({"events": data["events"]})
    assert alone[ACTIVITY].to_list().count("leg:status:update") == 2, "no table tells what they say"
    assert event_log({"leg_statuses": data["leg_statuses"]})[ACTIVITY].nunique() == 4


def test_a_conversation_that_is_not_there_is_an_error() -> None:
    data = tables(events=[event(1, "message", 0)])
    assert len(event_log(data, "CON-1")) == 1
    with pytest.raises(DatasetError, match="CON-9"):
        event_log(data, "CON-9")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("log")
    with Sandbox(seed=3, conversations=20) as sandbox:
        export(client_of(sandbox), root / "out", rate=0, progress=False)
    return root


@pytest.mark.slow
def test_the_log_is_what_pm4py_asks_for(folder: Path) -> None:
    """Its documented contract: texts for case and activity, instants, in order; no other names have to be given."""
    found = event_log(open_dataset(folder / "out"))
    assert not found[[CASE, ACTIVITY, TIME, RESOURCE]].isna().any(axis=None)
    assert str(found[TIME].dtype) == "datetime64[us, UTC]"
    assert found[CASE].is_monotonic_increasing
    assert (found.groupby(CASE)[TIME].diff().dropna() >= pd.Timedelta(0)).all()
    assert not found.duplicated(["case:concept:name", "event_id", "leg_id", "concept:name", "time:timestamp"]).any()


@pytest.mark.slow
def test_names_are_masked_unless_told_otherwise(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "out", DAY, ["events"])
    writer.write("events", rows(TABLES["events"], 4))
    writer.commit({}, {})
    plain, masked = (
        call("timeline", "out", "--format", "eventlog", *flags, cwd=tmp_path) for flags in (["--unmasked"], [])
    )
    assert [row[RESOURCE] for row in csv.DictReader(io.StringIO(plain.out))] == [f"text-{n} ✅" for n in range(4)]
    assert all(row[RESOURCE].startswith("name#") for row in csv.DictReader(io.StringIO(masked.out)))


@pytest.mark.slow
def test_the_command_prints_all_or_one_as_csv(folder: Path) -> None:
    done = call("timeline", "out", "--format", "eventlog", cwd=folder)
    found = list(csv.DictReader(io.StringIO(done.out)))
    assert "platform" in {row[RESOURCE] for row in found}
    one = call("timeline", "out", found[0][CASE], "--format", "eventlog", cwd=folder)
    assert list(csv.DictReader(io.StringIO(one.out))) == [row for row in found if row[CASE] == found[0][CASE]]
    missing = call("timeline", "out", cwd=folder)
    assert missing.code == 2
    assert "Name a conversation" in missing.err


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_pm4py_mines_it(folder: Path, tmp_path: Path) -> None:
    pm4py = pytest.importorskip("pm4py", reason="on request: AGPL, 220 MB")
    log = event_log(open_dataset(folder / "out"))
    graph, starts, ends = pm4py.discover_dfg(log)
    assert sum(starts.values()) == sum(ends.values()) == log[CASE].nunique()
    assert sum(graph.values()) == len(log) - log[CASE].nunique()
    assert pm4py.discover_handover_of_work_network(log).connections
    assert sum(pm4py.get_variants(log).values()) == log[CASE].nunique()
    pm4py.write_xes(log, str(tmp_path / "log.xes"))
    assert len(pm4py.read_xes(str(tmp_path / "log.xes"))) == len(log)
