"""Opens the Parquet files of a commit, if they are as recorded.

Cheap checks are made whenever a file is opened: its length and, from its footer, its table, columns and number of rows.
They find files that are missing, truncated or swapped;
`conv_analytics.dataset.maintenance.verify` compares every byte.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.storage.batches import first_line
from conv_analytics.dataset.storage.commit import File
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.stored_object import StoredFile, parquet_source, sha256_of, size_of
from conv_analytics.errors import CorruptFile, SchemaChanged
from conv_analytics.tables import TABLES
from conv_analytics.tables.kinds import lacked_by_earlier, reads_as

_TABLE = b"conv_analytics.table"


class OpenFile(NamedTuple):
    """An open file of a commit, its path, and the columns of its table that it lacks."""

    parquet: pq.ParquetFile
    path: StoredFile
    lacking: frozenset[str]


def open_file(layout: Layout, file: File) -> OpenFile:
    """Open a file of a commit for reading.

    Raises
    ------
    CorruptFile
        If it is missing, damaged or another file.
    SchemaChanged
        If a column of its table is missing, or of a type that it never had.
    """
    path = layout.file(file.path)
    try:
        size = size_of(path)
        opened = pq.ParquetFile(parquet_source(path))
    except FileNotFoundError as error:
        raise CorruptFile(path, "it is missing") from error
    except (OSError, pa.ArrowException) as error:
        raise CorruptFile(path, damage(layout, file) or first_line(error)) from error
    schema = opened.schema_arrow
    table = (schema.metadata or {}).get(_TABLE, file.table.encode()).decode(errors="replace")
    if table != file.table:
        raise CorruptFile(path, f"it is a file of table {table}, not of {file.table}")
    if opened.metadata.num_rows != file.rows:
        raise CorruptFile(path, f"it has {opened.metadata.num_rows:,} rows, and {file.rows:,} were recorded")
    # Most files are of this version: one comparison instead of one per column.
    lacking: frozenset[str] = frozenset() if schema.equals(TABLES[file.table].schema) else _lacking(schema, file)
    if size != file.bytes:
        raise CorruptFile(path, f"it has {size:,} bytes, and {file.bytes:,} were recorded")
    return OpenFile(opened, path, lacking)


def _lacking(schema: pa.Schema, file: File) -> frozenset[str]:
    """The columns that a file of an earlier version does not have."""
    lacking = set()
    for column in TABLES[file.table].schema:
        index = schema.get_field_index(column.name)
        if index < 0:
            if not lacked_by_earlier(column):
                raise SchemaChanged(file.table, column.name, f"is not in {file.path}")
            lacking.add(column.name)
        elif not reads_as(schema.field(index).type, column.type):
            raise SchemaChanged(
                file.table, column.name, f"is {schema.field(index).type} in {file.path}, not {column.type}"
            )
    return frozenset(lacking)


def damage(layout: Layout, file: File) -> str | None:
    """The fault in the bytes of a file, or the reason why they cannot be read; None if they are as recorded."""
    try:
        fault = as_recorded(layout, file)
    except OSError as error:
        return error.strerror or type(error).__name__
    return fault and f"it {fault}"


def as_recorded(layout: Layout, file: File) -> str | None:
    """The fault in the bytes of a file; None if they are as recorded."""
    path = layout.file(file.path)
    size = size_of(path)
    if size != file.bytes:
        return f"has {size:,} bytes; {file.bytes:,} were recorded"
    return None if sha256_of(path) == file.sha256 else "has other bytes than were recorded (SHA-256)"
