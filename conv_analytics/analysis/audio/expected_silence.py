"""Excuses for a direction without audio: one rule for audio flows, verdicts, checks and reports."""

from __future__ import annotations

import narwhals as nw

from conv_analytics.analysis.engine.event_rows import distinct_events
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source

KEYS = ("conversation_id", "leg_id")
#: The same keys, to join by: a null would join nothing.
JOINED_BY = ("_conversation", "leg_id")
#: A mute excuses silence when it lasted at least this share of the talk.
MOST = 0.8
#: On and off events by direction: a mute stops what comes in, an earmuff what goes out.
SWITCHES = {"in": ("audio:mute:on", "audio:mute:off"), "out": ("audio:earmuff:on", "audio:earmuff:off")}
#: Columns of legs that the rule reads.
LOOKED_AT = (*KEYS, "channel_type", "answered", "talk_s", "ended_at")


def with_context(rows: Rows, audio_events: Source | None = None) -> Rows:
    """Legs with the further columns that `excuse` needs.

    Added: ``_in_s`` and ``_out_s``, the seconds that they were muted and earmuffed within their talk (null without such
    events), and ``_company``, the answered legs of their conversation.

    Parameters
    ----------
    rows
        Legs with the columns `LOOKED_AT`.
    audio_events
        The data with the table ``audio_events``; the source of the legs when absent. Without the table nobody was
        muted.
    """
    rows = rows.with_columns(_up=one_if(is_true(nw.col("answered"))))
    company = nw.col("_up").sum().over("conversation_id")
    # Legs without a conversation have none in common.
    rows = rows.with_columns(
        _company=nw.when(nw.col("conversation_id").is_null()).then(nw.col("_up")).otherwise(company)
    )
    events = rows.source if audio_events is None else audio_events
    if "audio_events" not in events.tables:
        none = nw.lit(None).cast(nw.Float64())
        return rows.with_columns(**{f"_{audio}_s": none for audio in SWITCHES})
    switches = _switches(events)
    if events is not rows.source:
        switches = Rows.of_pandas(rows.source, switches.collect())
    rows = with_join_key(rows)
    return rows.join(_muted(rows, switches), on=[*JOINED_BY], how="left").drop(JOINED_BY[0])


def with_join_key(rows: Rows) -> Rows:
    """Rows with the first column of `JOINED_BY`: their conversation, empty where they have none."""
    return rows.with_columns(_conversation=nw.col("conversation_id").fill_null(""))


def _switches(source: Source) -> Rows:
    """The events that switch a direction of a leg on or off, without those that change nothing."""
    # Ids of events are unique within a conversation.
    key = [*KEYS, "event_id"]
    events = Rows.read(source, "audio_events", [*key, "type", "at"])
    kinds = [kind for pair in SWITCHES.values() for kind in pair]
    events = events.filter(nw.col("type").is_in(kinds), ~nw.col("leg_id").is_null(), ~nw.col("at").is_null())
    events = with_join_key(distinct_events(events, "audio_events", key)).with_micros("at")
    is_on = nw.col("type").is_in([on for on, _ in SWITCHES.values()])
    events = events.with_columns(
        _audio=nw.when(nw.col("type").is_in([*SWITCHES["in"]])).then(nw.lit("in")).otherwise(nw.lit("out")),
        _on=nw.when(is_on).then(nw.lit(1)).otherwise(nw.lit(-1)),
    )
    before = nw.col("_on").shift(1).over(*JOINED_BY, "_audio", order_by=["at_us", "event_id"])
    events = events.with_columns(_before=before.fill_null(-1))
    return events.filter(nw.col("_before") != nw.col("_on")).select(*JOINED_BY, "_audio", "_on", "at_us")


def _muted(rows: Rows, switches: Rows) -> Rows:
    """Per leg the seconds of talk in which each direction was off; one that is never switched on again stays off."""
    talk = rows.select(*JOINED_BY, "talk_s", "ended_at").with_micros("ended_at")
    talk = talk.with_columns(_since=nw.col("ended_at_us") - nw.col("talk_s") * 1e6)
    switched = switches.join(talk, on=[*JOINED_BY], how="inner")
    # Rest of the talk after each switch: from "on" to the end, less from "off" to the end, is the time between.
    since = nw.when(nw.col("at_us") < nw.col("_since")).then(nw.col("_since")).otherwise(nw.col("at_us") * 1.0)
    left = (nw.col("ended_at_us") - since) / 1e6
    switched = switched.with_columns(_left=nw.when(left < 0).then(nw.lit(0.0)).otherwise(left) * nw.col("_on"))
    switched = switched.with_columns(
        **{f"_{audio}_s": nw.when(nw.col("_audio") == audio).then(nw.col("_left")) for audio in SWITCHES},
        **{f"_{audio}_n": one_if(nw.col("_audio") == audio) for audio in SWITCHES},
    )
    # Plain sums: other aggregates per group are slow in pandas.
    sums = [nw.col(f"_{audio}_{what}").sum() for audio in SWITCHES for what in "sn"]
    done = switched.group(JOINED_BY, *sums)
    seconds = {f"_{audio}_s": nw.when(nw.col(f"_{audio}_n") > 0).then(nw.col(f"_{audio}_s")) for audio in SWITCHES}
    return done.select(*JOINED_BY, **seconds)


def excuse(audio: str) -> nw.Expr:
    """Why a leg need not have audio ``in`` or ``out``: muted, earmuffed, websocket or one_leg; null if it should."""
    muted = nw.col(f"_{audio}_s")
    most = (muted >= nw.col("talk_s") * MOST) & (nw.col("talk_s") > 0)
    return nw.when(most).then(nw.lit("muted" if audio == "in" else "earmuffed")).otherwise(
        # The application behind a websocket may only listen, or only play.
        nw.when(nw.col("channel_type") == "websocket").then(nw.lit("websocket")).otherwise(
            # Nobody speaks to a leg that is alone; that it does not speak itself is still worth a look.
            nw.when((nw.col("_company") == 1) & nw.lit(audio == "out")).then(nw.lit("one_leg"))))  # fmt: skip


__all__ = ["JOINED_BY", "KEYS", "LOOKED_AT", "MOST", "SWITCHES", "excuse", "with_context", "with_join_key"]
