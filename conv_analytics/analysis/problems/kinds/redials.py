"""Redial storms: one number is dialled over and over within minutes."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case, Kind
from conv_analytics.analysis.problems.groupings import Groups, representatives
from conv_analytics.analysis.problems.observations import HOUR_US, NO_INSTANT, Observations

#: Attempts within this time after an attempt without a conversation to the same number belong to it.
GAP_US = HOUR_US // 6
#: Minimum number of calls in a row in a storm.
STORM = 8
#: Share of numbers with long rows from which on long rows are usual.
COMMON = 0.3
#: Stands in for a test, as a z.
CERTAIN = 12.0
#: A shorter call had no conversation. [s]
NO_TALK_S = 10.0
#: Maximum number of numbers that are named.
MOST_NAMED = 20


def _candidates(legs: Observations, _groups: Groups, least_excess: float) -> list[Candidate]:
    rows = representatives(legs)
    number = legs.texts["to_address"].codes[rows]
    rows = rows[(number >= 0) & (legs.started_us[rows] != NO_INSTANT)]
    if len(rows) < STORM:
        return []
    rows = rows[np.lexsort((legs.started_us[rows], legs.texts["to_address"].codes[rows]))]
    number, at = legs.texts["to_address"].codes[rows], legs.started_us[rows]
    talked = legs.answered[rows] & ~(legs.numbers["talk_s"][rows] < NO_TALK_S)
    follows = np.r_[False, (number[1:] == number[:-1]) & (at[1:] - at[:-1] < GAP_US) & ~talked[:-1]]
    chain = np.cumsum(~follows) - 1
    length = np.bincount(chain)
    storms = length >= STORM
    # If most numbers are dialled in long rows, that is how the application dials, not a storm.
    several = np.unique(number[np.isin(chain, np.flatnonzero(length > 1))])
    if np.count_nonzero(storms) > max(COMMON * len(several), 12):
        return []
    inside = storms[chain]
    bad = rows[inside & follows]
    if len(bad) < max(least_excess, STORM - 1):
        return []
    flag = np.zeros(len(legs), dtype=bool)
    flag[bad] = True
    case = Case(
        kind="redial_storm",
        name="redials",
        calls="attempts repeated one to the same number within ten minutes",
        bad=flag,
        known=legs.outbound,
        unit="attempt",
        family="redials",
        advice="Let the dialler wait longer after each attempt without an answer, and give up after a few.",
    )
    numbers = np.unique(legs.texts["to_address"].codes[bad])
    values = tuple(str(legs.texts["to_address"].labels[int(code)]) for code in numbers[:MOST_NAMED])
    mine = rows[np.isin(number, numbers)]
    usual = float(np.count_nonzero(follows) - len(bad)) / len(rows) * len(mine)
    return [Candidate(
        case, ("to_address",) * len(values), values, mine, bad, float(len(bad)), float(len(mine)),
        min(usual, len(bad) * 0.5), CERTAIN, 100.0, raw_z=CERTAIN,
        against="other numbers, which are dialled again less often",
    )]  # fmt: skip


KIND = Kind("redial_storm", ("to_address",), "Redial storms", candidates=_candidates)
__all__ = ["KIND"]
