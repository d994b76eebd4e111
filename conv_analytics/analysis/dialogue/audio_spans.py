"""Spans of speech, mutes and earmuffs: their on and off events matched, for all conversations at once.

A span belongs to a leg, or to a member where its events name no leg. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.analysis.entities.legs import leg_rows

#: An open end of speech is no later than this after its start. [s]
CAP_S = 60.0
_EVENTS = ("conversation_id", "event_id", "type", "at", "from_member_id", "leg_id")
_LEGS = ("conversation_id", "leg_id", "member_id", "answered_at", "ended_at")


def span_batches(source: Source, *whats: str) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Spans of some kinds (`speaking`, `mute`, `earmuff`), each batch with the answered legs of its conversations.

    Spans have ``conversation_id, who, leg_id, member_id, what, start, end, open_start, open_end``; of a span with
    an open start only the end is known, and `start` is the same.
    """
    types = [f"audio:{what}:{way}" for what in whats for way in ("on", "off")]
    rows = Rows.read(source, "audio_events", _EVENTS, needed=_EVENTS[:4])
    rows = rows.filter(nw.col("type").is_in(types), ~nw.col("at").is_null(), ~nw.col("conversation_id").is_null())
    # Computed once for all batches: each only looks up its own.
    legs_known = any(name in source.tables for name in LEG_TABLES)
    all_legs = leg_rows(source, _LEGS).select(*_LEGS).materialized() if legs_known else None
    for events in rows.batches():
        legs = _legs(all_legs, events["conversation_id"])
        yield _spans(events, legs), legs


def _legs(rows: Rows | None, conversations: pd.Series[Any]) -> pd.DataFrame:
    """The answered legs of some conversations."""
    if rows is not None:
        wanted = pd.DataFrame({"conversation_id": pd.Series(conversations.unique(), dtype="str")})
        frame = rows.join(Rows.of_pandas(rows.source, wanted), on="conversation_id", how="inner").collect()
    else:
        kinds = dict.fromkeys(_LEGS[:3], str)
        frame = coerce.pandas_columns("", pd.DataFrame(), kinds)
        frame["answered_at"] = frame["ended_at"] = pd.Series([], dtype="datetime64[us, UTC]")
    return frame.assign(answered=coerce.micros(frame["answered_at"]), ended=coerce.micros(frame["ended_at"]))


def _spans(events: pd.DataFrame, legs: pd.DataFrame) -> pd.DataFrame:
    rows = events.drop_duplicates(["conversation_id", "event_id", "type"]).copy()
    rows["time"] = coerce.micros(rows["at"]).astype("int64")
    rows["what"] = rows["type"].str.split(":").str[1]
    rows["on"] = rows["type"].str.endswith(":on")
    rows["who"] = rows["leg_id"].fillna("member:" + rows["from_member_id"]).fillna("conversation")
    owners = legs.dropna(subset=["leg_id", "member_id"]).drop_duplicates(["conversation_id", "leg_id"])
    rows = rows.merge(owners[["conversation_id", "leg_id", "member_id", "ended"]], how="left",
                      on=["conversation_id", "leg_id"])  # fmt: skip
    rows["member_id"] = rows["member_id"].fillna(rows["from_member_id"].where(rows["what"] == "speaking"))
    rows["member_id"] = rows["member_id"].fillna(rows["from_member_id"].where(rows["leg_id"].isna()))
    rows["last"] = rows.groupby("conversation_id")["time"].transform("max")
    key = ["conversation_id", "who", "what"]
    rows = rows.sort_values([*key, "time", "event_id"], kind="stable").reset_index(drop=True)
    rows = _alternating(_swapped(rows, key), key)
    following = rows.groupby(key, sort=False)
    end, more = following["time"].shift(-1), following.cumcount(ascending=False) > 0
    starts = rows["on"]
    latest = rows["ended"].astype("Float64").fillna(rows["last"].astype("Float64")).astype("float64")
    capped = np.where(rows["what"] == "speaking", rows["time"] + CAP_S * 1e6, np.inf)
    closed = np.maximum(np.minimum(latest, capped), rows["time"]).astype("int64")
    rows["start"] = rows["time"]
    rows["end"] = np.where(starts & more, end.fillna(0).astype("int64"), np.where(starts, closed, rows["time"]))
    rows["open_end"] = starts & ~more
    rows["open_start"] = ~starts & (following.cumcount() == 0)
    keep = starts | rows["open_start"]
    return rows.loc[keep, [*key, "leg_id", "member_id", "start", "end", "open_start", "open_end"]].reset_index(
        drop=True
    )


def _swapped(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Rows without spans that end before they start by the clock, but not by event number: they last no time."""
    group = rows.groupby(key, sort=False)
    after_off = group["on"].shift(-1, fill_value=False) & (group["event_id"].shift(-1) < rows["event_id"]).fillna(
        value=False
    )
    loose = ~rows["on"] & ~group["on"].shift(1, fill_value=False) & after_off.astype(bool)
    gone = loose | loose.shift(1, fill_value=False)
    return rows[~gone]


def _alternating(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Rows without starts of a span that runs, and ends of one that is over."""
    group = rows.groupby(key, sort=False)
    before = group["on"].shift(1)
    return rows[before.isna() | (before.astype("boolean") != rows["on"]).fillna(value=True)]


def merged_spans(spans: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The union of the spans of each key: none of them overlap, or touch."""
    rows = spans[[*key, "start", "end"]].sort_values([*key, "start", "end"], kind="stable").reset_index(drop=True)
    if rows.empty:
        return rows
    reach = rows.groupby(key, sort=False)["end"].cummax()
    before = reach.groupby([rows[name] for name in key], sort=False).shift(1)
    rows["part"] = (before.isna() | (rows["start"] > before)).cumsum()
    return rows.groupby([*key, "part"], sort=False).agg(start=("start", "min"), end=("end", "max")).reset_index()


def running_spans(spans: pd.DataFrame) -> pd.DataFrame:
    """How many spans run between neighbouring bounds of a conversation: ``start, end, running``."""
    if spans.empty:
        return spans[["conversation_id", "start", "end"]].assign(running=0)
    bounds = pd.DataFrame({
        "conversation_id": np.concatenate([spans["conversation_id"]] * 2),
        "time": np.concatenate([spans["start"], spans["end"]]).astype("int64"),
        "step": np.repeat([1, -1], len(spans)),
    }).sort_values(["conversation_id", "time"], kind="stable")  # fmt: skip
    bounds["running"] = bounds["step"].cumsum()
    bounds["end"] = bounds.groupby("conversation_id", sort=False)["time"].shift(-1)
    rows = bounds.dropna(subset=["end"]).rename(columns={"time": "start"}).astype({"end": "int64"})
    return rows.loc[rows["end"] > rows["start"], ["conversation_id", "start", "end", "running"]].reset_index(drop=True)


def seconds_of_spans(spans: pd.DataFrame, by: list[str], name: str) -> pd.DataFrame:
    """The seconds of all spans together, per key."""
    lengths = spans["end"] - spans["start"]
    return (lengths.groupby([spans[one] for one in by], sort=False).sum() / 1e6).rename(name).reset_index()


__all__ = ["CAP_S", "merged_spans", "running_spans", "seconds_of_spans", "span_batches"]
