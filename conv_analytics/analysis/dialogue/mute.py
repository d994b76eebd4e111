"""Mutes and earmuffs: how long they lasted, which were left on, and who spoke while muted (M40)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from conv_analytics.analysis.dialogue.audio_spans import span_batches
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.source import Source
from conv_analytics.tables.column import Column

_KEY = ["conversation_id", "who"]
MUTES = (
    Column("conversation_id", str, "The conversation."),
    Column("leg_id", str, "The leg that was silenced; null where its events name none."),
    Column("member_id", str, "The member whose leg it is."),
    Column("muted_s", float, "How long it was muted.", "s"),
    Column("mutes", int, "How often."),
    Column("left_muted", bool, "It was never unmuted: the time goes to the leg's end."),
    Column("earmuffed_s", float, "How long it could not hear.", "s"),
    Column("earmuffs", int, "How often."),
    Column("left_earmuffed", bool, "The earmuff was left on until the leg's end."),
    Column("spoke_muted_s", float, "How long it spoke while it was muted.", "s"),
    Column("spoke_muted", int, "How often it spoke while it was muted."),
    Column("unmatched", int, "Ends of a mute or an earmuff whose start was never seen: left out."),
)


@question
def mute(data: Any) -> Any:
    """How long each leg was muted or could not hear, and whether its member spoke meanwhile.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``audio_events``; tables of calls give the ends of legs.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per leg that was ever muted or earmuffed; the columns are those of `MUTES`.

    Notes
    -----
    The leg is the one that the event names (``rtc_id``), which need not be the sender's. A second start of a running
    mute changes nothing. ``spoke_muted_s`` is the overlap of speech and mute: a person whom no one hears, which is no
    fault of the network. Source: M40.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("mute:on", 0), ("speaking:on", 2), ("speaking:off", 5), ("mute:off", 10), ("earmuff:on", 12)]
    >>> events = pd.DataFrame({
    ...     "conversation_id": "CON-1", "event_id": range(5), "leg_id": "a",
    ...     "type": [f"audio:{what}" for what, _ in rows],
    ...     "at": pd.Timestamp("2026-05-04", tz="UTC") + pd.to_timedelta([at for _, at in rows], unit="s"),
    ... })
    >>> mute({"audio_events": events})[["leg_id", "muted_s", "spoke_muted_s", "left_earmuffed"]]
      leg_id  muted_s  spoke_muted_s  left_earmuffed
    0      a     10.0            3.0            True
    """
    source = Source.of(data)
    parts = (_batch(spans) for spans, _ in span_batches(source, "speaking", "mute", "earmuff"))
    return source.result_of_parts(parts, MUTES, by=["conversation_id", "leg_id", "member_id"])


def _batch(spans: pd.DataFrame) -> pd.DataFrame:
    spans = spans.assign(length=(spans["end"] - spans["start"]) / 1e6, one=1)
    with_start, silenced = spans[~spans["open_start"]], spans["what"] != "speaking"
    rows = spans[silenced].groupby(_KEY).agg(
        leg_id=("leg_id", "first"), member_id=("member_id", "first"), unmatched=("open_start", "sum")
    ).reset_index()  # fmt: skip
    for what, prefix, number in (("mute", "muted", "mutes"), ("earmuff", "earmuffed", "earmuffs")):
        sums = with_start[with_start["what"] == what].groupby(_KEY).agg(
            **{f"{prefix}_s": ("length", "sum"), number: ("one", "sum"), f"left_{prefix}": ("open_end", "max")}
        ).reset_index()  # fmt: skip
        rows = rows.merge(sums, on=_KEY, how="left")
        rows[f"left_{prefix}"] = rows[f"left_{prefix}"].astype("boolean").fillna(value=False)
    rows = rows.merge(_both(with_start), on=_KEY, how="left")
    zero = ["muted_s", "mutes", "earmuffed_s", "earmuffs", "spoke_muted_s", "spoke_muted"]
    rows[zero] = rows[zero].fillna(0)
    return rows


def _both(spans: pd.DataFrame) -> pd.DataFrame:
    """How long each leg spoke while muted, and in how many turns."""
    speech = spans.loc[spans["what"] == "speaking", [*_KEY, "start", "end"]]
    muted = spans.loc[spans["what"] == "mute", [*_KEY, "start", "end"]]
    pairs = speech.reset_index(names="turn").merge(muted, on=_KEY, suffixes=("", "_of_mute"))
    shared = pairs[["end", "end_of_mute"]].min(axis=1) - pairs[["start", "start_of_mute"]].max(axis=1)
    pairs = pairs.assign(spoke_muted_s=shared / 1e6)[shared > 0]
    return (
        pairs.groupby(_KEY).agg(spoke_muted_s=("spoke_muted_s", "sum"), spoke_muted=("turn", "nunique")).reset_index()
    )


__all__ = ["MUTES", "mute"]
