"""Post-dial delay: calls that take long to ring."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import PARTIES, ROUTES, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Observations


def _cases(legs: Observations, _groups: Groups) -> list[Case]:
    delay = legs.numbers["pdd_s"]
    known = legs.outbound & (delay >= 0) & ~legs.texts["channel_type"].is_in("app", "websocket")
    if np.count_nonzero(known) < 20:  # noqa: PLR2004
        return []
    median = float(np.median(delay[known]))
    # Countries differ by nature: each is compared with itself on other routes, or at other times.
    limits = (median + max(1.5 * median, 3.0), median + max(3 * median, 5.0))
    return [
        Case(kind="post_dial_delay", name="pdd", calls=f"calls took more than {limit:.1f} s until it rang",
             bad=delay > limit, known=known, by=(*ROUTES, *PARTIES), odds=2.5, adjust=("structure", "country"),
             family="delay", strict=True, everywhere=limit == limits[-1], windows=("time",),
             advice="Ask the carrier how these calls are routed: each further hop or lookup costs seconds.")
        for limit in limits
    ]  # fmt: skip


KIND = Kind("post_dial_delay", ("pdd_s",), "Post-dial delay (PDD)", _cases)
__all__ = ["KIND"]
