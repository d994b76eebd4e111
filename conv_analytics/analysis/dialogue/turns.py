"""Turn-taking in calls, above all with voice agents: who spoke when, reply latency, barge-ins, dead air."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.audio_spans import PROMPTS, RECOGNISED, span_batches
from conv_analytics.analysis.dialogue.roles import ROLES, check_roles
from conv_analytics.analysis.dialogue.turn_spans import LEG_COLUMNS, turns_of_spans
from conv_analytics.analysis.dialogue.turn_taking import silences, with_barge_ins, with_replies
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

_ID = "conversation_id"
#: Shorter silence is a pause. [s]
DEAD_AIR_S = 3.0
TURNS = (
    Column(_ID, str, "The conversation."),
    Column("turn", int, "Its number within it, from 1, by its start, else by its end."),
    Column("role", str, "Who spoke: `customer`, `human` (an agent) or `bot`."),
    Column("member_id", str, "The member; the leg where none is known; null for prompts."),
    Column("leg_id", str, "The leg that the events name."),
    Column("source", str, "`speaking` (speech events), `say` or `play` (prompts), `asr` (result of recognition)."),
    Column("start_at", datetime, "When it began; null if that was never seen."),
    Column("end_at", datetime, "When it ended; the latest possible instant if that was never seen."),
    Column("open_start", bool, "Its start was never seen."),
    Column("open_end", bool, "Its end was never seen: censored."),
    Column("duration_s", float, "How long it lasted; null if that is not known.", "s"),
    Column("silence_s", float, "How long nobody had spoken when it began; null if somebody was speaking.", "s"),
    Column("reply_to", str, "The other side that spoke last before it; null if its own side did, or if unknown."),
    Column("latency_s", float, "Time since that side stopped.", "s"),
    Column(
        "latency_at_least", bool, "The latency is a lower bound: that side's speech ended before it was recognised."
    ),
    Column("barged_in", bool, "A customer spoke into it; of bots only, null where it is not known."),
    Column("barge_in_s", float, "How long it went on after that.", "s"),
    Column("stopped", bool, "It was stopped (`audio:say:stop`, `audio:play:stop`) before its end; of prompts only."),
)
_REPLIES = (
    Column("replies", int, "Turns whose latency is known."),
    Column("replies_at_least", int, "Of those, latencies that are lower bounds."),
    Column("latency_p50_s", float, "Median latency.", "s"),
    Column("latency_p95_s", float, "95 % quantile of the latency (numpy's `linear`).", "s"),
)
_BARGED = (
    Column("barge_ins", int, "Turns of bots that a customer spoke into."),
    Column("barge_in_n", int, "Turns of bots for which that is known."),
    Column("stopped", int, "Turns with a barge-in that were stopped (`audio:say:stop`, `audio:play:stop`)."),
)
TURN_ROLES = (
    Column("role", str, "`customer`, `human` or `bot`."),
    Column("conversations", int, "In how many conversations it spoke."),
    Column("turns", int, "How often it spoke."),
    Column("open_turns", int, "Turns whose start or end was never seen."),
    Column("talk_s", float, "How long they lasted, those with an open end at most.", "s"),
    *_REPLIES,
    *_BARGED,
    Column("dead_airs", int, "How often dead air was before its turn: the others, or it, let the line be silent."),
    Column("dead_air_s", float, "How long.", "s"),
)
TURN_CONVERSATIONS = (
    Column(_ID, str, "The conversation."),
    Column("turns", int, "How often anybody spoke."),
    *(Column(f"{role}_turns", int, f"How often {words} spoke.")
      for role, words in (("customer", "customers"), ("human", "agents"), ("bot", "bots"))),
    Column("open_turns", int, "Turns whose start or end was never seen."),
    *(Column(f"{role}_{column.name}", column.kind, f"{words}: {column.doc}", column.unit)
      for role, words in (("bot", "Bots"), ("human", "Agents"), ("customer", "Customers")) for column in _REPLIES),
    *_BARGED,
    Column("dead_airs", int, "How often nobody spoke for the limit or longer."),
    Column("dead_air_s", float, "How long.", "s"),
    Column("longest_silence_s", float, "The longest time that nobody spoke.", "s"),
)  # fmt: skip


@question
def turns(
    data: Any, roles: Mapping[str, str] | None = None, *, by: str = "turn", dead_air_s: float = DEAD_AIR_S
) -> Any:
    """Who spoke when, how fast each side replied, who spoke into a bot's prompt, and dead air.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping with ``audio_events``; tables of calls tell sides and ends of legs, and
        ``transcripts`` what recognition heard.
    roles
        Id of a user or a member to ``bot``, ``human`` or ``customer``. Those not listed: a websocket leg is a bot,
        every other outbound leg that was answered is a human, the others are customers.
    by
        ``turn`` (one row per turn), ``conversation``, or ``role`` (one row per side, over all conversations).
    dead_air_s
        Silence of this length or longer is dead air. [s]

    Returns
    -------
    pandas.DataFrame or the caller's kind
        The columns are those of `TURNS`, `TURN_CONVERSATIONS` or `TURN_ROLES`. Conversations without speech have no
        row.

    Raises
    ------
    ConfigError
        If `by` or a role is unknown, or the limit is not positive.
    TableNotFound, ColumnNotFound
        If there are no ``audio_events``, or they lack ``type`` or ``at``.

    Notes
    -----
    Turns of people and websocket bots are the speech events of their members, as in `talk`: overlapping ones of one
    member are one turn, those under 0.2 s are left out. Texts read out (``audio:say``) and sound files
    (``audio:play``) are the bot's; files that repeat without end are background, neither a turn nor dead air. Members
    without any speech event have the results of recognition (``asr``): those end up to the silence timeout after the
    speech, and have no start, so that a latency from there is a lower bound and a barge-in is not seen.

    A latency is the gap between two sides, never negative: a turn that begins before the other side has ended has none.
    A turn with an open start has no latency, one with an open end cannot be replied to, and possible speech is not dead
    air. A caller who hangs up without a reply adds no latency either; the silence counts as dead air of the
    conversation. Like any quantile, p95 needs some 20 replies. A customer's turn of less than 1 s within a prompt is a
    sign of listening ("mhm"), not a barge-in, unless the prompt was stopped. Gaps between speakers: S. C. Levinson, F.
    Torreira, Front. Psychol. 6 (2015) 731.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("say", None, 0, "s1"), ("say:done", None, 4, "s1"), ("speaking:on", "c", 5, None),
    ...         ("speaking:off", "c", 7, None), ("say", None, 8.5, "s2"), ("speaking:on", "c", 10, None),
    ...         ("say:stop", None, 10.4, "s2"), ("speaking:off", "c", 12, None)]
    >>> events = pd.DataFrame(rows, columns=["type", "from_member_id", "at", "say_id"])
    >>> events = events.assign(conversation_id="CON-1", event_id=range(8), type="audio:" + events["type"])
    >>> events["at"] = pd.Timestamp("2026-05-04", tz="UTC") + pd.to_timedelta(events["at"], unit="s")
    >>> turns({"audio_events": events})[["role", "duration_s", "reply_to", "latency_s", "barged_in", "barge_in_s"]]
           role  duration_s  reply_to  latency_s  barged_in  barge_in_s
    0       bot         4.0       NaN        NaN      False         NaN
    1  customer         2.0       bot        1.0       <NA>         NaN
    2       bot         1.9  customer        1.5       True         0.4
    3  customer         2.0       NaN        NaN       <NA>         NaN
    >>> turns({"audio_events": events}, by="role")[["role", "replies", "latency_p50_s", "barge_ins", "stopped"]]
           role  replies  latency_p50_s  barge_ins  stopped
    0       bot        1            1.5          1        1
    1  customer        1            1.0          0        0
    """
    roles = roles or {}
    check_roles(roles)
    if by not in _COLUMNS:
        raise ConfigError(f"by is {by!r}: turns are given by 'turn', 'conversation' or 'role'.")
    if not dead_air_s > 0:
        raise ConfigError(f"dead_air_s is {dead_air_s}: silence is dead air from some positive number of seconds on.")
    source = Source.of(data)
    parts = turn_batches(source, roles)
    if by == "turn":
        return source.result_of_parts((_with_instants(part) for part, _ in parts), TURNS, by=[_ID, "turn"])
    if by == "conversation":
        rows = (_conversations(part, quiet, dead_air_s) for part, quiet in parts)
        return source.result_of_parts(rows, TURN_CONVERSATIONS, by=[_ID])
    whole = pd.concat([part[_OF_ROLES] for part, _ in parts], ignore_index=True)
    return source.result_of_parts([_sides(whole, dead_air_s)], TURN_ROLES, by=["role"])


_COLUMNS = {"turn": TURNS, "conversation": TURN_CONVERSATIONS, "role": TURN_ROLES}
#: Columns of each turn that are kept until all are counted.
_OF_ROLES = [_ID, "role", "talk_s", "open", "silence_s", "latency_s", "at_least", "barged_in", "stopped"]


def turn_batches(
    source: Source, roles: Mapping[str, str], legs: pd.DataFrame | None = None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The turns and silences in batches of whole conversations; with legs, only of their conversations."""
    batches = span_batches(source, "speaking", *PROMPTS, RECOGNISED, leg_columns=LEG_COLUMNS, legs=legs)
    for spans, own in batches:
        yield conversation_turns(spans, own, roles)


def conversation_turns(
    spans: pd.DataFrame, legs: pd.DataFrame, roles: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The turns of some conversations, as `TURNS` but in microseconds, and the silences between them."""
    rows = with_barge_ins(with_replies(turns_of_spans(spans, legs, roles)))
    quiet = silences(rows, spans[spans["endless"]], legs)
    before = quiet.assign(silence_s=(quiet["end"] - quiet["start"]) / 1e6).rename(
        columns={"start": "_", "end": "start"}
    )
    rows = rows.merge(before[[_ID, "start", "silence_s"]], on=[_ID, "start"], how="left")
    prompts = rows["source"].isin(PROMPTS)
    length = (rows["end"] - rows["start"]) / 1e6
    rows = rows.assign(
        turn=rows.groupby(_ID).cumcount() + 1, talk_s=length, open=rows["open_start"] | rows["open_end"],
        silence_s=rows["silence_s"].where(~rows["open_start"]), latency_s=rows["latency_us"] / 1e6,
        barge_in_s=((rows["end"] - rows["barged_in_us"]) / 1e6).where(rows["barged_in_us"].notna()),
        stopped=rows["stopped"].astype("boolean").where(prompts & ~rows["open_end"]),
    )  # fmt: skip
    return rows.assign(duration_s=length.where(~rows["open"])), quiet


def _with_instants(rows: pd.DataFrame) -> pd.DataFrame:
    start = coerce.instants(rows["start"]).where(~rows["open_start"])
    return rows.assign(start_at=start, end_at=coerce.instants(rows["end"]), latency_at_least=rows["at_least"])


def _sides(rows: pd.DataFrame, dead_air_s: float) -> pd.DataFrame:
    dead = rows["silence_s"].where(rows["silence_s"] >= dead_air_s)
    known = rows.assign(dead=dead).groupby("role")
    table = known.agg(conversations=(_ID, "nunique"), turns=(_ID, "size"), open_turns=("open", "sum"),
                      talk_s=("talk_s", "sum"), dead_airs=("dead", "count"), dead_air_s=("dead", "sum"))  # fmt: skip
    table = table.join(_replies(rows, ["role"])).join(_barge_ins(rows, ["role"]))
    return table.reset_index()


def _conversations(rows: pd.DataFrame, quiet: pd.DataFrame, dead_air_s: float) -> pd.DataFrame:
    group = rows.groupby(_ID)
    table = group.agg(turns=(_ID, "size"), open_turns=("open", "sum")).join(_barge_ins(rows, [_ID]))
    replies = _replies(rows, [_ID, "role"])
    for role in ROLES:
        table[f"{role}_turns"] = (rows["role"] == role).groupby(rows[_ID]).sum()
        own = replies[replies.index.get_level_values("role") == role].droplevel("role")
        table = table.join(own.add_prefix(f"{role}_"))
        counts = [f"{role}_replies", f"{role}_replies_at_least"]
        table[counts] = table[counts].fillna(0)
    length = (quiet["end"] - quiet["start"]) / 1e6
    dead = length.where(length >= dead_air_s)
    pauses = pd.DataFrame({_ID: quiet[_ID], "length": length, "dead": dead}).groupby(_ID)
    table = table.join(pauses.agg(dead_airs=("dead", "count"), dead_air_s=("dead", "sum"),
                                  longest_silence_s=("length", "max")))  # fmt: skip
    silent = ["dead_airs", "dead_air_s", "longest_silence_s"]
    table[silent] = table[silent].fillna(0)
    return table.reset_index()


def _replies(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The number of latencies per group, and their quantiles."""
    group = rows.groupby(by)
    table = group.agg(replies=("latency_s", "count"), replies_at_least=("at_least", "sum"))
    latencies = rows.dropna(subset=["latency_s"]).groupby(by)["latency_s"]
    for name, q in (("latency_p50_s", 0.5), ("latency_p95_s", 0.95)):
        table[name] = latencies.quantile(q) if len(rows) else np.nan
    return table


def _barge_ins(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How many turns were spoken into, among those for which that is known, and how many of these were stopped."""
    into = rows["barged_in"].fillna(value=False).astype(bool)
    flags = rows.assign(barge_ins=into, barge_in_n=rows["barged_in"].notna(),
                        stopped=into & rows["stopped"].fillna(value=False).astype(bool))  # fmt: skip
    return flags.groupby(by)[["barge_ins", "barge_in_n", "stopped"]].sum()


__all__ = ["DEAD_AIR_S", "TURNS", "TURN_CONVERSATIONS", "TURN_ROLES", "conversation_turns", "turn_batches", "turns"]
