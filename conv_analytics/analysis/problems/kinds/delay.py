"""Post-dial delay: calls that take long until it rings."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import PARTIES, ROUTES, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Observations


def _cases(seen: Observations, groups: Groups) -> list[Case]:
    delay = seen.numbers["pdd_s"]
    known = seen.outbound & (delay >= 0) & ~seen.texts["channel_type"].is_in("app", "websocket")
    if np.count_nonzero(known) < 20:  # noqa: PLR2004
        return []
    median = float(np.median(delay[known]))
    cases = []
    for limit in (median + max(median, 1.5), median + max(2.5 * median, 4.0)):
        cases.append(
            Case(kind="post_dial_delay", name="pdd", calls=f"calls took more than {limit:.1f} s until it rang",
                 bad=delay > limit, known=known, by=(*ROUTES, *PARTIES), odds=2.5, structural_odds=6.0,
                 advice="Ask the carrier how these calls are routed: each further hop or lookup costs seconds.")
        )  # fmt: skip
    return cases


KIND = Kind("post_dial_delay", ("pdd_s",), _cases, "Post-dial delay (PDD)")
__all__ = ["KIND"]
