"""Assigns rows of every table to parts, by their conversation.

Conversations that share a leg count as one: a transferred leg is in two of them, and counts once. They are few, so a
table of them is small. A row with a leg but no conversation belongs to the conversation of the leg.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

CONVERSATION, LEG, FROM = "conversation_id", "leg_id", "transferred_from"
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Assignment:
    """The part of each conversation.

    Attributes
    ----------
    parts
        Number of parts.
    representatives
        For conversations that share a leg with another one: the representative of all of them.
    of_legs
        For legs that some rows name without a conversation: their conversation.
    """

    parts: int
    representatives: Mapping[str, str] = field(default_factory=dict)
    of_legs: Mapping[str, str] = field(default_factory=dict)

    def places(self, rows: pa.Table) -> Places:
        """The part of each row, from 0.

        >>> rows = pa.table({"conversation_id": ["CON-1", "CON-2", "CON-1", None]})
        >>> first, _, third, _ = Assignment(8).places(rows)
        >>> bool(first == third)
        True
        """
        owners = texts(rows.column(CONVERSATION))
        if LEG in rows.column_names and self.of_legs:
            nameless = pc.equal(pc.fill_null(owners, ""), "")
            if pc.any(nameless).as_py():
                of_leg = _looked_up(plain_leg(texts(rows.column(LEG))), self.of_legs)
                owners = pc.if_else(nameless, of_leg, owners)
        ids = pc.fill_null(owners, "").dictionary_encode()
        known = ids.dictionary
        if self.representatives:
            known = pc.coalesce(_looked_up(known, self.representatives), known)
        hashes = pd.util.hash_array(known.to_numpy(zero_copy_only=False).astype(object), categorize=False)
        places: Places = (hashes % np.uint64(self.parts)).astype(np.intp)
        return places[ids.indices.to_numpy()] if len(places) else np.zeros(0, np.intp)


def texts(column: Any) -> pa.Array:
    """A column as one array of texts."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(pa.string())


def plain_leg(legs: Any) -> Any:
    """Ids of legs in the form in which they are compared: those of Voice events have no dashes."""
    return pc.replace_substring(legs, "-", "")


def linked(pairs: pa.Table, parts: int) -> Assignment:
    """The assignment that keeps conversations together that share a leg.

    Parameters
    ----------
    pairs
        The legs that are in several conversations, or in some rows without one, with each of their conversations.
    parts
        Number of parts.

    Examples
    --------
    >>> found = linked(pa.table({"leg_id": ["a", "a", "b", "b"], "conversation_id": ["C2", "C1", "C3", "C2"]}), 4)
    >>> dict(found.representatives)
    {'C2': 'C1', 'C3': 'C1'}
    """
    legs, owners = (pairs.column(name).to_pylist() for name in (LEG, CONVERSATION))
    named: dict[str, list[str]] = {}
    for leg, owner in zip(legs, owners, strict=True):
        if owner:
            named.setdefault(leg, []).append(owner)
    least = _components(named.values())
    return Assignment(
        parts,
        {each: root for each in least if (root := _root(least, each)) != each},
        {leg: _root(least, min(several)) for leg, several in named.items()},
    )


def _components(groups: Iterable[list[str]]) -> dict[str, str]:
    """For each conversation the representative of its component: the least one."""
    above: dict[str, str] = {}
    for group in groups:
        roots = sorted({_root(above, each) for each in group})
        for each in (*roots, *group):
            above[each] = roots[0]
    return above


def _root(above: dict[str, str], each: str) -> str:
    while above.setdefault(each, each) != each:
        above[each] = each = above[above[each]]
    return each


def _looked_up(values: pa.Array, table: Mapping[str, str]) -> pa.Array:
    """The entry of a table for each value; null where it has none."""
    keys = pa.array(list(table), pa.string())
    return pa.array(list(table.values()), pa.string()).take(pc.index_in(values, value_set=keys, skip_nulls=True))


__all__ = ["CONVERSATION", "FROM", "LEG", "Assignment", "linked", "plain_leg", "texts"]
