"""Legs that ring in parallel: one attempt, answered if any of them is."""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from conv_analytics.analysis.engine.expressions import one_if
from conv_analytics.analysis.engine.rows import Rows

#: Columns that tell which legs ring at the same time.
NEEDED = ("conversation_id", "started_at", "answered_at", "ended_at")
_CONVERSATION = "conversation_id"


def one_per_ringing_set(rows: Rows, by: Sequence[str], *, any_of: bool) -> Rows:
    """One row per set of legs that ring in parallel in one conversation and belong to one group.

    A leg rings from its start until its answer, or its end. The agents of a group that are called at once are one
    attempt, however many of them there are: an agent who did not answer because another was faster failed nobody.

    Parameters
    ----------
    rows
        Legs of one direction with the columns of `NEEDED`, the keys, ``_k`` and ``_n``.
    by
        The keys: a set belongs to one group, so each user or network keeps its own.
    any_of
        Whether one leg that is a case makes the attempt one (an answer); else all of them have to be (a failure).
    """
    keys = [_CONVERSATION, *(name for name in by if name != _CONVERSATION)]
    other_columns = [name for name in rows.columns if name not in {*keys, "_k"}]
    rows = rows.with_micros("started_at", "answered_at", "ended_at").materialized()
    until = nw.coalesce("answered_at_us", "ended_at_us", "started_at_us")
    # Without a conversation or a start, nothing says that a leg rang together with others.
    alone = nw.col(_CONVERSATION).is_null() | nw.col("started_at_us").is_null()
    single, several = rows.filter(alone), rows.filter(~alone).with_columns(_until=until)
    order = ["started_at_us", "_until"]
    # Microseconds fit into a double, which pandas can shift with nulls.
    several = several.with_columns(nw.col("started_at_us", "_until").cast(nw.Float64()))
    several = several.with_columns(_reach=nw.col("_until").cum_max().over(*keys, order_by=order))
    several = several.with_columns(_before=nw.col("_reach").shift(1).over(*keys, order_by=order))
    several = several.with_columns(_new=one_if(nw.col("started_at_us") >= nw.col("_before")))
    several = several.with_columns(_set=nw.col("_new").cum_sum().over(*keys, order_by=order))
    cases = nw.col("_k").max() if any_of else nw.col("_k").min()
    together = several.group([*keys, "_set"], cases, *(nw.col(name).min() for name in other_columns))
    columns = [*keys, "_k", *other_columns]
    return Rows.concat([single.select(*columns), together.select(*columns)])


__all__ = ["NEEDED", "one_per_ringing_set"]
