"""A version that knows more columns reads the files of one that did not, together with its own, in every engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics import open_dataset
from conv_analytics.dataset import Dataset, DatasetWriter, map_conversations
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.resources import EventType
from conv_analytics.resources.record import Json
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column
from tests._helpers.table_rows import DAY, rows

#: One of each kind, and a word that earlier files mean by lacking its column.
NEW = (
    *(Column(f"new_{number}", kind, "New.", later=True)
      for number, kind in enumerate((str, int, float, bool, datetime, Decimal, EventType, Json))),
    Column("new_word", EventType, "New.", later=True, earlier="message"),
)  # fmt: skip
NAMES = [column.name for column in NEW]
OLD_ROWS, NEW_ROWS = 3, 4


@pytest.fixture(params=["hangups", "members"])
def evolved(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Dataset]:
    """A night of the version before, and one of the version with the columns."""
    name = request.param
    table = TABLES[name]
    _run(tmp_path / "exports", name, rows(table, OLD_ROWS))
    monkeypatch.setitem(TABLES, name, dataclasses.replace(table, columns=(*table.columns, *NEW)))
    _run(tmp_path / "exports", name, rows(TABLES[name], NEW_ROWS, start=100))
    return name, open_dataset(tmp_path / "exports")


def _run(root: Path, name: str, made: pa.Table) -> None:
    writer = DatasetWriter(root, DAY, [name])
    writer.write(name, made)
    writer.commit([], {"status": "complete", "selected": [name]})


def in_pandas(dataset: Dataset, name: str) -> pa.Table:
    return pa.Table.from_pandas(dataset[name])


def in_dask(dataset: Dataset, name: str) -> pa.Table:
    return pa.Table.from_pandas(dataset.to_dask([name])[name].compute())


def in_parts(dataset: Dataset, name: str) -> pa.Table:
    return pa.Table.from_pandas(pd.concat(map_conversations(lambda part: part[name], dataset, parts=2)))


ENGINES: dict[str, Callable[[Dataset, str], pa.Table]] = {
    "pandas": in_pandas,
    "arrow": lambda dataset, name: dataset.arrow(name),
    "stream": lambda dataset, name: pa.table(dataset.table(name)),
    "duckdb": lambda dataset, name: dataset.duckdb().table(name).to_arrow_table(),
    "duckdb views": lambda dataset, name: dataset.to_duckdb(None, [name]).table(name).to_arrow_table(),
    "polars": lambda dataset, name: pl.from_pandas(dataset.to_polars([name])[name].collect().to_pandas()).to_arrow(),
    "dask": in_dask,
    "parts": in_parts,
}


def values(found: pa.Table) -> dict[str, list[Any]]:
    """The new columns, by the key of the rows: as plain values, money as numbers."""
    done = {}
    for row in found.to_pylist():
        key = str(row["event_id"] if "event_id" in row else row["member_id"])
        done[key] = [float(row[name]) if isinstance(row[name], Decimal) else row[name] for name in NAMES]
    return done


def test_old_and_new_files_together(evolved: tuple[str, Dataset]) -> None:
    name, dataset = evolved
    whole = values(dataset.arrow(name))
    assert len(whole) == OLD_ROWS + NEW_ROWS
    assert sum(each[:-1] == [None] * (len(NAMES) - 1) and each[-1] == "message" for each in whole.values()) == OLD_ROWS
    assert sum(None not in each for each in whole.values()) == NEW_ROWS
    for engine, read in ENGINES.items():
        found = values(read(dataset, name))
        assert found.keys() == whole.keys(), engine
        for key, each in whole.items():
            for mine, yours in zip(found[key], each, strict=True):
                same = pd.isna(mine) if yours is None else _plain(mine) == pytest.approx(_plain(yours))
                assert same, (engine, key, mine, yours)


def _plain(value: Any) -> Any:
    """Instants as numbers, whatever class an engine has for them."""
    return value.timestamp() if isinstance(value, datetime) else value


def test_the_folder_is_whole_and_compacted_in_the_new_columns(evolved: tuple[str, Dataset], tmp_path: Path) -> None:
    name, dataset = evolved
    assert not [each for each in dataset.verify() if each.level is Level.ERROR and "watermark" not in each.what]
    dataset.compact(tmp_path / "copy")
    copy = open_dataset(tmp_path / "copy")
    assert values(copy.arrow(name)) == values(dataset.arrow(name))
    with dataset.duckdb() as connection:
        kinds = connection.table(name).select(*NAMES).types
        first_alone = connection.sql(dataset.statement_of(name, [dataset.places[0]]) or "").select(*NAMES).types
    # A folder of the version before has the columns, in the types that they will have.
    assert list(map(str, first_alone)) == list(map(str, kinds))
