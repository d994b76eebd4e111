"""Spans of speech, prompts, mutes and earmuffs: their starts and ends matched, for all conversations at once.

A span belongs to a leg, or to a member where its events name no leg; a prompt to its id. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.recognition import ATTEMPT, attempts, with_attempt
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.event_rows import without_repeats
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.analysis.entities.legs import leg_rows

#: An open end of speech, or of a prompt, is no later than this after its start. [s]
CAP_S = 60.0
#: Texts spoken and sound files played; and results of recognition, which are ends of speech without a start.
PROMPTS, RECOGNISED = ("say", "play"), "asr"
_TYPES = {
    **{what: (f"audio:{what}:on", f"audio:{what}:off") for what in ("speaking", "mute", "earmuff")},
    **{what: (f"audio:{what}", f"audio:{what}:stop", f"audio:{what}:done") for what in PROMPTS},
    RECOGNISED: ("audio:asr:done",),
}
_STARTS = frozenset(types[0] for what, types in _TYPES.items() if what != RECOGNISED)
_EVENTS = ("conversation_id", "event_id", "type", "at", "from_member_id", "leg_id")
_PROMPT_COLUMNS = ("say_id", "play_id", "loop")
_LEGS = ("conversation_id", "leg_id", "member_id", "answered_at", "ended_at")


def span_batches(
    source: Source, *whats: str, leg_columns: Sequence[str] = (), legs: pd.DataFrame | None = None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Spans of some kinds (the keys of `_TYPES`), each batch with the legs of its conversations.

    Spans have ``conversation_id, who, leg_id, member_id, what, start, end, open_start, open_end``; of a span with
    an open start only the end is known, and `start` is the same. With prompts they also have ``ended_by``, the type
    of the event that ended them, and ``endless``. `leg_columns` are those that legs have besides the
    usual ones. With `legs`, only their conversations are read, and no other legs are built.
    """
    types = [kind for what in whats for kind in _TYPES[what]]
    names = (*_EVENTS, *_PROMPT_COLUMNS) if {*PROMPTS} & {*whats} else _EVENTS
    rows = Rows.read(source, "audio_events", names, needed=_EVENTS[:4])
    rows = rows.filter(nw.col("type").is_in(types), ~nw.col("at").is_null(), ~nw.col("conversation_id").is_null())
    if legs is not None:
        wanted = pd.DataFrame({"conversation_id": pd.Series(legs["conversation_id"].dropna().unique(), dtype="str")})
        rows = rows.join(Rows.of_pandas(rows.source, wanted), on="conversation_id", how="inner")
    if RECOGNISED in whats:
        rows = _with_speech(source, rows)
    # Computed once for all batches: each only looks up its own.
    legs_known = any(name in source.tables for name in LEG_TABLES)
    columns = [*_LEGS, *leg_columns]
    all_legs: Rows | pd.DataFrame | None = None if legs is None else legs[columns]
    if all_legs is None and legs_known:
        all_legs = leg_rows(source, columns).select(*columns).materialized()
    for events in rows.batches():
        own = _legs(all_legs, events["conversation_id"], leg_columns)
        yield _spans(events, own), own


def _with_speech(source: Source, rows: Rows) -> Rows:
    """The events without recognition results for which nobody spoke."""
    col = nw.col
    if not rows.filter(col("type") == _TYPES[RECOGNISED][0]).count():
        return rows
    ended = is_true(col("timeout_reason").is_in(["end_on_silence_timeout", "max_duration"]))
    heard = attempts(source).filter(col("outcome").is_in(["heard", "cut_off"]) | ended)
    heard = with_attempt(heard).select(*ATTEMPT, nw.lit(1).alias("_heard"))
    columns = rows.columns
    rows = with_attempt(rows).join(heard, on=[*ATTEMPT], how="left")
    return rows.filter((col("type") != "audio:asr:done") | ~col("_heard").is_null()).select(*columns)


def _legs(rows: Rows | pd.DataFrame | None, conversations: pd.Series[Any], also: Sequence[str]) -> pd.DataFrame:
    """The legs of some conversations."""
    if isinstance(rows, pd.DataFrame):
        frame = rows[rows["conversation_id"].isin(conversations)]
    elif rows is not None:
        wanted = pd.DataFrame({"conversation_id": pd.Series(conversations.unique(), dtype="str")})
        frame = rows.join(Rows.of_pandas(rows.source, wanted), on="conversation_id", how="inner").collect()
    else:
        kinds = dict.fromkeys((*_LEGS[:3], *also), str)
        frame = coerce.pandas_columns("", pd.DataFrame(), kinds)
        frame["answered_at"] = frame["ended_at"] = pd.Series([], dtype="datetime64[us, UTC]")
    return frame.assign(answered=coerce.micros(frame["answered_at"]), ended=coerce.micros(frame["ended_at"]))


def _spans(events: pd.DataFrame, legs: pd.DataFrame) -> pd.DataFrame:
    rows = without_repeats(events, ["conversation_id", "event_id", "type"]).reset_index(drop=True)
    rows["time"] = coerce.micros(rows["at"]).astype("int64")
    rows["what"] = rows["type"].str.split(":").str[1]
    rows["on"] = rows["type"].isin(_STARTS)
    rows["who"] = rows["leg_id"].fillna("member:" + rows["from_member_id"]).fillna("conversation")
    # A leg without a member has an end, too.
    owners = legs.dropna(subset=["leg_id"]).sort_values("member_id", kind="stable", na_position="last")
    owners = owners.drop_duplicates(["conversation_id", "leg_id"])
    rows = rows.merge(owners[["conversation_id", "leg_id", "member_id", "ended"]], how="left",
                      on=["conversation_id", "leg_id"])  # fmt: skip
    rows["member_id"] = rows["member_id"].fillna(
        rows["from_member_id"].where(rows["what"].isin(["speaking", RECOGNISED]))
    )
    rows["member_id"] = rows["member_id"].fillna(rows["from_member_id"].where(rows["leg_id"].isna()))
    rows["last"] = rows.groupby("conversation_id")["time"].transform("max")
    key = ["conversation_id", "who", "what"]
    prompts = "say_id" in rows
    rows["pair"] = _pairs(rows) if prompts else rows["who"]
    also = ["ended_by", "endless"] if prompts else []
    owner_key, key = key, ["conversation_id", "pair", "what"]
    rows = rows.sort_values([*key, "time", "event_id"], kind="stable").reset_index(drop=True)
    rows = _alternating(_swapped(rows, key), key)
    following = rows.groupby(key, sort=False)
    end, more = following["time"].shift(-1), following.cumcount(ascending=False) > 0
    starts = rows["on"]
    latest = rows["ended"].astype("Float64").fillna(rows["last"].astype("Float64")).astype("float64")
    capped = np.where(rows["what"].isin(["speaking", *PROMPTS]), rows["time"] + CAP_S * 1e6, np.inf)
    closed = np.maximum(np.minimum(latest, capped), rows["time"]).astype("int64")
    rows["start"] = rows["time"]
    rows["end"] = np.where(starts & more, end.fillna(0).astype("int64"), np.where(starts, closed, rows["time"]))
    rows["open_end"] = starts & ~more
    rows["open_start"] = ~starts & (following.cumcount() == 0)
    if prompts:
        rows["ended_by"] = following["type"].shift(-1).where(starts, rows["type"])
        rows["endless"] = (rows["loop"] == 0).fillna(value=False).astype(bool) & (rows["what"] == "play")
    keep = starts | rows["open_start"]
    names = [*owner_key, "leg_id", "member_id", "start", "end", "open_start", "open_end", *also]
    return rows.loc[keep, names].reset_index(drop=True)


def _pairs(rows: pd.DataFrame) -> pd.Series[Any]:
    """The key that pairs a span's start and end: a prompt's id, else the latest start; else the span's owner."""
    named = rows["say_id"].fillna(rows["play_id"]).str.replace("-", "").str.lower()
    prompt = rows["what"].isin(PROMPTS)
    # Events without an id are told apart by their row.
    own = "#" + rows["event_id"].astype("str").fillna("row " + rows.index.astype("str").to_series(index=rows.index))
    rows = rows.assign(pair=named.fillna(own.where(rows["on"])), prompt=prompt)
    rows = rows.sort_values(["conversation_id", "who", "what", "time", "event_id"], kind="stable")
    before = rows["pair"].where(rows["on"]).groupby([rows[name] for name in ("conversation_id", "who", "what")]).ffill()
    pair = rows["pair"].fillna(before).fillna(own).where(rows["prompt"], rows["who"])
    # Every result of recognition is a separate end.
    return pair.where(rows["what"] != RECOGNISED, own).reindex(prompt.index)


def _swapped(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Rows without spans that end before they start by the clock but not by event number: they have no length."""
    group = rows.groupby(key, sort=False)
    after_off = group["on"].shift(-1, fill_value=False) & (group["event_id"].shift(-1) < rows["event_id"]).fillna(
        value=False
    )
    loose = ~rows["on"] & ~group["on"].shift(1, fill_value=False) & after_off.astype(bool)
    gone = loose | loose.shift(1, fill_value=False)
    return rows[~gone]


def _alternating(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Rows without repeated starts of a running span and repeated ends of a finished one."""
    group = rows.groupby(key, sort=False)
    before = group["on"].shift(1)
    return rows[before.isna() | (before.astype("boolean") != rows["on"]).fillna(value=True)]


def merged_spans(spans: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The union of the spans of each key: none of them overlap, or touch."""
    rows = with_parts(spans[[*key, "start", "end"]], key)
    return rows.groupby([*key, "part"], sort=False).agg(start=("start", "min"), end=("end", "max")).reset_index()


def with_parts(spans: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The spans, sorted, with the number of the ``part`` of their union that each is in."""
    rows = spans.sort_values([*key, "start", "end"], kind="stable").reset_index(drop=True)
    reach = rows.groupby(key, sort=False)["end"].cummax()
    before = reach.groupby([rows[name] for name in key], sort=False).shift(1)
    return rows.assign(part=(before.isna() | (rows["start"] > before)).cumsum())


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


__all__ = ["CAP_S", "PROMPTS", "RECOGNISED", "merged_spans", "running_spans", "seconds_of_spans", "span_batches",
           "with_parts"]  # fmt: skip
