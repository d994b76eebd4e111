"""The tables of a large dataset as relations of one DuckDB connection; each is created when it is first used."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

#: Memory that DuckDB takes for a dataset before it moves intermediate results to disk, in the folder for temporary
#: files. For another limit open the connection yourself: ``connection = dataset.duckdb()``, ``connection.execute("set
#: memory_limit = '8GB'")``, and pass the connection; answers are relations then.
MEMORY = "600MB"


class FolderViews(Mapping[str, Any]):
    """Relations by table, on their own connection."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._relations: dict[str, Any] = {}

    def __getitem__(self, table: str) -> Any:
        if table not in self._relations:
            if table not in self._dataset.tables:
                raise KeyError(table)
            if self.declared:
                self.connection.execute(f'create view "{table}" as {self._dataset.statement(table)}')
            self._relations[table] = self.connection.view(table)
        return self._relations[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dataset.tables)

    def __len__(self) -> int:
        return len(self._dataset.tables)

    def __contains__(self, table: object) -> bool:
        return table in self._dataset.tables

    @property
    def declared(self) -> bool:
        """Whether it is a dataset of this package, and not another object with such a connection."""
        return hasattr(self._dataset, "statement")

    @cached_property
    def connection(self) -> Any:
        """The connection; closed with the last of its relations."""
        import duckdb  # noqa: PLC0415  only large datasets need it

        connection = duckdb.connect() if self.declared else self._dataset.duckdb()
        if hasattr(self._dataset, "let_read"):
            self._dataset.let_read(connection)
        # Rows are sorted at the end; preserving their order on the way would cost memory.
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set enable_progress_bar = false")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{MEMORY}'")
        # Rows of calls go there: nobody else may read them, or choose the folder.
        spill = tempfile.mkdtemp(prefix="conv-analytics-")
        weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)
        connection.execute("set temp_directory = '" + spill.replace("'", "''") + "'")
        return connection

    @cached_property
    def cache(self) -> Any:
        """The cache in the folder; None for data without a folder."""
        import duckdb  # noqa: PLC0415

        return self._dataset.cache(f"duckdb {duckdb.__version__}") if hasattr(self._dataset, "cache") else None

    def places_of(self, conversation_id: str) -> Collection[Any] | None:
        """The commits and days with rows of a conversation; None if unknown."""
        if self.cache is None:
            return None
        places: Collection[Any] | None = self._dataset.places_of(self.connection, self.cache, conversation_id)
        return places


__all__ = ["MEMORY", "FolderViews"]
