"""The report's section on voice agents: how fast they reply, who speaks into their prompts, and dead air."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.dialogue.turns import DEAD_AIR_S, turn_batches
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.notebook import charts
from conv_analytics.notebook.charts import Bar
from conv_analytics.notebook.html import safe
from conv_analytics.notebook.report import statistics
from conv_analytics.notebook.report.formatting import amount, count, percent
from conv_analytics.notebook.report.numbers import Bin, Numbers, Rate, Replies, Turns
from conv_analytics.notebook.report.pictures import Chart, Section

_ID = "conversation_id"
_NEEDED = {_ID, "event_id", "type", "at"}
#: Who replies to whom: the sides of a conversation with a bot.
_SIDES = (("bot", "customer"), ("customer", "bot"), ("human", "customer"), ("customer", "human"))
_WORDS = {"bot": "bot", "human": "agent", "customer": "customer"}
_EDGES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_KEPT = [_ID, "role", "reply_to", "latency_s", "at_least", "open", "barged_in", "stopped"]


def turns_of(data: Any, legs: pd.DataFrame) -> Turns | None:
    """The turn-taking of the conversations of some legs with a bot or prompts; None without any."""
    source = Source.of(data)
    if _NEEDED - {*source.columns("audio_events")}:
        return None
    with_bots = legs[legs[_ID].isin(_with_prompts(source)) | legs[_ID].isin(_with_websocket(legs))]
    if with_bots.empty:
        return None
    parts, dead = [], set()
    for turns, quiet in turn_batches(source, {}, with_bots):
        parts.append(turns[_KEPT])
        dead |= {*quiet.loc[quiet["end"] - quiet["start"] >= DEAD_AIR_S * 1e6, _ID]}
    rows = pd.concat(parts, ignore_index=True)
    # Conversations without a turn, such as those with hold music alone, are not in the denominator.
    dead &= {*rows[_ID]}
    return _numbers(rows, len(dead)) if (rows["role"] == "bot").any() else None


def _with_prompts(source: Source) -> list[str]:
    """Conversations in which a text was spoken, or a sound file played that ends by itself."""
    rows = Rows.read(source, "audio_events", [_ID, "type", "loop"], needed=(_ID, "type"))
    played_once = (nw.col("type") == "audio:play") & (nw.col("loop").fill_null(1) != 0)
    return rows.filter((nw.col("type") == "audio:say") | played_once).distinct(_ID)


def _with_websocket(legs: pd.DataFrame) -> pd.Series[Any]:
    return legs.loc[(legs["channel_type"] == "websocket") & legs["answered_at"].notna(), _ID]


def _numbers(rows: pd.DataFrame, dead: int) -> Turns:
    into = rows["barged_in"].fillna(value=False).astype(bool)
    cut = into & rows["stopped"].fillna(value=False).astype(bool)
    replies = []
    for by, to in _SIDES:
        own = rows[(rows["role"] == by) & (rows["reply_to"] == to)]
        if len(own):
            at_least = int(own["at_least"].fillna(value=False).sum())
            replies.append(Replies(by, to, statistics.values(own["latency_s"]), at_least))
    latency = rows.loc[(rows["role"] == "bot") & (rows["reply_to"] == "customer"), "latency_s"].to_numpy("float64")
    counts = np.bincount(np.searchsorted(_EDGES, latency, side="right") - 1, minlength=len(_EDGES))
    conversations = int(rows[_ID].nunique())
    return Turns(
        conversations=conversations,
        turns=len(rows),
        open_turns=int(rows["open"].sum()),
        replies=tuple(replies),
        bins=tuple(Bin(low, high, int(n)) for low, high, n in zip(_EDGES, (*_EDGES[1:], None), counts, strict=True)),
        barge_ins=statistics.rate(int(into.sum()), int(rows["barged_in"].notna().sum())),
        stopped=statistics.rate(int(cut.sum()), int(into.sum())),
        dead_air=statistics.rate(dead, conversations),
        dead_air_s=DEAD_AIR_S,
    )


def sections(numbers: Numbers) -> tuple[Section, ...]:
    """The section on voice agents; empty without any."""
    turns = numbers.turns
    if turns is None:
        return ()
    note = f"{count(turns.turns, 'turn')} in {count(turns.conversations, 'conversation')} with a bot or prompts."
    if turns.open_turns:
        note += f" The start or the end of {turns.open_turns:,} was never seen: nothing is measured from there."
    shown = (chart for chart in (_latency(turns), _shares(turns)) if chart is not None)
    return (Section("Voice agents", note, tuple(shown)),)


def _latency(turns: Turns) -> Chart | None:
    """How long bots took to reply to customers, and in the table all sides."""
    if not turns.replies:
        return None
    bots = next((each for each in turns.replies if (each.by, each.to) == ("bot", "customer")), None)
    title = "Reply latency of bots"
    picture = charts.histogram([(f"{each.low:g}", each.n, "b") for each in turns.bins], title=title, unit="s")
    note = "s; no reply to a customer was seen"
    if bots is not None:
        p50, p95 = (amount(each, "s") for each in (bots.latency.p50, bots.latency.p95))
        replies = "reply" if bots.latency.n == 1 else "replies"
        note = f"s; median {p50}, p95 {p95}, of {bots.latency.n:,} {replies} to customers"
        if bots.at_least:
            note += f"; {bots.at_least:,} are lower bounds (from recognition)"
    rows = tuple(
        (f"{_WORDS[each.by]} to {_WORDS[each.to]}", f"{each.latency.n:,}", amount(each.latency.p50, "s"),
         amount(each.latency.p95, "s"), f"{each.at_least:,}")
        for each in turns.replies
    )  # fmt: skip
    return Chart(title, note, safe(picture), ("who replies", "replies", "median", "p95", "lower bounds"), rows)


def _shares(turns: Turns) -> Chart:
    """Barge-ins, and conversations with dead air."""
    rates: list[tuple[str, Rate]] = [
        ("Barge-ins", turns.barge_ins),
        ("Then stopped", turns.stopped),
        ("Dead air", turns.dead_air),
    ]
    title = "Barge-ins and dead air"
    rows = [
        Bar(words, rate.rate, rate.lo, rate.hi, f"{rate.k:,} of {rate.n:,}" if rate.n else "no cases", rate.enough)
        for words, rate in rates
    ]
    note = f"of a bot's turns; of barge-ins; of conversations (nobody speaks for {turns.dead_air_s:g} s)"
    cells = tuple(
        (words, percent(rate.rate), percent(rate.lo), percent(rate.hi), f"{rate.k:,}", f"{rate.n:,}")
        for words, rate in rates
    )
    return Chart(title, note, safe(charts.bars(rows, title=title)), ("", "share", "from", "to", "cases", "of"), cells)


__all__ = ["sections", "turns_of"]
