"""What excuses a direction without audio: one rule for flows of audio, verdicts, checks and reports."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from conv_analytics.analysis.attempts import with_micros
from conv_analytics.analysis.frames import Source

Rows = nw.LazyFrame[Any]

KEYS = ("conversation_id", "leg_id")
#: A mute excuses silence when it lasted at least this share of the talk.
MOST = 0.8
#: On and off events by direction: a mute stops what comes in, an earmuff what goes out.
SWITCHES = {"in": ("audio:mute:on", "audio:mute:off"), "out": ("audio:earmuff:on", "audio:earmuff:off")}
#: Columns of legs that the rule looks at.
LOOKED_AT = (*KEYS, "channel_type", "answered", "talk_s", "ended_at")


def with_context(source: Source, rows: Rows, audio_events: Source | None = None) -> Rows:
    """Legs with what `excuse` looks at besides their own columns.

    Added: ``_in_s`` and ``_out_s``, the seconds that they were muted and earmuffed within their talk (null without such
    events), and ``_company``, the answered legs of their conversation.

    Parameters
    ----------
    source
        What the legs are of.
    rows
        Legs with the columns `LOOKED_AT`.
    audio_events
        What has the table ``audio_events``; `source` itself when absent. Without the table nobody was muted.
    """
    up = nw.when(nw.col("answered").fill_null(value=False)).then(nw.lit(1)).otherwise(nw.lit(0))
    rows = rows.with_columns(_up=up)
    rows = rows.with_columns(_company=nw.col("_up").sum().over("conversation_id"))
    events = source if audio_events is None else audio_events
    if "audio_events" not in events.tables:
        none = nw.lit(None).cast(nw.Float64())
        return rows.with_columns(**{f"_{audio}_s": none for audio in SWITCHES})
    sums = _switched(events)
    if events is not source:
        sums = source.lazy(events.collect(sums), rows)
    rows = with_micros(source, rows.join(sums, on=[*KEYS], how="left"), "ended_at")
    return rows.with_columns(**{f"_{audio}_s": _seconds(audio) for audio in SWITCHES})


def _switched(source: Source) -> Rows:
    """Per leg and direction, how many switches there are, which of them are open, and the instants that makes."""
    key = ["conversation_id", "event_id"]
    events = source.table("audio_events", [*key, "type", "at", "leg_id"])
    events = events.filter(nw.col("type").is_in([kind for pair in SWITCHES.values() for kind in pair]))
    events = events.filter(~nw.col("leg_id").is_null()).unique(subset=key, keep="any")
    events = with_micros(source, events, "at")
    kinds: dict[str, nw.Expr] = {}
    for audio, (on, off) in SWITCHES.items():
        is_on, is_off = nw.col("type") == on, nw.col("type") == off
        sign = nw.when(is_on).then(nw.lit(1)).otherwise(nw.when(is_off).then(nw.lit(-1)).otherwise(nw.lit(0)))
        kinds |= {f"_{audio}_n": sign * sign, f"_{audio}_open": sign, f"_{audio}_at": sign * nw.col("at_us")}
    # Columns first, plain sums then: groups of anything else are slow on pandas.
    return events.with_columns(**kinds).group_by(*KEYS).agg(*(nw.col(name).sum() for name in kinds))


def _seconds(audio: str) -> nw.Expr:
    """From on to the end, less from off to the end: the seconds between, also of one that is never switched off."""
    seconds = (nw.col("ended_at_us") * nw.col(f"_{audio}_open") - nw.col(f"_{audio}_at")) / 1e6
    bounded = nw.when(seconds < 0).then(nw.lit(0.0)).otherwise(
        nw.when(seconds > nw.col("talk_s")).then(nw.col("talk_s")).otherwise(seconds)
    )  # fmt: skip
    return nw.when(nw.col(f"_{audio}_n") > 0).then(bounded)


def excuse(audio: str) -> nw.Expr:
    """Why a leg need not have audio ``in`` or ``out``: muted, earmuffed, websocket or one_leg; null if it must."""
    muted = nw.col(f"_{audio}_s")
    most = (muted >= nw.col("talk_s") * MOST) & (nw.col("talk_s") > 0)
    return nw.when(most).then(nw.lit("muted" if audio == "in" else "earmuffed")).otherwise(
        # Its application may only listen, or only play.
        nw.when(nw.col("channel_type") == "websocket").then(nw.lit("websocket")).otherwise(
            # Alone, nobody speaks to this leg; that it does not speak itself is still worth a look.
            nw.when((nw.col("_company") == 1) & nw.lit(audio == "out")).then(nw.lit("one_leg"))))  # fmt: skip


__all__ = ["KEYS", "LOOKED_AT", "MOST", "SWITCHES", "excuse", "with_context"]
