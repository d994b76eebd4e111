"""Turns of speech: spans of speech, prompts and recognised speech, each with its side. Microseconds.

A turn whose start was never seen has `open_start`, one whose end was never seen `open_end`; `start` of the former and
`end` of the latter are bounds, and are never used as instants at which something happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.audio_spans import PROMPTS, RECOGNISED, with_parts
from conv_analytics.analysis.dialogue.roles import role_of, role_of_leg
from conv_analytics.analysis.dialogue.talk import BLIP_S

_ID = "conversation_id"
#: The columns of legs that identify sides.
LEG_COLUMNS = ("user_id", "channel_type", "direction")
#: Who speaks where no member does: the platform, which plays prompts.
_PLATFORM = "\0prompts"
COLUMNS = (_ID, "role", "member_id", "leg_id", "source", "start", "end", "open_start", "open_end", "stopped")


def turns_of_spans(spans: pd.DataFrame, legs: pd.DataFrame, roles: Mapping[str, str]) -> pd.DataFrame:
    """The turns of some conversations, with the columns `COLUMNS`.

    Parameters
    ----------
    spans, legs
        As `span_batches` gives them, with the prompts and the columns `LEG_COLUMNS`.
    roles
        Id of a member or a user to a role.
    """
    spans = spans[~spans["endless"]]
    prompt, heard = spans["what"].isin(PROMPTS), spans["what"] == RECOGNISED
    blip = (spans["what"] == "speaking") & ~spans["open_start"] & ~spans["open_end"]
    blip &= spans["end"] - spans["start"] < BLIP_S * 1e6
    # A prompt is spoken by the platform, whichever leg or member its events name.
    speaker = spans["member_id"].fillna(spans["who"]).where(~prompt, _PLATFORM)
    rows = spans.assign(
        speaker=speaker, role=_roles(spans, legs, roles).where(~prompt, "bot"),
        member_id=spans["member_id"].where(~prompt), source=spans["what"],
        stopped=spans["ended_by"].str.endswith(":stop").fillna(value=False).astype(bool) & ~spans["open_end"],
    )[~blip]  # fmt: skip
    with_events = rows.loc[rows["source"] == "speaking", [_ID, "speaker"]].drop_duplicates().assign(seen=True)
    seen = rows[[_ID, "speaker"]].merge(with_events, on=[_ID, "speaker"], how="left")["seen"].notna().to_numpy()
    rows = rows[~(heard.reindex(rows.index).to_numpy() & seen)]
    loose = rows["open_start"]
    open_prompts = rows["open_end"] & rows["source"].isin(PROMPTS)
    joined = _joined(rows[~loose & ~open_prompts])
    whole = pd.concat([joined, _fitted(rows[open_prompts & ~loose], joined), rows[loose]], ignore_index=True)
    return whole[[*COLUMNS]].sort_values([_ID, "start", "end", "role", "source", "member_id", "leg_id"], kind="stable",
                                         ignore_index=True)  # fmt: skip


def _roles(spans: pd.DataFrame, legs: pd.DataFrame, roles: Mapping[str, str]) -> pd.Series[Any]:
    """The role of each speaker, by the member, its user or its legs; an unknown speaker is a customer."""
    legs = legs.assign(guess=role_of_leg(legs, legs["answered"].notna()))
    # Of several legs of one member: a websocket makes it a bot, a leg to which a call went a human.
    legs = legs.assign(place=legs["guess"].map({"bot": 0, "human": 1, "customer": 2})).sort_values(
        [_ID, "place", "leg_id"], kind="stable"
    )
    by_member = legs.dropna(subset=["member_id"]).drop_duplicates([_ID, "member_id"])
    by_leg = legs.dropna(subset=["leg_id"]).drop_duplicates([_ID, "leg_id"])
    own = spans[[_ID, "member_id", "leg_id"]].merge(
        by_member[[_ID, "member_id", "user_id", "guess"]], on=[_ID, "member_id"], how="left"
    )
    other = spans[[_ID, "leg_id"]].merge(by_leg[[_ID, "leg_id", "user_id", "guess"]], on=[_ID, "leg_id"], how="left")
    named = role_of(own["member_id"], own["user_id"].fillna(other["user_id"]), roles)
    return named.fillna(own["guess"]).fillna(other["guess"]).fillna("customer").set_axis(spans.index)


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """Spans of one speaker that overlap, or touch, as one turn."""
    parts = with_parts(rows, [_ID, "speaker"])
    parts["last"] = parts.groupby("part")["end"].transform("max") == parts["end"]
    for flag in ("open_end", "stopped"):
        parts[flag] &= parts["last"]
    return parts.groupby("part", sort=False).agg(
        conversation_id=(_ID, "first"), speaker=("speaker", "first"), role=("role", "first"),
        member_id=("member_id", "first"), leg_id=("leg_id", "first"), source=("source", "first"),
        start=("start", "min"), end=("end", "max"), open_start=("open_start", "min"),
        open_end=("open_end", "max"), stopped=("stopped", "max"),
    ).reset_index(drop=True)  # fmt: skip


def _fitted(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Prompts without an end event: they begin after the running one, and end when the next begins."""
    if rows.empty:
        return rows
    known = others[others["speaker"] == _PLATFORM]
    running = known[[_ID, "start", "end"]].rename(columns={"end": "busy"}).sort_values("start", kind="stable")
    rows = pd.merge_asof(rows.sort_values("start", kind="stable"), running, on="start", by=_ID)
    rows["start"] = np.maximum(rows["start"], rows["busy"].fillna(-np.inf)).astype("int64")
    rows["end"] = np.maximum(rows["end"], rows["start"])
    # Prompts that begin together are one turn: nothing tells when either is over.
    rows = rows.sort_values(["start", _ID, "end", "leg_id"], kind="stable").drop_duplicates([_ID, "start"], keep="last")
    starts = pd.concat([known[[_ID, "start"]], rows[[_ID, "start"]]]).drop_duplicates().sort_values("start")
    starts["following"] = starts["start"]
    rows = pd.merge_asof(rows, starts, on="start", by=_ID, direction="forward", allow_exact_matches=False)
    rows["end"] = np.minimum(rows["end"], rows["following"].fillna(np.inf)).astype("int64")
    return rows


__all__ = ["COLUMNS", "LEG_COLUMNS", "turns_of_spans"]
