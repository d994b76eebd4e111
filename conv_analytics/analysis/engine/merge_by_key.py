"""One row per key out of several tables; each engine has its own implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conv_analytics.analysis.engine.engines import protocol
from conv_analytics.analysis.engine.rows import Rows


class Part(NamedTuple):
    """Rows of one table.

    Attributes
    ----------
    rows
        The keys, and columns that no other part has.
    unique
        Whether no key occurs on two rows: nothing has to be grouped then.
    """

    rows: Rows
    unique: bool = False


def merge_by_key(parts: Sequence[Part], by: Sequence[str], kinds: Mapping[str, Any], *, with_keys: bool = True) -> Rows:
    """One row per key that any part has, with the least value of every column; null where no part has one.

    The least value is the same whatever the order of the rows, and however often they are repeated. Keys are not null.

    Without keys in the result, DuckDB and Spark join by 64-bit hashes of them. That takes half of the memory and of the
    time; two keys, which services draw at random, would have to agree in all bits.
    """
    source = parts[0].rows.source
    frames = [protocol.Part(part.rows.frame, part.unique) for part in parts]
    return Rows(source, source.engine.merge_by_key(frames, by, kinds, with_keys=with_keys))


__all__ = ["Part", "merge_by_key"]
