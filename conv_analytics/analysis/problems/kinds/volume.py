"""Volume: an own number that is no longer called, while others are."""

from __future__ import annotations

import math

import numpy as np

from conv_analytics.analysis.maths.clustered import normal_quantile_of_tail
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case, Kind
from conv_analytics.analysis.problems.case_data import FEW
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import DAY_US, NO_INSTANT, Ints, Observations

#: Minimum calls of a number, days with calls, and missing calls since.
LEAST_CALLS, LEAST_DAYS, LEAST_MISSING = 30, 4, 10.0


def _candidates(legs: Observations, groups: Groups, least_excess: float) -> list[Candidate]:
    inbound = legs.texts["direction"].is_in("inbound")
    channel = legs.texts["channel_type"]
    width = len(channel.labels) + 1
    # Extensions of a trunk may go on with a number that nobody calls over the telephone network any more.
    codes = legs.texts["to_address"].codes.astype(np.int64)
    codes = np.where(codes >= 0, codes * width + channel.codes + 1, -1)
    # Users of the application who call in have their own habits.
    inbound &= ~legs.texts["channel_type"].is_in("app", "websocket")
    rows = np.flatnonzero(inbound & (codes >= 0) & (legs.started_us != NO_INSTANT))
    if len(rows) < 2 * LEAST_CALLS:
        return []
    counts = np.bincount(codes[rows])
    candidates = []
    for code in np.flatnonzero(counts >= LEAST_CALLS):
        own = rows[codes[rows] == code]
        others = legs.started_us[rows[codes[rows] != code]]
        last = int(legs.started_us[own].max())
        before, after = np.count_nonzero(others <= last), np.count_nonzero(others > last)
        days = np.unique(legs.local_us[own] // DAY_US)
        if before < LEAST_CALLS or len(days) < LEAST_DAYS:
            continue
        missing = len(own) * after / before
        # Days of one number vary more than by chance: the missing calls count as that many fewer independent ones.
        noise = _noise(legs.started_us[own], others[others <= last])
        if missing < max(LEAST_MISSING, least_excess):
            continue
        z = normal_quantile_of_tail(math.exp(-missing / noise))
        candidates.append(_candidate(
            legs, groups, int(code) // width, own=own, missing=missing, z=z, last=last,
            tests=int(np.count_nonzero(counts >= LEAST_CALLS)),
        ))  # fmt: skip
    return candidates


def _noise(own: Ints, others: Ints) -> float:
    """Variance of a number's daily calls, given those of the others, relative to chance."""
    first = min(int(own.min()), int(others.min())) // DAY_US
    size = max(int(own.max()), int(others.max())) // DAY_US - first + 1
    mine, theirs = (np.bincount(at // DAY_US - first, minlength=size).astype("float64") for at in (own, others))
    expected = theirs * mine.sum() / max(theirs.sum(), 1.0)
    usable = expected >= 1
    if np.count_nonzero(usable) < LEAST_DAYS:
        return float(len(own))
    squared = (mine - expected)[usable] ** 2 / expected[usable]
    return max(float(squared.mean()), 1.0)


def _candidate(
    legs: Observations, groups: Groups, code: int, *, own: Ints, missing: float, z: float, last: int, tests: int
) -> Candidate:
    flag = np.zeros(len(legs), dtype=bool)
    case = Case(
        kind="volume",
        name="no_calls",
        calls="calls are missing",
        bad=flag,
        known=legs.texts["direction"].is_in("inbound"),
        family="volume",
        advice="Call the number; look at where it is routed, and whether it is still linked to the application.",
    )
    label = str(groups.of("to_address").labels[code])
    return Candidate(
        case, ("to_address",), (label,), own, own[-1:], missing, missing, 0.0, z, tests * FEW, raw_z=z, since_us=last,
        against="the calls that other numbers still get",
    )  # fmt: skip


KIND = Kind("volume", ("to_address",), "Numbers without calls", candidates=_candidates)
__all__ = ["KIND"]
