"""Talk, silence, overlap, interruptions and backchannels, per member and per conversation (M39)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.audio_spans import merged_spans, running_spans, seconds_of_spans, span_batches
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

_ID = "conversation_id"
#: Shorter speech is noise. [s]
BLIP_S = 0.2
#: Shorter speech within another's turn is a sign of listening. [s]
BACKCHANNEL_S = 1.0
#: An interruption overlaps at least this long. [s]
INTERRUPTION_S = 0.5

_COUNTS = (
    Column("turns", int, "Times that somebody spoke, without blips."),
    Column("interruptions", int, "Turns begun within another's that overlap it for 0.5 s or more."),
    Column("backchannels", int, "Turns of less than 1 s that lie within another's."),
    Column("blips", int, "Speech of less than 0.2 s: left out."),
    Column("open_turns", int, "Turns whose end was never seen: they last to the leg's end, 60 s at most."),
    Column("unmatched", int, "Ends of speech whose start was never seen: left out."),
)
TALK_MEMBERS = (
    Column(_ID, str, "The conversation."),
    Column("member_id", str, "The member; the leg where no member is known."),
    Column("talk_s", float, "How long it spoke.", "s"),
    Column("talk_ratio", float, "Share of the window; null without one."),
    Column("overlap_s", float, "How much of that another spoke too.", "s"),
    Column("longest_s", float, "Its longest turn.", "s"),
    Column("window_s", float, "How long a leg was up, or somebody spoke.", "s"),
    *_COUNTS,
)
TALK_CONVERSATIONS = (
    Column(_ID, str, "The conversation."),
    Column("members", int, "How many spoke."),
    Column("window_s", float, "How long a leg was up, or somebody spoke.", "s"),
    Column("talk_s", float, "How long anybody spoke.", "s"),
    Column("silence_s", float, "How long nobody spoke: the window without the talk.", "s"),
    Column("overlap_s", float, "How long two or more spoke.", "s"),
    Column("silence_ratio", float, "Silence by window."),
    Column("overlap_ratio", float, "Overlap by talk."),
    *_COUNTS,
)


@question
def talk(data: Any, *, by: str = "member") -> Any:
    """Talk, silence and overlap, with turns, interruptions and backchannels.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``audio_events``; tables of calls give the window, and whose leg it is.
    by
        ``member`` (one row per member that spoke) or ``conversation``.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        The columns are those of `TALK_MEMBERS` or `TALK_CONVERSATIONS`. Conversations without speech have no row.

    Raises
    ------
    TableNotFound, ColumnNotFound
        If there are no ``audio_events``, or they lack ``type`` or ``at``.

    Notes
    -----
    A sweep over the events ``audio:speaking:on`` and ``off`` of each member; speech on two legs of one member counts
    once. ``silence_s = window_s - talk_s``, where the window is the union of the answered times of all legs and of
    the speech itself; without an answered leg, it lasts from the first to the last speech. A turn of less than 1 s
    inside another's is a backchannel ("mhm"), not an interruption; both limits are conventions. The speech events are
    the platform's, and not every channel has them. Of 20 M events on disk, two million are in memory at a time. Source:
    M39; its example T27 is this one.

    Examples
    --------
    >>> import pandas as pd
    >>> turns = [("a", 0, 6.5), ("c", 6.9, 9), ("a", 8.7, 20), ("c", 12, 12.4), ("c", 21.5, 24), ("a", 23, 41)]
    >>> rows = [(f"audio:speaking:{way}", who, at) for who, *ends in turns for way, at in zip(("on", "off"), ends)]
    >>> events = pd.DataFrame(rows, columns=["type", "from_member_id", "at"]).assign(conversation_id="CON-1")
    >>> events["at"] = pd.Timestamp("2026-05-04", tz="UTC") + pd.to_timedelta(events["at"], unit="s")
    >>> events["event_id"] = range(len(events))
    >>> talk({"audio_events": events})[["member_id", "talk_s", "interruptions", "backchannels"]]
      member_id  talk_s  interruptions  backchannels
    0         a    35.8              1             0
    1         c     5.0              0             1
    >>> talk({"audio_events": events}, by="conversation")[["window_s", "talk_s", "silence_s", "overlap_s"]]
       window_s  talk_s  silence_s  overlap_s
    0      41.0    39.1        1.9        1.7
    """
    if by not in {"member", "conversation"}:
        raise ConfigError(f"by is {by!r}: talk is counted by 'member' or by 'conversation'.")
    source = Source.of(data)
    parts = (_batch(spans, legs, by) for spans, legs in span_batches(source, "speaking"))
    columns = TALK_MEMBERS if by == "member" else TALK_CONVERSATIONS
    return source.result_of_parts(parts, columns, by=[column.name for column in columns[:2]])


def _batch(spans: pd.DataFrame, legs: pd.DataFrame, by: str) -> pd.DataFrame:
    spans["member_id"] = spans["member_id"].fillna(spans["who"])
    loose = spans["open_start"]
    blip = ~loose & ~spans["open_end"] & (spans["end"] - spans["start"] < BLIP_S * 1e6)
    key = [_ID] if by == "conversation" else [_ID, "member_id"]
    odd = spans.assign(unmatched=loose, blips=blip, open_turns=spans["open_end"])
    odd = odd.groupby(key, sort=True)[["unmatched", "blips", "open_turns"]].sum().reset_index()
    turns = _turns(merged_spans(spans[~loose & ~blip], [_ID, "member_id"]))
    counted = turns.assign(length=(turns["end"] - turns["start"]) / 1e6, turns=1).groupby(key)
    sums = counted.agg(turns=("turns", "sum"), interruptions=("interruption", "sum"),
                       backchannels=("backchannel", "sum"), longest_s=("length", "max"),
                       members=("member_id", "nunique"), overlap_own=("overlap", "sum"),
                       talk_own=("length", "sum")).reset_index()  # fmt: skip
    rows = odd.merge(sums, on=key, how="left").merge(_window_and_overlap(turns, legs), on=_ID, how="left")
    zero = ["turns", "interruptions", "backchannels", "members", "talk_own", "overlap_own", "talk_s", "overlap_s"]
    rows[zero] = rows[zero].fillna(0)
    if by == "member":
        rows["talk_s"], rows["overlap_s"] = rows["talk_own"], rows["overlap_own"]
        rows["talk_ratio"] = rows["talk_s"] / rows["window_s"].replace(0.0, np.nan)
        return rows
    rows["window_s"] = rows["window_s"].fillna(0.0)
    rows["silence_s"] = rows["window_s"] - rows["talk_s"]
    rows["silence_ratio"] = rows["silence_s"] / rows["window_s"].replace(0.0, np.nan)
    rows["overlap_ratio"] = rows["overlap_s"] / rows["talk_s"].replace(0.0, np.nan)
    return rows


def _turns(turns: pd.DataFrame) -> pd.DataFrame:
    """Turns that interrupt or accompany a running one, and how long others speak in them."""
    rows = turns.sort_values([_ID, "start", "end", "member_id"], kind="stable").reset_index(drop=True)
    reach = rows.groupby(_ID)["end"].cummax().groupby(rows[_ID]).shift(1)
    # Turns that begin at the same time interrupt whoever spoke before, not each other.
    reach = reach.groupby([rows[_ID], rows["start"]]).transform("first").where(
        rows["start"] > rows.groupby(_ID)["start"].transform("min")
    )  # fmt: skip
    shared = (np.minimum(rows["end"], reach.fillna(-np.inf)) - rows["start"]) / 1e6
    inside = (rows["end"] <= reach) & (rows["end"] - rows["start"] < BACKCHANNEL_S * 1e6)
    rows["backchannel"] = inside.astype("int64")
    rows["interruption"] = (~inside & (shared >= INTERRUPTION_S)).astype("int64")
    rows["overlap"] = _with_others(rows)
    return rows


def _with_others(rows: pd.DataFrame) -> Any:
    """The seconds of each turn in which others spoke as well."""
    pieces = running_spans(rows)
    both = pieces.assign(length=np.where(pieces["running"] > 1, pieces["end"] - pieces["start"], 0))
    both["until"] = both.groupby(_ID)["length"].cumsum()
    at_end = both[[_ID, "end", "until"]].rename(columns={"end": "time"})
    at_start = both.assign(until=both["until"] - both["length"])[[_ID, "start", "until"]].rename(
        columns={"start": "time"}
    )
    known = pd.concat([at_start, at_end]).drop_duplicates([_ID, "time"])
    ends = {name: rows[[_ID, name]].merge(known, left_on=[_ID, name], right_on=[_ID, "time"], how="left")["until"]
            for name in ("start", "end")}  # fmt: skip
    return ((ends["end"] - ends["start"]) / 1e6).to_numpy()


def _window_and_overlap(turns: pd.DataFrame, legs: pd.DataFrame) -> pd.DataFrame:
    """The window of each conversation, its talk, and its overlap."""
    pieces = running_spans(turns)
    up = legs.dropna(subset=["answered", "ended"]).rename(columns={"answered": "start"})
    up = up.drop(columns="ended_at").rename(columns={"ended": "end"})
    up = up[up["end"] >= up["start"]].astype({"start": "int64", "end": "int64"})
    speech = turns[[_ID, "start", "end"]]
    alone = (
        speech[~speech[_ID].isin(up[_ID])].groupby(_ID).agg(start=("start", "min"), end=("end", "max")).reset_index()
    )
    window = merged_spans(pd.concat([up[[_ID, "start", "end"]], speech, alone]), [_ID])
    rows = seconds_of_spans(window, [_ID], "window_s")
    for name, running in (("talk_s", 1), ("overlap_s", 2)):
        rows = rows.merge(seconds_of_spans(pieces[pieces["running"] >= running], [_ID], name), on=_ID, how="left")
    return rows


__all__ = ["TALK_CONVERSATIONS", "TALK_MEMBERS", "talk"]
