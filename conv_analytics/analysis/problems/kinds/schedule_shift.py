"""Schedule shifts: from some date on, calls of a number are placed at other hours, and fewer are answered."""

from __future__ import annotations

from typing import Any

import numpy as np

from conv_analytics.analysis.maths.clustered import excess_z, normal_quantile_of_tail, normal_tail
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case, Kind
from conv_analytics.analysis.problems.case_data import FEW
from conv_analytics.analysis.problems.groupings import Groups, representatives
from conv_analytics.analysis.problems.observations import DAY_US, NO_INSTANT, Ints, Observations
from conv_analytics.analysis.problems.schedule import LEAST_H

#: Minimum number of calls and days before and after.
LEAST_N, LEAST_DAYS = 25, 3
#: Maximum number of numbers that are tested, the largest first.
MOST_NUMBERS = 200
#: Minimum significance of fewer answers in the other hours.
LEAST_Z = 2.0


def _candidates(legs: Observations, groups: Groups, least_excess: float) -> list[Candidate]:
    rows = representatives(legs)
    numbers = groups.of("from_address").codes
    rows = rows[(numbers[rows] >= 0) & (legs.started_us[rows] != NO_INSTANT)]
    if not len(rows):
        return []
    counts = np.bincount(numbers[rows])
    kept = np.argsort(-counts, kind="stable")[:MOST_NUMBERS]
    kept = kept[counts[kept] >= 2 * LEAST_N]
    candidates = []
    for code in kept:
        own = rows[numbers[rows] == code]
        own = own[np.argsort(legs.started_us[own], kind="stable")]
        one = _of_number(legs, groups, int(code), own, tests=len(kept), least_excess=least_excess)
        if one is not None:
            candidates.append(one)
    return candidates


def _of_number(
    legs: Observations, groups: Groups, code: int, own: Ints, *, tests: int, least_excess: float
) -> Candidate | None:
    turn = 2 * np.pi * (legs.local_us[own] % DAY_US) / DAY_US
    day = np.unique(legs.local_us[own] // DAY_US, return_inverse=True)[1]
    days = int(day.max()) + 1
    if days < 2 * LEAST_DAYS:
        return None
    n = np.bincount(day, minlength=days).astype("float64")
    sums = np.stack([np.bincount(day, part, minlength=days) for part in (np.cos(turn), np.sin(turn))], axis=1)
    best, at = 0.0, 0
    for cut in range(LEAST_DAYS, days - LEAST_DAYS + 1):
        if min(n[:cut].sum(), n[cut:].sum()) >= LEAST_N and (z := _z(n, sums, cut)) > best:
            best, at = z, cut
    if not at:
        return None
    before, after = own[day < at], own[day >= at]
    angles = [np.angle(complex(*part)) for part in (sums[:at].sum(axis=0), sums[at:].sum(axis=0))]
    shift = (float(angles[1] - angles[0]) / (2 * np.pi) * 24 + 12) % 24 - 12
    if abs(shift) < LEAST_H:
        return None
    bad = ~legs.answered
    k, expected = float(bad[after].sum()), float(bad[before].mean()) * len(after)
    noise = expected**2 * (1 - expected / len(after)) / max(float(bad[before].sum()), 0.5)
    fewer = float(excess_z(k, len(after), min(expected, 0.98 * len(after)), noise))
    if fewer < LEAST_Z or k - expected < least_excess:
        return None
    # Both together are rarer by chance than either alone.
    both = normal_tail(min(fewer, 6.0)) / normal_tail(LEAST_Z)
    case = Case(
        kind="schedule_shift", name="unanswered", bad=bad, known=legs.outbound, unit="attempt", family="unanswered",
        calls=f"calls were not answered, placed {shift:+.0f} h from their earlier hours",
        advice="Look at the time zone of this campaign's schedule.",
    )  # fmt: skip
    return Candidate(
        case, ("from_address",), (str(groups.of("from_address").labels[code]),), after, after[bad[after]], k,
        float(len(after)), expected, best, tests * FEW * days * both, raw_z=best,
        since_us=int(legs.started_us[after].min()), against="its own calls before",
    )  # fmt: skip


def _z(n: Any, sums: Any, cut: int) -> float:
    """Significance of the difference between mean hours before a day and from it on; the sample is days, not calls."""
    means = [part.sum(axis=0) / count.sum() for part, count in ((sums[:cut], n[:cut]), (sums[cut:], n[cut:]))]
    spread = np.zeros((2, 2))
    for part, count, mean in ((sums[:cut], n[:cut], means[0]), (sums[cut:], n[cut:], means[1])):
        left = part - count[:, None] * mean
        spread += left.T @ left / count.sum() ** 2 * len(count) / (len(count) - 1)
    difference = means[1] - means[0]
    # Few days show little of how much days vary.
    floor = 0.5 / n[:cut].sum() + 0.5 / n[cut:].sum()
    squared = float(difference @ np.linalg.solve(spread + np.eye(2) * floor * 0.5, difference))
    squared *= max(len(n) - 4, 1) / len(n)
    return normal_quantile_of_tail(min(float(np.exp(-squared / 2)), 0.5))


KIND = Kind("schedule_shift", ("from_address",), "Shifts of a schedule", candidates=_candidates)
__all__ = ["KIND"]
