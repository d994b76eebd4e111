"""Legs from the Voice API's call list, to fill gaps in the events of a folder."""

from __future__ import annotations

import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.tables.report_files import leg_keys

_TABLE = "voice_calls"
_COLUMNS = (
    "leg_id", "conversation_id", "direction", "from_type", "to_type", "started_at", "ended_at", "duration_s", "price",
    "network", "checked_at",
)  # fmt: skip


def with_listed_legs(seen: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The legs of a folder, and those only in the call list that `coverage` stored; each has its source.

    If the folder lacks the end of a leg, its price and duration come from the call list.

    Parameters
    ----------
    seen
        Legs, each with its ``leg_key``.
    source
        The source of these legs.
    """
    seen = seen.assign(seen_in="folder")
    if source.single or _TABLE not in source.tables:
        return seen
    listed = _legs(Rows.read(source, _TABLE, _COLUMNS, needed=("leg_id",)).collect())
    ends = listed.set_index("leg_key")[["duration_s", "price", "answered_at", "open"]]
    unended = seen["duration_s"].isna() & seen["price"].isna() & seen["leg_key"].isin(ends.index)
    for name in ends.columns if unended.any() else ():
        listed_end = seen.loc[unended, "leg_key"].map(ends[name])
        seen.loc[unended, name] = (
            seen.loc[unended, name].where(listed_end.isna(), listed_end) if name != "open" else listed_end
        )
    only = listed[~listed["leg_key"].isin(seen["leg_key"])]
    if only.empty:
        return seen
    kinds = {name: kind for name, kind in seen.dtypes.items() if not isinstance(kind, pd.CategoricalDtype)}
    both = pd.concat([seen.astype(dict.fromkeys(seen.columns.difference(list(kinds)), "str")), only])
    return both.astype(kinds).reset_index(drop=True)


def _legs(calls: pd.DataFrame) -> pd.DataFrame:
    """The latest row of each leg in the call list, with the column names of legs."""
    calls = calls.assign(leg_key=leg_keys(calls["leg_id"])).sort_values("checked_at", kind="stable")
    calls = calls[calls["leg_key"].notna()].drop_duplicates("leg_key", keep="last")
    duration = calls["duration_s"].astype("float64")
    price = calls["price"].astype("float64")
    return pd.DataFrame({
        "conversation_id": calls["conversation_id"],
        "leg_id": calls["leg_id"],
        "channel_type": np.where(calls["direction"].eq("outbound"), calls["to_type"], calls["from_type"]),
        "direction": calls["direction"],
        "network_code": calls["network"],
        "started_at": calls["started_at"],
        # Bills begin with the answer, the list with the creation of the leg.
        "answered_at": calls["ended_at"] - pd.to_timedelta(duration, unit="s"),
        "answered": (duration.gt(0) | price.gt(0)).fillna(value=False),
        "open": calls["ended_at"].isna() & price.isna(),
        "duration_s": duration,
        "price": price,
        "leg_key": calls["leg_key"],
        "seen_in": "call_list",
    })  # fmt: skip


__all__ = ["with_listed_legs"]
