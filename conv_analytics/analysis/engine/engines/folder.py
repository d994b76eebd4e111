"""A large dataset in DuckDB, on our own connection: tables may be created in it, and answers cached in the folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.analysis.engine.engines.duckdb import DuckdbEngine
from conv_analytics.analysis.engine.folder_views import FolderViews
from conv_analytics.analysis.engine.stored_tables import ArrowTable, StoredTable
from conv_analytics.errors import MemoryExhausted
from conv_analytics.tables import TABLES

T = TypeVar("T")
_CONVERSATION = "conversation_id"
#: Rows that one thread of DuckDB reads at a time.
_ROW_GROUP = 122_880
#: Cache entries of one kind with some columns each; the next one has all columns, so that it serves every later
#: question.
_WITH_SOME_COLUMNS = 3


class FolderEngine(DuckdbEngine):
    """See `Engine`."""

    def __init__(self, dataset: Any) -> None:
        self._views = FolderViews(dataset)
        super().__init__(self._views)
        self.dataset = dataset
        self.materialized_names: list[str] = []
        """The tables of our own connection, in the order in which they were made."""

    @property
    def connection(self) -> Any:
        """Our own connection."""
        return self._views.connection

    def run(self, step: Callable[[], T]) -> T:
        """Run a query within the memory that DuckDB may use; with one thread if several need too much.

        If it fails because a file of the dataset is damaged, the error names the file.
        """
        import duckdb  # noqa: PLC0415  only for what is there already

        try:
            return super().run(step)
        except MemoryExhausted:
            pass
        except duckdb.Error as error:
            if self._views.declared and (damage := self.dataset.damage()) is not None:
                raise damage from error
            raise
        self.connection.execute("set threads = 1")
        return super().run(step)

    def query(self, statement: str) -> Any:
        """A relation of the connection."""
        return self.connection.sql(statement)

    def any_table(self) -> Any:
        """See `LazyEngine`; anything else would make DuckDB plan the query again."""
        return self.query("select 1")

    def columns(self, table: str) -> tuple[str, ...]:
        """See `Engine`."""
        if self._views.declared:
            # No file has to be opened for that.
            return tuple(column.name for column in TABLES[table].columns)
        return super().columns(table)

    def of_conversation(self, conversation_id: str) -> dict[str, StoredTable]:
        """See `Engine`; from the files with rows of it, where these are known."""
        named = [name for name in self.tables if _CONVERSATION in self.columns(name)]
        places = self.run(lambda: self._views.places_of(conversation_id))
        done: dict[str, StoredTable] = {}
        for name in named:
            if places is None:
                rows = self._rows_of(name, conversation_id)
            else:
                rows = self._rows_at(name, places, conversation_id)
            done[name] = ArrowTable(name, rows)
        return done

    def _rows_at(self, table: str, places: Collection[Any], conversation_id: str) -> pa.Table:
        statement = self.dataset.statement_of(table, places)
        if not statement:
            return TABLES[table].empty()
        text = conversation_id.replace("'", "''")
        return self.arrow(self.query(statement).filter(f"conversation_id = '{text}'"))

    def materialized(self, frame: Any) -> Any:
        """The rows, computed now into a table on our own connection.

        Later steps are then planned fast, and may read it twice. DuckDB moves the table to disk if memory does not
        suffice.
        """
        name = f"conv_analytics_{len(self.materialized_names)}"
        self.materialized_names.append(name)
        relation = self.native(frame)
        self.run(lambda: relation.create(name))
        return self.frame(self.connection.table(name))

    def grouped_apart(self, frame: Any) -> Any:
        """See `LazyEngine`."""
        return self.materialized(frame)

    def ordered_by_hash(self, frame: Any, column: str) -> Any:
        """See `LazyEngine`; a batch reads its own range of the table, not all of it."""
        return self.materialized(self.frame(self.native(frame).order(column)))

    @property
    def has_cache(self) -> bool:
        """See `Engine`."""
        return self._views.cache is not None

    def cached(
        self, kind: str, about: Mapping[str, Any], columns: Collection[str], make: Callable[[], Any],
        in_parts: Callable[[], Iterator[Any] | None] = lambda: None,
    ) -> Any:  # fmt: skip
        """See `Engine`.

        Parameters
        ----------
        kind Name of the result. about Options that it depends on; must be the same. columns
            The columns wanted; what is kept may have more.
        make
            Gives the relation, with these columns.
        in_parts
            Gives the same as several relations, where that takes less memory; else None.
        """
        cache = self._views.cache
        if cache is None:
            return None
        path = None
        for entry in self._entries(kind, about):
            if set(columns) <= set(entry.about.get("columns", ())):
                path = entry.path
        if path is None:
            text = {"options": dict(about), "columns": sorted(columns)}
            path = cache.keep(kind, text, lambda file: self._write(file, make, in_parts))
            if path is None:
                return make()
        return self.query(f"from {cache.scan(path)}")

    def columns_to_cache(
        self, kind: str, about: Mapping[str, Any], columns: Collection[str], everything: Collection[str]
    ) -> Collection[str]:
        """See `Engine`; where nothing more can be kept, further columns would be made each time."""
        cache = self._views.cache
        if cache is None:
            return columns
        entries = [set(entry.about.get("columns", ())) for entry in self._entries(kind, about)]
        many = len(entries) >= _WITH_SOME_COLUMNS and not any(set(columns) <= names for names in entries)
        return {*columns, *everything} if many and cache.has_room() else columns

    def _entries(self, kind: str, about: Mapping[str, Any]) -> Iterator[Any]:
        """The entries of the cache with these options."""
        cache = self._views.cache
        if cache is not None:
            yield from (entry for entry in cache.entries(kind) if entry.about.get("options") == dict(about))

    def _write(self, file: Path, make: Callable[[], Any], in_parts: Callable[[], Iterator[Any] | None]) -> None:
        parts = in_parts()
        if parts is None:
            relation = make()
            self.run(lambda: relation.write_parquet(str(file), compression="zstd"))
            return
        with ExitStack() as stack:
            writer: pq.ParquetWriter | None = None
            for part in parts:
                rows = self.arrow(part)
                if writer is None:
                    writer = stack.enter_context(pq.ParquetWriter(file, rows.schema, compression="zstd"))
                writer.write_table(rows, row_group_size=_ROW_GROUP)

    def cached_frame(self, kind: str, about: Mapping[str, Any], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """See `Engine`.

        Parameters
        ----------
        kind
            What it is.
        about
            Options that it depends on; must be the same.
        make
            Makes it.
        """
        cache = self._views.cache
        if cache is None:
            return make()
        for entry in self._entries(kind, about):
            # Not ``read_table``, which takes a folder's name such as ``a=b`` for a column.
            with pq.ParquetFile(entry.path) as file:
                frame: pd.DataFrame = file.read().to_pandas()
            return frame
        frame = make()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        cache.keep(kind, {"options": dict(about)}, lambda part: pq.write_table(table, part, compression="zstd"))
        return frame


__all__ = ["FolderEngine"]
