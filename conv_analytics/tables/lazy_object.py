"""A JSON object taken apart key by key, so that one bad value does not hide the others."""

from __future__ import annotations

import json
from typing import Any

from conv_analytics.resources import scan
from conv_analytics.resources.record import FIRST, FieldPath, dig
from conv_analytics.tables.kinds import Undecodable

_EMPTY = frozenset({b"null", b"[]", b'""'})


class LazyObject:
    """One object; its values are decoded one at a time.

    >>> parts = LazyObject(b'{"id": 7, "quality": {"mos_score": "n/a"}}')
    >>> parts.value(("id",)), parts.value(("quality", "mos_score")), parts.raw(("quality",))
    (7, 'n/a', b'{"mos_score": "n/a"}')
    """

    def __init__(self, document: bytes) -> None:
        """Raise `ValueError` when the text is not an object."""
        self._members: dict[FieldPath, dict[str, bytes]] = {(): scan.members(document)}

    def raw(self, path: FieldPath) -> bytes | None:
        """The JSON under a path as written; None when there is nothing, or null."""
        raw = self._verbatim(path)
        return None if raw == b"null" else raw

    def value(self, path: FieldPath) -> Any:
        """The value under a path, decoded; None when there is nothing.

        A value that no parser accepts, or one inside something that should be an object but is not, is returned as
        `Undecodable`.
        """
        if FIRST in path:
            listed = path.index(FIRST)
            value = self.value(path[:listed])
            return value if isinstance(value, Undecodable) else dig(value, path[listed:])
        raw = self._verbatim(path)
        if raw is not None:
            return decoded(raw)
        outer = next((outer for n in range(1, len(path)) if self._is_no_object(outer := path[:n])), None)
        return None if outer is None else Undecodable(f"{'.'.join(outer)} is not an object")

    def members(self, path: FieldPath) -> dict[str, bytes] | None:
        """The members of the object under a path, as written; None when there is no object."""
        return self._object(path)

    def _verbatim(self, path: FieldPath) -> bytes | None:
        inner = self._object(path[:-1])
        return None if inner is None else inner.get(path[-1])

    def _object(self, path: FieldPath) -> dict[str, bytes] | None:
        if path not in self._members:
            raw = self._verbatim(path)
            if raw is None or not raw.startswith(b"{"):
                return None
            self._members[path] = scan.members(raw)
        return self._members[path]

    def _is_no_object(self, path: FieldPath) -> bool:
        raw = self._verbatim(path)
        return raw is not None and not raw.startswith(b"{") and raw not in _EMPTY


def decoded(raw: bytes) -> Any:
    """A value that is written as JSON; `Undecodable` where no parser takes it."""
    try:
        return json.loads(raw)
    except ValueError:
        return Undecodable("not JSON")
    except RecursionError:
        return Undecodable("nested too deeply to be read")
