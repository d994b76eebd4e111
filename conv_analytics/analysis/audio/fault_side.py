"""The side of a call on which the fault was: the caller's access, the bridge between the legs, or the callee's access.

What the platform receives on one leg should leave it on the other. Losses on the way in belong to that leg's access;
audio that came in and did not go out was lost in between. Whatever happens after the platform is not in the data.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

from conv_analytics.analysis.audio import measures as m
from conv_analytics.analysis.audio.quality import measured_legs
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import conversation_or_leg, is_true
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.tables.column import Column

#: Limits from which a leg's incoming side is bad.
LOSS_PCT, JITTER_MS = 3.0, 30.0
#: If less than this share of one leg's incoming audio goes out on the other, there is a gap.
CONSERVED = 0.5
#: Packets whose sizes differ by more than this share are of different codecs.
SAME_SIZE = 0.1
#: Confidence of each finding; it is halved if only one of the two legs was measured.
CONFIDENCE = {"access": 0.8, "bridge": 0.6, "transcoded": 0.4}

COLUMNS = (
    Column("conversation_id", str, "The conversation."),
    Column("legs", int, "Its answered legs."),
    Column("caller_leg_id", str, "The leg that called: the inbound one, else the first."),
    Column("callee_leg_id", str, "The leg that was called."),
    Column("fault_side", str, "caller_access, bridge, callee_access or unknown; null if no fault was seen."),
    Column("why", str, "What says so."),
    Column("caller_loss_pct", float, "Packets lost between the caller and the platform.", "%"),
    Column("callee_loss_pct", float, "Packets lost between the callee and the platform.", "%"),
    Column("forward_ratio", float, "Sent to the callee per second, as a ratio to received from the caller."),
    Column("back_ratio", float, "Sent to the caller per second, as a ratio to received from the callee."),
    Column("conserved_by", str, "What was compared: bytes, or packets where the legs' codecs differ."),
    Column("caller_event_id", int, "The caller's hangup."),
    Column("callee_event_id", int, "The callee's hangup."),
    Column("confidence", float, "0 to 1, by what was compared."),
)
_LEG = (
    "leg_id",
    "loss_pct",
    "_trouble",
    "_in",
    "_out",
    "_size",
    "_deaf",
    "hangup_event_id",
    "_known",
    "answered_at",
    "ended_at",
)


@question
def fault_side(data: Any, *, units: Units | None = None) -> Any:
    """One row per conversation with answered legs: on which side its fault was.

    Parameters
    ----------
    data, units
        As for `quality`.

    Returns
    -------
    frame
        ``fault_side`` of a call of two answered legs that overlap:

        - ``caller_access`` or ``callee_access``: its leg came in with 3 % loss or more, with a packet spacing whose
          deviation is over 30 ms, or with unexcused silence (see `audio_flow`), and the other leg did not;
        - ``bridge``: both came in well, and less than half of it went out on the other leg, per second of talk;
        - ``unknown``: trouble on both, more than two legs (a conference mixes them), legs that do not overlap, or
          nothing measured; ``why`` says which;
        - null: no fault was seen, which does not prove that there was none: losses after the platform, on the
          receiver's access, show on no leg.

        A single leg shows its own access only. Where packets of the two legs differ in size by more than 10 % (another
        codec), packets are compared instead of bytes: those sent are estimated from the size of those received.

    Examples
    --------
    >>> import pandas as pd
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "b"], "direction": ["inbound", "outbound"],
    ...     "answered": True, "talk_s": 60.0, "hangup_event_id": [8, 9], "mos_score": 4.2, "quality_percentage": 90.0,
    ...     "jitter_min_var": 1.0, "jitter_max_var": 25.0, "jitter_loss_rate": 0.0, "flaw_total": 30,
    ...     "packet_cnt": 2950, "packet_loss_perc": [6.0, 0.1], "byte_in": 507400, "byte_out": 507400})
    >>> fault_side(legs)[["fault_side", "why", "caller_loss_pct", "forward_ratio"]]
          fault_side                  why  caller_loss_pct  forward_ratio
    0  caller_access  the caller's way in              6.0            1.0
    """
    rows, _ = measured_legs(Source.of(data), units, (*m.KEYS, "direction", "answered_at", "ended_at"))
    rows = _sides(rows.filter(nw.col("_answered") == 1)).with_columns(_call=conversation_or_leg()).materialized()
    number = rows.group(["_call"], nw.len().alias("_n"))
    number = number.select("_call", nw.col("_n").cast(nw.Int64()).alias("legs"))
    order = ["_inbound", "_timeless", "answered_at", "leg_id"]
    first = rows.unique(["_call"], keep="first", order_by=order)
    last = rows.unique(["_call"], keep="last", order_by=order)
    pairs = number.join(_as(first, "a"), on="_call", how="inner")
    pairs = pairs.join(_as(last, "b"), on="_call", how="inner")
    return _decided(pairs).result(COLUMNS, by=("conversation_id", "caller_leg_id", "callee_leg_id"))


def _sides(rows: Rows) -> Rows:
    """The access faults of each leg, and its bytes per second."""
    talk, lossy, late = nw.col("talk_s"), nw.col("loss_pct") >= LOSS_PCT, nw.col("jitter_sd_max_ms") > JITTER_MS
    no_in = m.unexcused("in")
    known = ~nw.col("loss_pct").is_null() | ~nw.col("_bits_in").is_null()
    return rows.with_columns(
        _trouble=nw.when(is_true(lossy) | is_true(late) | is_true(no_in)).then(nw.lit(1)).otherwise(nw.lit(0)),
        # A party that cannot hear, or only speaks, is sent nothing: that is no gap.
        _deaf=nw.when(nw.col("_out_excuse").is_null()).then(nw.lit(0)).otherwise(nw.lit(1)),
        _known=nw.when(known).then(nw.lit(1)).otherwise(nw.lit(0)),
        _in=nw.when(talk >= m.FLOW_S).then(nw.col("byte_in") / talk),
        _out=nw.when(talk >= m.FLOW_S).then(nw.col("byte_out") / talk),
        _size=nw.when(nw.col("_packets") >= m.PACKETS_TO_SHOW).then(nw.col("byte_in") / nw.col("_packets")),
        _inbound=nw.when(is_true(nw.col("direction") == "inbound")).then(nw.lit(0)).otherwise(nw.lit(1)),
        _timeless=nw.when(nw.col("answered_at").is_null()).then(nw.lit(1)).otherwise(nw.lit(0)),
    )


def _as(rows: Rows, side: str) -> Rows:
    extra = ("_inbound",) if side == "a" else ()
    named = [nw.col(name).alias(f"{side}_{name.lstrip('_')}") for name in (*_LEG, *extra)]
    return rows.select("_call", *(("conversation_id",) if side == "a" else ()), *named)


def _decided(pairs: Rows) -> Rows:
    two, one = nw.col("legs") == 2, nw.col("legs") == 1  # noqa: PLR2004  caller and callee
    same = (nw.col("a_size") / nw.col("b_size")).is_between(1.0 - SAME_SIZE, 1.0 / (1.0 - SAME_SIZE))
    scale = nw.col("a_size") / nw.col("b_size")
    sized = nw.when(is_true(same)).then(nw.lit(1.0)).otherwise(scale)
    pairs = pairs.with_columns(
        conserved_by=nw.when(two & ~scale.is_null()).then(
            nw.when(same).then(nw.lit("bytes")).otherwise(nw.lit("packets"))),
        forward_ratio=nw.when(two & (nw.col("a_in") > 0)).then(nw.col("b_out") / nw.col("a_in") * sized),
        back_ratio=nw.when(two & (nw.col("b_in") > 0)).then(nw.col("a_out") / nw.col("b_in") / sized),
        _apart=nw.when(is_true((nw.col("a_ended_at") < nw.col("b_answered_at"))
                              | (nw.col("b_ended_at") < nw.col("a_answered_at")))).then(nw.lit(1)).otherwise(nw.lit(0)),
    )  # fmt: skip
    caller, callee = nw.col("a_trouble") == 1, nw.col("b_trouble") == 1
    forward = is_true(nw.col("forward_ratio") < CONSERVED) & (nw.col("b_deaf") == 0)
    gap = forward | (is_true(nw.col("back_ratio") < CONSERVED) & (nw.col("a_deaf") == 0))
    dark = (nw.col("a_known") == 0) & (nw.col("b_known") == 0)
    cases: tuple[tuple[nw.Expr, str | None, str], ...] = (
        (nw.col("legs") > 2, "unknown", "more than two answered legs"),  # noqa: PLR2004
        (dark, "unknown", "nothing was measured"),
        (two & (nw.col("_apart") == 1), "unknown", "the legs do not overlap"),
        (two & caller & callee, "unknown", "trouble on both ways in"),
        (one & caller & (nw.col("a_inbound") == 0), "caller_access", "the caller's way in"),
        (one & caller, "callee_access", "the callee's way in"),
        (two & caller, "caller_access", "the caller's way in"),
        (two & callee, "callee_access", "the callee's way in"),
        (two & gap, "bridge", "came in and did not go out"),
    )
    side: nw.Expr = nw.lit(None).cast(nw.String())
    why: nw.Expr = nw.lit("no fault seen")
    for condition, word, reason in reversed(cases):
        side = nw.when(condition).then(nw.lit(word)).otherwise(side)
        why = nw.when(condition).then(nw.lit(reason)).otherwise(why)
    half = nw.when(one | (nw.col("a_known") == 0) | (nw.col("b_known") == 0)).then(nw.lit(0.5)).otherwise(nw.lit(1.0))
    pairs = pairs.with_columns(fault_side=side, why=why, _half=half)
    access = nw.col("fault_side").is_in(["caller_access", "callee_access"])
    bridged = nw.when(nw.col("conserved_by") == "packets").then(nw.lit(CONFIDENCE["transcoded"]))
    sure = nw.when(access).then(nw.lit(CONFIDENCE["access"])).otherwise(
        nw.when(nw.col("fault_side") == "bridge").then(bridged.otherwise(nw.lit(CONFIDENCE["bridge"]))))  # fmt: skip
    outgoing = one & (nw.col("a_inbound") == 1)
    called = two | outgoing
    return pairs.with_columns(
        caller_leg_id=nw.when(~outgoing).then(nw.col("a_leg_id")),
        callee_leg_id=nw.when(called).then(nw.col("b_leg_id")),
        caller_loss_pct=nw.when(~outgoing).then(nw.col("a_loss_pct")),
        callee_loss_pct=nw.when(called).then(nw.col("b_loss_pct")),
        caller_event_id=nw.when(~outgoing).then(nw.col("a_hangup_event_id")),
        callee_event_id=nw.when(called).then(nw.col("b_hangup_event_id")),
        confidence=sure * nw.col("_half"),
    )


__all__ = ["COLUMNS", "CONFIDENCE", "fault_side"]
