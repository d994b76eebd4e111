"""Put what can be read now in the place of empty cells, while the rows of a table pass by.

A cell that has a value keeps it. Of tables with several rows per event (a leg's history), the rows of an event that was
read again take the place of those it had: an item that was unreadable had none, or one without its key. Where events
repeat items, the first event that tells of one has it, as in an export.
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
        self._several, self._first = table.empty(), dict[Key, int]()
        if table.each:
            several = pa.concat_tables([self._better, self.new])
            self._several = several.sort_by([(name, "ascending") for name in EVENT])
            for key, event in self._told(self._several):
                self._first.setdefault(key, event)

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
        yield day, self._unmatched(rows) if self._table.each else rows
        if places and not self._table.each:
            yield from by_day(self._filled(old), self._table.day, day)

    def rest(self) -> pa.Table:
        """Rows that had no place among the old ones; to be asked for at the end."""
        if self._table.each is None:
            # Of a record that is there twice the last one counts.
            unused = sorted(set(self._rows.values()) - self._used)
            return pa.concat_tables([self._better.take(pa.array(unused, pa.int64())), self.new])
        fresh = []
        for row, (key, _) in enumerate(self._told(self._several)):
            if key not in self._held:
                self._held.add(key)
                fresh.append(row)
        return self._several.take(pa.array(fresh, pa.int64()))

    def _unmatched(self, rows: pa.Table) -> pa.Table:
        """Rows with several per event, but for those that an earlier event tells of, now that it can be read."""
        near = np.flatnonzero(pc.is_in(rows[EVENT[0]], self._owners).to_numpy())
        later = []
        for row, (key, event) in zip(near.tolist(), self._told(rows.take(pa.array(near))), strict=True):
            if event > self._first.get(key, event):
                later.append(row)
            else:
                self._held.add(key)
        left = np.ones(len(rows), dtype=bool)
        left[later] = False
        return rows.filter(pa.array(left)) if later else rows

    def _told(self, rows: pa.Table) -> list[tuple[Key, int]]:
        """What tells rows with several per event from each other, and the event that told of each."""
        columns = tuple(dict.fromkeys((EVENT[0], *self._table.key)))
        # An event without its id is the last to be believed.
        events = (2**63 if event is None else event for event in rows[EVENT[1]].to_pylist())
        return list(zip(keys_of(rows, columns), events, strict=True))

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
