"""Calls: legs of a conversation that belong together, and who hung up (M7, M49)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine.columns import CALLS, LEG_FLAGS
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import JoinedNames, is_true, one_if
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.hung_up_by import with_hung_up_by
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.analysis.entities.sip import class_of
from conv_analytics.tables.column import Column

#: Legs further apart than this are different calls. [s]
GAP_S = 5
_KEY = ("conversation_id", "call")
_CONVERSATION = "conversation_id"
_ENDLESS = 2**62
#: Prefix of custom columns until the calls are done.
_OWN = "_own_"
_INSTANTS = ("started_at", "ringing_at", "answered_at", "ended_at", "hung_up_at")
#: The party that ended a leg, by its hangup, as far as it counts here.
_WHO = ("this_leg", "network", "platform")
#: Columns of legs that calls are built from. Instants are microseconds internally.
_NEEDED = (
    "leg_id", "direction", "from_address", "to_address", "country", "network_code", "answered", "open", "sip_code",
    "outcome", "hung_up_by", "transferred", "price", "flags", *_INSTANTS,
)  # fmt: skip
#: Those without which no call would be right; what others tell is unknown where a frame of legs lacks them.
_REQUIRED = ("started_at", "answered_at", "ended_at", "answered", "open", "direction", "outcome")


@question
def calls(data: Any) -> Any:
    """One row per call: legs of a conversation that overlap in time, or follow each other within 5 seconds.

    Parameters
    ----------
    data
        As for `legs`, or a frame of legs with at least ``started_at``, ``answered_at``, ``ended_at``, ``answered``,
        ``open``, ``direction`` and ``outcome``.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Key ``conversation_id, call``; the columns are those of `conv_analytics.analysis.engine.columns.CALLS`.

    Notes
    -----
    A leg without an end lasts for ever if it was answered, otherwise until its last known instant.
    The inbound legs of a call are its ``from`` side, the outbound ones its ``to`` side.
    A leg without a conversation, as in live data while it rings, is a call of its own.

    Who hung up: the side whose hangup came first; within 250 ms time cannot tell. The reasons of the hangups support or
    contradict it, and decide with less confidence when time does not. Unanswered calls are decided by their outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-05-04 09:00", "2026-05-04 09:01", "2026-05-04 10:00"], utc=True)
    >>> three = pd.DataFrame({
    ...     "conversation_id": ["CON-1"] * 3, "leg_id": ["a", "b", "c"], "started_at": at, "answered_at": at,
    ...     "ended_at": at + pd.Timedelta(minutes=3), "answered": True, "open": False, "outcome": "answered",
    ...     "direction": ["inbound", "outbound", "outbound"],
    ... })
    >>> calls(three)[["call", "legs", "talk_s", "outcome"]]
       call  legs  talk_s   outcome
    0     0     2   120.0  answered
    1     1     1   180.0  answered
    """
    source = Source.of(data)
    own = [Column(name, str, "") for name in source.dimension_columns]
    return call_rows(source).result([*CALLS, *own], by=_KEY)


def call_rows(source: Source, needs: Collection[str] = ()) -> Rows:
    """The calls for further questions; with ``_last_at``, the last known instant, null while a call is up.

    A frame of legs must have the columns that the columns `needs` of calls are made from.
    """
    own = source.dimension_columns
    needed = (*_REQUIRED, *(name for name in _NEEDED if name in needs and name not in _REQUIRED))
    legs = leg_rows(source, (*_NEEDED, *own), needed=needed)
    # Custom columns are kept under other names: theirs may be those of internal columns.
    legs = legs.rename({name: _OWN + name for name in own}) if own else legs
    numbered = _numbered(legs.with_micros(*_INSTANTS, suffix="")).materialized()
    together = _per_call(numbered)
    first = numbered.select(
        _CONVERSATION, nw.col("place").alias("first"), "direction", "from_address", nw.col("to_address").alias("f_to"),
    )  # fmt: skip
    of_main = (
        "to_address",
        "country",
        "network_code",
        "sip_code",
        *(_OWN + name for name in own),
        nw.col("outcome").alias("leg_outcome"),
    )
    rows = together.join(first, on=[_CONVERSATION, "first"], how="left")
    rows = rows.join(
        numbered.select(_CONVERSATION, nw.col("place").alias("main"), *of_main), on=[_CONVERSATION, "main"], how="left"
    )
    rows = with_hung_up_by(_timed(rows))
    named = nw.when(nw.col(_CONVERSATION) != "").then(nw.col(_CONVERSATION)).alias(_CONVERSATION)
    custom = (nw.col(_OWN + name).alias(name) for name in own)
    rows = rows.with_columns(named).select(*(column.name for column in CALLS), *custom, "_last_at")
    return rows.with_instants("started_at", "answered_at", "ended_at", "_last_at")


def _numbered(rows: Rows) -> Rows:
    """Legs with the number of their call, and their position within the conversation.

    Nothing tells which legs without a conversation belong together: each is a call, numbered among them.
    """
    last = nw.coalesce("ended_at", "answered_at", "ringing_at", "started_at").fill_null(0)
    endless = is_true(nw.col("open") & nw.col("answered"))
    rows = rows.with_columns(
        nw.col(_CONVERSATION).fill_null(""),
        nw.col("started_at").fill_null(0).alias("start"),
        nw.when(endless).then(nw.lit(_ENDLESS)).otherwise(last).alias("end"),
        nw.lit(1).alias("one"),
    )
    order = ["start", "leg_id"]
    rows = rows.with_columns(nw.col("end").cum_max().over(_CONVERSATION, order_by=order).alias("reach"))
    rows = rows.with_columns(
        nw.col("reach").shift(1).over(_CONVERSATION, order_by=order).alias("before"),
        nw.col("one").cum_sum().over(_CONVERSATION, order_by=order).alias("place"),
    )
    apart = (nw.col("start") - nw.col("before")) > GAP_S * 1_000_000
    rows = rows.with_columns(one_if(apart).alias("new"))
    call = nw.col("new").cum_sum().over(_CONVERSATION, order_by=order)
    rows = rows.with_columns(call.alias("call"))
    named = nw.col(_CONVERSATION) != ""
    return rows.with_columns(nw.when(named).then(nw.col("call")).otherwise(nw.col("place") - 1).alias("call"))


def _per_call(rows: Rows) -> Rows:
    """One row per call: sums and extremes of its legs, in all and by side."""
    col = nw.col
    inbound, outbound = col("direction") == "inbound", col("direction") == "outbound"
    up = is_true(col("answered"))
    hung = nw.coalesce("hung_up_at", "ended_at")

    sides = {"in": inbound, "out": outbound}
    marked = rows.with_columns(
        one_if(up).alias("up"),
        one_if(outbound).alias("outbound"),
        one_if(outbound & up).alias("outbound_up"),
        one_if(col("open").fill_null(True)).alias("still"),  # noqa: FBT003
        one_if(is_true(col("transferred"))).alias("moved"),
        nw.when(outbound).then(col("place")).alias("place_out"),
        *(nw.when(side & up).then(col("answered_at")).alias(f"{name}_answered") for name, side in sides.items()),
        *(nw.when(side & up).then(col("ended_at")).alias(f"{name}_ended") for name, side in sides.items()),
        *(nw.when(side & up).then(hung).alias(f"{name}_hung") for name, side in sides.items()),
        *(one_if(side & up & (col("hung_up_by") == who)).alias(f"{name}_{who}")
          for name, side in sides.items() for who in _WHO),
        *(one_if(col("flags").fill_null("").str.contains(rf"\b{name}\b")).alias(f"has_{name}") for name in LEG_FLAGS),
    )  # fmt: skip
    grouped = marked.group(
        _KEY,
        col("started_at").min(),
        col("answered_at").min().alias("first_answer"),
        col("ended_at").max().alias("last_end"),
        col("end").max().alias("reach"),
        col("one").sum().alias("legs"),
        col("up").sum().alias("answered_legs"),
        *(col(name).sum() for name in ("outbound", "outbound_up", "still", "moved")),
        col("place").min().alias("first"),
        col("place_out").min(),
        *(col(f"{name}_answered").min() for name in sides),
        *(col(f"{name}_{what}").max() for name in sides for what in ("ended", "hung", *_WHO)),
        col("price").sum().alias("paid"),
        col("price").count().alias("priced"),
        *(col(f"has_{name}").max() for name in LEG_FLAGS),
    )
    return grouped.with_columns(nw.coalesce("place_out", "first").alias("main"))


def _later(one: str, other: str, *, earlier: bool = False) -> nw.Expr:
    """The later (or earlier) of two instants, of which one may be missing."""
    left, right = nw.col(one), nw.col(other)
    first = (left <= right) if earlier else (left >= right)
    return nw.when(right.is_null() | first).then(left).otherwise(right)


def _timed(rows: Rows) -> Rows:
    col = nw.col
    answered = nw.when(col("outbound") > 0).then(col("outbound_up") > 0).otherwise(col("answered_legs") > 0)
    rows = rows.with_columns(
        answered.alias("was_answered"),
        nw.coalesce(_later("in_answered", "out_answered"), "first_answer").alias("both_up"),
        nw.coalesce(_later("in_ended", "out_ended", earlier=True), "last_end").alias("one_down"),
    ).with_columns(
        nw.when(col("was_answered")).then(nw.lit("answered")).otherwise(col("leg_outcome")).alias("outcome"),
        nw.when(col("was_answered")).then(col("both_up")).alias("answered_at"),
        nw.when(col("still") == 0).then(col("last_end")).alias("ended_at"),
        nw.when((col("reach") < _ENDLESS) & (col("reach") > 0)).then(col("reach")).alias("_last_at"),
    )
    talk = col("one_down") - col("answered_at")
    words = {"open": col("still") > 0, **{name: col(f"has_{name}") > 0 for name in LEG_FLAGS}}
    rows = rows.with_values({
        "talk_s": nw.when((talk >= 0) & (col("still") == 0)).then(talk) / 1_000_000,
        "outcome": nw.coalesce("outcome", nw.lit("unknown")),
        "transferred": col("moved") > 0,
        "forked": (col("outbound") > 1) & (col("moved") == 0),
        "price": nw.when(col("priced") > 0).then(col("paid")),
        "to_address": nw.coalesce("to_address", "f_to"),
        "flags": JoinedNames(words),
    })  # fmt: skip
    return rows.with_values({"outcome_class": class_of(col("outcome"))})


__all__ = ["GAP_S", "call_rows", "calls"]
