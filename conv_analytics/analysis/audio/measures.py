"""The measured values of a leg in comparable units: the columns that verdicts, audits and flows use.

No verdicts are given here. A leg without measurements has nulls, whatever start values it reports.
"""

from __future__ import annotations

import operator
from datetime import datetime
from functools import reduce

import narwhals as nw

from conv_analytics.analysis.audio import expected_silence as excuses
from conv_analytics.analysis.audio.detect_units import JITTER_IMPOSSIBLE_MS, loss_contradicts
from conv_analytics.analysis.audio.units import MEASURED, READABLE, Units
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.maths import emodel
from conv_analytics.tables.column import Column

#: Below the first (2 s of audio) packets show nothing; below the second (10 s) a perfect score is the start value.
PACKETS_TO_SHOW, PACKETS_TO_TRUST = 100, 500
#: Packets between two updates of jitter_loss_rate (five seconds).
PACKETS_TO_REFRESH = 250
#: Default packet interval. [s]
PACKET_S = 0.020
#: Below this bit rate there is no audio; shorter legs are not judged.
SILENT_BPS, FLOW_S = 1000.0, 5.0
#: Limits that contradict a score of 4.4 or more.
GREEN_MOS, LOUD_LOSS_PCT, LOUD_LOSS_RATE, LOUD_JITTER_MS = 4.4, 3.0, 0.03, 60.0
#: Flaws bound losses from above: beside fewer flaws than this share of the packets, a loss of 0 hides no bad one.
FLAWED_PCT = 3.0
#: Bytes of a packet with 20 ms of audio and its RTP header, the tolerance, and the codec.
PACKET_SIZES = ((172, 4, "g711"), (32, 2, "g729"), (45, 2, "gsm"), (640, 14, "l16"), (95, 35, "opus"))

KEYS = excuses.KEYS
#: Columns of `legs` that quality reads; the first are required, the others describe the leg.
NEEDED = {
    "conversation_id": str, "leg_id": str, "answered": bool, "talk_s": float, "hangup_event_id": int,
    "mos_score": float, "quality_percentage": float, "jitter_min_var": float, "jitter_max_var": float,
    "jitter_loss_rate": float, "flaw_total": int, "packet_cnt": int, "packet_loss_perc": float,
    "byte_in": int, "byte_out": int,
}  # fmt: skip
DESCRIBING = {
    "technology": str,
    "channel_type": str,
    "direction": str,
    "remote_address": str,
    "country": str,
    "network_code": str,
    "started_at": datetime,
    "answered_at": datetime,
    "ended_at": datetime,
}  # fmt: skip
#: Every column of legs that is read, with its kind.
READ = NEEDED | DESCRIBING


def leg_columns() -> list[Column]:
    """The columns of legs that are read, as declarations."""
    return [Column(name, kind, "") for name, kind in READ.items()]


def measures(legs: Rows, units: Units) -> Rows:
    """Add what was measured, in the units detected, to legs `with_context`."""
    loss_decided = "loss_unit" not in units.undecided
    legs = legs.with_columns(
        _packets=nw.when(nw.col("packet_cnt") >= 0).then(nw.col("packet_cnt").cast(nw.Float64())),
        _flaws=nw.when(nw.col("flaw_total") >= 0).then(nw.col("flaw_total").cast(nw.Float64())),
        _answered=nw.when(nw.col("answered")).then(nw.lit(1)).otherwise(nw.lit(0)),
        mos_model=nw.lit(units.mos_model),
        mos_reported=_mos(units),
    )
    heard = (nw.col("_packets") > 0) | (nw.col("_flaws") > 0)
    # Ten packets without loss do not prove a line without loss; a count of 0 beside flaws is an unknown count.
    uncounted = (nw.col("_packets").is_null() | (nw.col("_packets") == 0)) & (nw.col("_flaws") > 0)
    shown = (nw.col("_packets") >= PACKETS_TO_SHOW) | uncounted
    legs = legs.with_columns(
        _heard=nw.when(heard).then(nw.lit(1)).otherwise(nw.lit(0)),
        _shown=nw.when(shown).then(nw.lit(1)).otherwise(nw.lit(0)),
    )
    legs = legs.with_columns(
        _loss_said=_loss(units),
        _loss_rate=_rate(readable=units.rate_told and loss_decided),
        _no_flaws=nw.when(
            (nw.col("_packets") >= PACKETS_TO_SHOW)
            & (nw.col("_flaws") == 0)
            & ~(nw.col("jitter_loss_rate").fill_null(0.0) > 1)
            & nw.lit(loss_decided)
        ).then(nw.lit(0.0)),
        jitter_sd_min_ms=_jitter("jitter_min_var", units),
        jitter_sd_max_ms=_jitter("jitter_max_var", units),
        _bits_in=_bps("byte_in"),
        _bits_out=_bps("byte_out"),
        media_ratio=nw.when((nw.col("_answered") == 1) & (nw.col("talk_s") > 0)).then(
            nw.col("_packets") * PACKET_S / nw.col("talk_s")
        ),
        codec_guess=_codec(),
    )
    legs = legs.with_columns(
        loss_pct=nw.coalesce("_loss_said", "_loss_rate", "_no_flaws"),
        loss_source=nw.when(~nw.col("_loss_said").is_null())
        .then(nw.lit("packet_loss_perc"))
        .otherwise(
            nw.when(~nw.col("_loss_rate").is_null())
            .then(nw.lit("jitter_loss_rate"))
            .otherwise(nw.when(~nw.col("_no_flaws").is_null()).then(nw.lit("no_flaws")))
        ),
        flow=_flow(),
        **{f"_{audio}_excuse": _excuse(audio) for audio in excuses.SWITCHES},
    )
    reported = nw.col("mos_reported")
    legs = legs.with_columns(
        mos_emodel=emodel.mos_emodel(nw.col("loss_pct")),
        mos_emodel_low=emodel.mos_emodel(nw.col("loss_pct"), codec="g711_no_plc"),
        mos_independent=reported if units.mos_model != "freeswitch_r" else nw.when(reported < 0).then(reported),
        excuse=nw.coalesce("_in_excuse", "_out_excuse"),
        silent_directions=nw.when(~nw.col("flow").is_null()).then(_silent("in") + _silent("out")),
    )
    return legs.with_columns(mos_trust=_trust())


def _mos(units: Units) -> nw.Expr:
    scaled = nw.col("mos_score") / (units.mos_scale or 1.0)
    return nw.when(scaled.is_between(1.0, 5.0) & nw.lit(units.mos_scale is not None)).then(scaled)


def _loss(units: Units) -> nw.Expr:
    """Packets lost in percent, for legs that received packets; null where the column is never filled.

    A value that is out of range for its unit, in another unit according to the leg's flaws, or 0 beside many flaws is
    not a measurement.
    """
    reported = percent = nw.col("packet_loss_perc")
    if units.loss_unit == "count":
        percent = reported / (reported + nw.col("_packets")) * 100.0
    elif units.loss_unit == "fraction":
        percent = reported * 100.0
    known = (nw.col("_shown") == 1) & (reported >= 0) & (percent <= 100)  # noqa: PLR2004  percent
    if units.loss_unit == "count":
        known = known & (reported.floor() == reported)
    if units.loss_checked:
        known = known & ~is_true(loss_contradicts(units.loss_unit))
    known = known & ~((reported == 0) & _flawed())
    return nw.when(known & nw.lit(units.loss_told and units.loss_unit in READABLE)).then(percent)


def _rate(*, readable: bool) -> nw.Expr:
    """Packets lost in percent, from ``jitter_loss_rate``; null where the unit of the losses is in doubt."""
    rate = nw.col("jitter_loss_rate")
    known = (nw.col("_packets") >= PACKETS_TO_REFRESH) & rate.is_between(0.0, 1.0) & ~((rate == 0) & _flawed())
    return nw.when(known & nw.lit(readable)).then(rate * 100.0)


def _flawed() -> nw.Expr:
    """Whether the flaws are too many to be explained without losses."""
    return is_true(
        (nw.col("_flaws") > 0) & (nw.col("_flaws") * 100.0 >= nw.col("_packets").fill_null(0.0) * FLAWED_PCT)
    )


def _jitter(column: str, units: Units) -> nw.Expr:
    value = nw.col(column)
    squared = units.jitter_unit == "ms2"
    most = JITTER_IMPOSSIBLE_MS**2 if squared else JITTER_IMPOSSIBLE_MS
    known = nw.when((nw.col("_shown") == 1) & (value >= 0) & (value <= most)).then(value)
    return known.sqrt() if squared else known


def _bps(column: str) -> nw.Expr:
    measurable = (nw.col("_answered") == 1) & (nw.col("talk_s") >= FLOW_S) & (nw.col(column) >= 0)
    return nw.when(measurable).then(nw.col(column) * 8.0 / nw.col("talk_s"))


def _flow() -> nw.Expr:
    """Which directions carried audio; null where bytes or seconds are missing or too few."""
    no_in, no_out = nw.col("_bits_in") < SILENT_BPS, nw.col("_bits_out") < SILENT_BPS
    known = ~nw.col("_bits_in").is_null() & ~nw.col("_bits_out").is_null()
    return nw.when(known).then(
        nw.when(no_in & no_out).then(nw.lit("ghost")).otherwise(
            nw.when(no_in).then(nw.lit("no_in")).otherwise(
                nw.when(no_out).then(nw.lit("no_out")).otherwise(nw.lit("both"))))
    )  # fmt: skip


def _excuse(audio: str) -> nw.Expr:
    """The excuse for a silent direction; null where it is not silent."""
    return nw.when(nw.col(f"_bits_{audio}") < SILENT_BPS).then(excuses.excuse(audio))


def unexcused(audio: str) -> nw.Expr:
    """Whether a direction is silent and nothing excuses it."""
    return is_true(nw.col(f"_bits_{audio}") < SILENT_BPS) & nw.col(f"_{audio}_excuse").is_null()


def _silent(audio: str) -> nw.Expr:
    return nw.when(unexcused(audio)).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _codec() -> nw.Expr:
    """The codec whose packets have about this size: a guess (G.722 has packets as large as those of G.711)."""
    size = nw.col("byte_in") / nw.col("_packets")
    guess: nw.Expr = nw.lit("other")
    for middle, tolerance, name in reversed(PACKET_SIZES):
        near = size.is_between(float(middle - tolerance), float(middle + tolerance))
        guess = nw.when(near).then(nw.lit(name)).otherwise(guess)
    return nw.when((nw.col("_packets") >= PACKETS_TO_SHOW) & (nw.col("byte_in") > 0)).then(guess)


def nothing_measured() -> nw.Expr:
    """Whether too little was received for a meaningful score: no packets and no flaws, or under two seconds."""
    few = (nw.col("_packets") > 0) & (nw.col("_packets") < PACKETS_TO_SHOW)
    return nw.col("mos_reported").is_null() | (nw.col("_heard") == 0) | is_true(few)


def contradictions() -> dict[str, nw.Expr]:
    """The conditions that contradict a score of 4.4 or more, each with its text."""
    return {
        "loss of 3 % or more": nw.col("loss_pct") >= LOUD_LOSS_PCT,
        "jitter_loss_rate of 0.03 or more": nw.col("jitter_loss_rate").is_between(LOUD_LOSS_RATE, 1.0),
        "packets spaced with a deviation over 60 ms": nw.col("jitter_sd_max_ms") > LOUD_JITTER_MS,
        "no audio in one direction or both": nw.col("silent_directions") >= 1,
    }


def lossless_flaws() -> nw.Expr:
    """Whether no column reports a loss although the flaws show that packets were lost."""
    columns = [nw.col("packet_loss_perc"), nw.col("jitter_loss_rate")]
    none, some = nw.lit(value=True), nw.lit(value=False)
    for column in columns:
        none = none & ~is_true(column > 0)
        some = some | is_true(column == 0)
    return (nw.col("_packets") > 0) & _flawed() & none & some


def start_values() -> nw.Expr:
    """Whether the score is still the start value, 4.5 and 100, after less than ten seconds of packets."""
    perfect = (nw.col("mos_reported") >= 4.495) & (nw.col("quality_percentage") >= 100)  # noqa: PLR2004
    return perfect & (nw.col("_packets") < PACKETS_TO_TRUST)


def _trust() -> nw.Expr:
    first, *others = map(is_true, contradictions().values())
    against = reduce(operator.or_, others, first)
    return nw.when(nothing_measured()).then(nw.lit("unmeasured")).otherwise(
        nw.when(nw.col("jitter_loss_rate") > 1).then(nw.lit("reset")).otherwise(
            nw.when((nw.col("mos_reported") >= GREEN_MOS) & against | is_true(lossless_flaws()))
            .then(nw.lit("contradicted")).otherwise(
                nw.when(start_values()).then(nw.lit("default")).otherwise(nw.lit("ok"))))
    )  # fmt: skip


__all__ = [
    "DESCRIBING", "KEYS", "MEASURED", "NEEDED", "PACKETS_TO_SHOW", "PACKETS_TO_TRUST", "READ", "contradictions",
    "leg_columns", "lossless_flaws", "measures", "nothing_measured", "start_values", "unexcused",
]  # fmt: skip
