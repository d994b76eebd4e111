"""The tables of a dataset as Delta tables: columns, types, partitions, and descriptions.

============================ ================ ==========================================================
in the dataset               in Delta         note
============================ ================ ==========================================================
string, JSON text            string
dictionary (a vocabulary)    string           Delta has no dictionaries; readers may encode them
int64, double, bool          long, double, boolean
timestamp[us, UTC]           timestamp        an instant in UTC, in microseconds, as in the dataset
decimal128(28, 18)           decimal(28,18)   money, exact
the day (midnight UTC)       date             a partition
============================ ================ ==========================================================

No table has a column of durations: they are numbers with their unit in the name (``duration_s``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pyarrow as pa

from conv_analytics.dataset.storage.application_folders import PREFIX
from conv_analytics.tables.column import Table
from conv_analytics.tables.frame import DATE
from conv_analytics.tables.kinds import INSTANT

#: The column with the application, the first partition of every table.
APPLICATION = PREFIX.removesuffix("=")
#: The table with a row per commit that is in all tables.
PUBLISHED = "commits"
#: Properties that identify a Delta table as one of this package.
NAME_PROPERTY, KEY_PROPERTY = "conv_analytics.table", "conv_analytics.key"

_APPLICATION_FIELD = pa.field(APPLICATION, pa.string(), metadata={"doc": "Application that the row belongs to."})
_DATE_FIELD = pa.field(DATE, pa.date32(), metadata={"doc": "UTC day of the row."})


@dataclass(frozen=True)
class DeltaSchema:
    """The definition of a Delta table."""

    name: str
    doc: str
    schema: pa.Schema
    key: tuple[str, ...]
    partitions: tuple[str, ...]
    indexed: tuple[str, ...]
    """Columns whose minimum and maximum per file are in the log: none with texts of people."""

    @property
    def configuration(self) -> Mapping[str, str]:
        """The properties of the table."""
        return {
            NAME_PROPERTY: self.name,
            KEY_PROPERTY: json.dumps([APPLICATION, *self.key]),
            "delta.dataSkippingStatsColumns": ",".join(self.indexed),
            # Opening a table reads the log since the last checkpoint, file by file.
            "delta.checkpointInterval": "10",
        }


@cache
def delta_schema(table: Table) -> DeltaSchema:
    """The Delta schema of a table."""
    fields = [_field(column) for column in table.schema]
    # Of records as last seen, a later run moves the row to another day.
    partitions = (APPLICATION,) if table.latest is not None else (APPLICATION, DATE)
    indexed = [*table.key, table.day, *([table.latest] if table.latest else [])]
    schema = pa.schema([*fields, *map(_with_comment, (_DATE_FIELD, _APPLICATION_FIELD))])
    return DeltaSchema(table.name, table.doc, schema, table.key, partitions, tuple(dict.fromkeys(indexed)))


def published_schema() -> DeltaSchema:
    """The Delta schema of the table of commits."""
    docs = {
        "commit": (pa.int64(), "Number of the commit."),
        "run": (pa.string(), "Id of the run that made it."),
        "committed_at": (INSTANT, "When it was made."),
        "rows": (pa.int64(), "Rows in its files, all tables together."),
    }
    fields = [pa.field(name, kind, metadata={"doc": doc}) for name, (kind, doc) in docs.items()]
    schema = pa.schema([_with_comment(field) for field in (*fields, _APPLICATION_FIELD)])
    doc = "A commit of the dataset that is in all tables as a whole."
    return DeltaSchema(PUBLISHED, doc, schema, ("commit",), (APPLICATION,), ("commit", "committed_at"))


def to_delta(rows: pa.Table, schema: pa.Schema, application_id: str) -> pa.Table:
    """Rows of a dataset in the types of a Delta table."""
    columns = [
        pa.repeat(pa.scalar(application_id, pa.string()), len(rows))
        if field.name == APPLICATION
        else rows.column(field.name).cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _field(field: pa.Field) -> pa.Field:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return _with_comment(pa.field(field.name, kind, metadata=field.metadata))


def _with_comment(field: pa.Field) -> pa.Field:
    """A field with its description where Spark and catalogues expect it."""
    notes = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    unit = f" [{notes['unit']}]" if "unit" in notes else ""
    return field.with_metadata(notes | {"comment": notes["doc"] + unit})


__all__ = [
    "APPLICATION", "NAME_PROPERTY", "PUBLISHED", "DeltaSchema", "delta_schema", "published_schema", "to_delta",
]  # fmt: skip
