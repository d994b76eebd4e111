"""Every reader gets the same values in the same types, with no argument at all."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal, localcontext
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from conv_analytics import open_dataset
from conv_analytics.analysis import kpi
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.sinks import MemorySink
from conv_analytics.tables import TABLES
from conv_analytics.tables.kinds import is_vocabulary, storage
from tests._helpers.table_rows import BIG, DAY, EVERY, all_null, rows

Runs = tuple[Path, dict[str, list[pa.Table]]]

D3 = {"str", "Int64", "float64", "boolean", "datetime64[us, UTC]", "category", "double[pyarrow]"}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def declared(name: str) -> dict[str, str]:
    return {column.name: storage(column.kind).pandas for column in TABLES[name].columns} | {
        "date": "datetime64[us, UTC]"
    }


def test_the_declared_types_are_those_of_the_design() -> None:
    assert {dtype for name in EVERY for dtype in declared(name).values()} == D3


def settled(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """In an order that does not depend on that of files, with categories compared as words."""
    frame = frame.copy()
    for column in frame.columns[frame.dtypes == "category"]:
        frame[column] = frame[column].astype("str")
    return frame.sort_values([*TABLES[name].key, "date"]).reset_index(drop=True)


def memory(written: list[pa.Table], name: str) -> pd.DataFrame:
    sink = MemorySink([name], DAY)
    for made in written:
        sink.write(name, made)
    return sink.finish(Report(), {}, lambda: None)[name]


@pytest.mark.parametrize("name", EVERY)
def test_plain_pandas_gives_the_declared_types(name: str, runs: Runs) -> None:
    root, written = runs
    frame = pd.read_parquet(root / name)
    assert dtypes(frame) == declared(name)
    assert len(frame) == sum(made.num_rows for made in written[name])


@pytest.mark.parametrize("name", EVERY)
def test_the_three_ways_agree(name: str, runs: Runs) -> None:
    root, written = runs
    folder, dataset = pd.read_parquet(root / name), open_dataset(root)[name]
    held = memory(written[name], name)
    assert dtypes(dataset) == dtypes(held) == declared(name)
    if TABLES[name].latest is None:
        assert_frame_equal(settled(folder, name), settled(dataset, name))
    # In memory there is one run only: rows without an instant are of its day.
    columns = [column for column in folder.columns if column != "date"]
    assert_frame_equal(settled(held, name)[columns], settled(folder, name)[columns])


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_one_run_is_equal_to_the_last_detail(name: str, tmp_path: Path) -> None:
    made = rows(TABLES[name], 12)
    writer = DatasetWriter(tmp_path, DAY, [name])
    writer.write(name, made)
    writer.commit({}, {})
    dataset, held = open_dataset(tmp_path)[name], memory([made], name)
    assert_frame_equal(dataset, held)
    read = open_dataset(tmp_path).arrow(name)
    for column in made.column_names:
        exact = made.column(column).to_pylist()
        assert sorted(map(str, read[column].to_pylist())) == sorted(map(str, exact))


@pytest.mark.parametrize("name", EVERY)
def test_empty_tables_have_every_column_in_its_type(name: str, empty: Path) -> None:
    frame, dataset, held = pd.read_parquet(empty / name), open_dataset(empty)[name], memory([], name)
    assert dtypes(frame) == dtypes(dataset) == dtypes(held) == declared(name)
    assert len(frame) == 0
    assert_frame_equal(dataset, held)
    assert_frame_equal(frame, dataset, check_categorical=False)


@pytest.mark.parametrize("name", EVERY)
def test_all_null_columns_have_their_type(name: str, tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, DAY, [name])
    made = all_null(TABLES[name], 3)
    writer.write(name, made)
    writer.commit({}, {})
    frame = pd.read_parquet(tmp_path / name)
    assert dtypes(frame) == dtypes(open_dataset(tmp_path)[name]) == declared(name)
    others = [column for column in frame.columns if column not in {*TABLES[name].key, "date"}]
    assert frame[others].isna().all(axis=None)
    assert_frame_equal(settled(frame, name), settled(memory([made], name), name))


def test_integers_beyond_doubles_and_cents_are_exact(runs: Runs) -> None:
    root, written = runs
    hangups = pd.read_parquet(root / "hangups")["packet_cnt"].dropna()
    assert int(hangups.min()) == BIG
    assert hangups.nunique() == 16
    exact = sorted(value for made in written["call_records"] for value in made["price"].to_pylist() if value)
    folder = root / "call_records"
    assert sorted(open_dataset(root).arrow("call_records")["price"].drop_null().to_pylist()) == exact
    with localcontext(prec=38):
        total = sum(exact, Decimal(0))
    query = f"select sum(price) from read_parquet('{folder}/*/*.parquet')"
    assert duckdb.connect().execute(query).fetchall() == [(total,)]
    assert open_dataset(root).duckdb().execute("select sum(price) from call_records").fetchall() == [(total,)]
    assert pl.read_parquet(f"{folder}/**/*.parquet")["price"].sum() == total
    assert pl.read_parquet(f"{folder}/**/*.parquet").schema["price"] == pl.Decimal(28, 18)
    assert math.isclose(pd.read_parquet(folder)["price"].sum(), float(total), rel_tol=1e-15)


def test_every_file_tells_what_its_columns_mean(runs: Runs) -> None:
    root, _ = runs
    for name, table in TABLES.items():
        files = sorted((root / name).glob("*/*.parquet"))
        assert files
        for file in files:
            schema = pq.read_schema(file)
            assert schema.names == [column.name for column in table.columns]
            assert schema.metadata[b"conv_analytics.table"] == name.encode()
            for column in table.columns:
                notes = schema.field(column.name).metadata
                assert notes[b"doc"] == column.doc.encode()
                assert notes.get(b"unit", b"") == (column.unit or "").encode()
                assert notes.get(b"source", b"") == column.source.encode()
                assert schema.field(column.name).type == storage(column.kind).arrow


@pytest.fixture(scope="module")
def views(runs: Runs) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_dataset(runs[0]).duckdb() as connection:
        yield connection


@pytest.mark.parametrize("name", EVERY)
def test_duckdb_and_polars_read_the_folder(name: str, runs: Runs, views: duckdb.DuckDBPyConnection) -> None:
    root, written = runs
    height = sum(made.num_rows for made in written[name])
    relation = duckdb.sql(f"select * from read_parquet('{root}/{name}/*/*.parquet', hive_partitioning = true)")
    assert relation.columns == [*TABLES[name].schema.names, "date"]
    assert relation.aggregate("count(*)").fetchall() == [(height,)]
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    frame = pl.read_parquet(f"{root}/{name}/**/*.parquet", hive_partitioning=True)
    assert frame.shape == (height, len(TABLES[name].columns) + 1)
    for column in TABLES[name].columns:
        if column.kind is int:
            assert kinds[column.name] == "BIGINT"
            assert frame.schema[column.name] == pl.Int64
        if is_vocabulary(column.kind):
            assert kinds[column.name] == "VARCHAR"
    view = views.execute(f'select count(*) from "{name}"').fetchall()
    assert view == [(len(open_dataset(root)[name]),)]


def test_words_that_no_vocabulary_knows_differ_from_file_to_file(tmp_path: Path) -> None:
    table = TABLES["events"]
    for number, words in enumerate((["custom:a", "message"], ["x:y", None], ["custom:b", "x:y"])):
        writer = DatasetWriter(tmp_path, DAY, ["events"])
        made = rows(table, 2, nulls=["at"], start=10 * number)
        place = table.schema.get_field_index("type")
        kind = table.schema.field("type")
        writer.write("events", made.set_column(place, kind, pa.array(words).cast(kind.type)))
        writer.commit({}, {})
    for frame in (pd.read_parquet(tmp_path / "events"), open_dataset(tmp_path)["events"]):
        assert dtypes(frame) == declared("events")
        assert sorted(frame["type"].dropna()) == ["custom:a", "custom:b", "message", "x:y", "x:y"]
    types = open_dataset(tmp_path)["events"]["type"].cat.categories.tolist()
    known = [str(word) for word in table["type"].kind]
    assert types == [*known, "custom:a", "x:y", "custom:b"]


def test_days_are_folders_and_rows_without_an_instant_are_of_the_run(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, DAY, ["events"])
    made = pa.concat_tables([rows(TABLES["events"], 9), rows(TABLES["events"], 1, nulls=["at"], start=20)])
    writer.write("events", made)
    writer.commit({}, {})
    frame = open_dataset(tmp_path)["events"]
    folders = {path.name.removeprefix("date=") for path in (tmp_path / "events").iterdir()}
    days = {DAY + timedelta(days=day) for day in range(4)}
    assert folders == set(map(str, days))
    assert set(frame["date"]) == {pd.Timestamp(day, tz="UTC") for day in days}
    for day, part in frame.groupby("date"):
        assert set(part["at"].dropna().dt.date) == {pd.Timestamp(str(day)).date()}
    assert frame[frame["at"].isna()]["date"].iloc[0].date() == DAY
    some = open_dataset(tmp_path).arrow(
        "events", columns=["event_id"], since=DAY + timedelta(1), until=DAY + timedelta(2)
    )
    assert some.column_names == ["event_id", "date"]
    assert {found.date() for found in some["date"].to_pylist()} == {DAY + timedelta(1)}


def test_days_compare_whichever_way_they_are_read(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, DAY, ["events"])
    made = rows(TABLES["events"], 9)
    writer.write("events", made)
    writer.commit({}, {})
    later = str(DAY + timedelta(days=2))
    for frame in (pd.read_parquet(tmp_path / "events"), open_dataset(tmp_path)["events"], memory([made], "events")):
        for day in (later, pd.Timestamp(later, tz="UTC")):
            assert (frame["date"] >= day).sum() == (frame["at"].dt.date >= DAY + timedelta(days=2)).sum() == 5
    assert len(pd.read_parquet(tmp_path / "events", filters=[("date", ">=", later)])) == 5
    query = f"select count(*) from events where date >= '{later}'"
    assert open_dataset(tmp_path).duckdb().execute(query).fetchall() == [(5,)]
    # One file alone has no column of that name.
    assert "date" not in pq.ParquetFile(next(tmp_path.glob("events/*/*.parquet"))).read().to_pandas().columns


def test_the_row_of_the_latest_run_wins_whatever_its_clock_said(tmp_path: Path) -> None:
    """The second run's clock was ahead, the third one's was right again."""
    table = TABLES["conversations"]
    for number in (0, 2, 1):
        writer = DatasetWriter(tmp_path, DAY, ["conversations"])
        made = rows(table, 1, start=number)
        identity = pa.array(["CON-1"])
        writer.write("conversations", made.set_column(0, made.schema.field(0), identity))
        writer.commit({}, {})
    dataset = open_dataset(tmp_path)
    assert dataset.rows("conversations") == len(pd.read_parquet(tmp_path / "conversations")) == 3
    assert dataset["conversations"]["name"].tolist() == ["text-1 ✅"]
    assert dataset.duckdb().execute("select name from conversations").fetchall() == [("text-1 ✅",)]
    compact(tmp_path, tmp_path.parent / f"{tmp_path.name}-copy")
    assert open_dataset(tmp_path.parent / f"{tmp_path.name}-copy")["conversations"]["name"].tolist() == ["text-1 ✅"]


def test_a_dataset_shows_what_it_was_opened_at(tmp_path: Path) -> None:
    def run(start: int) -> None:
        writer = DatasetWriter(tmp_path, DAY, ["events"])
        writer.write("events", rows(TABLES["events"], 3, start=start))
        writer.commit({}, {})

    run(0)
    earlier = open_dataset(tmp_path)
    run(10)
    assert len(earlier["events"]) == 3
    assert len(open_dataset(tmp_path)["events"]) == 6


QUERIES = {name: f"select * from {name} order by all" for name in ("conversations", "hangups", "messages")}


@pytest.fixture(scope="module")
def plainly_named(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pd.DataFrame], pd.DataFrame]:
    """A folder whose name means nothing to anybody, what DuckDB reads of it, and its rates."""
    root = tmp_path_factory.mktemp("plain") / "aXb" / "exports"
    writer = DatasetWriter(root, DAY, EVERY)
    for table in EVERY:
        writer.write(table, rows(TABLES[table], 8))
    writer.commit({}, {})
    dataset = open_dataset(root)
    with dataset.duckdb() as connection:
        frames = {table: connection.sql(query).to_arrow_table().to_pandas() for table, query in QUERIES.items()}
    return root, frames, kpi(dataset, scope="all")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["direction=inbound", "date=2020-01-01", "a*b", "a?b", "a[bc]d", "[!a]'*"])
def test_the_names_of_the_folders_above_change_no_answer(
    name: str, tmp_path: Path, plainly_named: tuple[Path, dict[str, pd.DataFrame], pd.DataFrame]
) -> None:
    """DuckDB takes names for patterns, and what is like ``key=value`` for columns."""
    plain, frames, rates = plainly_named
    root = tmp_path / name / "exports"
    # The others are what a pattern would match.
    for folder in (root, *(tmp_path / other / "exports" for other in ("aXb", "abd"))):
        shutil.copytree(plain, folder, copy_function=os.link)
    dataset = open_dataset(root)
    with dataset.duckdb() as here:
        for table, expected in frames.items():
            found = here.sql(QUERIES[table]).to_arrow_table().to_pandas()
            assert_frame_equal(found, expected)
            assert list(found.columns) == [*TABLES[table].schema.names, "date"]
            assert set(map(str, found["date"])) == {path.name[5:] for path in (root / table).iterdir()}
    assert kpi(dataset, scope="all").equals(rates)
