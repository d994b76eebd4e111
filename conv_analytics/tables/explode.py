"""Tables with several rows per event: a leg's history, the alternatives of a recognition."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import scan
from conv_analytics.resources.record import Json
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column, ItemList, Table
from conv_analytics.tables.column_decoder import Cell, ColumnDecoder
from conv_analytics.tables.kinds import to_arrow
from conv_analytics.tables.pages import Raw

_list = msgspec.json.Decoder(list[msgspec.Raw])
_NONE = frozenset({b"", b"null", b"[]", b"{}", b'""'})


@dataclass
class Exploded:
    """Rows of a table, and the body that each row came from."""

    parents: Any
    arrays: dict[str, pa.Array]
    cells: list[Cell]
    """Unreadable cells; their row is the number of the body."""


def explode(
    name: str, bodies: pa.Array, repeats: Sequence[set[Hashable]], fallback: Mapping[str, pa.Array]
) -> Exploded:
    """One row per item of the list in each body.

    Parameters
    ----------
    name
        The table.
    bodies
        JSON texts of event bodies.
    repeats
        Per body, the earlier items of its conversation; an item is taken only once if the table says so.
    fallback
        Columns of the events, for bodies without the list, which are the item themselves.
    """
    plan = _plan(name)
    reading = plan.outer.read_texts(bodies)
    known = reading.arrays
    items = _items(plan, bodies, known, repeats)
    del known[_LIST]
    last_item = {column: known.pop(_OUTSIDE + column) for column in plan.item_list.last_item}
    inside = plan.inner.read(items.documents)
    cells = [*reading.cells, *items.cells]
    cells += [Cell(items.parents[cell.row], cell.column, cell.reason) for cell in inside.cells]
    arrays = inside.arrays
    places = pa.array(items.parents, pa.int64())
    arrays |= {column: array.take(places) for column, array in known.items()}
    if plan.item_list.number:
        arrays[plan.item_list.number] = pa.array(items.numbers, pa.int64())
    if any(items.is_body):
        for column, values in fallback.items():
            filling = pc.if_else(pa.array(items.is_body), values.take(places), None)
            arrays[column] = pc.coalesce(arrays[column], filling)
    _complete(plan.table, arrays, {column: values.take(places) for column, values in last_item.items()}, items.is_last)
    if plan.item_list.owner:
        return _once(plan.table, np.array(items.parents, np.int64), arrays, cells, repeats)
    return Exploded(np.array(items.parents, np.int64), arrays, cells)


@dataclass
class _Items:
    documents: list[Raw] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """The body that each item came from."""
    numbers: list[int] = field(default_factory=list)
    is_last: list[bool] = field(default_factory=list)
    """Whether it is the last of its body."""
    is_body: list[bool] = field(default_factory=list)
    """Whether it is the body itself."""
    cells: list[Cell] = field(default_factory=list)


def _items(plan: _Plan, bodies: pa.Array, columns: Mapping[str, pa.Array], repeats: Sequence[set[Hashable]]) -> _Items:
    """The new items of the lists; a body with an item and no list is that item itself."""
    owners = columns[plan.item_list.owner].to_pylist() if plan.item_list.owner else [None] * len(bodies)
    last_item = plan.item_list.last_item
    single = columns[_OUTSIDE + last_item[0]].is_valid().to_pylist() if last_item else [False] * len(bodies)
    items = _Items()
    for row, text in enumerate(columns[_LIST].to_pylist()):
        listed, reason = split_items((text or "").encode())
        if reason:
            items.cells.append(Cell(row, plan.table.name, reason))
        is_body = not listed and not reason and single[row]
        if is_body:
            listed = (bodies[row].as_py().encode(),)
        for number, item in enumerate(listed, start=1):
            if plan.item_list.owner:
                token = (owners[row], bytes(item))
                if token in repeats[row]:
                    continue
                repeats[row].add(token)
            items.documents.append(item)
            items.parents.append(row)
            items.numbers.append(number)
            items.is_last.append(number == len(listed))
            items.is_body.append(is_body)
    return items


def _complete(
    table: Table, arrays: dict[str, pa.Array], last_item: Mapping[str, pa.Array], is_last: Sequence[bool]
) -> None:
    """Fill in the values of the last item that a body has outside the list."""
    if not last_item or not is_last:
        return
    word, *columns = last_item
    same = pc.and_(pa.array(is_last), pc.fill_null(_equal(arrays[word], last_item[word]), fill_value=False))
    for column in columns:
        if pc.any(pc.and_(same, pc.and_(arrays[column].is_null(), last_item[column].is_valid()))).as_py():
            outside = pc.if_else(same, _plain(last_item[column]), None)
            filled = pc.coalesce(_plain(arrays[column]), outside)
            arrays[column] = to_arrow(table[column].kind, [filled.to_pylist()])[0]


def _equal(left: pa.Array, right: pa.Array) -> pa.Array:
    return pc.equal(_plain(left), _plain(right))


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(pa.string()) if pa.types.is_dictionary(array.type) else array


def split_items(raw: bytes) -> tuple[Sequence[Raw], str | None]:
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
    """The values of a key column in a form that is cheap to make and to compare: instants as microseconds."""
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
    """Leave out rows whose key occurred before in another spelling."""
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
_OUTSIDE = "outside "


class _Plan(NamedTuple):
    """How a table is filled."""

    table: Table
    item_list: ItemList
    outer: ColumnDecoder
    """Reads the body."""
    inner: ColumnDecoder
    """Reads an item."""


@cache
def _plan(name: str) -> _Plan:
    table = TABLES[name]
    item_list = table.item_list
    assert isinstance(item_list, ItemList)
    outer = [column for column in table.columns if column.paths and column.name not in item_list.columns]
    outer += [replace(table[column], name=_OUTSIDE + column) for column in item_list.last_item]
    inner = [column for column in table.columns if column.name in item_list.columns]
    return _Plan(
        table, item_list, ColumnDecoder([*outer, Column(_LIST, Json, "", paths=item_list.paths)]), ColumnDecoder(inner)
    )
