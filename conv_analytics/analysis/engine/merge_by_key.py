"""One row per key out of several tables: what each engine does best in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.rows import Rows


class Part(NamedTuple):
    """Rows of one table.

    Attributes
    ----------
    rows
        The keys, and columns that no other part has.
    unique
        Whether no key stands on two rows: nothing has to be grouped then.
    """

    rows: Rows
    unique: bool = False


def merge_by_key(parts: Sequence[Part], by: Sequence[str], kinds: Mapping[str, Any], *, with_keys: bool = True) -> Rows:
    """One row per key that any part has, with the least value of every column; null where no part has one.

    The least value is the same whatever the order of the rows, and however often they are repeated. Keys are not null.

    Without keys DuckDB joins by their hashes, 64 bits of each. That takes half of the memory and of the time; two of
    the keys that services draw at random would have to agree in all bits.
    """
    source, keys = parts[0].rows.source, dict.fromkeys(by, str)
    if source.engine == "pandas":
        return Rows.of(source, _merged_frames([part.rows.native for part in parts], keys, kinds))
    using = ", ".join(coerce.quote(name if with_keys else f"hash of {name}") for name in keys)
    whole: Any = None
    for place, part in enumerate(sorted(parts, key=lambda part: not part.unique)):
        names = [name for name in part.rows.columns if name not in keys]
        relation = coerce.relation_columns("", part.rows.native, keys | {name: kinds[name] for name in names})
        if not with_keys:
            hashes = [f"hash({coerce.quote(name)}) as {coerce.quote(f'hash of {name}')}" for name in keys]
            relation = relation.project(", ".join([*hashes, *map(coerce.quote, names)]))
        if not part.unique:
            values = [f"min({coerce.quote(name)}) as {coerce.quote(name)}" for name in names]
            # Grouped on its own: while tables are joined, the groups would take as much memory once more.
            relation = Rows.of(source, relation.aggregate(", ".join([using, *values]), using)).materialized().native
        relation = relation.set_alias(f"part_{place}")
        # Tables with a row per leg are joined as they are: a union of all tables, grouped, would carry every column of
        # every table through a hash table of long texts.
        whole = relation if whole is None else whole.join(relation, using, how="outer").set_alias(f"until_{place}")
    return Rows.of(source, whole).with_nulls(kinds).select(*(keys if with_keys else ()), *kinds)


def _merged_frames(frames: Sequence[pd.DataFrame], keys: Mapping[str, Any], kinds: Mapping[str, Any]) -> pd.DataFrame:
    of_keys = pd.concat([coerce.pandas_columns("", frame, keys) for frame in frames], ignore_index=True)
    numbers = of_keys.groupby(list(keys), sort=False).ngroup().to_numpy()
    whole = of_keys[~of_keys.duplicated()].reset_index(drop=True)
    done: dict[str, pd.Series[Any]] = {}
    begin = 0
    for frame in frames:
        own = {str(name): kinds[str(name)] for name in frame.columns if name in kinds}
        rows, begin = numbers[begin : begin + len(frame)], begin + len(frame)
        part = coerce.pandas_columns("", frame, own)
        if len(np.unique(rows)) < len(rows):
            part, rows = _least_rows(part, rows)
        place = np.full(len(whole), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        for name in own:
            done[name] = pd.Series(part[name].array.take(place, allow_fill=True), index=whole.index)
    rest = coerce.pandas_columns("", whole[[]], {name: kind for name, kind in kinds.items() if name not in done})
    return pd.concat([whole, pd.DataFrame(done, index=whole.index), rest], axis=1)


def _least_rows(part: pd.DataFrame, numbers: Any) -> tuple[pd.DataFrame, Any]:
    """The least values per number. Texts are compared by their places in the alphabet: pandas does that much faster."""
    words: dict[str, Any] = {}
    plain = dict(part.items())
    for name, column in part.items():
        if column.dtype == "str":
            codes, words[str(name)] = pd.factorize(column, sort=True)
            plain[name] = pd.Series(codes, index=part.index, dtype="Int64").mask(codes < 0)
    least = pd.DataFrame(plain, index=part.index).groupby(numbers).min()
    rows = least.index.to_numpy()
    for name, texts in words.items():
        places = least[name].to_numpy("int64", na_value=-1)
        least[name] = texts.array.take(places, allow_fill=True)
    return least.reset_index(drop=True), rows


__all__ = ["Part", "merge_by_key"]
