"""A snapshot in the frames of other engines: the same files, each row once, the types of the declarations."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.handover import engines
from conv_analytics.dataset.handover.dataset_table import DatasetTable
from conv_analytics.dataset.snapshot import Snapshot, day_of
from conv_analytics.dataset.storage.commit import File
from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.dataset.storage.views import replaces_rows
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import EVENT_KEY, SOURCE, EventSource
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.frame import DATE, to_frame, with_date
from conv_analytics.tables.kinds import INSTANT

if TYPE_CHECKING:
    import dask.dataframe as dd
    import duckdb
    import pandas as pd
    import polars as pl
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession


class HandOver(Snapshot):
    """A snapshot that other engines read."""

    def table(self, name: str, *, columns: Sequence[str] | None = None) -> DatasetTable:
        """A table for any library that speaks Arrow: ``pl.DataFrame(...)``, ``pa.table(...)``, DuckDB, DataFusion.

        Each row occurs once, as in the DataFrame; types are exact: money is decimal, instants are UTC, words are
        dictionaries. Nothing is read yet.

        Parameters
        ----------
        name
            Its name.
        columns
            The columns to read; all when absent.

        Returns
        -------
        DatasetTable
            An object with ``__arrow_c_stream__``; its ``date`` is midnight UTC of the row's day.

        Raises
        ------
        TableNotFound, ColumnNotFound
            If the dataset has no such table, or the table no such column.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import duckdb
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     conversations = export(client, folder, rate=0).dataset.table("conversations")
        ...     duckdb.sql("select count(*) from conversations").fetchall()
        [(3,)]
        """
        declared = self._declared(name)
        schema = declared.schema.append(pa.field(DATE, INSTANT)).remove_metadata()
        done = DatasetTable(name, schema, lambda wanted: self._rows_once(declared, list(wanted)))
        return done if columns is None else done.select(columns)

    def to_arrow(self, tables: Collection[str] | None = None) -> dict[str, pa.Table]:
        """Tables in memory as Arrow, each row once, in exact types.

        Parameters
        ----------
        tables
            Names of the tables; all when absent.

        Returns
        -------
        dict of str to pyarrow.Table
            Frames by table name, as every question of `conv_analytics.analysis` takes them.

        Raises
        ------
        TableNotFound
            If the dataset has no such table.
        CorruptFile, SchemaChanged
            If a file is missing, damaged or another one.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     tables = export(client, folder, rate=0).dataset.to_arrow(["call_records"])
        >>> tables["call_records"].schema.field("price").type
        Decimal128Type(decimal128(28, 18))
        """
        return {name: self.table(name).to_arrow() for name in self._names(tables)}

    def to_duckdb(
        self, connection: duckdb.DuckDBPyConnection | None = None, tables: Collection[str] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Tables as views in DuckDB, in your own connection or in a new one, as from `duckdb`.

        Files are read when a query needs them, and only the parts that it needs. ``date`` is a DATE.

        Parameters
        ----------
        connection
            Where the views are created. One of the same name is replaced; for a table of that name DuckDB raises an
            error.
        tables
            Names of the tables; all when absent.

        Returns
        -------
        duckdb.DuckDBPyConnection
            The connection.

        Raises
        ------
        TableNotFound
            If the dataset has no such table.
        CorruptFile, SchemaChanged
            If a file is missing, cut off or another one.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import duckdb
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder, duckdb.connect() as mine:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     _ = export(client, folder, rate=0).dataset.to_duckdb(mine)
        ...     mine.sql("select count(*) from conversations").fetchall()
        [(3,)]
        """
        done = connect_duckdb() if connection is None else connection
        self.let_read(done)
        for name in self._names(tables):
            done.execute(f'create or replace view "{name}" as {self.statement(name)}')
        return done

    def to_polars(self, tables: Collection[str] | None = None) -> dict[str, pl.LazyFrame]:
        """Tables as Polars LazyFrames: files are read when a query is collected, and only the columns that it needs.

        Needs Polars (extra ``polars``). Words of a vocabulary are Categorical, money is Decimal(28, 18), instants are
        Datetime in UTC.

        Parameters
        ----------
        tables
            Names of the tables; all when absent.

        Returns
        -------
        dict of str to polars.LazyFrame
            Frames by table name, as every question of `conv_analytics.analysis` takes them.

        Raises
        ------
        ConfigError
            If Polars is not installed.
        TableNotFound
            If the dataset has no such table.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     frames = export(client, folder, rate=0).dataset.to_polars()
        ...     frames["conversations"].collect().height
        3
        """
        return {name: engines.polars_frame(self.table(name)) for name in self._names(tables)}

    def to_dask(self, tables: Collection[str] | None = None) -> dict[str, dd.DataFrame]:
        """Tables as Dask DataFrames with a partition per file, in the dtypes of the pandas frames.

        Needs Dask (extra ``dask``). Workers open the files by their path: the folder has to be there for all of them.
        Conversations and members are one partition each, because only the latest row of each counts.

        Parameters
        ----------
        tables
            Names of the tables; all when absent.

        Returns
        -------
        dict of str to dask.dataframe.DataFrame
            Frames by table name.

        Raises
        ------
        ConfigError
            If Dask is not installed.
        TableNotFound
            If the dataset has no such table.
        """
        done = {}
        for name in self._names(tables):
            declared = self._declared(name)
            files = [file for _, file in self._by_day(name)]
            parts = [files] if declared.latest is not None else [[file] for file in files]
            nothing = to_frame(declared, [(day_of(files[0]), declared.empty())])
            done[name] = engines.dask_frame(name, [self._only(part) for part in parts], nothing)
        return done

    def to_spark(self, session: SparkSession, tables: Collection[str] | None = None) -> dict[str, SparkFrame]:
        """Tables as Spark DataFrames over the files of this snapshot.

        Needs PySpark 4 (extra ``spark``) and Java. Words of a vocabulary are strings, money is decimal(28,18), instants
        are timestamps, shown in the zone of the session, and ``date`` is a date.

        Parameters
        ----------
        session
            Your Spark session. Its executors open the files by their path: the folder has to be there for all of them.
        tables
            Names of the tables; all when absent.

        Returns
        -------
        dict of str to pyspark.sql.DataFrame
            Frames by table name.

        Raises
        ------
        ConfigError
            If PySpark is not installed, or the dataset is in a bucket.
        TableNotFound
            If the dataset has no such table.
        CorruptFile, SchemaChanged
            If a file is missing, cut off or another one.
        """
        if self._layout.bucket is not None:
            raise ConfigError(
                f"{self.name} is a bucket, whose credentials Spark has to know itself: give .files(table) to"
                " spark.read.parquet, or copy the dataset to a folder (`conv-analytics compact`)."
            )
        also = None
        if self._two_sources:
            also = self._spark(session, EVENT_SOURCES.name, None)
        return {name: self._spark(session, name, also) for name in self._names(tables)}

    def _spark(self, session: Any, name: str, also: Any) -> Any:
        files = [self._opened.checked(file) for _, file in self.numbered(name)]
        return engines.spark_frame(session, self._declared(name), files, also)

    def _names(self, tables: Collection[str] | None) -> list[str]:
        if tables is None:
            return list(self.tables)
        return [self._declared(name).name for name in tables]

    def _only(self, files: Collection[File]) -> Self:
        """A snapshot of some files and everything that determines their rows: small enough to send to a worker."""
        wanted = {file.path for file in files}
        also = () if any(file.table == EVENT_SOURCES.name for file in files) else (EVENT_SOURCES.name,)
        kept = [
            dataclasses.replace(
                commit,
                files=tuple(file for file in commit.files if file.path in wanted or file.table in also),
                report={}, watermarks={}, settled={}, unfinished={}, conversations=None,
            )
            for commit in self.commits
        ]  # fmt: skip
        return type(self)(self._layout.root, [commit for commit in kept if commit.files])

    def rows_of_runs(self, table: str) -> Iterator[tuple[int, pa.Table]]:
        """Every row of every run of a table, file by file, with its ``date``; each file with the number of its run."""
        return ((number, with_date(self._read(file), day_of(file))) for number, file in self._by_day(table))

    # Each row once, in Arrow.

    def _rows_once(self, table: Table, columns: list[str]) -> Iterator[pa.Table]:
        """The rows of a table, file by file, in the order that the frame has; at least one part."""
        replaced = self._two_sources and replaces_rows(table)
        decides = (*table.key, table.latest) if table.latest else (*EVENT_KEY, SOURCE.name) if replaced else ()
        names = [name for name in dict.fromkeys([*columns, *decides]) if name != DATE]
        # Rows are needed even if only the day is selected.
        names = names or [table.columns[0].name]
        parts = (
            (number, with_date(self._read(file, names), day_of(file))) for number, file in self._by_day(table.name)
        )
        if table.latest:
            of_runs = list(parts)
            rows = pa.concat_tables([part for _, part in of_runs]).unify_dictionaries()
            runs = np.repeat([number for number, _ in of_runs], [len(part) for _, part in of_runs])
            yield latest_rows(table, rows, runs).select(columns)
            return
        also = self._given_twice() if replaced else None
        for _, rows in parts:
            yield (rows if also is None else _without_replaced(table, rows, also)).select(columns)

    def _given_twice(self) -> pd.DataFrame:
        """The events that came from two sources, and whether their versions differ."""
        keys = [*EVENT_KEY, "differs"]
        rows = _keys(pa.concat_tables(self._read(file, keys) for _, file in self._by_day(EVENT_SOURCES.name)))
        return rows.dropna().drop_duplicates(list(EVENT_KEY), keep="last")


def _keys(rows: pa.Table) -> pd.DataFrame:
    """Keys for comparison: whole numbers stay whole even if some are missing."""
    import pandas as pd  # noqa: PLC0415  the process that converts pages needs none

    frame: pd.DataFrame = rows.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def latest_rows(table: Table, rows: pa.Table, runs: Any) -> pa.Table:
    """The latest row of each key, given each row's run: a later run saw the later state, whatever its clock said."""
    instants = rows[table.latest].cast(pa.int64()).fill_null(np.iinfo("int64").max).to_numpy()
    order = np.lexsort((instants, runs))
    keys = _keys(rows.select(list(table.key))).iloc[order]
    return rows.take(pa.array(np.sort(order[~keys.duplicated(keep="last").to_numpy()])))


def _without_replaced(table: Table, rows: pa.Table, also: pd.DataFrame) -> pa.Table:
    """Rows of events without those that a list's version replaces; events from both sources are marked."""
    twice = _keys(rows.select(list(EVENT_KEY))).merge(also, "left", list(EVENT_KEY))["differs"]
    place = rows.schema.get_field_index(SOURCE.name)
    sources = rows.column(place).cast(pa.string())
    differs = twice.fillna(value=False).to_numpy(dtype=bool)
    other = pc.is_in(sources, pa.array([str(EventSource.LIVE), str(EventSource.FILE)]))
    if table is EVENTS:
        both = pc.if_else(pa.array(twice.notna().to_numpy()), pa.scalar(str(EventSource.BOTH)), sources)
        field = rows.schema.field(place)
        rows = rows.set_column(place, field, both.cast(field.type))
    return rows.filter(pc.invert(pc.and_(pa.array(differs), other)))


__all__ = ["HandOver", "latest_rows"]
