"""One row per key out of several frames in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from conv_analytics.analysis.engine.evaluate import TEXT
from conv_analytics.analysis.engine.memory_frame import MemoryFrame, arrow_type
from conv_analytics.analysis.engine.windows import first_rows, numbers_of


def merged_frames(frames: Sequence[MemoryFrame], by: Sequence[str], kinds: Mapping[str, Any]) -> MemoryFrame:
    """One row per key that any frame has, with the least value of every column; null where no frame has one."""
    keys = {name: pa.concat_arrays([frame.arrow(name).cast(TEXT) for frame in frames]) for name in by}
    numbers, count = numbers_of(list(keys.values()))
    first = first_rows(numbers, count)
    merged = {name: column.take(pa.array(first)) for name, column in keys.items()}
    begin = 0
    for frame in frames:
        rows, begin = numbers[begin : begin + len(frame)], begin + len(frame)
        part = {name: _typed(frame.arrow(name), kinds[name]) for name in frame.columns if name in kinds}
        if len(np.unique(rows)) < len(rows):
            part, rows = _least_rows(part, rows)
        places = np.full(count, -1, dtype=np.int64)
        places[rows] = np.arange(len(rows))
        of_key = pa.array(places, mask=places < 0)
        merged |= {name: column.take(of_key) for name, column in part.items()}
    rest = {name: pa.nulls(count, arrow_type(kind)) for name, kind in kinds.items() if name not in merged}
    whole = merged | rest
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


__all__ = ["merged_frames"]
