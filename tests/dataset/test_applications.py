"""Several applications as one dataset: the rows of all, told apart by a column, whatever engine answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics import Conversations, analysis, export, open_dataset, quality_report
from conv_analytics.analysis.engine import source
from conv_analytics.cli import main
from conv_analytics.dataset import Applications
from conv_analytics.errors import ColumnNotFound, ConfigError, DatasetError, TableNotFound
from conv_analytics.sandbox import Sandbox
from tests._helpers.fork_server import fork_server

pytestmark = pytest.mark.slow


def client(sandbox: Sandbox) -> Conversations:
    return Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two worlds; only the first has its users, and runs twice."""
    path = tmp_path_factory.mktemp("applications")
    for seed, tables in ((1, "all"), (2, None)):
        with Sandbox(seed=seed, conversations=15, days=2) as sandbox:
            for _ in range(3 - seed):
                folder = path / f"application_id={sandbox.application_id}"
                export(client(sandbox), folder, rate=0, tables=tables, progress=None)
    # What somebody keeps beside them is no application.
    (path / "application_id=empty").mkdir()
    (path / "notes").mkdir()
    return path


@pytest.fixture(params=["memory", "duckdb"])
def data(root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Applications:
    if request.param == "duckdb":
        monkeypatch.setattr(source, "IN_MEMORY", 0)
    opened = open_dataset(root)
    assert isinstance(opened, Applications)
    assert len(opened.applications) == 2
    return opened


def test_a_table_has_the_rows_of_all_with_their_application(data: Applications) -> None:
    for table in data.tables:
        having = {name: each for name, each in data.applications.items() if table in each.tables}
        frame = data[table]
        assert len(frame) == sum(len(each[table]) for each in having.values())
        for name, each in having.items():
            mine = frame[frame["application_id"] == name].drop(columns="application_id").reset_index(drop=True)
            pd.testing.assert_frame_equal(mine, each[table], check_dtype=False, check_categorical=False)
        assert data.arrow(table).num_rows == sum(each.arrow(table).num_rows for each in having.values())
        assert set(data.arrow(table)["application_id"].to_pylist()) == set(frame["application_id"])
    assert "users" in data.tables
    with pytest.raises(TableNotFound):
        data["nothing"]


def test_dtypes_are_those_of_one_application(data: Applications) -> None:
    different = 0
    for table in data.tables:
        frame = data[table].drop(columns="application_id")
        for each in (each[table] for each in data.applications.values() if table in each.tables):
            assert list(frame) == list(each)
            for name, dtype in each.dtypes.items():
                if not isinstance(dtype, pd.CategoricalDtype):
                    assert frame[name].dtype == dtype, (table, name)
                    continue
                assert isinstance(frame[name].dtype, pd.CategoricalDtype), (table, name)
                # A column without any word has no dtype of words either.
                assert dtype.categories.empty or frame[name].cat.categories.dtype == dtype.categories.dtype
                assert set(dtype.categories) <= set(frame[name].cat.categories)
                different += len(dtype.categories) < len(frame[name].cat.categories)
    assert different, "one of them has words that the other lacks"


def test_some_columns_have_every_row(data: Applications) -> None:
    for each in (data, *data.applications.values()):
        more = ["application_id"] if each is data else []
        whole = each.arrow("events")
        for columns in (["date"], [], [*more, "date"], ["type", "date"], ["date", "type", *more, "type"], more):
            some = each.arrow("events", columns=list(columns))
            assert some.column_names == list(dict.fromkeys([*columns, "date", *more]))
            assert some.equals(whole.select(some.column_names))
            assert each.arrow("events", columns=list(columns), since=date(2100, 1, 1)).num_rows == 0
        with pytest.raises(ColumnNotFound, match=r"'nothing'.*'events'.*event_id.*date"):
            each.arrow("events", columns=["type", "nothing"])


@pytest.mark.parametrize("ask", [
    lambda data: analysis.kpi(data, by=["application_id"] if isinstance(data, Applications) else []),
    analysis.legs, analysis.quality, analysis.calls,
], ids=["kpi", "legs", "quality", "calls"])  # fmt: skip
def test_questions_by_application_are_those_of_each(ask: Callable[[Any], pd.DataFrame], data: Applications) -> None:
    whole = ask(data)
    for name, each in data.applications.items():
        mine = whole[whole["application_id"] == name].drop(columns="application_id").reset_index(drop=True)
        # Which model made the scores is decided over all rows.
        alone = ask(each).reset_index(drop=True).drop(columns="mos_model", errors="ignore")
        pd.testing.assert_frame_equal(mine[alone.columns], alone)


def test_offenders_can_be_applications(data: Applications) -> None:
    assert set(analysis.offenders(data, by="application_id")["application_id"]) <= set(data.applications)


def test_a_conversation_is_found_wherever_it_is(data: Applications) -> None:
    for each in data.applications.values():
        name = each["hangups"]["conversation_id"].max()
        pd.testing.assert_frame_equal(analysis.timeline(data, name), analysis.timeline(each, name))
    with pytest.raises(ConfigError, match="CON-nobody"):
        analysis.timeline(data, "CON-nobody")


def test_other_readers_and_the_report(data: Applications) -> None:
    with data.duckdb() as connection:
        counted = dict(connection.sql("select application_id, count(*) from events group by 1").fetchall())
    assert counted == {name: len(each["events"]) for name, each in data.applications.items()}
    assert len(pl.read_parquet(data.files("events"), hive_partitioning=False)) == data.rows("events")
    history = data.history()
    assert history["application_id"].value_counts().to_dict() == {
        name: len(each.commits) for name, each in data.applications.items()
    }
    assert history["at"].is_monotonic_increasing
    assert "2 applications" in repr(data)
    assert quality_report(data).numbers.legs == data.rows("hangups")


def test_other_engines_get_the_rows_of_all(root: Path) -> None:
    opened = open_dataset(root)
    wanted = opened["hangups"]["application_id"].value_counts().to_dict()
    assert pa.table(opened.table("hangups", columns=["application_id"])).num_rows == sum(wanted.values())
    frames = [
        opened.to_arrow(["hangups"])["hangups"].to_pandas(),
        opened.to_polars(["hangups"])["hangups"].collect().to_pandas(),
        opened.to_duckdb().table("hangups").df(),
        opened.to_dask(["hangups"])["hangups"].compute(scheduler="sync"),
    ]
    for frame in frames:
        assert frame["application_id"].value_counts().to_dict() == wanted
        assert sorted(frame["leg_id"]) == sorted(opened["hangups"]["leg_id"])


def test_each_folder_is_checked_and_changed_by_itself(root: Path, tmp_path: Path) -> None:
    opened = open_dataset(root)
    findings = opened.verify()
    assert {finding.level for finding in findings} <= {"ok", "warning", "skipped"}
    assert {finding.where.partition("/")[0].removeprefix("application_id=") for finding in findings} == {
        path.name.removeprefix("application_id=") for path in root.glob("application_id=*-*")
    }
    with pytest.raises(DatasetError, match="compact each by itself"):
        opened.compact(tmp_path / "copy")
    with pytest.raises(DatasetError, match="replay each by itself"):
        opened.replay()


def test_the_command_line_takes_the_root(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kpi", str(root), "--by", "application_id", "--metrics", "asr", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("application_id,")
    assert len(lines) == 3
    assert main(["verify", str(root)]) == 2
    assert "applications" in capsys.readouterr().err


def test_a_quote_in_the_name_of_a_folder_is_a_name(tmp_path: Path) -> None:
    name = "x' union select 1 --"
    with Sandbox(seed=3, conversations=4, days=2) as sandbox:
        export(client(sandbox), tmp_path / f"application_id={name}", rate=0, progress=None)
    with open_dataset(tmp_path).duckdb() as connection:
        assert connection.sql("select distinct application_id from conversations").fetchall() == [(name,)]


def _write(folder: str, base_url: str, application: str, key: str) -> None:
    for _ in range(4):
        with Conversations(application, key, base_url=base_url) as client:
            export(client, folder, rate=0, progress=None, full=True, processes=1)


def test_writers_of_several_applications_and_a_reader_at_once(tmp_path: Path) -> None:
    """Whenever it is opened, it has whole commits: of each application all rows of its world, or none yet."""
    with Sandbox(seed=5, conversations=5, days=2) as first, Sandbox(seed=6, conversations=7, days=2) as second:
        writers: list[Any] = [
            fork_server().Process(
                target=_write,
                args=(str(tmp_path / f"application_id={each.application_id}"), each.base_url, each.application_id,
                      each.private_key),
            )
            for each in (first, second)
        ]  # fmt: skip
        for writer in writers:
            writer.start()
        wanted = {each.application_id: each.truth().rows["events"] for each in (first, second)}
        reads = 0
        while any(writer.is_alive() for writer in writers):
            try:
                opened = open_dataset(tmp_path)
            except DatasetError:
                continue
            counted = opened["events"]["application_id"].value_counts().to_dict() if "events" in opened else {}
            assert counted.items() <= wanted.items()
            reads += bool(counted)
        assert [writer.exitcode for writer in writers] == [0, 0]
        assert reads
        assert open_dataset(tmp_path)["events"]["application_id"].value_counts().to_dict() == wanted
