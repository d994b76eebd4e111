"""One-way audio and silence, per leg and direction: whether audio flowed, what excuses silence, and speech."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from conv_analytics.analysis.audio import measures as m
from conv_analytics.analysis.audio.expected_silence import JOINED_BY, with_join_key
from conv_analytics.analysis.audio.quality import measured_legs
from conv_analytics.analysis.audio.quality_columns import LEG_COLUMNS
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.tables.column import Column

#: Confidence of a silence: no speech was detected, detection is unknown, or speech was detected.
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
    Column("confidence", float, "Of a silence: 0.9 without detected speech, 0.7 if unknown, 0.4 despite speech."),
)
_SPEAKING = "audio:speaking:on"


@question
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
          application may only listen, or only play), or was alone in its conversation with nobody to hear;
        - ``heard``: anything from 1 kbit/s on. Comfort noise is also heard: bytes are no proof of a voice;
        - ``unknown``: no bytes reported, or a shorter talk.

        ``in`` and ``out`` are taken from the platform's side, as the API's reference says. An export in which all
        silence is outwards suggests that its bytes are counted the other way round.

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
    rows, _ = measured_legs(Source.of(data), units, {*_TAKEN} & {*m.KEYS, *m.DESCRIBING})
    rows = _with_speech(rows.filter(nw.col("_answered") == 1)).materialized()
    both = Rows.concat([_direction(rows, "in"), _direction(rows, "out")])
    return both.result(COLUMNS, by=(*m.KEYS, "audio"))


def _direction(rows: Rows, audio: str) -> Rows:
    silent = nw.col(f"_bits_{audio}") < m.SILENT_BPS
    rows = rows.with_columns(
        audio=nw.lit(audio),
        bytes=nw.col(f"byte_{audio}"),
        kbps=nw.col(f"_bits_{audio}") / 1000.0,
        excuse=nw.col(f"_{audio}_excuse"),
        muted_s=nw.col(f"_{audio}_s"),
        evidence_event_id=nw.col("hangup_event_id"),
    )
    rows = rows.with_columns(
        state=nw.when(nw.col("kbps").is_null()).then(nw.lit("unknown")).otherwise(
            nw.when(~silent).then(nw.lit("heard")).otherwise(
                nw.when(nw.col("excuse").is_null()).then(nw.lit("silent")).otherwise(nw.lit("excused"))))
    )  # fmt: skip
    # Speech is detected in what the platform receives from the leg: it says nothing about the other direction.
    speech = nw.col("speech") if audio == "in" else nw.lit("unknown")
    sure = nw.when(speech == "heard").then(nw.lit(CONFIDENCE["heard"])).otherwise(
        nw.when(speech == "none").then(nw.lit(CONFIDENCE["none"])).otherwise(nw.lit(CONFIDENCE["unknown"]))
    )  # fmt: skip
    rows = rows.with_columns(confidence=nw.when(nw.col("state") == "silent").then(sure), speech=speech)
    return rows.select(*(column.name for column in COLUMNS))


def _with_speech(rows: Rows) -> Rows:
    """Add whether speech was detected, where events say so."""
    if "audio_events" not in rows.source.tables:
        return rows.with_columns(speech=nw.lit("unknown"))
    events = Rows.read(rows.source, "audio_events", ["conversation_id", "type", "leg_id"])
    events = with_join_key(events.filter(~nw.col("leg_id").is_null()))
    spoke = events.filter(nw.col("type") == _SPEAKING).select(*JOINED_BY).unique()
    talked = (
        spoke.filter(nw.col("_conversation") != "").select("_conversation").unique().with_columns(_talked=nw.lit(1))
    )
    rows = with_join_key(rows).join(spoke.with_columns(_spoke=nw.lit(1)), on=[*JOINED_BY], how="left")
    rows = rows.join(talked, on="_conversation", how="left").drop("_conversation")
    return rows.with_columns(
        speech=nw.when(nw.col("_spoke") == 1).then(nw.lit("heard")).otherwise(
            nw.when(nw.col("_talked") == 1).then(nw.lit("none")).otherwise(nw.lit("unknown")))
    )  # fmt: skip


__all__ = ["COLUMNS", "CONFIDENCE", "audio_flow"]
