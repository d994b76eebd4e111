"""One-way audio and silence: for each leg and direction whether audio flowed, what excuses it, what was heard of it."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from conv_analytics.analysis import measures as m
from conv_analytics.analysis.attempts import with_micros
from conv_analytics.analysis.frames import Source
from conv_analytics.analysis.quality import LEG_COLUMNS, measured_legs
from conv_analytics.analysis.units import Units
from conv_analytics.tables.column import Column

#: A mute excuses silence when it lasted at least this share of the talk.
MOST = 0.8
#: How sure a silence is: nobody was heard to speak, nothing is known of it, or somebody was.
CONFIDENCE = {"none": 0.9, "unknown": 0.7, "heard": 0.4}

_TAKEN = (*m.KEYS, "channel_type", "direction", "network_code", "country", "talk_s", "codec_guess", "flow")
COLUMNS = (
    *(column for name in _TAKEN for column in LEG_COLUMNS if column.name == name),
    Column("audio", str, "in: from the leg to the platform; out: from the platform to the leg."),
    Column("bytes", int, "Bytes in this direction.", "B"),
    Column("kbps", float, "Their rate over the talk.", "kbit/s"),
    Column("state", str, "heard, silent, excused or unknown."),
    Column("excuse", str, "What excuses a silence: muted, earmuffed, websocket or one_leg."),
    Column("muted_s", float, "Seconds muted (in) or earmuffed (out) within the talk; null without such events.", "s"),
    Column("speech", str, "Whether speaking was detected on the leg: heard, none or unknown."),
    Column("evidence_event_id", int, "The hangup that holds the bytes."),
    Column("confidence", float, "Of a silence: 0.9 without detected speech, 0.7 if unknown, 0.4 in spite of it."),
)
#: On and off events by direction: a mute stops what comes in, an earmuff what goes out.
_SWITCHES = {"in": ("audio:mute:on", "audio:mute:off"), "out": ("audio:earmuff:on", "audio:earmuff:off")}
_SPEAKING = "audio:speaking:on"


def audio_flow(data: Any, *, units: Units | None = None) -> Any:
    """Whether audio flowed on an answered leg, one row per direction, and what excuses it where it did not.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, or the frame that `legs` gives. Excuses and speech need the table
        ``audio_events``; without it nothing is excused by a mute, and speech is unknown.
    units
        What `detect_units` found; detected when absent.

    Returns
    -------
    frame
        ``state`` is of one direction, ``flow`` of the leg (``both``, ``no_in``, ``no_out``, ``ghost``):

        - ``silent``: under 1 kbit/s over a talk of at least 5 s, and nothing excuses it;
        - ``excused``: silent, but the leg was muted (or, outwards, earmuffed) for 80 % of the talk, is a websocket (its
          application may only listen, or only play), or stood alone in its conversation with nobody to hear;
        - ``heard``: anything from 1 kbit/s on. Comfort noise is also heard: bytes are no proof of a voice;
        - ``unknown``: no bytes reported, or a shorter talk.

        ``in`` and ``out`` are taken from the platform's side, as the API's reference says. An export with ``silent``
        only ever outwards on all legs hints that its bytes are counted the other way round.

    Examples
    --------
    >>> import pandas as pd
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "b"], "answered": True, "talk_s": 60.0,
    ...     "hangup_event_id": [8, 9], "mos_score": 4.5, "quality_percentage": 100.0, "jitter_min_var": 1.0,
    ...     "jitter_max_var": 25.0, "jitter_loss_rate": 0.0, "flaw_total": 0, "packet_cnt": [0, 2950],
    ...     "packet_loss_perc": 0.0, "byte_in": [0, 507400], "byte_out": 507400})
    >>> audio_flow(legs)[["leg_id", "flow", "audio", "kbps", "state", "confidence"]].round(1)
      leg_id   flow audio  kbps   state  confidence
    0      a  no_in    in   0.0  silent         0.7
    1      a  no_in   out  67.7   heard         NaN
    2      b   both    in  67.7   heard         NaN
    3      b   both   out  67.7   heard         NaN
    """
    source, rows, _ = measured_legs(data, units, {*_TAKEN, "ended_at"} & {*m.KEYS, *m.DESCRIBING})
    rows = source.settled(_with_events(source, source.settled(rows.filter(nw.col("_answered") == 1))))
    company = rows.group_by("conversation_id").agg(nw.len().alias("_company"))
    rows = rows.join(company, on="conversation_id", how="left")
    both = nw.concat([_direction(rows, "in"), _direction(rows, "out")], how="vertical")
    return source.give(both, COLUMNS, by=(*m.KEYS, "audio"))


def _direction(rows: nw.LazyFrame[Any], audio: str) -> nw.LazyFrame[Any]:
    silent = nw.col(f"_bits_{audio}") < m.SILENT_BPS
    muted = nw.col(f"_{audio}_s")
    most = (muted >= nw.col("talk_s") * MOST) & (nw.col("talk_s") > 0)
    excuse = nw.when(most).then(nw.lit("muted" if audio == "in" else "earmuffed")).otherwise(
        nw.when(nw.col("channel_type") == "websocket").then(nw.lit("websocket")).otherwise(
            # Alone, nobody speaks to this leg; that it does not speak itself is still worth a look.
            nw.when((nw.col("_company") == 1) & nw.lit(audio == "out")).then(nw.lit("one_leg"))))  # fmt: skip
    rows = rows.with_columns(
        audio=nw.lit(audio),
        bytes=nw.col(f"byte_{audio}"),
        kbps=nw.col(f"_bits_{audio}") / 1000.0,
        excuse=nw.when(silent).then(excuse),
        muted_s=muted,
        evidence_event_id=nw.col("hangup_event_id"),
    )
    rows = rows.with_columns(
        state=nw.when(nw.col("kbps").is_null()).then(nw.lit("unknown")).otherwise(
            nw.when(~silent).then(nw.lit("heard")).otherwise(
                nw.when(nw.col("excuse").is_null()).then(nw.lit("silent")).otherwise(nw.lit("excused"))))
    )  # fmt: skip
    # What is detected as speech is what the platform heard of the leg: it says nothing of the other direction.
    speech = nw.col("speech") if audio == "in" else nw.lit("unknown")
    sure = nw.when(speech == "heard").then(nw.lit(CONFIDENCE["heard"])).otherwise(
        nw.when(speech == "none").then(nw.lit(CONFIDENCE["none"])).otherwise(nw.lit(CONFIDENCE["unknown"]))
    )  # fmt: skip
    rows = rows.with_columns(confidence=nw.when(nw.col("state") == "silent").then(sure), speech=speech)
    return rows.select(*(column.name for column in COLUMNS))


def _with_events(source: Source, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Add seconds muted and earmuffed, and whether speech was detected, as far as there are events."""
    if "audio_events" not in source.tables:
        none = nw.lit(None).cast(nw.Float64())
        return rows.with_columns(_in_s=none, _out_s=none, speech=nw.lit("unknown"))
    key = ["conversation_id", "event_id"]
    events = source.table("audio_events", [*key, "type", "at", "leg_id"]).unique(subset=key, keep="any")
    wanted = [_SPEAKING, *(kind for pair in _SWITCHES.values() for kind in pair)]
    events = events.filter(nw.col("type").is_in(wanted) & ~nw.col("leg_id").is_null())
    ends = rows.select(*m.KEYS, "ended_at")
    events = events.join(ends, on=[*m.KEYS], how="inner")
    events = with_micros(source, events, "ended_at", "at")
    events = events.with_columns(_left=(nw.col("ended_at_us") - nw.col("at_us")) / 1e6)
    # Columns first, plain sums then: groups of anything else are slow on pandas.
    kinds = {"_spoke": nw.when(nw.col("type") == _SPEAKING).then(nw.lit(1)).otherwise(nw.lit(0))}
    for audio, (on, off) in _SWITCHES.items():
        is_on, is_off = nw.col("type") == on, nw.col("type") == off
        sign = nw.when(is_on).then(nw.lit(1)).otherwise(nw.when(is_off).then(nw.lit(-1)).otherwise(nw.lit(0)))
        # From on to the end, less from off to the end: the seconds between, also of one that is never switched off.
        kinds |= {f"_{audio}_n": sign * sign, f"_{audio}_sum": sign * nw.col("_left")}
    events = events.with_columns(**kinds)
    summed = events.group_by(*m.KEYS).agg(*(nw.col(name).sum() for name in kinds))
    talked = events.group_by("conversation_id").agg(nw.col("_spoke").sum().alias("_all_spoke"))
    rows = rows.join(summed, on=[*m.KEYS], how="left").join(talked, on="conversation_id", how="left")
    for audio in _SWITCHES:
        rows = rows.with_columns(_muted(audio).alias(f"_{audio}_s"))
    return rows.with_columns(
        speech=nw.when(nw.col("_spoke") > 0).then(nw.lit("heard")).otherwise(
            nw.when(nw.col("_all_spoke") > 0).then(nw.lit("none")).otherwise(nw.lit("unknown")))
    )  # fmt: skip


def _muted(audio: str) -> nw.Expr:
    """Seconds switched on, within the talk."""
    seconds = nw.col(f"_{audio}_sum")
    bounded = nw.when(seconds < 0).then(nw.lit(0.0)).otherwise(
        nw.when(seconds > nw.col("talk_s")).then(nw.col("talk_s")).otherwise(seconds)
    )  # fmt: skip
    return nw.when(nw.col(f"_{audio}_n") > 0).then(bounded)


__all__ = ["COLUMNS", "CONFIDENCE", "audio_flow"]
