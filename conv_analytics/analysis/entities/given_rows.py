"""A frame of legs or of calls that the caller gives: each leg, and each call, once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import narwhals as nw

from conv_analytics.analysis.engine.expressions import one_if
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.tables.column import Column

#: What identifies a row: the id, which is last, within its conversation. Ids of conversations and legs are unique in
#: all applications.
_LEG, _CALL = ("conversation_id", "leg_id"), ("conversation_id", "call")
_KINDS = {"conversation_id": str, "leg_id": str, "call": int}
#: Of several rows of a leg the finished one counts, of several finished ones the first.
_ORDER = {"ended_at": datetime, "hangup_event_id": int, "packet_cnt": int}


def read_each_once(source: Source, columns: Sequence[Column], *, needed: Collection[str], maker: str) -> Rows:
    """The single frame, typed as by `Rows.read_single`, without further rows of a leg, or of a call.

    This is for frames with one row per leg, or per call; every question that counts them reads them here. A row without
    an id is a leg of its own, and a frame without ids is as it is.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "a", None, None]})
    >>> key = [Column(name, str, "") for name in ("conversation_id", "leg_id")]
    >>> len(read_each_once(Source.of(frame), key, needed=(), maker="legs()").collect())
    3
    """
    there = source.columns()
    key = [name for name in (_CALL if "call" in there else _LEG) if name in there]
    if not key or key[-1] == "conversation_id" or not _repeats(source, key):
        return Rows.read_single(source, columns, needed=needed, maker=maker)
    names = [column.name for column in columns]
    kinds = _KINDS | _ORDER
    order = [name for name in _ORDER if name in there]
    more = [Column(name, kinds[name], "") for name in (*key, *order) if name not in names]
    rows = Rows.read_single(source, (*columns, *more), needed=needed, maker=maker)
    unnamed = nw.col(key[-1]).is_null()
    named = rows.filter(~unnamed)
    # Engines differ in where they sort nulls.
    named = (
        named.with_columns(one_if(nw.col(name).is_null()).alias(f"_no_{name}") for name in order) if order else named
    )
    by = [each for name in order for each in (f"_no_{name}", name)]
    once = named.unique(key, keep="first" if by else "any", order_by=by or None)
    return Rows.concat([once.select(*names), rows.filter(unnamed).select(*names)])


def _repeats(source: Source, key: Sequence[str]) -> bool:
    """Whether two rows of the frame have one key; may be wrong, but only when true. Computed once."""
    question = ("repeats", *key)
    if question not in source.cache:
        # The id alone is nearly always enough, and legs are many.
        by = (key[-1:], key) if key[-1] == "leg_id" else (key,)
        source.cache[question] = all(_repeat_in(source, names) for names in by)
    return bool(source.cache[question])


def _repeat_in(source: Source, names: Sequence[str]) -> bool:
    rows = Rows.read_single(source, [Column(name, _KINDS[name], "") for name in names], needed=names, maker="legs()")
    return rows.filter(~nw.col(names[-1]).is_null()).repeats(names)


__all__ = ["read_each_once"]
