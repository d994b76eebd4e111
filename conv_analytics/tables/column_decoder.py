"""Decode the columns of a table from many JSON objects at once.

From the wire paths of the columns a `msgspec` struct is derived that holds just those leaves, as untyped values:
decoding skips everything else and cannot fail on a wrong type. An object that does not fit even so (a list where an
object should be, text that is not Unicode) is read on its own by `loads`, the slow way; the result is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources.record import FIRST, FieldPath, Json, dig
from conv_analytics.tables.column import Column
from conv_analytics.tables.kinds import Undecodable, nulls, to_arrow
from conv_analytics.tables.lazy_object import LazyObject, decoded
from conv_analytics.tables.pages import Raw, decode, records
from conv_analytics.tables.undeclared_keys import LINKS, UndeclaredKeys

#: Stands for the undeclared keys among the paths of a shape; no wire key is empty.
EXTRA: FieldPath = ("",)

#: From this share of distinct texts on, looking for equal ones does not pay.
_REPEATS = 0.7

_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_numbers_as_text = msgspec.json.Decoder(float_hook=str)
_NOTHING = frozenset({b"", b"null"})
_NULLS = pa.array(["", "null"])
_NULL_LENGTH = len("null")


class Cell(NamedTuple):
    """A cell that could not be read."""

    row: int
    column: str
    reason: str


class Reading(NamedTuple):
    """The cells that a decoder read from some objects."""

    arrays: dict[str, pa.Array]
    """Per column, its values."""
    cells: list[Cell]


class ColumnDecoder:
    """The columns of a table, ready to be read from JSON objects.

    Parameters
    ----------
    columns
        The columns. One without a path takes everything that no other column holds, at any depth.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._tree = _Tree(self.columns)
        self._many = msgspec.json.Decoder(list[self._tree.struct])  # type: ignore[name-defined]  # made at run time
        self._one = msgspec.json.Decoder(self._tree.struct)

    def read_pages(self, pages: Sequence[bytes], name: str) -> tuple[Reading, list[int]]:
        """Read the records of some pages of a list; also return the number of records in each page."""
        rows: list[Any] = []
        slow: dict[int, bytes] = {}
        page_lengths = []
        for page in pages:
            decoded = decode(page, name, self._tree.struct)
            if decoded is None:
                decoded, left = self._each(records(page, name), absent_ok=False)
                slow |= {len(rows) + row: document for row, document in left.items()}
            rows += decoded
            page_lengths.append(len(decoded))
        starts = np.cumsum([0, *page_lengths])

        def document(row: int) -> bytes:
            page = int(np.searchsorted(starts, row, side="right")) - 1
            return bytes(records(pages[page], name)[row - int(starts[page])])

        return self._reading(rows, slow, document), page_lengths

    def read(self, documents: Sequence[Raw]) -> Reading:
        """Read JSON objects."""
        return self._decode_together(documents, absent_ok=False)

    def read_texts(self, texts: pa.Array) -> Reading:
        """Read JSON objects that are already a column of texts; null counts as an object without keys.

        Equal texts are read once: the channel and the sender are the same in many events of a leg.
        """
        encoded = texts.dictionary_encode()
        if len(encoded.dictionary) > _REPEATS * len(texts):
            return self._distinct(texts)
        distinct = self._distinct(encoded.dictionary)
        cells = []
        if distinct.cells:
            places = encoded.indices.fill_null(-1).to_numpy()
            for cell in distinct.cells:
                cells += [cell._replace(row=row) for row in np.flatnonzero(places == cell.row).tolist()]
        height = len(texts)
        kinds = {column.name: column.kind for column in self.columns}
        arrays = {
            name: nulls(kinds[name], height) if array.null_count == len(array) else array.take(encoded.indices)
            for name, array in distinct.arrays.items()
        }
        return Reading(arrays, cells)

    def _distinct(self, texts: pa.Array) -> Reading:
        return self._decode_together(texts.cast(pa.binary()).fill_null(b"{}").to_pylist(), absent_ok=True)

    def _decode_together(self, documents: Sequence[Raw], *, absent_ok: bool) -> Reading:
        """Decode objects as one list; one by one if any of them does not fit."""
        try:
            decoded = self._many.decode(b"[" + b",".join(documents) + b"]")
        except _REFUSED:
            decoded = []
        slow: dict[int, bytes] = {}
        # A document that is no single value (``1,2``) would shift all that follow.
        if len(decoded) != len(documents):
            decoded, slow = self._each(documents, absent_ok=absent_ok)
        return self._reading(decoded, slow, lambda row: bytes(documents[row]))

    def _each(self, documents: Sequence[Raw], *, absent_ok: bool) -> tuple[list[Any], dict[int, bytes]]:
        """Decode objects one by one; also return those that the fast decoder refuses."""
        rows: list[Any] = []
        refused: dict[int, bytes] = {}
        for row, document in enumerate(documents):
            try:
                rows.append(self._one.decode(document))
            except _REFUSED:
                rows.append(self._tree.struct())
                raw = bytes(document)
                if not (absent_ok and raw in _NOTHING):
                    refused[row] = raw
        return rows, refused

    def _reading(self, rows: Sequence[Any], slow: dict[int, bytes], document: Callable[[int], bytes]) -> Reading:
        values = dict(self._tree.values((), rows))
        for row in self._tree.suspects(values) - slow.keys():
            slow[row] = document(row)
        cells: list[Cell] = []
        for row, raw in slow.items():
            try:
                leaves = self._tree.find(LazyObject(raw))
            except ValueError as error:
                cells.append(Cell(row, "", str(error)))
                continue
            for path, value in leaves.items():
                values.setdefault(path, [None] * len(rows))[row] = value
        arrays = {}
        for column in self.columns:
            arrays[column.name], unread = _column(column, values, len(rows), patched=bool(slow))
            cells += unread
        return Reading(arrays, cells)


def json_texts(values: Sequence[Any]) -> pa.Array | list[str | None]:
    """User data as JSON texts: verbatim if it was cut from the document, else re-encoded."""
    try:
        raw = pa.array([None if value is None else bytes(value) for value in values], pa.binary())
        texts = raw.cast(pa.string())
    except (TypeError, ValueError, pa.ArrowInvalid):
        # Decoded values among them, or bytes that are not UTF-8.
        return list(map(_json_text, values))
    # Only short texts can stand for nothing; bodies are long, and comparing them all would cost.
    if pc.any(pc.less_equal(pc.binary_length(texts), _NULL_LENGTH)).as_py():
        return pc.if_else(pc.is_in(texts, _NULLS), None, texts)
    return texts


def _json_text(value: object) -> str | None:
    if isinstance(value, msgspec.Raw | bytes):
        raw = bytes(value)
        return None if raw in _NOTHING else raw.decode("utf-8", "replace")
    return None if value is None else json.dumps(value, separators=(",", ":"))


class _Tree:
    """The wire paths of some columns as nested structs."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.leaves: dict[FieldPath, bool] = {}
        listed: list[FieldPath] = []
        for column in columns:
            for path in column.paths or (EXTRA,):
                if FIRST in path:
                    listed.append(path[: path.index(FIRST)])
                else:
                    verbatim = column.kind in {Json, Decimal} and not column.first
                    self.leaves[path] = verbatim and self.leaves.get(path, True)
        # A list of which an item is read is kept whole, and verbatim where a column holds all of it.
        self.leaves = dict.fromkeys(listed, False) | self.leaves
        # Where one path is inside another (``audio`` may be a flag or an object), the outer value is kept whole.
        for path in list(self.leaves):
            if any(path[:n] in self.leaves for n in range(1, len(path))):
                del self.leaves[path]
        self.strict = EXTRA in self.leaves
        self._undeclared = UndeclaredKeys(columns)
        inside = {path[:n] for column in columns for path in column.paths for n in range(1, len(path))}
        self._whole = [path for path, verbatim in self.leaves.items() if path in inside and not verbatim]
        self.branches: dict[FieldPath, type[msgspec.Struct]] = {}
        self.struct = self._derive(())

    def find(self, document: LazyObject) -> dict[FieldPath, Any]:
        """The values of the leaves in one object, as far as there are any."""
        values = {path: document.raw(path) if raw else document.value(path) for path, raw in self.leaves.items()}
        if self.strict:
            values[EXTRA] = self._undeclared.of(document)
        return {path: value for path, value in values.items() if value is not None}

    def suspects(self, values: Mapping[FieldPath, list[Any]]) -> set[int]:
        """Rows that may have something left for ``extra`` although all their keys are declared."""
        return self._undeclared.suspects(values, self._whole, _leaf) if self.strict else set()

    def _derive(self, at: FieldPath) -> type[msgspec.Struct]:
        depth = len(at)
        keys = dict.fromkeys(path[depth] for path in self.leaves if path[:depth] == at and len(path) > depth)
        declared: list[tuple[str, Any, Any]] = []
        for index, key in enumerate(keys):
            path = (*at, key)
            if path not in self.leaves:
                inner: Any = self._derive(path)
                declared.append((f"f{index}", inner | None, msgspec.field(name=key, default=None)))
            elif self.leaves[path]:
                declared.append((f"f{index}", msgspec.Raw, msgspec.field(name=key, default=None)))
            else:
                declared.append((f"f{index}", Any, msgspec.field(name=key, default=None)))
        if self.strict and LINKS not in keys:
            declared.append(("links", Any, msgspec.field(name=LINKS, default=None)))
        # With an ``extra`` column, an undeclared key sends the object the slow way, where it is kept.
        struct = msgspec.defstruct("_".join(("At", *at)), declared, gc=False, forbid_unknown_fields=self.strict)
        self.branches[at] = struct
        return struct

    def values(self, at: FieldPath, rows: Sequence[Any]) -> Iterator[tuple[FieldPath, list[Any]]]:
        """Per leaf that any row holds, its value in every row."""
        struct = self.branches[at]
        absent, blank = struct(), [None] * len(rows)
        rows = [absent if row is None else row for row in rows]
        for name, key in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
            path = (*at, key)
            if path not in self.leaves and path not in self.branches:
                continue
            column = list(map(attrgetter(name), rows))
            if column == blank:
                continue
            if path in self.leaves:
                yield path, column
            else:
                yield from self.values(path, column)


def _column(
    column: Column, values: Mapping[FieldPath, list[Any]], height: int, *, patched: bool
) -> tuple[pa.Array, list[Cell]]:
    spellings = []
    for path in column.paths or (EXTRA,):
        spelling = _leaf(path, values)
        if spelling is None:
            continue
        spelling = _values(column, spelling, patched=patched)
        if column.kind is Json and not column.first:
            texts = json_texts(spelling)
            if isinstance(texts, pa.Array) and len(column.paths) <= 1:
                return texts, []
            spelling = texts.to_pylist() if isinstance(texts, pa.Array) else texts
        spellings.append(spelling)
    if not spellings:
        return nulls(column.kind, height), []
    array, unread = to_arrow(column.kind, spellings)
    return array, [Cell(row, column.name, reason) for row, reason in unread]


def _values(column: Column, leaves: list[Any], *, patched: bool) -> list[Any]:
    """The values under a path; null for those that stand for none."""
    if column.kind is Decimal:
        leaves = list(map(_amount, leaves))
    if patched and column.loose:
        leaves = [None if isinstance(value, Undecodable) else value for value in leaves]
    if column.absent:
        leaves = [None if value in column.absent else value for value in leaves]
    if column.true:
        leaves = [True if isinstance(value, str) and value in column.true else value for value in leaves]
    return list(map(_first_item, leaves)) if column.first else leaves


def _leaf(path: FieldPath, values: Mapping[FieldPath, list[Any]]) -> list[Any] | None:
    """The values under a path, or under the part of it that was kept whole; None when no row has any."""
    for length in range(len(path), 0, -1):
        inner = values.get(path[:length])
        if inner is not None:
            rest = path[length:]
            return [_inside(value, rest) for value in inner] if rest else inner
    return None


def _inside(value: Any, rest: FieldPath) -> Any:
    """The parts of a value that was kept as a whole."""
    kind = type(value)
    if kind is msgspec.Raw or kind is bytes:
        try:
            value = msgspec.json.decode(value) if value else None
        except _REFUSED:
            return None
    elif kind is not dict and kind is not list:
        return None
    return dig(value, rest) if isinstance(value, dict | list) else None


def _amount(value: object) -> object:
    # As written: a double would round a number of many digits.
    if not isinstance(value, msgspec.Raw | bytes):
        return value
    try:
        return _numbers_as_text.decode(value) if value else None
    except _REFUSED:
        return decoded(bytes(value))


def _first_item(value: object) -> object:
    # ``[]``, one item, or the item itself (contract 9, no. 35).
    if isinstance(value, list):
        return value[0] if value else None
    return value
