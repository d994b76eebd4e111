"""A caller's data, opened: its tables, and the engine that evaluates expressions on them.

>>> import pandas as pd
>>> Source.of({"hangups": pd.DataFrame({"leg_id": ["a"]})}).columns("hangups")
('leg_id',)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine import coerce, ibis_tables, voice_rows
from conv_analytics.analysis.engine.application_ids import ApplicationIds
from conv_analytics.analysis.engine.arrow_inputs import ArrowInput, kind_of
from conv_analytics.analysis.engine.dimensions import Dimension, EnrichedData, names_of
from conv_analytics.analysis.engine.engines.duckdb import DuckdbEngine
from conv_analytics.analysis.engine.engines.folder import FolderEngine
from conv_analytics.analysis.engine.engines.folder_parts import parts_of
from conv_analytics.analysis.engine.engines.memory import MemoryEngine
from conv_analytics.analysis.engine.engines.protocol import Engine
from conv_analytics.analysis.engine.engines.spark import SparkEngine
from conv_analytics.analysis.engine.folder_views import MEMORY
from conv_analytics.analysis.engine.stored_tables import FolderTable, PandasTable
from conv_analytics.defaults import IN_MEMORY
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

#: Number of conversations whose rows are cached: a viewed conversation is often viewed again in another way.
CONVERSATIONS = 8
#: The tables that a connection finds by their name alone: those of its schema, and temporary ones.
_TABLES_BY_NAME = """
    select table_name from information_schema.tables
    where table_catalog = current_database() and table_schema = current_schema() or table_catalog = 'temp'
"""
#: Name of the data if it is one frame, not tables.
SINGLE = "the frame"


@dataclass(frozen=True)
class Source:
    """Tables of one kind, opened.

    Attributes
    ----------
    engine
        The engine that holds the tables and runs expressions.
    kind
        Kind of the caller's data and of answers: ``pandas``, ``duckdb``, ``spark``, ``pyarrow`` or ``polars``.
    """

    engine: Engine
    kind: str
    cache: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """Earlier results, by question and table."""
    dimensions: tuple[Dimension, ...] = ()
    """Custom columns of its legs."""

    @classmethod
    def of(cls, data: Any) -> Source:
        """Open data, whatever kind it is; a `Source` stays as it is.

        Parameters
        ----------
        data
            A `Dataset`, a DuckDB connection as `Dataset.duckdb` returns it, `Frames`, a mapping of table name to frame,
            one frame, of pandas, Polars, DuckDB, Spark, or anything that offers ``__arrow_c_stream__`` or that narwhals
            supports; or the result of `enrich` for tables.

        Raises
        ------
        ConfigError
            If it is none of these, or tables of different kinds.
        """
        if isinstance(data, Source | EnrichedData):
            if isinstance(data, Source):
                return data
            tables = cls.of(data.data)
            return replace(tables, dimensions=(*tables.dimensions, *data.dimensions))
        if callable(getattr(data, "duckdb", None)):
            return cls._of_dataset(data)
        if isinstance(data, Mapping):
            return cls._of_frames({str(name): frame for name, frame in data.items()})
        if kind_of(data) == "connection":
            names = [name for (name,) in data.execute(_TABLES_BY_NAME).fetchall()]
            return cls(DuckdbEngine({name: data.table(name) for name in names}, data), "duckdb")
        return cls._of_frames({SINGLE: data})

    @classmethod
    def _of_dataset(cls, dataset: Any) -> Source:
        own = (ApplicationIds(dataset),) if hasattr(dataset, "application_ids") else ()
        if not _fits(dataset):
            return cls(FolderEngine(dataset), "pandas", dimensions=own)
        if "source" not in dataset.session_cache:
            tables = {name: FolderTable(dataset, name) for name in dataset.tables}
            dataset.session_cache["source"] = cls(MemoryEngine(tables), "pandas", dimensions=own)
        source: Source = dataset.session_cache["source"]
        return source

    @classmethod
    def _of_frames(cls, frames: Mapping[str, Any]) -> Source:
        kinds = sorted({kind_of(frame) for frame in frames.values()})
        if len(kinds) > 1:
            raise ConfigError(f"The tables are of different kinds: {', '.join(kinds)}. Give all of them as one kind.")
        kind = kinds[0] if kinds else "pandas"
        natives = {name: nw.to_native(frame, pass_through=True) for name, frame in frames.items()}
        if kind == "ibis":
            relations = {name: ibis_tables.relation_of(name, frame) for name, frame in natives.items()}
            return cls(DuckdbEngine(relations, next(iter(natives.values())).get_backend().con), "duckdb")
        if kind == "duckdb":
            return cls(DuckdbEngine(natives), kind)
        if kind == "spark":
            return cls(SparkEngine(natives), kind)
        if kind == "pandas":
            return cls(MemoryEngine({name: PandasTable(name, frame) for name, frame in natives.items()}), kind)
        return cls(MemoryEngine({name: ArrowInput(name, frame) for name, frame in natives.items()}), kind)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables; none for a single frame."""
        return tuple(name for name in self.engine.tables if name != SINGLE)

    @property
    def single(self) -> bool:
        """Whether the data is one frame, not tables."""
        return SINGLE in self.engine.tables

    @property
    def dimension_columns(self) -> tuple[str, ...]:
        """The columns that legs and calls have beside their own."""
        return names_of(self.dimensions)

    def columns(self, table: str = SINGLE) -> tuple[str, ...]:
        """The columns of a table; none for a missing table."""
        return self.engine.columns(table) if table in self.engine.tables else ()

    def has_rows(self, table: str) -> bool:
        """Whether a table exists and has rows."""
        return table in self.engine.tables and self.engine.has_rows(table)

    def rows(self, tables: Iterable[str]) -> int:
        """Rows of some tables in memory; 0 for tables that are missing."""
        return sum(len(self.engine.tables[name]) for name in tables if name in self.engine.tables)

    def has_null(self, table: str, column: str) -> bool:
        """Whether a column of a table has a null, or is missing although there are rows; computed once."""
        question = ("null", table, column)
        if question not in self.cache:
            self.cache[question] = self.engine.has_null(table, column)
        return bool(self.cache[question])

    def of_conversation(self, conversation_id: str) -> Source:
        """The rows of one conversation, in memory, by table; tables without conversation ids are left out."""
        question = ("conversation", conversation_id)
        if question in self.cache:
            known: Source = self.cache[question]
            return known
        done = Source(MemoryEngine(self.engine.of_conversation(conversation_id)), "pandas")
        self.cache[question] = done
        for old in [each for each in self.cache if each[0] == "conversation"][:-CONVERSATIONS]:
            del self.cache[old]
        return done

    def cached(self, kind: str, about: Mapping[str, Any], columns: Collection[str], make: Callable[[], Any]) -> Any:
        """A relation from the cache of the dataset's folder, computed first if need be; None without a cache."""
        return self.engine.cached(kind, about, columns, make)

    def cached_by_parts(
        self, kind: str, about: Mapping[str, Any], columns: Collection[str], tables: Sequence[str],
        make: Callable[[Source], Any],
    ) -> Any:  # fmt: skip
        """The same for tables of legs: `make` gets all data, or parts with some legs and all rows about them.

        Parameters
        ----------
        kind, about, columns
            As for `cached`.
        tables
            The tables that `make` reads.
        make
            Computes the relation from a source.
        """
        engine = self.engine
        if not isinstance(engine, FolderEngine):
            return self.cached(kind, about, columns, lambda: make(self))

        def in_parts() -> Iterator[Any] | None:
            parts = parts_of(engine, [name for name in tables if name in self.tables])
            return None if parts is None else (make(Source(part, self.kind)) for part in parts)

        return engine.cached(kind, about, columns, lambda: make(self), in_parts)

    def cached_frame(self, kind: str, about: Mapping[str, Any], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A frame from the cache of the dataset's folder, computed first if need be; without a cache, every time."""
        return self.engine.cached_frame(kind, about, make)

    def typed(self, table: str, kinds: Mapping[str, Any]) -> Any:
        """Some columns of a table as their kinds, null where it lacks one, as the engine has them.

        Rows of Voice events are left out where other rows say the same.
        """
        return self.engine.read(table, kinds, self._counting(table))

    def _counting(self, table: str) -> Any:
        """A table without rows of Voice events that do not count; None if all count or there are none."""
        question = ("rows that count", table)
        if question not in self.cache:
            about = voice_rows.subject_columns(table, self.columns(table))
            counting = None
            if about is not None and self.engine.has_voice_rows(table):
                columns = {name: self.columns(name) for name in self.tables}
                legs = voice_rows.tables_of_legs(columns) if "leg_id" in about else []
                counting = self.engine.counting_rows(table, about, legs)
            self.cache[question] = counting
        return self.cache[question]

    def result(self, frame: pd.DataFrame) -> Any:
        """An in-memory answer in the caller's kind."""
        if self.kind in {"pyarrow", "polars"}:
            return coerce.from_pandas(frame, self.kind)
        return frame if self.kind == "pandas" else self.engine.of_pandas(frame)

    def result_of_parts(self, parts: Iterable[pd.DataFrame], columns: Sequence[Column], *, by: Sequence[str]) -> Any:
        """The concatenated parts of an answer, with the declared columns, sorted, in the caller's kind."""
        kinds = {column.name: column.kind for column in columns}
        # One by one: only the answer's columns of a finished part stay in memory.
        typed = [coerce.pandas_columns("the answer", part, kinds) for part in parts]
        whole = pd.concat(typed, ignore_index=True) if typed else coerce.pandas_columns("", pd.DataFrame(), kinds)
        typed.clear()
        return self.result(whole.sort_values(list(by), kind="stable", ignore_index=True))


def _fits(dataset: Any) -> bool:
    """Whether a dataset is small enough for memory; only the columns that questions need are read."""
    return hasattr(dataset, "of_conversation") and sum(map(dataset.rows, dataset.tables)) <= IN_MEMORY


__all__ = ["MEMORY", "SINGLE", "Source"]
