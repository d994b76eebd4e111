"""Fills empty cells of a table with values that can be read now, while its rows are copied.

A cell that has a value keeps it. In tables with several rows per event (a leg's history), the new rows of an event that
was read again replace its old ones: an unreadable item had no row, or one without its key. Where events repeat items,
the first event with an item has its row, as in an export.
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

#: The columns that identify an event, in every table of events.
EVENT = ("conversation_id", "event_id")

Key = tuple[Any, ...]
Placed = tuple[date, pa.Table]


def identity(table: Table) -> tuple[str, ...]:
    """The columns that identify a record; for a record as last seen, together with the run that saw it."""
    if table.latest:
        return (*table.key, table.latest)
    # Voice events have no number: they are told apart by their own key.
    return EVENT if set(EVENT) <= set(table.schema.names) else tuple(dict.fromkeys([EVENT[0], *table.key]))


def keys_of(rows: pa.Table, columns: Sequence[str]) -> list[Key]:
    """The values of some columns, a tuple per row."""
    return list(zip(*(comparable(rows[name]) for name in columns), strict=True))


class TablePatch:
    """The rows of one table that were read again.

    Parameters
    ----------
    table
        The table.
    improved
        Rows of records that had a row with empty cells.
    new
        Rows of records that had none.
    events
        The events of which `improved` has all rows, for tables of events.

    Attributes
    ----------
    new
        The rows of records that had none, in one table.
    """

    def __init__(
        self, table: Table, improved: Sequence[pa.Table], new: Sequence[pa.Table], events: Collection[Key]
    ) -> None:
        self._table, self._identity = table, identity(table)
        self._improved = pa.concat_tables([table.empty(), *improved]).unify_dictionaries()
        self.new = pa.concat_tables([table.empty(), *new]).unify_dictionaries()
        keys = keys_of(self._improved, self._identity)
        self._rows = {key: row for row, key in enumerate(keys)}
        self._patched_keys = set(events) if table.item_list else set(self._rows)
        self._used: set[int] = set()
        # Repeated items are left out per conversation, whichever event had them first.
        owners = {key[0] for key in self._patched_keys} | set(self.new[self._identity[0]].to_pylist())
        self._owners = pa.array(sorted(owners - {None}), pa.string())
        self._written: set[Key] = set()
        self._items, self._first = table.empty(), dict[Key, int]()
        if table.item_list:
            items = pa.concat_tables([self._improved, self.new])
            self._items = items.sort_by([(name, "ascending") for name in EVENT])
            for key, event in self._items_of(self._items):
                self._first.setdefault(key, event)

    def apply(self, rows: pa.Table, day: date) -> Iterator[Placed]:
        """The rows of one day, patched, each part with its day: a row may get the instant that it did not have."""
        if not len(self._owners):
            yield day, rows
            return
        reread = self._reread(rows)
        if reread:
            keep = np.ones(len(rows), dtype=bool)
            keep[reread] = False
            old, rows = rows.take(pa.array(reread)), rows.filter(pa.array(keep))
        yield day, self._unmatched(rows) if self._table.item_list else rows
        if reread and not self._table.item_list:
            yield from by_day(self._filled(old), self._table.day, day)

    def rest(self) -> pa.Table:
        """Rows that replaced no old ones; to be called at the end."""
        if self._table.item_list is None:
            # Of a repeated record, the last one counts.
            unused = sorted(set(self._rows.values()) - self._used)
            return pa.concat_tables([self._improved.take(pa.array(unused, pa.int64())), self.new])
        fresh = []
        for row, (key, _) in enumerate(self._items_of(self._items)):
            if key not in self._written:
                self._written.add(key)
                fresh.append(row)
        return self._items.take(pa.array(fresh, pa.int64()))

    def _unmatched(self, rows: pa.Table) -> pa.Table:
        """Rows of items, except those that belong to an earlier event now that it can be read."""
        near = np.flatnonzero(pc.is_in(rows[EVENT[0]], self._owners).to_numpy())
        later = []
        for row, (key, event) in zip(near.tolist(), self._items_of(rows.take(pa.array(near))), strict=True):
            if event > self._first.get(key, event):
                later.append(row)
            else:
                self._written.add(key)
        keep = np.ones(len(rows), dtype=bool)
        keep[later] = False
        return rows.filter(pa.array(keep)) if later else rows

    def _items_of(self, rows: pa.Table) -> list[tuple[Key, int]]:
        """The key of each item, and the event that it comes from."""
        columns = tuple(dict.fromkeys((EVENT[0], *self._table.key)))
        # An event without its id comes last.
        events = (2**63 if event is None else event for event in rows[EVENT[1]].to_pylist())
        return list(zip(keys_of(rows, columns), events, strict=True))

    def _reread(self, rows: pa.Table) -> list[int]:
        """The numbers of the rows whose records were read again."""
        near = np.flatnonzero(pc.is_in(rows[self._identity[0]], self._owners).to_numpy())
        keys = keys_of(rows.select(self._identity).take(pa.array(near)), self._identity)
        return [row for row, key in zip(near.tolist(), keys, strict=True) if key in self._patched_keys]

    def _filled(self, old: pa.Table) -> pa.Table:
        rows = [self._rows[key] for key in keys_of(old, self._identity)]
        self._used.update(rows)
        new = self._improved.take(pa.array(rows, pa.int64()))
        columns = [_coalesced(old[name], new[name]) for name in self._table.schema.names]
        return pa.Table.from_arrays(columns, schema=self._table.schema)


def _coalesced(old: pa.ChunkedArray, new: pa.ChunkedArray) -> pa.ChunkedArray:
    if not old.null_count:
        return old
    if pa.types.is_dictionary(old.type):
        words = pc.coalesce(old.cast(pa.string()), new.cast(pa.string()))
        return words.dictionary_encode().cast(old.type)
    return pc.coalesce(old, new)
