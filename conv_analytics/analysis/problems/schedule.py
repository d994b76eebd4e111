"""Whether calls are placed at other hours than before, such as a campaign in the wrong time zone."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import DAY_US, NO_INSTANT, Ints, Observations

#: Minimum hours of a shift.
LEAST_H = 3.0
#: Minimum number of calls on either side.
LEAST_N = 20


def shift_h(candidate: Candidate, legs: Observations, groups: Groups) -> float | None:
    """Hours by which the calls of a group are later than its other calls, -12..12; None if irrelevant."""
    if candidate.case.name != "unanswered" or candidate.by != ("from_address",) or candidate.case.kind != "group_rate":
        return None
    codes = groups.of(candidate.by[0], candidate.case.unit).codes
    mine = legs.outbound & (codes == codes[candidate.rows[0]]) & candidate.case.known
    mine[candidate.rows] = False
    known = legs.started_us != NO_INSTANT
    others, rows = np.flatnonzero(mine & known), candidate.rows[known[candidate.rows]]
    if len(others) < LEAST_N or len(rows) < LEAST_N:
        return None
    shift = _circular_mean(legs.local_us[rows]) - _circular_mean(legs.local_us[others])
    hours = (shift / (2 * np.pi) * 24 + 12) % 24 - 12
    return float(hours) if abs(hours) >= LEAST_H else None


def _circular_mean(local_us: Ints) -> float:
    turn = 2 * np.pi * (local_us % DAY_US) / DAY_US
    return float(np.angle(np.mean(np.exp(1j * turn))))


__all__ = ["shift_h"]
