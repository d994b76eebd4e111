"""Finds the parts of a JSON object that no column takes, at any depth: the content of the column ``extra``.

So nothing can be lost, by construction. A value is left over when no column reads its path, when another spelling of
the same field was taken and has another value, or when it is where an object should be. Links are not data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from conv_analytics.resources.cells import Unreadable
from conv_analytics.resources.record import FIRST, FieldPath, Json, is_blank, reader
from conv_analytics.tables.column import Column
from conv_analytics.tables.kinds import Undecodable
from conv_analytics.tables.lazy_object import LazyObject

LINKS = "_links"

_NOTHING = frozenset({b"null", b"[]", b'""', b"{}"})

#: Objects and values by key; values are JSON as written.
KeyTree = Mapping[str, "bytes | KeyTree"]


class UndeclaredKeys:
    """Finds the parts of an object that are in none of some columns.

    Parameters
    ----------
    columns
        The columns that are read.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._readers: dict[FieldPath, list[Column]] = {}
        for column in columns:
            for path in column.paths:
                self._readers.setdefault(path, []).append(column)
        self._outer = {path[:depth] for path in self._readers for depth in range(1, len(path))}
        self._several = [column for column in columns if len(column.paths) > 1]

    def of(self, document: LazyObject) -> bytes | None:
        """The undeclared parts of an object, as JSON; None if there are none."""
        rest = self._rest(document, (), {})
        return to_json(rest) if rest else None

    def suspects(self, values: Mapping[FieldPath, list[Any]], whole: Sequence[FieldPath], leaf: Any) -> set[int]:
        """Rows, read by their declared keys alone, that may still have undeclared parts.

        Parameters
        ----------
        values
            Per path, its value in every row.
        whole
            The paths that were read as a whole, although columns read parts of them.
        leaf
            Returns the values under a path.
        """
        rows: set[int] = set()
        for column in self._several:
            spellings = [column_values for path in column.paths if (column_values := leaf(path, values)) is not None]
            if len(spellings) > 1:
                for row, spelled in enumerate(zip(*spellings, strict=True)):
                    present = [value for value in spelled if value is not None]
                    if len(present) > 1 and any(value != present[0] for value in present):
                        rows.add(row)
        for path in whole:
            rows.update(row for row, value in enumerate(values.get(path, ())) if type(value) in (dict, list))
        return rows

    def _rest(self, document: LazyObject, at: FieldPath, taken: dict[str, Any]) -> dict[str, Any]:
        rest: dict[str, Any] = {}
        for key, raw in (document.members(at) or {}).items():
            path = (*at, key)
            if key == LINKS:
                continue
            if path in self._outer and raw.startswith(b"{"):
                if inner := self._rest(document, path, taken):
                    rest[key] = inner
            elif path in self._readers:
                if not any(self._holds(column, path, document, taken) for column in self._readers[path]):
                    rest[key] = raw
            elif path not in self._outer or raw not in _NOTHING:
                rest[key] = raw
        return rest

    def _holds(self, column: Column, path: FieldPath, document: LazyObject, taken: dict[str, Any]) -> bool:
        """Whether a column's cell holds the value under a path; an unreadable value goes to the quarantine."""
        if len(column.paths) == 1:
            return True
        if column.name not in taken:
            readable = (_read(column, each, document) for each in column.paths)
            taken[column.name] = next((value for value in readable if value is not None), None)
        if taken[column.name] is None:
            return True
        value = document.value(path)
        if value is None or is_blank(column.kind, value) or _is_absent(column, value):
            return True
        return bool(_read(column, path, document) == taken[column.name])


def to_json(tree: KeyTree) -> bytes:
    """The keys and their values as JSON."""
    members = (
        json.dumps(key).encode() + b":" + (value if isinstance(value, bytes) else to_json(value))
        for key, value in tree.items()
    )
    return b"{" + b",".join(members) + b"}"


def _read(column: Column, path: FieldPath, document: LazyObject) -> Any:
    """The cell for the value under a path; None if there is none."""
    if column.kind is Json and FIRST not in path:
        return document.raw(path)
    value = document.value(path)
    if value is None or isinstance(value, Undecodable) or is_blank(column.kind, value) or _is_absent(column, value):
        return None
    try:
        return reader(column.kind)(value)
    except Unreadable:
        return None


def _is_absent(column: Column, value: object) -> bool:
    return isinstance(value, str) and value in column.absent
