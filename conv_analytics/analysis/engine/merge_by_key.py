"""One row per key out of several tables: what each engine does best in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.evaluate import TEXT
from conv_analytics.analysis.engine.memory_frame import MemoryFrame, arrow_type
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.windows import first_rows, numbers_of


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
        frames = [part.rows.frame for part in parts if isinstance(part.rows.frame, MemoryFrame)]
        return Rows.of(source, _merged_frames(frames, by, kinds))
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


def _merged_frames(frames: Sequence[MemoryFrame], by: Sequence[str], kinds: Mapping[str, Any]) -> MemoryFrame:
    keys = {name: pa.concat_arrays([frame.arrow(name).cast(TEXT) for frame in frames]) for name in by}
    numbers, count = numbers_of(list(keys.values()))
    first = first_rows(numbers, count)
    done = {name: column.take(pa.array(first)) for name, column in keys.items()}
    begin = 0
    for frame in frames:
        rows, begin = numbers[begin : begin + len(frame)], begin + len(frame)
        part = {name: _typed(frame.arrow(name), kinds[name]) for name in frame.columns if name in kinds}
        if len(np.unique(rows)) < len(rows):
            part, rows = _least_rows(part, rows)
        places = np.full(count, -1, dtype=np.int64)
        places[rows] = np.arange(len(rows))
        of_key = pa.array(places, mask=places < 0)
        done |= {name: column.take(of_key) for name, column in part.items()}
    rest = {name: pa.nulls(count, arrow_type(kind)) for name, kind in kinds.items() if name not in done}
    whole = done | rest
    return MemoryFrame({name: whole[name] for name in (*by, *kinds)}, count)


def _typed(column: pa.Array, kind: Any) -> pa.Array:
    wanted = arrow_type(kind)
    return column if column.type == wanted else column.cast(wanted)


def _least_rows(part: Mapping[str, pa.Array], numbers: Any) -> tuple[dict[str, pa.Array], Any]:
    """The least values per number."""
    table = pa.table({"number": numbers, **part})
    least = table.group_by("number", use_threads=False).aggregate([(name, "min") for name in part])
    rows = least["number"].to_numpy()
    return {name: least[f"{name}_min"].combine_chunks() for name in part}, rows


__all__ = ["Part", "merge_by_key"]
