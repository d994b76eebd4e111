"""A table of a dataset as a stream of Arrow, by Arrow's C interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from conv_analytics.errors.redaction import safe_repr

#: Returns the rows, with some of the columns.
Rows = Callable[[Sequence[str]], Iterator[pa.Table]]


class DatasetTable:
    """A table of a dataset that any library with Arrow's C interface reads: each row once, in its exact types.

    Nothing is read until rows are requested; then one file after the other, so that a reader that does not keep the
    rows needs little memory. It can be read any number of times.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import polars as pl, pyarrow as pa
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     members = export(client, folder, rate=0).dataset.table("members")
    ...     pl.DataFrame(members).equals(pl.DataFrame(pa.table(members)))
    True
    """

    def __init__(self, name: str, schema: pa.Schema, rows: Rows) -> None:
        self.name = name
        """Its name."""
        self.schema = schema
        """The Arrow schema, with the meaning and unit of each column in its metadata."""
        self._rows = rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def select(self, columns: Sequence[str]) -> DatasetTable:
        """The table with some of its columns: no others are read.

        Raises
        ------
        ColumnNotFound
            If it has no such column.
        """
        from conv_analytics.errors import ColumnNotFound  # noqa: PLC0415  the usual call does without

        for name in columns:
            if name not in self.columns:
                raise ColumnNotFound(self.name, name, self.columns)
        fields = [self.schema.field(name) for name in columns]
        return DatasetTable(self.name, pa.schema(fields, self.schema.metadata), self._rows)

    def reader(self) -> pa.RecordBatchReader:
        """The rows, a batch at a time."""
        batches = (batch for rows in self._rows(self.columns) for batch in rows.cast(self.schema).to_batches())
        return pa.RecordBatchReader.from_batches(self.schema, batches)

    def to_arrow(self) -> pa.Table:
        """All rows in memory."""
        return self.reader().read_all().unify_dictionaries()

    def __arrow_c_schema__(self) -> Any:
        """The schema, for other libraries."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows, for other libraries."""
        return self.reader().__arrow_c_stream__(requested_schema)

    @safe_repr
    def __repr__(self) -> str:
        return f"DatasetTable({self.name!r}, {len(self.columns)} columns)"


__all__ = ["DatasetTable"]
