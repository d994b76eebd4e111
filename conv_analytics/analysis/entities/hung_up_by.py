"""Who hung up: decided by time first, then by the reasons of the hangups, then by the outcome (M49)."""

from __future__ import annotations

import narwhals as nw

from conv_analytics.analysis.engine.expressions import CaseWhen, is_true
from conv_analytics.analysis.engine.rows import Rows

#: Hangups of both sides closer than this do not show who was first. [µs]
TOGETHER_US = 250_000


def with_hung_up_by(rows: Rows) -> Rows:
    """Calls with ``hung_up_by``, ``hung_up_confidence`` and ``hung_up_why``.

    Needs, per side (``in``, ``out``): ``_hung`` (last hangup of its answered legs, in microseconds), ``_this_leg``,
    ``_network`` and ``_platform`` (1 when a reason says so); and ``still``, ``was_answered``, ``outcome``,
    ``sip_code``.
    """
    col = nw.col
    lead = col("out_hung") - col("in_hung")
    by_in, by_out = col("in_this_leg") == 1, col("out_this_leg") == 1
    up = col("was_answered")
    both = ~lead.is_null()
    first_in, first_out = both & (lead > TOGETHER_US), both & (lead < -TOGETHER_US)
    timer = (col("in_platform") == 1) | (col("out_platform") == 1)
    broken = (col("in_network") == 1) | (col("out_network") == 1)
    one = up & ~both
    # A SIP code came over the wire: whoever refused is at its other end. Without a code it was the platform itself.
    refused = col("outcome").is_in(["blocked", "signalling_failure"])
    far = is_true(col("sip_code") > 0)
    cases: list[tuple[nw.Expr, str, float, str]] = [
        (col("still") > 0, "unknown", 0.0, "a leg has no end"),
        (up & timer, "platform", 0.9, "a timer ended it, says the reason"),
        (up & broken, "network", 0.9, "a failure on the way ended it, says the reason"),
        (up & first_in & by_in & ~by_out, "from", 0.95, "hung up first, and its reason says so"),
        (up & first_out & by_out & ~by_in, "to", 0.95, "hung up first, and its reason says so"),
        (up & first_in & by_out & ~by_in, "from", 0.5, "hung up first, but a reason says the other did"),
        (up & first_out & by_in & ~by_out, "to", 0.5, "hung up first, but a reason says the other did"),
        (up & first_in, "from", 0.8, "hung up first"),
        (up & first_out, "to", 0.8, "hung up first"),
        (up & both & by_in & ~by_out, "from", 0.6, "both ended within 250 ms; the reason says this one"),
        (up & both & by_out & ~by_in, "to", 0.6, "both ended within 250 ms; the reason says this one"),
        (up & both, "unknown", 0.0, "both ended within 250 ms"),
        (one & by_in, "from", 0.8, "its reason says so; there is no other side"),
        (one & by_out, "to", 0.8, "its reason says so; there is no other side"),
        (one, "unknown", 0.0, "only one side is known, and its reason does not tell"),
        (col("outcome") == "cancelled", "from", 0.8, "not answered: cancelled"),
        (col("outcome").is_in(["busy", "declined"]), "to", 0.9, "not answered: busy or declined"),
        (col("outcome") == "no_answer", "platform", 0.6, "not answered: it rang until a timer ended it"),
        (
            col("outcome").is_in(["bad_number", "network_failure"]),
            "network",
            0.8,
            "not answered: the network did not find the number, or failed",
        ),
        (col("outcome") == "redirected", "network", 0.8, "not answered: it was sent elsewhere"),
        (refused & far, "network", 0.6, "not answered: a SIP code refused it on the way"),
        (~col("outcome").is_in(["unknown", "answered"]), "platform", 0.7, "not answered: it could not be connected"),
    ]
    return rows.with_values({
        "hung_up_by": CaseWhen([(condition, who) for condition, who, _, _ in cases], "unknown"),
        "hung_up_confidence": CaseWhen([(condition, sure) for condition, _, sure, _ in cases], 0.0),
        "hung_up_why": CaseWhen([(condition, why) for condition, _, _, why in cases], "nothing tells"),
    })  # fmt: skip


__all__ = ["TOGETHER_US", "with_hung_up_by"]
