"""Rows on the way to an answer: a query on a table, computed by the engine of the table.

Relational work is written once, with narwhals expressions: they run on pandas in memory, and as SQL in DuckDB or Spark
on data that does not fit there. Steps that differ per engine are methods of the engine.

>>> hangups = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "event_id": [7, 8], "leg_id": ["a", "b"]})
>>> rows = Rows.read(Source.of({"hangups": hangups}), "hangups", ["conversation_id", "leg_id"])
>>> rows.filter(nw.col("leg_id") == "a").result()
  conversation_id leg_id
0           CON-1      a
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine import coerce, zones
from conv_analytics.analysis.engine.engines.protocol import Frame
from conv_analytics.analysis.engine.expressions import Value
from conv_analytics.analysis.engine.source import SINGLE, Source
from conv_analytics.errors import ColumnNotFound, TableNotFound
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column

#: Rows of a batch in memory: some 200 MB with their texts and intermediate copies.
BATCH = 250_000


@dataclass(frozen=True, eq=False)
class Rows:
    """A lazy frame, and the source that its tables came from. Every step returns new rows.

    Attributes
    ----------
    source
        The source: where expressions run, and the kind of the answer.
    frame
        The query so far: lazy, or in memory.
    """

    source: Source
    frame: Frame

    # Constructors.

    @classmethod
    def of(cls, source: Source, native: Any) -> Self:
        """A native frame of the source's engine (of pandas, a relation, a Spark frame), as it is."""
        return cls(source, source.engine.frame(native))

    @classmethod
    def of_pandas(cls, source: Source, frame: pd.DataFrame) -> Self:
        """A small pandas frame, to be joined with other rows of the source."""
        return cls.of(source, source.engine.of_pandas(frame))

    @classmethod
    def read(
        cls, source: Source, table: str, columns: Iterable[str] | None = None, *, needed: Collection[str] | None = None
    ) -> Self:
        """A table with plain types: text, Int64, float64, boolean, instants in UTC.

        Parameters
        ----------
        source
            The opened data.
        table
            The table.
        columns
            The columns wanted, in this order; the declared ones that exist, when absent.
        needed
            Columns that must exist; all when absent. Others that are missing are null. With ``()`` the table itself may
            be missing, and is empty then.

        Raises
        ------
        TableNotFound, ColumnNotFound
            If a needed table or column is missing.
        ConfigError
            If a column holds values that its kind cannot have, such as instants without a time zone.
        """
        declared = {column.name: column.kind for column in TABLES[table].columns}
        there = source.columns(table)
        wanted = list(columns) if columns is not None else [column for column in declared if column in there]
        needed = wanted if needed is None else needed
        if table not in source.tables and needed:
            raise TableNotFound(table, source.tables, where="the data")
        missing = [column for column in wanted if column in needed and column not in there]
        if missing:
            raise ColumnNotFound(table, missing[0], there)
        return cls.of(source, source.typed(table, {column: declared[column] for column in wanted}))

    @classmethod
    def read_single(cls, source: Source, columns: Sequence[Column], *, needed: Collection[str], maker: str) -> Self:
        """The single frame, with its columns typed as declared; `maker` names the function that makes such frames."""
        there = source.columns()
        for column in needed:
            if column not in there:
                having = [name for name, table in TABLES.items() if any(each.name == column for each in table.columns)]
                raise ColumnNotFound(f"of {maker}", column, there, elsewhere=having)
        return cls.of(source, source.typed(SINGLE, {column.name: column.kind for column in columns}))

    @classmethod
    def concat(cls, parts: Sequence[Rows]) -> Self:
        """The rows of all parts, which have the same columns."""
        source = parts[0].source
        return cls(source, source.engine.concat([part.frame for part in parts]))

    # Steps of narwhals.

    def select(self, *columns: Any, **named: Any) -> Self:
        """Some columns or expressions, and no others."""
        return self._with(self.frame.select(*columns, **named))

    def with_columns(self, *columns: Any, **named: Any) -> Self:
        """The rows with further columns."""
        return self._with(self.frame.with_columns(*columns, **named))

    def filter(self, *conditions: Any) -> Self:
        """The rows for which all conditions hold."""
        return self._with(self.frame.filter(*conditions))

    def join(self, other: Rows, on: Any, how: Any, suffix: str = "_right") -> Self:
        """The rows joined with others of the same source."""
        others: Any = other.frame
        return self._with(self.frame.join(others, on=on, how=how, suffix=suffix))

    def unique(self, subset: Any = None, *, keep: Any = "any", order_by: Any = None) -> Self:
        """The rows without duplicates."""
        return self._with(self.frame.unique(subset, keep=keep, order_by=order_by))

    def group(self, by: Sequence[str], *aggregates: nw.Expr) -> Self:
        """One row per group, with its aggregates."""
        return self._with(self.source.engine.group(self.frame, by, aggregates))

    def sort(self, by: Sequence[str]) -> Self:
        """The rows sorted by some columns, nulls last."""
        return self._with(self.source.engine.sort(self.frame, by))

    def rename(self, names: Mapping[str, str]) -> Self:
        """The rows with columns renamed."""
        return self._with(self.frame.rename(dict(names)))

    def drop(self, *columns: str) -> Self:
        """The rows without some columns."""
        return self._with(self.frame.drop(*columns))

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self.source.engine.column_names(self.frame)

    # Steps that each engine implements.

    @property
    def native(self) -> Any:
        """The rows in the engine's form: a pandas frame, a relation, a Spark frame."""
        return self.source.engine.native(self.frame)

    def with_micros(self, *names: str, suffix: str = "_us") -> Self:
        """The rows with microseconds since 1970 of some instants, in columns with a suffix, or in place without one.

        Differences of microseconds are exact on every engine, whatever a time zone's clock changes.
        """
        return self._with(self.source.engine.with_micros(self.frame, {name: f"{name}{suffix}" for name in names}))

    def with_instants(self, *names: str) -> Self:
        """The rows with some columns of microseconds since 1970 as instants."""
        return self._with(self.source.engine.with_instants(self.frame, names))

    def with_nulls(self, kinds: Mapping[str, Any]) -> Self:
        """The rows with columns of nulls where they lack a column; each has its kind."""
        there = set(self.columns)
        missing = {name: kind for name, kind in kinds.items() if name not in there}
        return self._with(self.source.engine.with_nulls(self.frame, missing)) if missing else self

    def with_values(self, values: Mapping[str, Value], *, keep: Sequence[str] | None = None) -> Self:
        """The rows with computed columns, none computed from another, and all other columns or those to keep."""
        kept = [name for name in (self.columns if keep is None else keep) if name not in values]
        return self._with(self.source.engine.with_values(self.frame, kept, values))

    def with_time_keys(self, by: Sequence[str], tz: str, at: str = "started_at") -> Self:
        """The rows with the keys of local time (`zones.KEYS`) that `by` asks for, as numbers."""
        zones.zone_info(tz)
        keys = [name for name in by if name in zones.KEYS]
        if not keys:
            return self
        rows = self.materialized()
        zone = zones.Zone.over(tz, *rows.span(at))
        return rows.with_micros(at).with_columns(zone.key(name, nw.col(f"{at}_us")).alias(name) for name in keys)

    def materialized(self) -> Self:
        """The rows, computed once where that is allowed and worth it, because they are read more than once.

        Rows of a large dataset go into a table, those of Spark into its cache, while the question runs; a caller's
        connection gets no tables.
        """
        return self._with(self.source.engine.materialized(self.frame))

    def checkpointed(self) -> Self:
        """The rows without the query that makes them, where an engine then plans later steps much faster: Spark."""
        return self._with(self.source.engine.checkpointed(self.frame))

    # Results.

    def collect(self) -> pd.DataFrame:
        """The rows as pandas, whatever the kind of the caller's data: for sweeps and small tables."""
        return self._collected({})

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as plain values, without nulls; instants are microseconds since 1970."""
        return self.source.engine.memory_frame(self.frame).records()

    def _collected(self, kinds: Mapping[str, Any]) -> pd.DataFrame:
        return coerce.with_answer_dtypes(self.source.engine.collected(self.frame), kinds)

    def result(self, columns: Sequence[Column] | None = None, *, by: Sequence[str] = ()) -> Any:
        """The rows as an answer in the caller's kind.

        Parameters
        ----------
        columns
            Its columns: their order, and their dtypes in pandas. Unchanged when absent.
        by
            Sort keys of its rows; a relation, or a frame of Spark, is not sorted.
        """
        rows = self if columns is None else self.select(*(column.name for column in columns))
        kinds = {column.name: column.kind for column in columns or ()}
        if self.source.kind in {"duckdb", "spark"}:
            return self.source.engine.answer(rows.frame, kinds)
        rows = rows.sort(by) if by else rows
        return self.source.result(rows._collected(kinds))  # noqa: SLF001

    def batches(self, *, size: int = BATCH) -> Iterator[pd.DataFrame]:
        """The rows as pandas, whole conversations at a time: at least one batch, each of about `size` rows or less."""
        return self.source.engine.batches(self.frame, size)

    def count(self) -> int:
        """How many rows there are."""
        return int(self.select(nw.len().alias("rows")).collect()["rows"].iloc[0])

    def distinct(self, column: str) -> list[Any]:
        """The distinct values of a column without null, in no order."""
        return self.source.engine.distinct(self.frame, column)

    def span(self, first: str, last: str | None = None) -> tuple[datetime | None, datetime | None]:
        """The first and the last instant of a column, or of two; None where there is none."""
        ends = self.select(nw.col(first).min().alias("first"), nw.col(last or first).max().alias("last")).collect()
        low, high = (None if pd.isna(value) else value.to_pydatetime() for value in ends.iloc[0])
        return low, high

    def grouped(self, by: Sequence[str], aggregates: Sequence[nw.Expr]) -> pd.DataFrame:
        """One row per group, with keys formatted for display, sorted by them; without keys a single row."""
        if not by:
            return self.select(*aggregates).collect()
        done = show_time_keys(self.group(by, *aggregates).collect(), by)
        return done.sort_values(list(by), na_position="last", kind="stable", ignore_index=True)

    def repeats(self, by: Sequence[str]) -> bool:
        """Whether some keys occur on more than one row; may be wrong, but only when true."""
        return self.source.engine.repeats(self.frame, by)

    def _with(self, frame: Frame) -> Self:
        return type(self)(self.source, frame)


def show_time_keys(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """A result whose keys of local time are formatted for display."""
    return frame.assign(**{name: zones.formatted_key(name, frame[name]) for name in by if name in zones.KEYS})


def time_keys(frame: pd.DataFrame, by: Sequence[str], tz: str, at: str = "started_at") -> pd.DataFrame:
    """The keys of local time of rows in memory, formatted for display; with the index of the rows.

    >>> rows = pd.DataFrame({"started_at": pd.to_datetime(["2026-10-26T00:30Z", "2026-03-29T22:30Z"], utc=True)})
    >>> time_keys(rows, ["week", "hour"], "Europe/London").values.tolist()
    [['2026-10-26', 0], ['2026-03-23', 23]]
    """
    if not by:
        return frame[[]]
    source = Source.of(frame[[at]].reset_index(drop=True))
    rows = Rows.read_single(source, [Column(at, datetime, "")], needed=(at,), maker="legs()")
    keys = rows.with_time_keys(by, tz, at).select(*by).collect()
    return show_time_keys(keys, by).set_axis(frame.index)


__all__ = ["BATCH", "Rows", "show_time_keys", "time_keys"]
