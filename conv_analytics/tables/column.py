"""Declarations of tables, in terms of their source records; everything else follows from the declarations."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from conv_analytics.resources.record import FIRST, Field, FieldPath, Json, Record, fields, is_record
from conv_analytics.tables.kinds import EARLIER, LATER, storage


@dataclass(frozen=True)
class Fallback:
    """Another column of the event that provides the value if the event's body does not have it."""

    column: str
    types: tuple[str, ...]
    """The event types for which that column has the same value."""


@dataclass(frozen=True)
class Column:
    """One column: its meaning, unit, kind, and source in the JSON."""

    name: str
    kind: Any
    doc: str
    unit: str | None = None
    paths: tuple[FieldPath, ...] = ()
    """Keys to go down from the record, in order of preference; empty for a column that the export computes."""
    first: bool = False
    """The wire may hold a list of which the first item is meant."""
    loose: bool = False
    """Anything but an object around the value counts as absent (contract 9, no. 36)."""
    absent: tuple[str, ...] = ()
    """Texts that stand for no value, such as ``<null>``."""
    true: tuple[str, ...] = ()
    """Further words that mean true."""
    fallback: Fallback | None = None
    """The source of the value if none of the paths has it."""
    later: bool = False
    """Whether files of earlier versions lack the column."""
    earlier: str | None = None
    """The value for those files; None for no value."""

    @property
    def source(self) -> str:
        """Where the value comes from, for the data dictionary."""
        return " or ".join(".".join(path).replace(f".{FIRST}", FIRST) for path in self.paths)

    @property
    def arrow(self) -> pa.Field:
        """The Arrow field; meaning, unit and source travel in its metadata, into every Parquet file."""
        notes = {"doc": self.doc, "unit": self.unit or "", "source": self.source}
        if self.later:
            notes |= {LATER.decode(): "yes", EARLIER.decode(): self.earlier or ""}
        return pa.field(
            self.name, storage(self.kind).arrow, metadata={key: note for key, note in notes.items() if note}
        )


@dataclass(frozen=True)
class ItemList:
    """A list inside an event's body with one row per item."""

    paths: tuple[FieldPath, ...]
    """Path of the list."""
    columns: tuple[str, ...]
    """The columns that come from the item; the others come from the event."""
    number: str | None = None
    """The column that counts the items of an event, from 1."""
    owner: str | None = None
    """When events repeat items: the column that, with the item, identifies a repeat. Otherwise None."""
    last_item: tuple[str, ...] = ()
    """Columns of the last item that the body also has outside the list; the first one says whether it is the same item.
    A body without the list is itself the only item."""


@dataclass(frozen=True)
class Table:
    """A table: its rows, its key and its columns."""

    name: str
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    types: tuple[str, ...] = ()
    """Event types whose bodies fill the table; empty for tables that do not come from events."""
    item_list: ItemList | None = None
    """The list with one row per item, when one event has several rows."""
    day: str = "at"
    """The instant whose UTC day is the partition ``date=``."""
    latest: str | None = None
    """The column by which the latest row of a key wins; None when rows of a key do not change."""
    listed: bool = True
    """Whether lists of the Conversation API fill it; a folder has other tables once they have rows."""
    notes: tuple[str, ...] = field(default=())
    """Warnings for users, printed with the data dictionary."""

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of every file of this table, with the block that makes pandas restore the right dtypes."""
        columns = [*map(_pandas_column, self.columns), _DATE]
        pandas = {
            "index_columns": [],
            "column_indexes": [],
            "columns": columns,
            "creator": {"library": "conv_analytics", "version": "1"},
            "pandas_version": "3.0.0",
        }
        metadata = {
            "pandas": json.dumps(pandas),
            "conv_analytics.table": self.name,
            "conv_analytics.key": json.dumps(self.key),
        }
        return pa.schema([column.arrow for column in self.columns], metadata=metadata)

    @property
    def repeats_items(self) -> bool:
        """Whether later events repeat rows of this table, as each update of a leg repeats the leg's history."""
        return self.item_list is not None and self.item_list.owner is not None

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")

    def empty(self) -> pa.Table:
        """The table without rows, with its full schema."""
        return self.schema.empty_table()


def pick(
    record: type[Record],
    path: str,
    name: str | None = None,
    *,
    doc: str | None = None,
    first: bool = False,
    also: Sequence[str] = (),
    fallback: Fallback | None = None,
) -> Column:
    """The column of one field of a record.

    Parameters
    ----------
    record, path
        The record class and the field, with dots to go down: ``"quality.mos_score"``.
    name
        Column name when it is not the field's own.
    doc
        Meaning, when the field's own is not enough in this table.
    first
        Take the first item of a list.
    also
        Further places in the JSON, outside the record, where the value may be.
    fallback
        The column of the event that has the value when the body does not.
    """
    steps = _walk(record, path)
    last = steps[-1]
    declared = (
        tuple(itertools.chain(*combination)) for combination in itertools.product(*(step.paths for step in steps))
    )
    paths = (*declared, *(tuple(key.split(".")) for key in also))
    kind = last.kind if not last.many or first else Json
    kind = Json if is_record(kind) else kind
    loose = any(step.loose for step in steps)
    return Column(
        name or last.name.rstrip("_"),
        kind,
        doc or last.doc,
        last.unit,
        paths,
        first,
        loose,
        last.absent,
        last.true,
        fallback,
    )


def pick_all(record: type[Record], path: str = "", *, but: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of every plain field of a record (or of the record under a path), in their order."""
    prefix = f"{path}." if path else ""
    inner = _walk(record, path)[-1].kind if path else record
    names = (field.name for field in fields(inner) if not is_record(field.kind) and field.name not in but)
    return tuple(pick(record, prefix + name) for name in names)


def _walk(record: type[Record], path: str) -> list[Field]:
    return list(_steps(record, path.split(".")))


def _steps(record: type[Record], names: Sequence[str]) -> Iterator[Field]:
    for name in names:
        step = next((field for field in fields(record) if field.name == name), None)
        if step is None:
            raise LookupError(
                f"{record.__name__} has no field {name!r}; it has {', '.join(field.name for field in fields(record))}"
            )
        yield step
        record = step.kind


#: The part of the path: as text, pandas would make an unordered category of it.
_DATE = {
    "name": "date",
    "field_name": "date",
    "pandas_type": "datetimetz",
    "numpy_type": "datetime64[us, UTC]",
    "metadata": {"timezone": "UTC"},
}


def _pandas_column(column: Column) -> dict[str, Any]:
    pandas_type, numpy_type, metadata = storage(column.kind).metadata
    return {
        "name": column.name,
        "field_name": column.name,
        "pandas_type": pandas_type,
        "numpy_type": numpy_type,
        "metadata": metadata,
    }
