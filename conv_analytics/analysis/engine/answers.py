"""The columns that answers have beside the keys that a caller groups by: no key may have one of these names."""

from __future__ import annotations

from collections.abc import Mapping

_RATE = ("k", "n", "rate", "lo", "hi")

#: Per question with ``by`` the columns of its answer after the keys.
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "answer_curve": ("after_s", "at_risk", "answers", "failures", "rate", "lo", "hi"),
    "answer_times": ("share", "n", "answered", "failed", "after_s", "lo_s", "hi_s", "unknown"),
    "busy_hour": ("n", "unplaced", "open", "peak", "peak_at", "busy_hour_at", "busy_hour_erlangs", "busy_s"),
    "change_points": (
        "period", *_RATE, "base_k", "base_n", "base_rate", "baseline", "overdispersion", "limit_lo", "limit_hi", "z",
        "p", "ewma", "ewma_limit", "flag",
    ),
    "compare": (
        "k0", "n0", "k1", "n1", "rate0", "rate1", "share0", "share1", "mix", "rate", "change", "lo", "hi", "p", "q",
        "enough", "changed",
    ),
    "cost": (
        "legs", "unpriced", "unpriced_answered", "spend", "spend_unanswered", "talk_min", "untimed",
        "per_answered_min",
    ),
    "duration_hist": ("from_s", "to_s", *_RATE, "unknown"),
    "kpi": ("metric", *_RATE, "unknown", "enough"),
    "kpi_values": ("measure", "n", "mean", "p5", "p50", "p95", "min", "max", "total"),
    "offenders": (
        *_RATE, "rest_rate", "excess", "shrunk", "clusters", "deff", "p", "q", "enough", "offender",
    ),
    "service_level": ("within_s", "forgiven_s", *_RATE, "forgiven", "unknown", "enough"),
    "short_calls": ("bound_s", *_RATE, "unknown", "enough"),
    "timer_cliffs": (
        "timer_s", *_RATE, "around", "shared", "expected", "excess", "p", "q", "enough", "cliff", "likely",
    ),
    "traffic_changes": (
        "period", "n", "expected", "baseline", "base_periods", "overdispersion", "z", "p", "ewma", "ewma_limit", "flag",
    ),
}  # fmt: skip

#: Further columns that a question counts in.
_COUNTED = {"compare": ("k", "n"), "offenders": ("least_p",)}


def reserved(question: str) -> tuple[str, ...]:
    """The names that no key of a question may have."""
    return (*ANSWERS[question], *_COUNTED.get(question, ()))


__all__ = ["ANSWERS", "reserved"]
