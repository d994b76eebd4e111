"""Put what can be read now in the place of empty cells, while the rows of a table pass by.

A cell that has a value keeps it. Of tables with several rows per event (a leg's history), the rows of an event that was
read again take the place of those it had: an item that was unreadable had none, or one without its key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.tables.column import Table
from conv_analytics.tables.days import by_day
from conv_analytics.tables.explode import comparable

#: What tells the rows of an event, in every table of events.
EVENT = ("conversation_id", "event_id")

Key = tuple[Any, ...]
Placed = tuple[date, pa.Table]


def identity(table: Table) -> tuple[str, ...]:
    """The columns that tell the rows of one record: of a record as last seen, with the run that saw it."""
    return (*table.key, table.latest) if table.latest else EVENT


def keys_of(rows: pa.Table, columns: Sequence[str]) -> list[Key]:
    """The values of some columns, a tuple per row."""
    return list(zip(*(comparable(rows[name]) for name in columns), strict=True))


class Patch:
    """The rows of one table that were read again.

    Parameters
    ----------
    table
        The table.
    better
        Rows of records that had a row with empty cells.
    new
        Rows of records that had none.
    events
        The events of which `better` has all rows, for tables of events.

    Attributes
    ----------
    new
        The rows of records that had none, in one table.
    """

    def __init__(
        self, table: Table, better: Sequence[pa.Table], new: Sequence[pa.Table], events: Collection[Key]
    ) -> None:
        self._table, self._identity = table, identity(table)
        self._better = pa.concat_tables([table.empty(), *better]).unify_dictionaries()
        self.new = pa.concat_tables([table.empty(), *new]).unify_dictionaries()
        keys = keys_of(self._better, self._identity)
        self._rows = {key: row for row, key in enumerate(keys)}
        self._wanted = set(events) if table.each else set(self._rows)
        self._used: set[int] = set()
        # Repeated items are left out per conversation, whichever event told of them first.
        owners = {key[0] for key in self._wanted} | set(self.new[self._identity[0]].to_pylist())
        self._owners = pa.array(sorted(owners - {None}), pa.string())
        self._held: set[Key] = set()

    def apply(self, rows: pa.Table, day: date) -> Iterator[Placed]:
        """Rows of one day as they are to be, each part with its day: a row may get an instant that it had not."""
        if not len(self._owners):
            yield day, rows
            return
        places = self._places(rows)
        if places:
            left = np.ones(len(rows), dtype=bool)
            left[places] = False
            old, rows = rows.take(pa.array(places)), rows.filter(pa.array(left))
        yield day, rows
        if self._table.each:
            met = rows.filter(pc.is_in(rows[EVENT[0]], self._owners))
            self._held.update(keys_of(met, self._unique))
        elif places:
            yield from by_day(self._filled(old), self._table.day, day)

    def rest(self) -> pa.Table:
        """Rows that had no place among the old ones; to be asked for at the end."""
        # Of a record that is there twice the last one counts.
        unused = sorted(set(self._rows.values()) - self._used)
        if self._table.each is None:
            return pa.concat_tables([self._better.take(pa.array(unused, pa.int64())), self.new])
        rows = pa.concat_tables([self._better, self.new])
        fresh = []
        for row, key in enumerate(keys_of(rows, self._unique)):
            if key not in self._held:
                self._held.add(key)
                fresh.append(row)
        return rows.take(pa.array(fresh, pa.int64()))

    @property
    def _unique(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((EVENT[0], *self._table.key)))

    def _places(self, rows: pa.Table) -> list[int]:
        """Rows that were read again."""
        near = np.flatnonzero(pc.is_in(rows[self._identity[0]], self._owners).to_numpy())
        found = keys_of(rows.select(self._identity).take(pa.array(near)), self._identity)
        return [row for row, key in zip(near.tolist(), found, strict=True) if key in self._wanted]

    def _filled(self, old: pa.Table) -> pa.Table:
        rows = [self._rows[key] for key in keys_of(old, self._identity)]
        self._used.update(rows)
        again = self._better.take(pa.array(rows, pa.int64()))
        columns = [_coalesced(old[name], again[name]) for name in self._table.schema.names]
        return pa.Table.from_arrays(columns, schema=self._table.schema)


def _coalesced(old: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.ChunkedArray:
    if not old.null_count:
        return old
    if pa.types.is_dictionary(old.type):
        words = pc.coalesce(old.cast(pa.string()), new.cast(pa.string()))
        return words.dictionary_encode().cast(old.type)
    return pc.coalesce(old, new)
