"""Frames of Polars, Dask and Spark over the files of a snapshot; each library is imported when needed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.handover.dataset_table import DatasetTable
from conv_analytics.dataset.storage.views import DatasetFile, replaces_rows
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.envelope import EVENT_KEY, SOURCE, EventSource
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.frame import DATE
from conv_analytics.tables.kinds import INSTANT, MONEY

if TYPE_CHECKING:
    import pandas as pd

    from conv_analytics.dataset.snapshot import Snapshot

#: Rows of a batch for Polars.
_BATCH = 250_000
_COMMIT = r"/(\d+)-[0-9a-f]{8}-\d+\.parquet$"
_NUMBER = "conv_analytics_commit"
#: Spark's names for the types of columns that files of earlier versions lack; words and texts are strings.
_SPARK_TYPES = {
    pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean", INSTANT: "timestamp",
    MONEY: f"decimal({MONEY.precision},{MONEY.scale})",
}  # fmt: skip


def library(name: str, extra: str) -> Any:
    """A library that an extra of this package installs.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"to_{extra} needs {name.partition('.')[0]}, which is not installed: pip install 'conv-analytics[{extra}]'."
        ) from error


def polars_frame(table: DatasetTable) -> Any:
    """A LazyFrame that reads a table when it is collected."""
    pl = library("polars", "polars")
    plugins = library("polars.io.plugins", "polars")
    schema = pl.DataFrame(table.schema.empty_table()).schema

    def batches(columns: list[str] | None, predicate: Any, rows: int | None, size: int | None) -> Iterator[Any]:
        del size
        chosen = table if columns is None else table.select(columns)
        for batch in chosen.reader():
            frame = pl.from_arrow(batch)
            frame = frame.head(rows) if rows is not None else frame
            rows = None if rows is None else rows - frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if rows == 0:
                return

    return plugins.register_io_source(batches, schema=schema, is_pure=True)


def _read_part(part: Snapshot, table: str) -> pd.DataFrame:
    return part[table]


def dask_frame(table: str, parts: Sequence[Snapshot], nothing: pd.DataFrame) -> Any:
    """A Dask DataFrame with a partition per part."""
    dd = library("dask.dataframe", "dask")
    utils = library("dask.dataframe.utils", "dask")
    meta = utils.clear_known_categories(nothing)
    # Dask would make another dtype of `str`, which is Arrow's already.
    with library("dask", "dask").config.set({"dataframe.convert-string": False}):
        return dd.from_map(_read_part, list(parts), table=table, meta=meta, label=f"conv_analytics-{table}")


def dask_union(parts: Mapping[str, Any], column: str) -> Any:
    """Concatenated Dask DataFrames, with the name of each in a column."""
    dd = library("dask.dataframe", "dask")
    with library("dask", "dask").config.set({"dataframe.convert-string": False}):
        named = [part.assign(**{column: name}).astype({column: "string"}) for name, part in parts.items()]
        return dd.concat(named, interleave_partitions=True)


def spark_union(parts: Mapping[str, Any], column: str) -> Any:
    """The union of Spark DataFrames, with the name of each in a column."""
    f = library("pyspark.sql.functions", "spark")
    named = [part.withColumn(column, f.lit(name)) for name, part in parts.items()]
    return reduce(lambda one, other: one.unionByName(other), named)


def spark_frame(session: Any, table: Table, files: Sequence[DatasetFile], also: Any) -> Any:
    """A Spark DataFrame over files; `also` are the events that came in two ways."""
    library("pyspark.sql", "spark")
    groups: dict[tuple[frozenset[str], str], list[DatasetFile]] = {}
    for file in files:
        # Files of earlier versions lack columns, or have money with other digits: they are read separately.
        money = str(pq.read_schema(str(file.path)).types) if MONEY in table.schema.types else ""
        groups.setdefault((file.lacking, money), []).append(file)
    frames = [_spark_part(session, table, group, lacking) for (lacking, _), group in groups.items()]
    frame = reduce(lambda one, other: one.unionByName(other), frames)
    if table.latest is not None:
        return _spark_latest(frame, table).drop(_NUMBER)
    frame = frame.drop(_NUMBER)
    return frame if also is None or not replaces_rows(table) else _spark_without_replaced(frame, table, also)


def _spark_part(session: Any, table: Table, files: Sequence[DatasetFile], lacking: frozenset[str]) -> Any:
    f = library("pyspark.sql.functions", "spark")
    # Below this folder `date=` is a column; names of the folders above are not.
    base = Path(str(files[0].path)).parent.parent
    rows = session.read.option("basePath", str(base)).parquet(*(_as_pattern(str(file.path)) for file in files))
    columns = [_spark_column(f, column, lacking).alias(column.name) for column in table.columns]
    number = f.regexp_extract(f.col("_metadata.file_path"), _COMMIT, 1).cast("bigint").alias(_NUMBER)
    return rows.select(*columns, f.col(DATE).cast("date").alias(DATE), number)


def _as_pattern(path: str) -> str:
    """A path as a pattern of Spark that matches this path alone."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


def _spark_column(f: Any, column: Column, lacking: frozenset[str]) -> Any:
    if column.name in lacking:
        return f.lit(column.earlier).cast(_SPARK_TYPES.get(column.arrow.type, "string"))
    value = f.col(f"`{column.name}`")
    return value.cast(f"decimal({MONEY.precision},{MONEY.scale})") if column.arrow.type == MONEY else value


def _spark_latest(frame: Any, table: Table) -> Any:
    f, window = library("pyspark.sql.functions", "spark"), library("pyspark.sql.window", "spark").Window
    order = window.partitionBy(*table.key).orderBy(f.col(_NUMBER).desc(), f.col(str(table.latest)).desc())
    return (
        frame.withColumn("conv_analytics_rank", f.row_number().over(order))
        .filter("conv_analytics_rank = 1")
        .drop("conv_analytics_rank")
    )


def _spark_without_replaced(frame: Any, table: Table, also: Any) -> Any:
    f = library("pyspark.sql.functions", "spark")
    known = (
        also.select(*EVENT_KEY, f.col("differs").alias("conv_analytics_differs")).dropna().dropDuplicates([*EVENT_KEY])
    )
    joined = frame.join(f.broadcast(known), list(EVENT_KEY), "left")
    source, differs = f.col(SOURCE.name), f.col("conv_analytics_differs")
    other = f.coalesce(source.isin(str(EventSource.LIVE), str(EventSource.FILE)), f.lit(False))  # noqa: FBT003
    kept = joined.filter(~(f.coalesce(differs, f.lit(False)) & other))  # noqa: FBT003
    if table is EVENTS:
        kept = kept.withColumn(SOURCE.name, f.when(differs.isNotNull(), f.lit(str(EventSource.BOTH))).otherwise(source))
    return kept.select(*frame.columns)


__all__ = ["dask_frame", "library", "polars_frame", "spark_frame"]
