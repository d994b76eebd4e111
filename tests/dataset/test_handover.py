"""Every engine gets the same rows in the same types from one snapshot, also while a writer publishes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conv_analytics import durable, open_dataset
from conv_analytics.analysis import kpi
from conv_analytics.dataset import Dataset, DatasetWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.kinds import MONEY, lacked_by_earlier, storage
from tests._helpers.older_dataset import narrowed
from tests._helpers.table_rows import DAY, EVERY, rows

pytestmark = pytest.mark.slow

EVENT_SOURCES = "event_sources"


def from_source(table: Table, height: int, start: int, source: str) -> pa.Table:
    made = rows(table, height, start=start)
    place = made.schema.get_field_index("source")
    if place < 0:
        return made
    field = made.schema.field(place)
    return made.set_column(place, field, pa.array([source] * height).cast(field.type))


def in_cents(made: pa.Table) -> pa.Table:
    """Money of as many decimals as version 0.1 had."""
    for place, field in enumerate(made.schema):
        if field.type == MONEY:
            made = made.set_column(place, field, pa.array([Decimal("12.12345678")] * len(made), MONEY))
    return made


def given_twice(start: int) -> pa.Table:
    """The events 0 to 3, which came live and from a list; half of them differ."""
    made = rows(TABLES[EVENT_SOURCES], 4, start=start - 1000)
    place = made.schema.get_field_index("differs")
    return made.set_column(place, made.schema.field(place), pa.array([True, True, False, False]))


def without_later_columns(root: Path) -> None:
    """The files of the first run as a version wrote them that knew no source of events."""
    layout = Layout(root)
    commit = open_dataset(root).commits[0]
    files = []
    for file in commit.files:
        path = layout.file(file.path)
        old = pq.ParquetFile(path).read()
        later = [field.name for field in TABLES[file.table].schema if lacked_by_earlier(field)]
        pq.write_table(old.drop_columns(later), path)
        files.append(replace(file, bytes=path.stat().st_size, sha256=durable.sha256(path)))
    layout.commit(1).write_text(replace(commit, files=tuple(files), format=3).to_json())


def run(root: Path, names: list[str], made: Callable[[str], pa.Table]) -> None:
    writer = DatasetWriter(root, DAY, names)
    for name in names:
        writer.write(name, made(name))
    writer.commit({}, {"status": "complete"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of an earlier version, live events, their versions in a list, and records that were seen twice."""
    root = tmp_path_factory.mktemp("handover") / "direction=inbound" / "a[b]*'s"
    listed = [name for name in EVERY if name != EVENT_SOURCES]
    run(root, listed, lambda name: in_cents(rows(TABLES[name], 5, start=20)))
    narrowed(root)
    without_later_columns(root)
    run(root, listed, lambda name: from_source(TABLES[name], 6, 0, "live"))
    run(root, EVERY, lambda name: given_twice(0) if name == EVENT_SOURCES else rows(TABLES[name], 4))
    return root


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return open_dataset(folder)


def plain(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows as values of Python, in an order of their own; days are days, whatever type an engine has for them."""
    done = [
        {name: (value.astimezone(UTC) if isinstance(value, datetime) else value) for name, value in row.items()}
        for row in table.to_pylist()
    ]
    for row in done:
        if isinstance(row.get("date"), datetime):
            row["date"] = row["date"].date()
    return sorted((tuple(row.values()) for row in done), key=repr)


def declared(name: str) -> dict[str, pa.DataType]:
    return {column.name: storage(column.kind).arrow for column in TABLES[name].columns} | {
        "date": pa.timestamp("us", "UTC")
    }


def test_the_folder_has_what_makes_it_hard(dataset: Dataset) -> None:
    kinds = {str(pq.read_schema(file).field("price").type) for file in dataset.files("call_records")}
    assert kinds == {"decimal128(18, 8)", str(MONEY)}
    assert len(dataset["conversations"]) < dataset.rows("conversations")
    assert len(dataset["hangups"]) == dataset.rows("hangups") - 2
    assert set(dataset["events"]["source"]) == {"list", "live", "both"}


@pytest.mark.parametrize("name", EVERY)
def test_arrow_has_the_rows_of_the_frame_in_exact_types(name: str, dataset: Dataset) -> None:
    found, frame = dataset.to_arrow([name])[name], dataset[name]
    assert dict(zip(found.column_names, found.schema.types, strict=True)) == declared(name)
    exact = found.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get)
    for column in TABLES[name].columns:
        if column.arrow.type == MONEY:
            exact[column.name] = exact[column.name].astype(float).astype("double[pyarrow]")
    pd.testing.assert_frame_equal(exact, frame, check_categorical=False, check_dtype=False)
    assert found.schema.field(0).metadata[b"doc"] == TABLES[name].columns[0].doc.encode()


@pytest.mark.parametrize("name", EVERY)
def test_whatever_speaks_arrow_reads_a_table(name: str, dataset: Dataset) -> None:
    given, expected = dataset.table(name), plain(dataset.to_arrow([name])[name])
    assert plain(pa.table(given)) == expected
    polars = pl.DataFrame(given)
    assert plain(pa.table(polars)) == expected
    # By its name, twice in one query.
    joined = duckdb.sql("select a.* from given as a semi join given as b using (date)")
    assert plain(joined.to_arrow_table()) == expected
    assert pd.DataFrame.from_arrow(given).shape == dataset[name].shape
    for column in TABLES[name].columns:
        if column.arrow.type == MONEY:
            assert polars.schema[column.name] == pl.Decimal(28, 18)


@pytest.mark.parametrize("name", EVERY)
def test_polars_and_duckdb_have_the_same(name: str, dataset: Dataset) -> None:
    expected = plain(dataset.to_arrow([name])[name])
    lazy = dataset.to_polars([name])[name]
    assert lazy.collect_schema() == lazy.collect().schema == pl.DataFrame(dataset.table(name)).schema
    assert plain(pa.table(lazy.collect())) == expected
    with duckdb.connect() as mine:
        mine.execute("set TimeZone = 'America/New_York'")
        assert dataset.to_duckdb(mine, [name]) is mine
        assert plain(mine.sql(f'from "{name}"').to_arrow_table()) == expected


def test_polars_reads_no_more_than_it_needs(dataset: Dataset) -> None:
    frames = dataset.to_polars()
    assert set(frames) == set(dataset.tables)
    calls = frames["hangups"]
    some = calls.filter(pl.col("sip_code") > 0).select("date", "leg_id").head(3).collect()
    assert some.columns == ["date", "leg_id"]
    assert some.height == 3
    assert calls.select(pl.len()).collect().item() == len(dataset["hangups"])
    assert calls.select("date").collect().height == len(dataset["hangups"])
    few = dataset.table("hangups", columns=["leg_id", "date"])
    assert pl.DataFrame(few).columns == ["leg_id", "date"]


def test_answers_to_every_frame_are_the_same(dataset: Dataset) -> None:
    expected = kpi(dataset, scope="all")
    streams = {name: dataset.table(name) for name in dataset.tables}
    for data in (dataset.to_arrow(), streams, dataset.to_polars(), dataset.to_duckdb()):
        found = kpi(data, scope="all")
        table = found.to_arrow_table() if hasattr(found, "to_arrow_table") else pa.table(found)
        pd.testing.assert_frame_equal(table.to_pandas(), expected, check_dtype=False)


def test_what_is_not_there_is_named(dataset: Dataset) -> None:
    for hand_over in (dataset.to_arrow, dataset.to_polars, lambda names: dataset.to_duckdb(None, names)):
        with pytest.raises(TableNotFound, match="'calls'"):
            hand_over(["calls"])
    with pytest.raises(TableNotFound, match="'calls'"):
        dataset.table("calls")
    with pytest.raises(ColumnNotFound, match="'colour'"):
        dataset.table("hangups", columns=["colour"])


@pytest.mark.parametrize(
    ("extra", "module"), [("polars", "polars"), ("dask", "dask.dataframe"), ("spark", "pyspark.sql")]
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    extra: str, module: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    monkeypatch.setitem(sys.modules, module, None)
    given = [None] if extra == "spark" else []
    with pytest.raises(ConfigError, match=rf"pip install 'conv-analytics\[{extra}\]'"):
        getattr(dataset, f"to_{extra}")(*given)


@pytest.mark.parametrize("name", EVERY)
def test_dask_has_the_frames_of_pandas(name: str, dataset: Dataset) -> None:
    pytest.importorskip("dask.dataframe", reason="the extra dask")
    found = dataset.to_dask([name])[name]
    assert found.npartitions == (1 if TABLES[name].latest else len(dataset.files(name)))
    frame = found.compute(scheduler="sync").reset_index(drop=True)
    expected = dataset[name]
    assert dict(frame.dtypes.astype(str)) == dict(found.dtypes.astype(str)) == dict(expected.dtypes.astype(str))
    pd.testing.assert_frame_equal(frame, expected, check_categorical=False)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="the extra spark; takes Java 17")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.session.timeZone", "America/New_York").getOrCreate()
    yield session
    session.stop()


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.filterwarnings("default")
def test_spark_has_the_same(name: str, dataset: Dataset, spark: Any) -> None:
    found = dataset.to_spark(spark, [name])[name]
    kinds = dict(found.dtypes)
    assert all(kinds[each.name] == "decimal(28,18)" for each in TABLES[name].columns if each.arrow.type == MONEY)
    assert kinds["date"] == "date"
    assert plain(found.toArrow()) == plain(dataset.to_arrow([name])[name])


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two applications under one root; the second has no calls."""
    root = tmp_path_factory.mktemp("applications")
    run(root / "application_id=one", ["events", "conversations", "call_records"], lambda name: rows(TABLES[name], 3))
    run(root / "application_id=two", ["events", "conversations"], lambda name: rows(TABLES[name], 4, start=10))
    return open_dataset(root)


@pytest.mark.parametrize("name", ["events", "conversations", "call_records"])
def test_several_applications_are_handed_over_as_one(name: str, applications: Dataset) -> None:
    found = applications.to_arrow([name])[name]
    frame = applications[name]
    assert found.column_names == list(frame.columns)
    assert found["application_id"].to_pylist() == frame["application_id"].to_list()
    expected = plain(found)
    assert plain(pa.table(applications.to_polars([name])[name].collect())) == expected
    assert plain(pa.table(pl.DataFrame(applications.table(name, columns=found.column_names)))) == expected
    assert len(pa.table(applications.table(name, columns=["application_id"]))) == len(frame)
    columns = ", ".join(f'"{column}"' for column in found.column_names)
    relation = applications.to_duckdb(tables=[name]).sql(f"select {columns} from {name}")
    assert plain(relation.to_arrow_table()) == expected


@pytest.mark.parametrize("name", ["events", "call_records"])
def test_dask_has_several_applications(name: str, applications: Dataset) -> None:
    pytest.importorskip("dask.dataframe", reason="the extra dask")
    found = applications.to_dask([name])[name].compute(scheduler="sync").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, applications[name], check_categorical=False)


@pytest.mark.filterwarnings("default")
def test_spark_has_several_applications(applications: Dataset, spark: Any) -> None:
    found = applications.to_spark(spark, ["events"])["events"].toArrow()
    assert plain(found) == plain(applications.to_arrow(["events"])["events"])


WRITER = """
import sys
from pathlib import Path
from conv_analytics.dataset import DatasetWriter
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, rows

root, runs = Path(sys.argv[1]), int(sys.argv[2])
for number in range(1, runs):
    writer = DatasetWriter(root, DAY, ["events", "members"])
    writer.write("events", rows(TABLES["events"], 4, start=10 * number))
    writer.write("members", rows(TABLES["members"], 4))
    writer.commit({}, {"status": "complete"})
    print(number, flush=True)
"""


def counts(dataset: Dataset) -> dict[str, list[int]]:
    """Rows of events and members as each engine counts them."""
    names = ["events", "members"]
    frames, views = dataset.to_polars(names), dataset.to_duckdb(tables=names)
    done = {
        "arrow": [len(table) for table in dataset.to_arrow(names).values()],
        "polars": [frames[name].select(pl.len()).collect().item() for name in names],
        "duckdb": [views.sql(f"select count(*) from {name}").fetchall()[0][0] for name in names],
        "pandas": [len(dataset[name]) for name in names],
    }
    if "dask" in sys.modules:
        done["dask"] = [len(frame.compute(scheduler="sync")) for frame in dataset.to_dask(names).values()]
    return done


def test_a_snapshot_is_what_it_was_while_a_writer_publishes(tmp_path: Path) -> None:
    runs = 25
    run(tmp_path, ["events", "members"], lambda name: rows(TABLES[name], 4))
    first = open_dataset(tmp_path)
    held = counts(first)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(runs)]
    with subprocess.Popen(
        command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE
    ) as writer:
        seen = set()
        while writer.poll() is None or len(open_dataset(tmp_path).commits) not in seen:
            now = open_dataset(tmp_path)
            seen.add(len(now.commits))
            assert set(map(tuple, counts(now).values())) == {(4 * len(now.commits), 4)}
            assert counts(first) == held
    assert writer.returncode == 0
    assert max(seen) == runs
    assert len(seen) > 2, "the writer was done before anybody read"
