"""Conversations: one row each, with their times, calls, messages, costs and outcomes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine.columns import CONVERSATIONS
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import CaseWhen, JoinedNames, is_true, one_if
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.calls import call_rows
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.analysis.entities.sip import CLASSES
from conv_analytics.errors import TableNotFound

#: Outcomes from the worst to the best.
_WORST = ("platform", "network", "signalling", "policy", "number", "user", "caller", "redirect", "unknown", "success")
_RANKED = sorted(CLASSES, key=lambda outcome: _WORST.index(CLASSES[outcome]))
_ID = "conversation_id"


@question
def conversations(data: Any) -> Any:
    """One row per conversation: times, participants, numbers of calls and messages, costs and outcomes.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame; every table helps; the only requirement is one with
        conversation ids.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Key ``conversation_id``; the columns are those of `conv_analytics.analysis.engine.columns.CONVERSATIONS`. A
        count is null where its table is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> chat = pd.DataFrame({"conversation_id": ["CON-1", "CON-1"], "event_id": [1, 2],
    ...                      "at": pd.to_datetime(["2026-05-04 09:00", "2026-05-04 09:05"], utc=True)})
    >>> conversations({"messages": chat})[["conversation_id", "messages", "kinds"]]
      conversation_id  messages     kinds
    0           CON-1         2  messages
    """
    return conversation_rows(Source.of(data)).result(CONVERSATIONS, by=[_ID])


def conversation_rows(source: Source) -> Rows:
    """The conversations for further questions."""
    parts: list[Rows] = []
    if "conversations" in source.tables:
        rows = Rows.read(source, "conversations", [_ID, "created_at"], needed=[_ID])
        parts.append(_by_id(rows, nw.col("created_at").min(), nw.len().alias("listed")))
    parts += [_counted(source, name) for name in ("events", "messages") if name in source.tables]
    if "members" in source.tables:
        rows = Rows.read(source, "members", [_ID, "member_id", "user_id"], needed=[_ID])
        one = rows.group([_ID, "member_id"], nw.col("user_id").min())
        users = one.filter(~nw.col("user_id").is_null()).select(_ID, "user_id").unique()
        parts.append(_by_id(one, nw.len().alias("members")))
        parts.append(_by_id(users, nw.len().alias("users")))
    if source.single or any(name in source.tables for name in LEG_TABLES):
        parts.append(_called(call_rows(source)))
    if not parts:
        raise TableNotFound("conversations", source.tables, where="the data")
    whole = parts[0]
    for other in parts[1:]:
        joined = whole.join(other, on=[_ID], how="full", suffix="_other")
        whole = joined.with_columns(nw.coalesce(_ID, f"{_ID}_other").alias(_ID)).drop(f"{_ID}_other")
    return _finished(whole)


def _by_id(rows: Rows, *aggregates: nw.Expr) -> Rows:
    return rows.with_columns(nw.col(_ID).fill_null("")).group([_ID], *aggregates)


def _counted(source: Source, name: str) -> Rows:
    """Events or messages of each conversation; repeated rows count once."""
    rows = Rows.read(source, name, [_ID, "event_id", "at"], needed=[_ID]).unique()
    return _by_id(rows, nw.len().alias(name), nw.col("at").min().alias(f"{name}_first"),
                  nw.col("at").max().alias(f"{name}_last"))  # fmt: skip


def _called(rows: Rows) -> Rows:
    rank = CaseWhen([(nw.col("outcome") == outcome, float(place)) for place, outcome in enumerate(_RANKED)], 99.0)
    marked = rows.with_values({"rank": rank}).with_columns(
        one_if(nw.col("outcome") == "answered").alias("up"),
        one_if(nw.col("ended_at").is_null()).alias("still"),
    )
    return _by_id(
        marked,
        nw.len().alias("calls"),
        nw.col("legs").sum(),
        nw.col("up").sum().alias("answered_calls"),
        nw.col("talk_s").sum(),
        nw.col("price").sum().alias("paid"),
        nw.col("price").count().alias("priced"),
        nw.col("rank").min(),
        nw.col("still").max(),
        nw.col("started_at").min().alias("calls_first"),
        nw.col("ended_at").max().alias("calls_last"),
    )


def _finished(rows: Rows) -> Rows:
    col = nw.col
    there = set(rows.columns)
    at, number = datetime, int
    wanted: dict[str, Any] = {
        **dict.fromkeys(("created_at", *(f"{name}_{end}" for name in ("events", "messages", "calls")
                                         for end in ("first", "last"))), at),
        **dict.fromkeys(("members", "users", "calls", "legs", "answered_calls", "messages", "events"), number),
        **dict.fromkeys(("listed", "priced", "still"), number),
        **dict.fromkeys(("talk_s", "paid", "rank"), float),
    }  # fmt: skip
    rows = rows.with_nulls(wanted)
    # A table without rows of a conversation says that it has none.
    counts = [name for name in ("members", "users", "calls", "legs", "answered_calls", "messages", "events")
              if name in there]  # fmt: skip
    rows = rows.with_columns(col(name).fill_null(0) for name in counts) if counts else rows
    called, wrote = is_true(col("calls") > 0), is_true(col("messages") > 0)
    flags = {
        "no_events": is_true(col("events") == 0),
        **({"no_record": col("listed").is_null()} if "conversations" in rows.source.tables else {}),
        "open": is_true(col("still") > 0),
    }
    kinds = [(called & wrote, "calls,messages"), (called, "calls"), (wrote, "messages")]
    rows = rows.with_values({
        "first_at": nw.coalesce("events_first", "calls_first", "messages_first"),
        "last_at": nw.coalesce("events_last", "calls_last", "messages_last"),
        "kinds": CaseWhen(kinds, "other"),
        "price": nw.when(col("priced") > 0).then(col("paid")),
        "worst": CaseWhen([(col("rank") == place, outcome) for place, outcome in enumerate(_RANKED)], "unknown"),
        "flags": JoinedNames(flags),
        _ID: nw.when(col(_ID) != "").then(col(_ID)),
    })  # fmt: skip
    rows = rows.with_columns(nw.when(~col("rank").is_null()).then(col("worst")).alias("worst_outcome"))
    return rows.select(*(column.name for column in CONVERSATIONS))


__all__ = ["conversation_rows", "conversations"]
