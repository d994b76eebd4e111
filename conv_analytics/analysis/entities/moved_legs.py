"""Legs that were moved: a transfer takes a leg into another conversation, and both tell of it. It is one leg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.source import Source

Rows = nw.LazyFrame[Any]

_KEY = ("conversation_id", "leg_id")
_QUESTION = ("homes of legs that were moved",)


def homes_of(source: Source, tables: Sequence[str]) -> pd.DataFrame | None:
    """The legs that occur in more than one conversation, each with its ``home``; None if there is none. Asked once.

    Home is the conversation that knows the last of the leg: where it was moved to. Where that is no difference it is
    the one that heard of it last, and then the last by its id.
    """
    if _QUESTION not in source.known:
        source.known[_QUESTION] = _found(source, tables)
    found: pd.DataFrame | None = source.known[_QUESTION]
    return found


def at_home(source: Source, rows: Rows, homes: pd.DataFrame) -> Rows:
    """The rows with their leg's home as their conversation."""
    known = source.lazy(homes, rows)
    joined = rows.join(known, on="leg_id", how="left")
    return joined.with_columns(nw.coalesce("home", "conversation_id").alias("conversation_id")).drop("home")


def _found(source: Source, tables: Sequence[str]) -> pd.DataFrame | None:
    named = [
        source.table(name, [*_KEY, "at"], needed=())
        .filter(~nw.col("leg_id").is_null(), ~nw.col("conversation_id").is_null())
        for name in tables
    ]  # fmt: skip
    if not named or not _any_in_two(source, named):
        return None
    pairs = nw.concat([rows.with_columns(nw.col("at").alias("since")) for rows in named])
    pairs = pairs.group_by(*_KEY).agg(nw.col("at").max(), nw.col("since").min())
    several = pairs.group_by("leg_id").agg(nw.len().alias("homes")).filter(nw.col("homes") > 1).select("leg_id")
    found = source.collect(pairs.join(several, on="leg_id", how="semi"))
    if found.empty:
        return None
    last = found.sort_values(["leg_id", "at", "since", "conversation_id"], na_position="first", kind="stable")
    last = last.drop_duplicates("leg_id", keep="last").rename(columns={"conversation_id": "home"})
    return last[["leg_id", "home"]].reset_index(drop=True)


def _any_in_two(source: Source, named: Sequence[Rows]) -> bool:
    """Whether a leg is in more than one conversation.

    By the hashes of ids: DuckDB would take ten times the memory for the ids themselves.
    """
    if source.engine == "pandas":
        pairs = pd.concat([nw.to_native(rows.select(*_KEY).collect()) for rows in named]).drop_duplicates()
        return bool(pairs["leg_id"].duplicated().any())
    hashed: Any = None
    for rows in named:
        native: Any = nw.to_native(rows)
        part = native.project("hash(leg_id) as leg, hash(conversation_id) as home")
        hashed = part if hashed is None else hashed.union(part)
    homes = hashed.aggregate("leg, min(home) as least, max(home) as most", "leg")
    return bool(source.in_memory(homes.filter("least <> most").limit(1).fetchall))


__all__ = ["at_home", "homes_of"]
