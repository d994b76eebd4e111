"""Parts of tables in memory: the rows of some conversations, in the caller's kind of frame."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.parts.assignment import CONVERSATION, FROM, LEG, linked, plain_leg, texts
from conv_analytics.errors import ConfigError, TableNotFound

_PAIRS = pa.schema([(CONVERSATION, pa.string()), (LEG, pa.string())])


class FramesPart(dict[str, Any]):
    """The tables of a part, by name.

    Attributes
    ----------
    number
        Its number, from 0.
    parts
        Number of parts.
    """

    def __init__(self, number: int, parts: int) -> None:
        super().__init__()
        self.number, self.parts = number, parts

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.number, self.parts), None, None, iter(self.items())


def frames_of(data: Mapping[str, Any]) -> dict[str, nw.DataFrame[Any]]:
    """Tables in memory, by name.

    Raises
    ------
    ConfigError
        If one of them is not a frame in memory.
    """
    return {str(name): _frame(str(name), frame) for name, frame in data.items()}


def frame_parts(
    frames: Mapping[str, nw.DataFrame[Any]], parts: int, tables: Collection[str] | None
) -> list[FramesPart]:
    """The parts of tables in memory.

    Raises
    ------
    TableNotFound
        If a requested table does not exist.
    """
    for name in tables or ():
        if name not in frames:
            raise TableNotFound(name, tuple(frames))
    assignment = linked(_legs_of_several(frames), parts)
    frames_parts = [FramesPart(number, parts) for number in range(parts)]
    for name in frames if tables is None else tables:
        frame = frames[name]
        if CONVERSATION not in frame.columns:
            for part in frames_parts:
                part[name] = frame.to_native()
            continue
        places = assignment.places(_keys(frame))
        for part in frames_parts:
            part[name] = frame[np.flatnonzero(places == part.number)].to_native()
    return frames_parts


def _frame(name: str, frame: Any) -> nw.DataFrame[Any]:
    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError as error:
        how = " Collect it first: frame.collect()." if hasattr(frame, "collect") else ""
        raise ConfigError(
            f"{name} is a {type(frame).__name__}: give a Dataset, or tables of pandas, Polars or pyarrow in "
            f"memory.{how}"
        ) from error


def _keys(frame: nw.DataFrame[Any]) -> pa.Table:
    """The columns that determine the part of a row."""
    names = [name for name in (CONVERSATION, LEG) if name in frame.columns]
    return pa.table({name: texts(frame[name].to_arrow()) for name in names})


def _legs_of_several(frames: Mapping[str, nw.DataFrame[Any]]) -> pa.Table:
    """The legs that are in several conversations or in some rows without one, each with its conversations."""
    pairs = pa.concat_tables([_PAIRS.empty_table(), *(each for frame in frames.values() for each in _pairs(frame))])
    pairs = pairs.group_by([CONVERSATION, LEG]).aggregate([])
    counts = pairs.group_by(LEG).aggregate([(CONVERSATION, "count")])
    several = counts.filter(pc.greater(counts[f"{CONVERSATION}_count"], 1))[LEG]
    return pairs.filter(pc.is_in(pairs[LEG], value_set=several.combine_chunks()))


def _pairs(frame: nw.DataFrame[Any]) -> Iterator[pa.Table]:
    """The legs of a table with their conversations; see `partition`."""
    if not {CONVERSATION, LEG} <= set(frame.columns):
        return
    owners, legs = (texts(frame[name].to_arrow()) for name in (CONVERSATION, LEG))
    yield _pair(pc.fill_null(owners, ""), plain_leg(legs), legs)
    if FROM in frame.columns:
        origins = texts(frame[FROM].to_arrow())
        named = pc.binary_join_element_wise(f"{FROM} ", origins, "")
        yield _pair(origins, named, origins)
        yield _pair(owners, named, origins)


def _pair(owners: pa.Array, legs: pa.Array, required: pa.Array) -> pa.Table:
    """Distinct pairs without null."""
    rows = pa.table([owners, legs], schema=_PAIRS).filter(pc.is_valid(required))
    return rows.group_by([CONVERSATION, LEG]).aggregate([]).select(_PAIRS.names)


__all__ = ["FramesPart", "frame_parts", "frames_of"]
