"""Redial storms: one number is dialled over and over within minutes."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case, Kind
from conv_analytics.analysis.problems.groupings import Groups, representatives
from conv_analytics.analysis.problems.observations import HOUR_US, NO_INSTANT, Observations

#: Attempts that follow an unanswered one to the same number within so long belong to it.
GAP_US = HOUR_US // 6
#: So many in a row are a storm.
STORM = 8


def _candidates(seen: Observations, groups: Groups, least_excess: float) -> list[Candidate]:
    rows = representatives(seen)
    number = seen.texts["to_address"].codes[rows]
    rows = rows[(number >= 0) & (seen.started_us[rows] != NO_INSTANT)]
    if len(rows) < STORM:
        return []
    rows = rows[np.lexsort((seen.started_us[rows], seen.texts["to_address"].codes[rows]))]
    number, at = seen.texts["to_address"].codes[rows], seen.started_us[rows]
    follows = np.r_[False, (number[1:] == number[:-1]) & (at[1:] - at[:-1] < GAP_US) & ~seen.answered[rows][:-1]]
    chain = np.cumsum(~follows) - 1
    length = np.bincount(chain)
    storms = length >= STORM
    # Where numbers are dialled often by nature, long rows are no storm: they must be rare, and far longer than others.
    usual = np.quantile(length[length > 1], 0.9) if (length > 1).any() else 1.0
    storms &= length >= 3 * usual if np.count_nonzero(storms) > 10 or usual > 3 else storms  # noqa: PLR2004
    inside = storms[chain]
    bad = rows[inside & follows]
    if len(bad) < max(least_excess, STORM - 1):
        return []
    flag = np.zeros(len(seen), dtype=bool)
    flag[bad] = True
    case = Case(
        kind="redial_storm", name="redials", calls="attempts repeated one to the same number within ten minutes",
        bad=flag, known=seen.outbound, unit="attempt", family="redials",
        advice="Let the dialler wait longer after each attempt without an answer, and give up after a few.",
    )
    by, values = _place(seen, groups, bad)
    all_rows = rows if not by else rows[groups.of(by[0]).codes[rows] == groups.of(by[0]).codes[bad[0]]]
    expected = float(np.count_nonzero(follows) - len(bad)) / len(rows) * len(all_rows)
    numbers = len(np.unique(seen.texts["to_address"].codes[bad]))
    return [Candidate(
        case, by, values, all_rows, bad, float(len(bad)), float(len(all_rows)), min(expected, len(bad) * 0.5), 12.0, 100.0,
        raw_z=12.0, against=f"other numbers, which are dialled again less often; {numbers} numbers are",
    )]  # fmt: skip


def _place(seen: Observations, groups: Groups, bad: np.ndarray) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The called number, if it is one."""
    codes = np.unique(seen.texts["to_address"].codes[bad])
    if len(codes) == 1:
        return ("to_address",), (str(seen.texts["to_address"].labels[int(codes[0])]),)
    return (), ()


KIND = Kind("redial_storm", ("to_address",), "Redial storms", candidates=_candidates)
__all__ = ["KIND"]
