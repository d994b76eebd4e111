"""Redials: the same two ends call again within minutes of the end of a call, in either direction (M50)."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine.columns import CALLS
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.calls import call_rows
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

#: A call within this time of the end of another is about the same thing. [s]
WITHIN_S = 600.0

_TAKEN = (
    "conversation_id", "call", "started_at", "ended_at", "talk_s", "direction", "from_address", "to_address",
    "country", "network_code", "outcome", "outcome_class",
)  # fmt: skip
COLUMNS = (
    *(column for name in _TAKEN for column in CALLS if column.name == name),
    Column("redialled", bool, "Whether the two ends called again in time; null where an end or the end is not known."),
    Column("gap_s", float, "From the end of the call to their next one, however long; null when there is none.", "s"),
    Column("reversed", bool, "Whether it was the other side that called again."),
    Column("next_conversation_id", str, "The conversation of their next call."),
)


@question
def redials(data: Any, *, within_s: float = WITHIN_S) -> Any:
    """Calls, and whether the same two ends called again.

    A redial is the clearest sign that a call failed its purpose: use it to check verdicts and outcomes.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, or the frame that `calls` or `legs` gives.
    within_s
        Maximum time from its end to the start of the next call. [s]

    Returns
    -------
    frame
        A row per call. ``redialled`` is null for a call without a known end, or with an end that has no address.
        Which calls are redialled more than others: ``offenders(redials(data), by="network_code", case="redialled")``.

    Notes
    -----
    The next call of a pair is the one that starts next, whoever starts it; one that starts before the end of this one
    is not a redial. Calls after the export's last are not known: redials of the last `within_s` are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T10:00:00Z", "2026-11-02T10:05:00Z"], utc=True, format="ISO8601")
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "call": 0, "started_at": at,
    ...     "ended_at": at + pd.Timedelta(seconds=60), "from_address": ["+44123456789", "+33123456789"],
    ...     "to_address": ["+33123456789", "+44123456789"], "outcome": "answered"})
    >>> redials(two)[["redialled", "gap_s", "reversed", "next_conversation_id"]]
       redialled  gap_s  reversed next_conversation_id
    0       True  240.0      True                CON-2
    1      False    NaN      <NA>                  NaN
    """
    if within_s <= 0:
        raise ConfigError(f"within_s={within_s} is not a time: give seconds above 0, such as 600.")
    source = Source.of(data)
    needed = ("conversation_id", "started_at", "ended_at", "from_address", "to_address")
    of_calls = source.single and ("call" in source.columns() or "leg_id" not in source.columns())
    rows = read_each_once(source, CALLS, needed=needed, maker="calls()") if of_calls else call_rows(source, needed)
    rows = rows.select(*_TAKEN)
    caller, callee = nw.col("from_address"), nw.col("to_address")
    known = ~caller.is_null() & ~callee.is_null() & ~nw.col("started_at").is_null()
    pair = nw.concat_str(
        nw.when(caller < callee).then(caller).otherwise(callee),
        nw.when(caller < callee).then(callee).otherwise(caller),
        separator=" ",
    )  # fmt: skip
    # Calls of unknown ends are a group, too; the next one of that group means nothing, and is dropped.
    rows = rows.with_columns(
        _known=is_true(known),
        _pair=nw.when(known).then(pair).otherwise(nw.lit("")),
        _conversation=nw.col("conversation_id").fill_null(""),
        _place=nw.col("call").fill_null(0),
    )
    order = ["started_at", "_conversation", "_place"]
    later = {"_next_at": "started_at", "next_conversation_id": "conversation_id", "_next_from": "from_address"}
    rows = rows.with_columns(
        nw.col(name).shift(-1).over("_pair", order_by=order).alias(alias) for alias, name in later.items()
    )
    rows = rows.with_columns(nw.when(nw.col("_known")).then(nw.col(alias)).alias(alias) for alias in later)
    rows = rows.with_micros("_next_at", "ended_at")
    rows = rows.with_columns(gap_s=(nw.col("_next_at_us") - nw.col("ended_at_us")) / 1e6)
    soon = (nw.col("gap_s") >= 0) & (nw.col("gap_s") <= within_s)
    can_tell = nw.col("_known") & ~nw.col("ended_at").is_null()
    rows = rows.with_columns(
        redialled=nw.when(can_tell).then(is_true(soon)),
        reversed=nw.when(~nw.col("_next_from").is_null()).then(nw.col("_next_from") != nw.col("from_address")),
    )
    return rows.result(COLUMNS, by=("conversation_id", "call"))


__all__ = ["COLUMNS", "WITHIN_S", "redials"]
