"""A part of a dataset: the rows of some of its conversations, in temporary files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.dataset.storage.views import literal
from conv_analytics.errors import TableNotFound
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.tables import TABLES
from conv_analytics.tables.frame import DATE, as_frame

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

APPLICATION = "application_id"


class Part(Mapping[str, "pd.DataFrame"]):
    """The tables of a part, as a mapping of table name to DataFrame: every question takes it like a dataset.

    A table is read on first access. It does not outlive the call of `map_conversations` that made it.

    Attributes
    ----------
    number
        Its number, from 0.
    parts
        Number of parts.
    """

    def __init__(self, folder: Path, number: int, parts: int, rows: Mapping[str, int]) -> None:
        self.number, self.parts = number, parts
        self._folder, self._rows = folder, dict(rows)
        self.session_cache: dict[str, Any] = {}
        """Results that questions cache for the next one."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of its tables."""
        return tuple(self._rows)

    def rows(self, table: str) -> int:
        """Rows of a table, each once."""
        return self._rows[self._checked_name(table)]

    def __getitem__(self, table: str) -> pd.DataFrame:
        """A table as a DataFrame, with the columns and dtypes that it has in the dataset."""
        frame = as_frame(TABLES[self._checked_name(table)], self.arrow(table))
        return frame.astype({APPLICATION: "string"}) if APPLICATION in frame else frame

    def arrow(self, table: str) -> pa.Table:
        """A table as Arrow, in exact types."""
        with pq.ParquetFile(self._file(table)) as file:
            return file.read().unify_dictionaries()

    def selected(self, table: str, columns: Sequence[str]) -> pa.Table:
        """Some columns of a table as Arrow."""
        with pq.ParquetFile(self._file(table)) as file:
            return file.read(list(columns)).select(list(columns)).unify_dictionaries()

    def of_conversation(self, table: str, conversation_id: str) -> pa.Table:
        """The rows of one conversation as Arrow."""
        rows = self.arrow(table)
        return rows.filter(pc.equal(rows["conversation_id"], conversation_id))

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view per table."""
        connection = connect_duckdb()
        for name in self.tables:
            file = literal(str(self._file(name))).replace("'", "''")
            day = f"cast({DATE} at time zone 'UTC' as date) as {DATE}"
            connection.execute(
                f'create view "{name}" as select * replace ({day}) '  # noqa: S608  a table and a path of ours, quoted
                f"from read_parquet('{file}', hive_partitioning = false)"
            )
        return connection

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __reduce__(self) -> tuple[Any, ...]:
        # The cache of questions stays in this process.
        return type(self), (self._folder, self.number, self.parts, self._rows)

    @safe_repr
    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {self.rows(name):,}" for name in self.tables)
        return f"{type(self).__name__}({self.number} of {self.parts}: {rows})"

    def _file(self, table: str) -> Path:
        return self._folder / file_name(self._checked_name(table), self.number)

    def _checked_name(self, table: str) -> str:
        if table not in self._rows:
            raise TableNotFound(table, self.tables, where=f"part {self.number}")
        return table


class PartOfApplications(Part):
    """A part of the exports of several applications: every question can be asked by ``application_id``."""

    @property
    def applications(self) -> Mapping[str, int]:
        """The applications that have conversations in it, with their number."""
        counted = pc.value_counts(self.application_ids()[APPLICATION]).to_pylist()
        return {each["values"]: each["counts"] for each in counted}

    def application_ids(self) -> pa.Table:
        """Each conversation with its application: ``conversation_id`` and ``application_id``."""
        columns = ["conversation_id", APPLICATION]
        schema = pa.schema([(name, pa.string()) for name in columns])
        tables = [name for name in self.tables if "conversation_id" in TABLES[name].schema.names]
        known = [self.selected(name, columns).cast(schema) for name in tables]
        return pa.concat_tables(known or [schema.empty_table()]).group_by(columns).aggregate([])

    def application_ids_statement(self) -> str:
        """Each conversation with its application, as a DuckDB statement over the views of the part."""
        columns = f"conversation_id, {APPLICATION}"
        tables = [name for name in self.tables if "conversation_id" in TABLES[name].schema.names]
        return " union ".join(f'select {columns} from "{name}"' for name in tables)  # noqa: S608  names of ours


def file_name(table: str, number: int) -> str:
    """The file with a part's rows of a table."""
    return f"{table}-{number}.parquet"


__all__ = ["APPLICATION", "Part", "PartOfApplications", "file_name"]
