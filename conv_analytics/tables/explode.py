"""Tables with several rows per event: a leg's history, the alternatives of a recognition."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from conv_analytics.resources import scan
from conv_analytics.resources.record import Json
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column, Each, Table
from conv_analytics.tables.pages import Raw
from conv_analytics.tables.shape import Cell, Shape

_list = msgspec.json.Decoder(list[msgspec.Raw])
_NONE = frozenset({b"", b"null", b"[]", b"{}", b'""'})


@dataclass
class Exploded:
    """Rows of a table, and for each the body it came from."""

    parents: Any
    arrays: dict[str, pa.Array]
    cells: list[Cell]
    """Unreadable cells; their row is the place of the body."""


def explode(name: str, bodies: pa.Array, repeats: Sequence[set[Hashable]]) -> Exploded:
    """One row per item of the list in each body.

    Parameters
    ----------
    name
        The table.
    bodies
        JSON texts of event bodies.
    repeats
        Per body, the items that its conversation already gave; an item is taken once where the table says so.
    """
    table, outer, inner = _plan(name)
    each = table.each
    assert each is not None
    reading = outer.read_texts(bodies)
    known = reading.arrays
    owners = known[each.owner].to_pylist() if each.owner else [None] * len(bodies)
    lists = known.pop(_LIST).to_pylist()
    cells = list(reading.cells)
    items: list[Raw] = []
    parents: list[int] = []
    numbers: list[int] = []
    for row, text in enumerate(lists):
        raw = (text or "").encode()
        found, reason = cut(raw)
        if reason:
            cells.append(Cell(row, table.name, reason))
        for number, item in enumerate(found, start=1):
            if each.owner:
                token = (owners[row], bytes(item))
                if token in repeats[row]:
                    continue
                repeats[row].add(token)
            items.append(item)
            parents.append(row)
            numbers.append(number)
    inside = inner.read(items)
    cells += [Cell(parents[cell.row], cell.column, cell.reason) for cell in inside.cells]
    arrays = inside.arrays
    places = pa.array(parents, pa.int64())
    arrays |= {column: array.take(places) for column, array in known.items()}
    if each.number:
        arrays[each.number] = pa.array(numbers, pa.int64())
    if each.owner:
        return _once(table, np.array(parents, np.int64), arrays, cells, repeats)
    return Exploded(np.array(parents, np.int64), arrays, cells)


def cut(raw: bytes) -> tuple[Sequence[Raw], str | None]:
    """The items of a list; one object stands for a list of one (contract 9, no. 13)."""
    if raw in _NONE:
        return (), None
    if raw.startswith(b"{"):
        return (raw,), None
    if not raw.startswith(b"["):
        return (), "not a list"
    try:
        return _list.decode(raw), None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return scan.items(raw), None


def comparable(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a key's column, in a form that is cheap to make and to compare: instants as microseconds."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _once(
    table: Table,
    parents: Any,
    arrays: dict[str, pa.Array],
    cells: list[Cell],
    repeats: Sequence[set[Hashable]],
) -> Exploded:
    """Leave out rows whose key came before in another spelling."""
    keys = zip(*(comparable(arrays[column]) for column in table.key), strict=True)
    fresh = []
    for place, (parent, key) in enumerate(zip(parents.tolist(), keys, strict=True)):
        if key not in repeats[parent]:
            repeats[parent].add(key)
            fresh.append(place)
    if len(fresh) == len(parents):
        return Exploded(parents, arrays, cells)
    places = pa.array(fresh, pa.int64())
    return Exploded(parents[fresh], {name: array.take(places) for name, array in arrays.items()}, cells)


_LIST = ""


@cache
def _plan(name: str) -> tuple[Table, Shape, Shape]:
    table = TABLES[name]
    each = table.each
    assert isinstance(each, Each)
    outer = [column for column in table.columns if column.paths and column.name not in each.columns]
    inner = [column for column in table.columns if column.name in each.columns]
    return table, Shape([*outer, Column(_LIST, Json, "", paths=each.paths)]), Shape(inner)
