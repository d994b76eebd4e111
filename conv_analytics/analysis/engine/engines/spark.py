"""DataFrames of Spark 4, on their own session, whose configuration is never changed.

Only SQL texts and public methods of DataFrames are used, and the functions of narwhals. This module works in every
session, whatever its time zone, with or without ANSI mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from conv_analytics.analysis.engine.engines.lazy import LazyEngine
from conv_analytics.analysis.engine.engines.sql_words import SqlWords

WORDS = SqlWords(
    micros="unix_micros({})",
    instant="timestamp_micros({})",
    hashed="xxhash64({})",
    least_hash=-(2**63),
    most_hash=2**63 - 1,
    types={int: "bigint", float: "double", Decimal: "double", bool: "boolean", datetime: "timestamp"},
    text="string",
    untyped="void",
    instants="timestamp",
    seconds="unix_micros(timestamp_micros(0) + {}) / 1e6",
    mark="`",
    floats=frozenset({"float", "double"}),
    matches="{} rlike '{}'",
    refused="raise_error({})",
)


class SparkEngine(LazyEngine):
    """See `Engine`; `tables` are Spark DataFrames of one session."""

    name = "spark"
    words = WORDS

    def project(self, native: Any, columns: Sequence[str]) -> Any:
        """See `LazyEngine`."""
        return native.selectExpr(*columns)

    def where(self, native: Any, condition: str) -> Any:
        """See `LazyEngine`."""
        return native.where(condition)

    def types(self, native: Any) -> dict[str, str]:
        """See `LazyEngine`."""
        return dict(native.dtypes)

    def cast(self, value: str, actual: str, target: str) -> str:
        """See `LazyEngine`; without ANSI mode, Spark turns wrong texts into null, and limits large numbers."""
        if target == "bigint" and actual.startswith(("float", "double", "decimal")):
            wrong = f"raise_error(concat('a number that is not a {target}: ', cast({value} as string)))"
            return f"if({value} < -{2**63}d or {value} >= {2**63}d, {wrong}, cast({value} as {target}))"
        if actual != "string":
            return f"cast({value} as {target})"
        wrong = f"raise_error(concat('a text that is not a {target}: ', {value}))"
        converted = f"try_cast({value} as {target})"
        return f"if({value} is not null and {converted} is null, {wrong}, {converted})"

    def arrow(self, native: Any) -> pa.Table:
        """See `LazyEngine`."""
        return native.toArrow()

    def of_arrow(self, table: pa.Table) -> Any:
        """See `LazyEngine`; small: joins send it to every executor."""
        return self.any_table().sparkSession.createDataFrame(table).hint("broadcast")

    def arrow_batches(self, frame: Any, size: int) -> Iterator[pa.RecordBatch]:
        """See `LazyEngine`; some conversations at a time."""
        for part in self.parts(frame, size):
            rows = self.arrow(self.native(part)).combine_chunks()
            yield from rows.to_batches() or [pa.RecordBatch.from_pylist([], schema=rows.schema)]

    def ordered_by_hash(self, frame: Any, column: str) -> Any:
        """See `LazyEngine`; sorted once, so that a part reads its own range."""
        return self.materialized(self.frame(self.native(frame).sort(column)))

    def outer_join(self, native: Any, other: Any, keys: Sequence[str]) -> Any:
        """See `LazyEngine`."""
        return native.join(other, list(keys), "full_outer")

    def joined_where(self, frame: Any, table: pa.Table, condition: str) -> Any:
        """See `LazyEngine`."""
        from pyspark.sql import functions  # noqa: PLC0415  only for what is there already

        mine, theirs = self.native(frame).alias("r"), self.of_arrow(table).alias("m")
        return self.frame(mine.join(theirs, functions.expr(condition), "left"))

    def materialized(self, frame: Any) -> Any:
        """The rows, persisted on the executors as long as a frame uses them."""
        return self.checkpointed(frame)

    def checkpointed(self, frame: Any) -> Any:
        """See `Engine`; Spark drops the rows once Java has collected the last frame that uses them.

        Not ``persist``: every further step would be analyzed, and compared with the cache, together with the whole
        query; and where a condition is pushed down below columns that it reads, it becomes a copy of all of them.
        """
        return self.frame(self.native(frame).localCheckpoint(eager=False))


__all__ = ["SparkEngine"]
