"""Where the rows of an analysis come from, and how its answer goes back.

Relational work is written once, with narwhals expressions on lazy frames: they run on pandas in memory, and as SQL in
DuckDB on what does not fit there.

>>> import pandas as pd
>>> hangups = pd.DataFrame({"conversation_id": ["CON-1"], "event_id": [7], "leg_id": ["a"]})
>>> source = Source.of({"hangups": hangups})
>>> rows = source.table("hangups", ["conversation_id", "leg_id"])
>>> source.give(rows)
  conversation_id leg_id
0           CON-1      a
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import narwhals as nw
import pandas as pd
import pyarrow as pa

from conv_analytics.analysis.engine import coerce
from conv_analytics.errors import ColumnNotFound, ConfigError, MemoryExhausted, TableNotFound
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column

T = TypeVar("T")

#: Memory that DuckDB takes for a dataset before it moves intermediate results to disk, in the folder for temporary
#: files. For another limit open the connection yourself: ``connection = dataset.duckdb()``, ``connection.execute("set
#: memory_limit = '8GB'")``, and give the connection; relations come back then.
MEMORY = "600MB"
#: The name of the data when it is one frame, not tables.
SINGLE = "the frame"
#: Rows that are swept over at once: with their texts, and copies on the way, some 200 MB.
BATCH = 250_000


@dataclass(frozen=True)
class Source:
    """Tables of one kind, opened.

    Attributes
    ----------
    engine
        ``pandas`` or ``duckdb``: where expressions run.
    gives
        What `give` makes of an answer: ``pandas``, ``duckdb``, ``pyarrow`` or ``polars``.
    """

    engine: str
    gives: str
    _frames: Mapping[str, Any]
    _connection: Any = None
    """Kept as long as its relations are needed; closed with the last of them."""
    _owned: bool = False
    """Whether the connection is ours alone."""
    _dataset: Any = None
    """The dataset whose files the connection reads."""
    _settled: list[str] = field(default_factory=list)
    known: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """What was asked of the data before, by question and table."""

    @classmethod
    def of(cls, data: Any) -> Source:
        """Open data, whatever kind it is; a `Source` stays as it is.

        Parameters
        ----------
        data
            A `Dataset`, a DuckDB connection as `Dataset.duckdb` gives it, `Frames`, a mapping of table name to frame,
            or one frame.

        Raises
        ------
        ConfigError
            If it is none of these, or tables of different kinds.
        """
        if isinstance(data, Source):
            return data
        if callable(getattr(data, "duckdb", None)):
            connection = data.duckdb()
            # The order of rows is made at the end; keeping it on the way would cost memory.
            connection.execute("set preserve_insertion_order = false")
            connection.execute("set enable_progress_bar = false")
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"set memory_limit = '{MEMORY}'")
            spill = Path(tempfile.gettempdir()) / f"conv-analytics-{os.getpid()}-{id(connection)}"
            connection.execute("set temp_directory = '" + str(spill).replace("'", "''") + "'")
            relations = {name: connection.view(name) for name in data.tables}
            return cls("duckdb", "pandas", relations, connection, _owned=True, _dataset=data)
        if isinstance(data, Mapping):
            return cls._of_frames({str(name): frame for name, frame in data.items()})
        if _kind(data) == "connection":
            names = [name for (name,) in data.execute("select table_name from information_schema.tables").fetchall()]
            return cls("duckdb", "duckdb", {name: data.table(name) for name in names}, data)
        return cls._of_frames({SINGLE: data})

    @classmethod
    def _of_frames(cls, frames: Mapping[str, Any]) -> Source:
        kinds = sorted({_kind(frame) for frame in frames.values()})
        if len(kinds) > 1:
            raise ConfigError(f"The tables are of different kinds: {', '.join(kinds)}. Give all of them as one kind.")
        kind = kinds[0] if kinds else "pandas"
        if kind in {"pyarrow", "polars"}:
            frames = {name: coerce.to_pandas(frame) for name, frame in frames.items()}
        return cls("duckdb" if kind == "duckdb" else "pandas", kind, frames)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables there are; none for a single frame."""
        return tuple(name for name in self._frames if name != SINGLE)

    @property
    def single(self) -> bool:
        """Whether the data is one frame, not tables."""
        return SINGLE in self._frames

    def any(self, table: str) -> nw.LazyFrame[Any]:
        """A table as it is: what other frames of the same kind can be made like."""
        done: nw.LazyFrame[Any] = nw.from_native(self._frames[table]).lazy()
        return done

    def has_rows(self, table: str) -> bool:
        """Whether a table is there and has rows."""
        frame = self._frames.get(table)
        if frame is None:
            return False
        if self.engine == "pandas":
            return len(frame) > 0
        # Instants of a row would need another package; their number does not.
        return bool(self.in_memory(lambda: frame.limit(1).aggregate("count(*)").fetchall())[0][0])

    def of_conversation(self, conversation_id: str) -> Source:
        """The tables with the rows of one conversation, in memory; tables that know no conversation are left out."""
        found = {}
        for name, frame in self._frames.items():
            if "conversation_id" not in self.columns(name):
                continue
            if self.engine == "pandas":
                found[name] = frame[(frame["conversation_id"] == conversation_id).fillna(value=False)]
            else:
                text = conversation_id.replace("'", "''")
                rows = frame.filter(f"conversation_id = '{text}'")
                found[name] = coerce.to_pandas(self.in_memory(partial(coerce.arrow_of, rows)))
        return Source("pandas", "pandas", found)

    def columns(self, table: str = SINGLE) -> tuple[str, ...]:
        """The columns that a table has; none for a table that is not there."""
        return tuple(str(name) for name in self._frames[table].columns) if table in self._frames else ()

    def table(
        self, name: str, columns: Iterable[str] | None = None, *, needed: Collection[str] | None = None
    ) -> nw.LazyFrame[Any]:
        """A table as a lazy frame with plain types: text, Int64, Float64, Boolean, instants in UTC.

        Parameters
        ----------
        name
            The table.
        columns
            The columns wanted, in this order; the declared ones that there are, when absent.
        needed
            Those that must be there; all when absent. Others that are missing are null. With ``()``
            the table itself may be missing, and is empty then.

        Raises
        ------
        TableNotFound, ColumnNotFound
            If what is needed is not there.
        ConfigError
            If a column holds what cannot be its kind, such as instants without a time zone.
        """
        declared = {column.name: column.kind for column in TABLES[name].columns}
        there = self.columns(name)
        wanted = list(columns) if columns is not None else [column for column in declared if column in there]
        needed = wanted if needed is None else needed
        if name not in self._frames and needed:
            raise TableNotFound(name, self.tables, where="the data")
        missing = [column for column in wanted if column in needed and column not in there]
        if missing:
            raise ColumnNotFound(name, missing[0], there)
        return self._lazy(name, {column: declared[column] for column in wanted})

    def frame(self, columns: Sequence[Column], *, needed: Collection[str], maker: str) -> nw.LazyFrame[Any]:
        """The single frame, with its columns typed as declared; `maker` names the function that makes such frames."""
        there = self.columns()
        for column in needed:
            if column not in there:
                having = [name for name, table in TABLES.items() if any(held.name == column for held in table.columns)]
                raise ColumnNotFound(f"of {maker}", column, there, elsewhere=having)
        return self._lazy(SINGLE, {column.name: column.kind for column in columns})

    def lazy(self, frame: pd.DataFrame, like: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """A small pandas frame as a lazy frame that can be joined with `like`."""
        if self.engine == "pandas":
            return nw.from_native(frame).lazy()
        # A table as it came, not `like`: DuckDB would plan that once more.
        near = next(iter(self._frames.values())) if self._frames else nw.to_native(like)
        return _of_relation(coerce.relation_of(frame, near))

    def give(self, frame: nw.LazyFrame[Any], columns: Sequence[Column] | None = None, *, by: Sequence[str] = ()) -> Any:
        """An answer in the caller's kind.

        Parameters
        ----------
        frame
            The answer.
        columns
            Its columns: their order, and their dtypes in pandas. As they are, when absent.
        by
            What its rows are sorted by; a relation is left as it comes.
        """
        if columns is not None:
            frame = frame.select(*(column.name for column in columns))
        if self.gives == "duckdb":
            return nw.to_native(frame)
        if by:
            frame = frame.sort(*by, nulls_last=True)
        if self.engine == "duckdb":
            done = coerce.from_arrow(self.in_memory(lambda: coerce.arrow_of(nw.to_native(frame))))
        else:
            done = nw.to_native(frame.collect()).reset_index(drop=True)
        done = coerce.shown(done, {column.name: column.kind for column in columns or ()})
        return done if self.gives == "pandas" else coerce.from_pandas(done, self.gives)

    def collect(self, frame: nw.LazyFrame[Any]) -> pd.DataFrame:
        """An intermediate result as pandas, whatever the caller's kind: for sweeps and small tables."""
        if self.engine == "duckdb":
            arrow = self.in_memory(lambda: coerce.arrow_of(nw.to_native(frame)))
            return coerce.shown(coerce.from_arrow(arrow), {})
        return coerce.shown(nw.to_native(frame.collect()).reset_index(drop=True), {})

    def batches(self, rows: nw.LazyFrame[Any], *, size: int = BATCH) -> Iterator[pd.DataFrame]:
        """Rows as pandas, whole conversations at a time: at least one batch, each of about `size` rows or less."""
        if not self._owned:
            parts = 1 if self.engine == "pandas" else self.count(rows) // size + 1
            chosen = [f"hash(conversation_id) % {parts} = {part}" for part in range(parts)]
        else:
            # In the order of their hashes: a batch reads its own stretch of the table, not all of it.
            native: Any = nw.to_native(rows)
            hashed = native.project("*, hash(conversation_id) as conv_analytics_hash").order("conv_analytics_hash")
            rows = self.settled(_of_relation(hashed))
            parts = self.count(rows) // size + 1
            edges = [2**64 * part // parts for part in range(parts + 1)]
            chosen = [f"conv_analytics_hash between {low} and {high - 1}" for low, high in itertools.pairwise(edges)]
        for condition in chosen:
            if parts == 1:
                yield self.collect(rows.drop("conv_analytics_hash", strict=False))
            else:
                part_of = _of_relation(nw.to_native(rows).filter(condition))
                yield self.collect(part_of.drop("conv_analytics_hash", strict=False))

    def with_nulls(self, rows: nw.LazyFrame[Any], kinds: Mapping[str, Any]) -> nw.LazyFrame[Any]:
        """Rows with columns of nulls, of some kinds, where they have no such column."""
        there = set(rows.collect_schema().names())
        missing = {name: kind for name, kind in kinds.items() if name not in there}
        if not missing:
            return rows
        native: Any = nw.to_native(rows)
        if self.engine == "pandas":
            nulls = coerce.pandas_columns("", native[[]].reset_index(drop=True), missing).set_axis(native.index)
            done: nw.LazyFrame[Any] = nw.from_native(pd.concat([native, nulls], axis=1)).lazy()
            return done
        return _of_relation(native.project(f"*, {coerce.nulls_of(missing)}"))

    def settled(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Rows of a dataset computed now, once, into a table of our own connection; others stay as they are.

        What follows is planned fast then, and may look at them twice. DuckDB moves the table to disk where memory
        does not suffice. A connection of the caller gets no tables: there they stay a query.
        """
        if not self._owned:
            return rows
        name = f"conv_analytics_settled_{len(self._settled)}"
        self._settled.append(name)
        relation: Any = nw.to_native(rows)
        self.in_memory(lambda: relation.create(name))
        return _of_relation(self._connection.table(name))

    def in_memory(self, step: Callable[[], T]) -> T:
        """Take a step within the memory that DuckDB may have; one thread takes less of it at a time than several.

        Where it fails because a file of the dataset is damaged, the file is named.
        """
        import duckdb  # noqa: PLC0415  only for what is there already

        try:
            return step()
        except duckdb.OutOfMemoryException as error:
            if not self._owned:
                raise MemoryExhausted(str(error).splitlines()[0]) from error
        except duckdb.Error as error:
            self._blame(error)
            raise
        self._connection.execute("set threads = 1")
        try:
            return step()
        except duckdb.OutOfMemoryException as error:
            raise MemoryExhausted(str(error).splitlines()[0]) from error

    def _blame(self, error: Exception) -> None:
        """Raise what is wrong with the files that a query read, if something is."""
        if self._dataset is not None and (damage := self._dataset.damage()) is not None:
            raise damage from error

    def has_null(self, table: str, column: str) -> bool:
        """Whether a column of a table has a null, or is missing though there are rows; asked once."""
        question = ("null", table, column)
        if question not in self.known:
            self.known[question] = self._has_null(table, column)
        return bool(self.known[question])

    def _has_null(self, table: str, column: str) -> bool:
        frame = self._frames[table]
        if self.engine == "pandas":
            return bool(frame[column].isna().any()) if column in frame.columns else len(frame) > 0
        # The statistics of a Parquet file tell that there is none: nothing is read then.
        found = frame.filter(f"{coerce.quote(column)} is null") if column in frame.columns else frame
        return bool(self.in_memory(lambda: found.project("1").limit(1).fetchall()))

    def count(self, rows: nw.LazyFrame[Any]) -> int:
        """How many rows there are."""
        return int(self.collect(rows.select(nw.len().alias("rows")))["rows"].iloc[0])

    def _lazy(self, name: str, kinds: Mapping[str, Any]) -> nw.LazyFrame[Any]:
        if self.engine == "pandas":
            frame = self._frames.get(name)
            frame = pd.DataFrame() if frame is None else frame
            return nw.from_native(coerce.pandas_columns(name, frame, kinds)).lazy()
        relation = self._frames.get(name)
        if relation is None:
            relation = next(iter(self._frames.values())).filter("false")
        return _of_relation(coerce.relation_columns(name, relation, kinds))


def _of_relation(relation: Any) -> nw.LazyFrame[Any]:
    frame: nw.LazyFrame[Any] = nw.from_native(relation).lazy()
    return frame


def _kind(frame: Any) -> str:
    """Which library a frame is of; nothing is imported for that."""
    if isinstance(frame, pd.DataFrame):
        return "pandas"
    if isinstance(frame, pa.Table):
        return "pyarrow"
    name = type(frame).__name__
    if name == "DuckDBPyRelation":
        return "duckdb"
    if name == "DuckDBPyConnection":
        return "connection"
    if name in {"DataFrame", "LazyFrame"} and type(frame).__module__.startswith("polars"):
        return "polars"
    raise ConfigError(
        f"{type(frame).__name__} is no data to analyse: give a Dataset, Frames, a mapping of table name to frame, "
        "or a pandas DataFrame, pyarrow Table, Polars DataFrame or DuckDB relation."
    )


__all__ = ["MEMORY", "Source"]
