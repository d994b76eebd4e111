"""Rows of events, each once: repeats have the id of another row, or, without an id, all of its values.

Voice events have no id; frames of other tools may lack them, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.rows import Rows

_EVENT = "event_id"


def without_repeats(frame: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Rows in memory, each event once; `key` holds ``event_id``.

    >>> frame = pd.DataFrame({"event_id": [1, 1, None, None, None], "digits": ["4", "4", "5", "6", "6"]})
    >>> without_repeats(frame, ["event_id"])["digits"].to_list()
    ['4', '5', '6']
    """
    repeated = frame.duplicated(list(key))
    unknown = frame[_EVENT].isna()
    if unknown.any():
        repeated = (repeated & ~unknown) | (frame.duplicated() & unknown)
    return frame[~repeated]


def by_event(rows: Rows, table: str, key: Sequence[str]) -> tuple[Rows, list[str]]:
    """The rows of a table with the columns that tell its events apart, and the names of these columns."""
    if table not in rows.source.tables or not rows.source.has_null(table, _EVENT):
        return rows, [*key]
    others = {name: f"_{name}_without_id" for name in rows.columns if name not in key}
    unknown = nw.col(_EVENT).is_null()
    rows = rows.with_columns(nw.when(unknown).then(nw.col(name)).alias(alias) for name, alias in others.items())
    return rows, [*key, *others.values()]


def distinct_events(rows: Rows, table: str, key: Sequence[str]) -> Rows:
    """The rows of a table, each event once; of repeats with an id, any is kept.

    >>> from conv_analytics.analysis.engine.source import Source
    >>> hangups = pd.DataFrame({"event_id": [1, 1, None, None, None], "leg_id": ["a", "a", "b", "c", "c"]})
    >>> rows = Rows.read(Source.of({"hangups": hangups}), "hangups", ["event_id", "leg_id"])
    >>> distinct_events(rows, "hangups", ["event_id"]).count()
    3
    """
    columns = rows.columns
    rows, event = by_event(rows, table, key)
    return rows.unique(event, keep="any").select(*columns)


__all__ = ["by_event", "distinct_events", "without_repeats"]
