"""Take the columns of a table out of many JSON objects at once.

From the wire paths of the columns a `msgspec` struct is derived that holds just those leaves, as untyped values:
decoding skips everything else and cannot fail on a wrong type. An object that does not fit even so (a list where an
object should be, text that is not Unicode) is read on its own by `loads`, the slow way; the result is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources.record import Json, Path, dig
from conv_analytics.tables import scan
from conv_analytics.tables.column import Column
from conv_analytics.tables.kinds import Undecodable, nulls, to_arrow
from conv_analytics.tables.pages import Raw, decode, records

#: Stands for the undeclared keys among the paths of a shape; no wire key is empty.
EXTRA: Path = ("",)

_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_NOTHING = frozenset({b"", b"null"})
_NULLS = pa.array(["", "null"])
_EMPTY = _NOTHING | {b"[]", b'""'}


class Cell(NamedTuple):
    """A cell that could not be read."""

    row: int
    column: str
    reason: str


class Reading(NamedTuple):
    """What a shape took out of some objects."""

    height: int
    arrays: dict[str, pa.Array]
    """Per column, its values."""
    cells: list[Cell]
    values: Mapping[Path, list[Any]]
    """Per wire path that held anything, the value in every row; verbatim JSON for user data."""

    def raw(self, path: Path) -> list[Any]:
        """The JSON that stood under the path of a user data column, None where there was none."""
        return self.values.get(path) or [None] * self.height


class Shape:
    """The columns of a table, ready to be read from JSON objects.

    Parameters
    ----------
    columns
        What to read. A column without a path takes every key that no other column declares.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._tree = _Tree(self.columns)
        self._many = msgspec.json.Decoder(list[self._tree.struct])  # type: ignore[name-defined]  # a type made at run time
        self._one = msgspec.json.Decoder(self._tree.struct)

    def read_pages(self, pages: Sequence[bytes], name: str) -> tuple[Reading, list[int]]:
        """Read the records of some pages of a list; also give the number of records in each page."""
        rows: list[Any] = []
        slow: dict[int, bytes] = {}
        heights = []
        for page in pages:
            found = decode(page, name, self._tree.struct)
            if found is None:
                found, left = self._each(records(page, name), absent_ok=False)
                slow |= {len(rows) + row: document for row, document in left.items()}
            rows += found
            heights.append(len(found))
        return self._reading(rows, slow), heights

    def read(self, documents: Sequence[Raw]) -> Reading:
        """Read JSON objects."""
        return self._reading(*self._each(documents, absent_ok=False))

    def read_bodies(self, bodies: Sequence[Raw | None]) -> Reading:
        """Read event bodies, where null and nothing at all count as an object without keys."""
        documents = [b"{}" if body is None else body for body in bodies]
        try:
            return self._reading(self._many.decode(b"[" + b",".join(documents) + b"]"), {})
        except _REFUSED:
            return self._reading(*self._each(documents, absent_ok=True))

    def _each(self, documents: Sequence[Raw], *, absent_ok: bool) -> tuple[list[Any], dict[int, bytes]]:
        """Decode objects one by one; those that the fast decoder refuses are given back."""
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

    def _reading(self, rows: Sequence[Any], slow: Mapping[int, bytes]) -> Reading:
        values = dict(self._tree.values((), rows))
        cells: list[Cell] = []
        for row, document in slow.items():
            try:
                found = Parts(document).find(self._tree)
            except ValueError as error:
                cells.append(Cell(row, "", str(error)))
                continue
            for path, value in found.items():
                values.setdefault(path, [None] * len(rows))[row] = value
        arrays = {}
        for column in self.columns:
            arrays[column.name], unread = _column(column, values, len(rows), bool(slow))
            cells += unread
        return Reading(len(rows), arrays, cells, values)


class Parts:
    """A JSON object taken apart key by key, so that one bad value does not hide the others."""

    def __init__(self, document: bytes) -> None:
        self._members: dict[Path, dict[str, bytes]] = {(): scan.members(document)}

    def find(self, tree: _Tree) -> dict[Path, Any]:
        """The values of a tree's leaves, as far as there are any."""
        found = {path: self.verbatim(path) if verbatim else self.value(path) for path, verbatim in tree.leaves.items()}
        if EXTRA in tree.leaves:
            found[EXTRA] = self.others(tree.declared)
        return {path: value for path, value in found.items() if value is not None}

    def verbatim(self, path: Path) -> bytes | None:
        """The value under a path as it is written."""
        inner = self._object(path[:-1])
        return None if inner is None else inner.get(path[-1])

    def value(self, path: Path) -> Any:
        """The value under a path, decoded; a value that no parser takes is given as `Undecodable`."""
        raw = self.verbatim(path)
        try:
            if raw is not None:
                return json.loads(raw)
            outer = next(
                (raw for n in range(1, len(path)) if (raw := self.verbatim(path[:n])) and not raw.startswith(b"{")),
                b"null",
            )
            return None if outer in _EMPTY else Undecodable("an object was expected around it")
        except ValueError:
            return Undecodable("not JSON")
        except RecursionError:
            return Undecodable("nested too deeply to be read")

    def others(self, declared: frozenset[str]) -> bytes | None:
        """The object without its declared keys."""
        kept = {key: raw for key, raw in self._members[()].items() if key not in declared}
        return (
            b"{" + b",".join(json.dumps(key).encode() + b":" + raw for key, raw in kept.items()) + b"}"
            if kept
            else None
        )

    def _object(self, path: Path) -> dict[str, bytes] | None:
        if path not in self._members:
            raw = self.verbatim(path)
            if raw is None or not raw.startswith(b"{"):
                return None
            self._members[path] = scan.members(raw)
        return self._members[path]


def json_texts(values: Sequence[Any]) -> pa.Array | list[str | None]:
    """User data as JSON texts: verbatim where it was cut out of the document, else written anew."""
    try:
        raw = pa.array([None if value is None else bytes(value) for value in values], pa.binary())
        texts = raw.cast(pa.string())
    except (TypeError, ValueError, pa.ArrowInvalid):
        # Decoded values among them, or bytes that are not UTF-8.
        return list(map(_json_text, values))
    return pc.if_else(pc.is_in(texts, _NULLS), None, texts)


def _json_text(value: object) -> str | None:
    if isinstance(value, msgspec.Raw | bytes):
        raw = bytes(value)
        return None if raw in _NOTHING else raw.decode("utf-8", "replace")
    return None if value is None else json.dumps(value, separators=(",", ":"))


class _Tree:
    """The wire paths of some columns as nested structs."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.leaves: dict[Path, bool] = {}
        for column in columns:
            for path in column.paths or (EXTRA,):
                verbatim = column.kind is Json and not column.first
                self.leaves[path] = self.leaves.get(path, True) and verbatim
        # Where one path is inside another (``audio`` may be a flag or an object), the outer value is kept whole.
        for path in list(self.leaves):
            if any(path[:n] in self.leaves for n in range(1, len(path))):
                del self.leaves[path]
        if EXTRA in self.leaves:
            self.leaves |= {("_links",): True}
        self.declared = frozenset(path[0] for path in self.leaves)
        self.branches: dict[Path, type[msgspec.Struct]] = {}
        self.struct = self._derive(())

    def _derive(self, at: Path) -> type[msgspec.Struct]:
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
        # With an ``extra`` column, an undeclared key sends the object the slow way, where it is kept.
        strict = at == () and EXTRA in self.leaves
        struct = msgspec.defstruct("_".join(("At", *at)), declared, gc=False, forbid_unknown_fields=strict)
        self.branches[at] = struct
        return struct

    def values(self, at: Path, rows: Sequence[Any]) -> Iterator[tuple[Path, list[Any]]]:
        """Per leaf that any row holds, its value in every row."""
        struct = self.branches[at]
        absent, blank = struct(), [None] * len(rows)
        rows = [absent if row is None else row for row in rows]
        for name, key in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
            path = (*at, key)
            column = list(map(attrgetter(name), rows))
            if column == blank:
                continue
            if path in self.leaves:
                yield path, column
            else:
                yield from self.values(path, column)


def _column(
    column: Column, values: Mapping[Path, list[Any]], height: int, patched: bool
) -> tuple[pa.Array, list[Cell]]:
    spellings = []
    for path in column.paths or (EXTRA,):
        found = _leaf(path, values)
        if found is None:
            continue
        if patched and column.loose:
            found = [None if isinstance(value, Undecodable) else value for value in found]
        if column.absent:
            found = [None if value in column.absent else value for value in found]
        if column.first:
            found = list(map(_first_item, found))
        elif column.kind is Json:
            texts = json_texts(found)
            if isinstance(texts, pa.Array) and len(column.paths) <= 1:
                return texts, []
            found = texts.to_pylist() if isinstance(texts, pa.Array) else texts
        spellings.append(found)
    if not spellings:
        return nulls(column.kind, height), []
    array, unread = to_arrow(column.kind, spellings)
    return array, [Cell(row, column.name, reason) for row, reason in unread]


def _leaf(path: Path, values: Mapping[Path, list[Any]]) -> list[Any] | None:
    """The values under a path, or under the part of it that was kept whole; None when no row has any."""
    for length in range(len(path), 0, -1):
        found = values.get(path[:length])
        if found is not None:
            return found if length == len(path) else [dig(value, path[length:]) for value in found]
    return None


def _first_item(value: object) -> object:
    # ``[]``, one item, or the item itself (contract 9, no. 35).
    if isinstance(value, list):
        return value[0] if value else None
    return value
