"""Legs that were transferred into another conversation: they are in both, and each counts as one leg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.rows import Rows

_KEY = ("conversation_id", "leg_id")
_QUESTION = ("final conversations",)


def final_conversations(tables: Mapping[str, Rows]) -> pd.DataFrame | None:
    """The legs that occur in several conversations, each with its ``final_conversation``; None without any.

    The final conversation is the one with the last event of the leg: where it was transferred to. Ties go to the one in
    which the leg began last, then to the last id. Events before a leg has a conversation, while it rings, name none;
    they belong to the one that it joins. ``conversations`` counts those that are named. Computed once per source.

    Parameters
    ----------
    tables
        Tables with the key of legs and ``at``; rows without a conversation have "" as its id.
    """
    cache = next(iter(tables.values())).source.cache
    if _QUESTION not in cache:
        cache[_QUESTION] = _several(tables.values())
    final: pd.DataFrame | None = cache[_QUESTION]
    return final


def in_final_conversation(rows: Rows, final: pd.DataFrame) -> Rows:
    """The rows with the final conversation of their leg."""
    joined = rows.join(Rows.of_pandas(rows.source, final), on="leg_id", how="left")
    conversation = nw.coalesce("final_conversation", "conversation_id").alias("conversation_id")
    return joined.with_columns(conversation).drop("final_conversation", "conversations")


def _several(tables: Iterable[Rows]) -> pd.DataFrame | None:
    of_legs = [rows.filter(~nw.col("leg_id").is_null()) for rows in tables]
    if not _any_in_two(of_legs):
        return None
    pairs = Rows.concat([rows.select(*_KEY, "at", nw.col("at").alias("since")) for rows in of_legs])
    pairs = pairs.group(_KEY, nw.col("at").max(), nw.col("since").min())
    several = pairs.group(["leg_id"], nw.len().alias("conversations")).filter(nw.col("conversations") > 1)
    rows = pairs.join(several.select("leg_id"), on="leg_id", how="semi").collect()
    if rows.empty:
        return None
    rows = rows.assign(named=rows["conversation_id"] != "")
    rows["conversations"] = rows.groupby("leg_id")["named"].transform("sum")
    order = ["leg_id", "named", "at", "since", "conversation_id"]
    last = rows.sort_values(order, na_position="first", kind="stable").drop_duplicates("leg_id", keep="last")
    last = last.rename(columns={"conversation_id": "final_conversation"})
    return last[["leg_id", "final_conversation", "conversations"]].reset_index(drop=True)


def _any_in_two(tables: Iterable[Rows]) -> bool:
    """Whether a leg is in more than one conversation."""
    keys = [rows.select(*_KEY) for rows in tables]
    return keys[0].source.engine.any_with_several([rows.frame for rows in keys], "leg_id", "conversation_id")


__all__ = ["final_conversations", "in_final_conversation"]
