"""Data as a caller gives it, opened: the tables there are, and where expressions on them run.

>>> import pandas as pd
>>> Source.of({"hangups": pd.DataFrame({"leg_id": ["a"]})}).columns("hangups")
('leg_id',)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.analysis.engine import coerce, voice_rows
from conv_analytics.analysis.engine.application_ids import ApplicationIds
from conv_analytics.analysis.engine.arrow_inputs import ArrowInput, kind_of
from conv_analytics.analysis.engine.dimensions import Dimension, EnrichedData, names_of
from conv_analytics.analysis.engine.folder_views import MEMORY, FolderViews
from conv_analytics.analysis.engine.stored_tables import ArrowTable, FolderTable, PandasTable, StoredTable
from conv_analytics.defaults import IN_MEMORY
from conv_analytics.errors import ConfigError, MemoryExhausted
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column

T = TypeVar("T")

#: Conversations of which the rows are kept: one that was looked at is often looked at again, in another way.
CONVERSATIONS = 8
#: The name of the data when it is one frame, not tables.
SINGLE = "the frame"


@dataclass(frozen=True)
class Source:
    """Tables of one kind, opened.

    Attributes
    ----------
    engine
        ``pandas`` or ``duckdb``: where expressions run.
    kind
        What the caller gave and gets back: ``pandas``, ``duckdb``, ``pyarrow`` or ``polars``.
    """

    engine: str
    kind: str
    _frames: Mapping[str, Any]
    _connection: Any = None
    """The caller's, kept as long as its relations are needed."""
    _owned: bool = False
    """Whether the connection is ours alone."""
    _dataset: Any = None
    """The dataset whose files the connection reads."""
    _materialized: list[str] = field(default_factory=list)
    cache: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """What was asked of the data before, by question and table."""
    dimensions: tuple[Dimension, ...] = ()
    """Further columns of its legs."""

    @classmethod
    def of(cls, data: Any) -> Source:
        """Open data, whatever kind it is; a `Source` stays as it is.

        Parameters
        ----------
        data
            A `Dataset`, a DuckDB connection as `Dataset.duckdb` gives it, `Frames`, a mapping of table name to frame,
            one frame, of pandas, Polars, DuckDB, or anything that offers ``__arrow_c_stream__`` or that narwhals
            knows; or what `enrich` makes of tables.

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
            names = [name for (name,) in data.execute("select table_name from information_schema.tables").fetchall()]
            return cls("duckdb", "duckdb", {name: data.table(name) for name in names}, data)
        return cls._of_frames({SINGLE: data})

    @classmethod
    def _of_dataset(cls, dataset: Any) -> Source:
        own = (ApplicationIds(dataset),) if hasattr(dataset, "application_ids") else ()
        if not _fits(dataset):
            return cls("duckdb", "pandas", FolderViews(dataset), _owned=True, _dataset=dataset, dimensions=own)
        if "source" not in dataset.kept:
            frames = {name: FolderTable(dataset, name) for name in dataset.tables}
            dataset.kept["source"] = cls("pandas", "pandas", frames, dimensions=own)
        source: Source = dataset.kept["source"]
        return source

    @classmethod
    def _of_frames(cls, frames: Mapping[str, Any]) -> Source:
        kinds = sorted({kind_of(frame) for frame in frames.values()})
        if len(kinds) > 1:
            raise ConfigError(f"The tables are of different kinds: {', '.join(kinds)}. Give all of them as one kind.")
        kind = kinds[0] if kinds else "pandas"
        if kind == "duckdb":
            return cls("duckdb", kind, {name: nw.to_native(frame, pass_through=True) for name, frame in frames.items()})
        if kind == "pandas":
            natives = {name: nw.to_native(frame, pass_through=True) for name, frame in frames.items()}
            return cls("pandas", kind, {name: PandasTable(name, frame) for name, frame in natives.items()})
        return cls("pandas", kind, {name: ArrowInput(name, frame) for name, frame in frames.items()})

    @property
    def _views(self) -> FolderViews:
        """The tables of a large dataset."""
        return cast("FolderViews", self._frames)

    @property
    def _own(self) -> Any:
        """The connection that is ours alone."""
        return self._views.connection

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables there are; none for a single frame."""
        return tuple(name for name in self._frames if name != SINGLE)

    @property
    def single(self) -> bool:
        """Whether the data is one frame, not tables."""
        return SINGLE in self._frames

    @property
    def dimension_columns(self) -> tuple[str, ...]:
        """The columns that legs and calls have beside their own."""
        return names_of(self.dimensions)

    @property
    def owns_connection(self) -> bool:
        """Whether the connection is ours alone: tables may be created in it."""
        return self._owned

    def columns(self, table: str = SINGLE) -> tuple[str, ...]:
        """The columns that a table has; none for a table that is not there."""
        if self._owned and self._views.declared:
            # Nothing has to be opened to know them.
            return tuple(column.name for column in TABLES[table].columns) if table in self._frames else ()
        return tuple(str(name) for name in self._frames[table].columns) if table in self._frames else ()

    def has_rows(self, table: str) -> bool:
        """Whether a table is there and has rows."""
        frame = self._frames.get(table)
        if frame is None:
            return False
        if self.engine == "pandas":
            return len(frame) > 0
        # Instants of a row would need another package; their number does not.
        return bool(self.run(lambda: frame.limit(1).aggregate("count(*)").fetchall())[0][0])

    def rows(self, tables: Iterable[str]) -> int:
        """Rows of some tables in memory; of those that are not there none."""
        return sum(len(self._frames[name]) for name in tables if name in self._frames)

    def has_null(self, table: str, column: str) -> bool:
        """Whether a column of a table has a null, or is missing though there are rows; asked once."""
        question = ("null", table, column)
        if question not in self.cache:
            self.cache[question] = self._has_null(table, column)
        return bool(self.cache[question])

    def _has_null(self, table: str, column: str) -> bool:
        frame = self._frames[table]
        if self.engine == "pandas":
            kinds = {each.name: each.kind for each in TABLES[table].columns}
            return bool(frame.read({column: kinds[column]}).arrow(column).null_count)
        # The statistics of a Parquet file tell that there is none: nothing is read then.
        nulls = frame.filter(f"{coerce.quote(column)} is null") if column in frame.columns else frame
        return bool(self.run(lambda: nulls.project("1").limit(1).fetchall()))

    def of_conversation(self, conversation_id: str) -> Source:
        """The tables with the rows of one conversation, in memory; tables that know no conversation are left out."""
        question = ("conversation", conversation_id)
        if question in self.cache:
            known: Source = self.cache[question]
            return known
        frames: dict[str, StoredTable] = {}
        found = self._dataset_rows(conversation_id) if self._owned else None
        if found is not None:
            frames |= {name: ArrowTable(name, rows) for name, rows in found.items()}
        for name in self._frames:
            if "conversation_id" not in self.columns(name) or name in frames:
                continue
            if self.engine == "pandas":
                frames[name] = self._frames[name].of_conversation(conversation_id)
            else:
                text = conversation_id.replace("'", "''")
                rows = self.run(partial(coerce.arrow_of, self._frames[name].filter(f"conversation_id = '{text}'")))
                frames[name] = ArrowTable(name, rows) if self._owned else PandasTable(name, coerce.to_pandas(rows))
        self.cache[question] = done = Source("pandas", "pandas", frames)
        for old in [each for each in self.cache if each[0] == "conversation"][:-CONVERSATIONS]:
            del self.cache[old]
        return done

    def _dataset_rows(self, conversation_id: str) -> dict[str, pa.Table] | None:
        """The rows of one conversation from the files of a large dataset that have some; None where that is unknown."""
        places = self.run(lambda: self._views.places_of(conversation_id))
        if places is None:
            return None
        done = {}
        for name in self.tables:
            if "conversation_id" in self.columns(name):
                statement = self._dataset.statement_of(name, places)
                rows = statement and self._own.sql(statement).filter(f"conversation_id = {_quoted(conversation_id)}")
                done[name] = self.run(partial(coerce.arrow_of, rows)) if rows else TABLES[name].empty()
        return done

    def kept(self, kind: str, about: Mapping[str, Any], columns: Collection[str], make: Callable[[], Any]) -> Any:
        """A relation from the cache of the dataset's folder, computed and kept there if it is not; None without one.

        Parameters
        ----------
        kind
            What it is.
        about
            Options that it depends on; must be the same.
        columns
            The columns wanted; what is kept may have more.
        make
            Gives the relation, with these columns.
        """
        cache = self._views.cache if self._owned else None
        if cache is None:
            return None
        path = None
        for entry in cache.entries(kind):
            if entry.about.get("options") == dict(about) and set(columns) <= set(entry.about.get("columns", ())):
                path = entry.path
        if path is None:
            relation = make()
            text = {"options": dict(about), "columns": list(relation.columns)}
            path = cache.keep(
                kind, text, lambda part: self.run(lambda: relation.write_parquet(str(part), compression="zstd"))
            )
            if path is None:
                return relation
        return self._own.sql(f"from {cache.scan(path)}")

    def kept_frame(self, kind: str, about: Mapping[str, Any], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A frame from the cache of the dataset's folder, made and kept there if it is not; made where there is none.

        Parameters
        ----------
        kind
            What it is.
        about
            Options that it depends on; must be the same.
        make
            Makes it.
        """
        cache = self._views.cache if self._owned else None
        if cache is None:
            return make()
        for entry in cache.entries(kind):
            if entry.about.get("options") == dict(about):
                # Not ``read_table``, which takes a folder's name such as ``a=b`` for a column.
                with pq.ParquetFile(entry.path) as file:
                    frame: pd.DataFrame = file.read().to_pandas()
                return frame
        frame = make()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        cache.keep(kind, {"options": dict(about)}, lambda part: pq.write_table(table, part, compression="zstd"))
        return frame

    def typed(self, table: str, kinds: Mapping[str, Any]) -> Any:
        """Some columns of a table as their kinds, null where it lacks one: a `MemoryFrame` or a DuckDB relation.

        Rows of Voice events are left out where other rows tell the same.
        """
        frame = self._counting(table)
        if self._owned and frame is None:
            frame = self._own.sql("select 1 where false")
        if self.engine == "pandas":
            return (PandasTable(table, pd.DataFrame()) if frame is None else frame).read(kinds)
        relation = self._any_relation().filter("false") if frame is None else frame
        return coerce.relation_columns(table, relation, kinds)

    def _counting(self, table: str) -> Any:
        """A table without rows of Voice events that do not count; None when there is no such table."""
        question = ("rows that count", table)
        if question not in self.cache:
            doubtful = voice_rows.has_voice_rows(self._frames, table, self.engine, self.run)
            keep = self.materialize if self._owned else lambda relation: relation
            rows = voice_rows.counting_rows(self._frames, table, self.engine, keep) if doubtful else None
            self.cache[question] = PandasTable(table, rows) if isinstance(rows, pd.DataFrame) else rows
        counting = self.cache[question]
        return self._frames.get(table) if counting is None else counting

    def query(self, statement: str) -> Any:
        """A relation of our own connection."""
        return self._own.sql(statement)

    def native(self, frame: pd.DataFrame) -> Any:
        """A small pandas frame as what the engine works on: itself, or a DuckDB relation."""
        return frame if self.engine == "pandas" else coerce.relation_of(frame, self._any_relation())

    def _any_relation(self) -> Any:
        """A table as it came, on whose connection others can be made. DuckDB would plan anything else once more."""
        if self._owned:
            return self._own.sql("select 1")
        return next(iter(self._frames.values()))

    def materialize(self, relation: Any) -> Any:
        """A relation computed now, once, into a table of our own connection.

        What follows is planned fast then, and may look at it twice. DuckDB moves the table to disk where memory does
        not suffice.
        """
        name = f"conv_analytics_{len(self._materialized)}"
        self._materialized.append(name)
        self.run(lambda: relation.create(name))
        return self._own.table(name)

    def result(self, frame: pd.DataFrame) -> Any:
        """An answer that is in memory, in the caller's kind."""
        if self.kind == "duckdb":
            return self.native(frame)
        return frame if self.kind == "pandas" else coerce.from_pandas(frame, self.kind)

    def result_of_parts(self, parts: Iterable[pd.DataFrame], columns: Sequence[Column], *, by: Sequence[str]) -> Any:
        """Parts of an answer as one, its columns as declared, sorted, in the caller's kind."""
        kinds = {column.name: column.kind for column in columns}
        # One by one: of a part that was swept, only the columns of the answer stay in memory.
        typed = [coerce.pandas_columns("the answer", part, kinds) for part in parts]
        whole = pd.concat(typed, ignore_index=True) if typed else coerce.pandas_columns("", pd.DataFrame(), kinds)
        typed.clear()
        return self.result(whole.sort_values(list(by), kind="stable", ignore_index=True))

    def run(self, step: Callable[[], T]) -> T:
        """Run a query within the memory that DuckDB may have; one thread takes less of it at a time than several.

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
        self._own.execute("set threads = 1")
        try:
            return step()
        except duckdb.OutOfMemoryException as error:
            raise MemoryExhausted(str(error).splitlines()[0]) from error

    def _blame(self, error: Exception) -> None:
        """Raise what is wrong with the files that a query read, if something is."""
        if self._dataset is not None and self._views.declared and (damage := self._dataset.damage()) is not None:
            raise damage from error


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _fits(dataset: Any) -> bool:
    """Whether a dataset is so small that its tables are read into memory, as far as questions look at them."""
    return hasattr(dataset, "of_conversation") and sum(map(dataset.rows, dataset.tables)) <= IN_MEMORY


__all__ = ["MEMORY", "SINGLE", "Source"]
