"""Slow drifts: a share that grows from week to week, too slowly to be noticed on any day."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case, Kind
from conv_analytics.analysis.problems.case_data import FEW
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.kinds import media, setup
from conv_analytics.analysis.problems.observations import DAY_US, NO_INSTANT, Floats, Ints, Observations

#: Shorter spans have no drift. [days]
LEAST_DAYS = 10
_PLACES = ("all", "channel_type", "network_code", "country", "app_version", "version")
_CASES = frozenset({"poor", "silent", "failed"})


def _candidates(legs: Observations, groups: Groups, least_excess: float) -> list[Candidate]:
    cases = [each for kind in (media.KIND, setup.KIND) for each in kind.cases(legs, groups) if each.name in _CASES]
    candidates = []
    for case in cases:
        rows = np.flatnonzero(case.known & (legs.started_us != NO_INSTANT))
        if len(rows) < 50 or float(np.ptp(legs.local_us[rows])) < LEAST_DAYS * DAY_US:  # noqa: PLR2004
            continue
        for name in _PLACES:
            if groups.has(name):
                candidates += _of_grouping(legs, groups, case, name, rows, least_excess=least_excess)
    return candidates


def _of_grouping(
    legs: Observations, groups: Groups, case: Case, name: str, rows: Ints, *, least_excess: float
) -> list[Candidate]:
    codes = groups.of(name).codes[rows]
    y = case.bad[rows].astype("float64")
    counts = np.bincount(codes[codes >= 0], y[codes >= 0])
    candidates = []
    large_groups = np.flatnonzero(counts >= 4 * least_excess)
    for code in large_groups:
        inside = codes == code
        z, early, late = _trend(y[inside], legs.local_us[rows[inside]])
        others = y[~inside]
        if len(others) > 50 and others.sum() >= 10:  # noqa: PLR2004
            # Growth everywhere is not this group's problem.
            z_others = _trend(others, legs.local_us[rows[~inside]])[0]
            z = min(z, (z - z_others) / np.sqrt(2)) if z_others > 0 else z
        n = int(np.count_nonzero(inside))
        expected = min(n * early, float(counts[code]))
        if z < 3.5 or counts[code] - expected < least_excess or late < 1.7 * early:  # noqa: PLR2004
            continue
        by, values = ((), ()) if name == "all" else ((name,), (str(groups.of(name).labels[int(code)]),))
        of_case = Case(
            kind="drift",
            name=case.name,
            bad=case.bad,
            known=case.known,
            unit=case.unit,
            family=case.related,
            calls=f"{case.calls}, and more from week to week: {early:.1%} at first, {late:.1%} at last",
            advice="Look at what was changed step by step: load, routes, releases.",
        )
        mine = rows[inside]
        candidates.append(Candidate(
            of_case, by, values, mine, mine[y[inside] > 0], float(counts[code]), float(n), expected, float(z),
            len(large_groups) * FEW, raw_z=float(z), against="the same calls at the beginning",
        ))  # fmt: skip
    return candidates


def _trend(y: Floats, at: Ints) -> tuple[float, float, float]:
    """Significance of a share's growth over time, with days as clusters; and its fitted first and last values."""
    t = (at - at.min()) / max(float(np.ptp(at)), 1.0)
    t = t - t.mean()
    mean = y.mean()
    residual = (y - mean) * t
    day = at // DAY_US - at.min() // DAY_US
    slope = float(np.sum((y - mean) * t)) / max(float(np.sum(t * t)), 1e-9)
    left = (y - mean - slope * t) * t
    robust = float(np.sum(np.bincount(day, left) ** 2))
    variance = max(robust, mean * (1 - mean) * float(np.sum(t * t)), 1e-9)
    early, late = max(mean + slope * float(t.min()), 0.0), mean + slope * float(t.max())
    return float(residual.sum()) / float(np.sqrt(variance)), early, late


KIND = Kind("drift", (), "Slow drifts", candidates=_candidates)
__all__ = ["KIND"]
