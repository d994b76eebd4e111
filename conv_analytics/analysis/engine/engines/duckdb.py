"""Relations of DuckDB on the caller's connection, in which nothing is created.

>>> import duckdb
>>> hangups = duckdb.sql("select 'CON-1' as conversation_id, 'a' as leg_id, 486::smallint as sip_code")
>>> engine = DuckdbEngine({"hangups": hangups})
>>> engine.read("hangups", {"leg_id": str, "sip_code": int}).fetchall()
[('a', 486)]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa

from conv_analytics.analysis.engine.engines.lazy import LazyEngine
from conv_analytics.analysis.engine.engines.sql_words import SqlWords
from conv_analytics.errors import ConfigError, MemoryExhausted

T = TypeVar("T")
#: The message of `SqlWords.refused` in that of a cast.
_REFUSED = re.compile(r"Could not convert string '(Column .* cannot be read as .*)' to [A-Z0-9]+")

WORDS = SqlWords(
    micros="epoch_us({})",
    instant="make_timestamptz({})",
    hashed="hash({})",
    least_hash=0,
    most_hash=2**64 - 1,
    types={int: "BIGINT", float: "DOUBLE", Decimal: "DOUBLE", bool: "BOOLEAN", datetime: "TIMESTAMP WITH TIME ZONE"},
    text="VARCHAR",
    untyped='"NULL"',
    instants="TIMESTAMP",
    seconds="epoch({})",
    mark='"',
    floats=frozenset({"FLOAT", "DOUBLE"}),
    matches="regexp_full_match({}, '{}')",
    # Not `error()`: DuckDB moves no filter past it.
    refused="cast({} as {})",
)


class DuckdbEngine(LazyEngine):
    """See `Engine`; `tables` are relations of one connection."""

    name = "duckdb"
    words = WORDS

    def __init__(self, tables: Mapping[str, Any], connection: Any = None) -> None:
        super().__init__(tables)
        # Referenced as long as its relations are needed.
        self._connection = connection

    def run(self, step: Callable[[], T]) -> T:
        """Run a query; too little memory for it, or a value that does not fit its kind, is an error with advice."""
        import duckdb  # noqa: PLC0415  only for what is there already

        try:
            return step()
        except duckdb.OutOfMemoryException as error:
            raise MemoryExhausted(str(error).splitlines()[0]) from error
        except duckdb.ConversionException as error:
            reason = str(error).splitlines()[0].removeprefix("Conversion Error: ")
            if refused := _REFUSED.search(reason):
                raise ConfigError(f"{refused[1]}. Convert it first.") from error
            raise ConfigError(f"A value of the relations cannot be read: {reason} Convert it first.") from error

    def project(self, native: Any, columns: Sequence[str]) -> Any:
        """See `LazyEngine`."""
        return native.project(", ".join(columns))

    def where(self, native: Any, condition: str) -> Any:
        """See `LazyEngine`."""
        return native.filter(condition)

    def types(self, native: Any) -> dict[str, str]:
        """See `LazyEngine`."""
        return dict(zip(native.columns, map(str, native.types), strict=True))

    def arrow(self, native: Any) -> pa.Table:
        """See `LazyEngine`."""
        return self.run(lambda: _arrow(native))

    def of_arrow(self, table: pa.Table) -> Any:
        """See `LazyEngine`; on the connection of the tables: two connections cannot be joined."""
        if self._connection is not None:
            return self._connection.from_arrow(table)
        # DuckDB finds the variable by its name; a table of that name would go first, so no table should have it.
        conv_analytics_given_rows = table  # noqa: F841
        return self.any_table().query("_", "select * from conv_analytics_given_rows")

    def arrow_batches(self, frame: Any, size: int) -> Iterator[pa.RecordBatch]:
        """See `LazyEngine`."""
        relation = self.native(frame)
        # Older DuckDB only has the name that newer versions deprecate.
        read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
        reader = read(size)
        some = False
        for batch in reader:
            some = True
            yield batch
        if not some:
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)

    def outer_join(self, native: Any, other: Any, keys: Sequence[str]) -> Any:
        """See `LazyEngine`."""
        using = ", ".join(map(self.words.quote, keys))
        return native.set_alias("merged").join(other.set_alias("part"), using, how="outer")

    def joined_where(self, frame: Any, table: pa.Table, condition: str) -> Any:
        """See `LazyEngine`."""
        mine, theirs = self.native(frame).set_alias("r"), self.of_arrow(table).set_alias("m")
        return self.frame(mine.join(theirs, condition, how="left"))

    def materialized(self, frame: Any) -> Any:
        """The rows, still as a query: no table is created on the caller's connection."""
        return frame


def _arrow(relation: Any) -> pa.Table:
    read = getattr(relation, "to_arrow_table", None) or relation.arrow
    done = read()
    return done if isinstance(done, pa.Table) else done.read_all()


__all__ = ["DuckdbEngine"]
