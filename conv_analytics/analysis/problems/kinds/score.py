"""Meaningless scores: 4.5 and 100 % where no packet was counted, or despite losses."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import ENDS, VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Observations

#: A score from here on, with a quality of 100 %, is the start value of a leg.
START_MOS = 4.495
#: Minimum duration, and bytes per second, at which packets must have been counted.
LEAST_S, LEAST_BYTES = 5.0, 1_000.0
LOSS_PCT = 1.0


def _cases(legs: Observations, _groups: Groups) -> list[Case]:
    number = legs.numbers
    talk = number["talk_s"]
    perfect = (number["mos_score"] >= START_MOS) & ~(number["quality_percentage"] < 100)  # noqa: PLR2004
    uncounted = ~(number["packet_cnt"] > 0) & (number["byte_in"] > LEAST_BYTES * np.nan_to_num(talk))
    bad = perfect & (uncounted | (number["loss_pct"] >= LOSS_PCT))
    return [
        Case(kind="constant_score", name="constant_score", calls="legs kept the score 4.5 that every leg begins with",
             bad=bad, known=legs.answered & (talk >= LEAST_S) & ~np.isnan(number["mos_score"]),
             by=(*VERSION_COLUMNS, "user_id", "network_code", "country", *ENDS), odds=3.0, windows=("time",),
             advice="Do not believe these scores; look at packets and bytes, and update the client that reports them."),
    ]  # fmt: skip


KIND = Kind("constant_score", ("mos_score", "byte_in"), "Constant scores", _cases)
__all__ = ["KIND"]
