"""One grouping of a case: bad calls per group, and the number expected from the strata of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from conv_analytics.analysis.maths.clustered import between_variance, excess_z
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case_data import (
    CLOSE_LOOK,
    CORE,
    FEW,
    LEAST_K,
    LEAST_N,
    LEAST_RATE,
    MANY,
    PRIOR,
    STRUCTURAL,
    CaseData,
)  # fmt: skip
from conv_analytics.analysis.problems.groupings import Grouping
from conv_analytics.analysis.problems.observations import Flags, Floats, Ints, sums

#: Minimum number of calls of the same structure for a comparison.
LEAST_REST = 20
#: Multiple of the usual rate that is expected of a group without comparable calls.
ALONE = 3.0
#: Maximum number of groups of one grouping that are tested.
MOST_GROUPS = 3000
#: A group this many standard deviations above the others does not count as usual.
OUTSTANDING = 4.5


@dataclass(frozen=True, eq=False)
class Table:
    """One grouping of a case: counts per group and stratum.

    Attributes
    ----------
    valid
        Positions, among the rows of the case, of those whose group is known.
    codes, rate
        For each of these, its group, and its probability to be bad, by its stratum in other groups.
    large_groups
        Codes of the groups that are large enough.
    """

    data: CaseData
    grouping: Grouping
    codes: Ints
    valid: Ints
    large_groups: Ints
    of: Ints
    """Position of each call's group among the large ones, or -1."""
    rate: Floats
    n: Floats
    k: Floats
    expected: Floats
    noise: Floats
    spread: float

    @classmethod
    def of_codes(cls, data: CaseData, grouping: Grouping, codes: Ints, valid: Ints) -> Table:
        """Count; groups with too few calls are part of the rest only."""
        y = data.y[valid]
        k_all, n_all = sums(codes, y), sums(codes)
        large_groups = np.flatnonzero((k_all >= LEAST_K) & (n_all >= LEAST_N))
        if len(large_groups) > MOST_GROUPS:
            # Of very many groups, those with the largest k**2 / n: the others are like the rest.
            large_groups = np.sort(
                large_groups[np.argsort(-(k_all[large_groups] ** 2) / n_all[large_groups], kind="stable")[:MOST_GROUPS]]
            )
        place = np.full(len(n_all), -1, dtype=np.int64)
        place[large_groups] = np.arange(len(large_groups))
        of = place[codes]
        strata = data.strata(valid, adjusts=grouping.adjusts)
        usual = data.baseline(valid, adjusts=grouping.adjusts)
        if grouping.name == "all" or not len(large_groups):
            none = np.zeros(len(large_groups))
            return cls(data, grouping, codes, valid, large_groups, of, usual, none, none, none, none, 0.0)
        n_in, k_in = _cells(of, strata, y, len(large_groups))
        n_total, k_total = (sums(strata, weights, size=n_in.shape[1]) for weights in (None, y))
        outstanding = _outstanding(k_all, codes, usual)
        n_odd, k_odd = _cells(np.where(outstanding[codes], 0, -1), strata, y, 1)
        own = outstanding[large_groups][:, None]
        # Groups that stand out themselves do not count as usual.
        n_out = n_total - n_odd - np.where(own, 0, n_in)
        k_out = k_total - k_odd - np.where(own, 0, k_in)
        overall = (k_out.sum(axis=1) + 0.5) / (n_out.sum(axis=1) + 1)
        # A stratum without others is judged by those of the same structure at other times.
        of_structure = data.structure_of(valid, strata, adjusts=grouping.adjusts)
        wide = [np.stack([sums(of_structure, row) for row in part])[:, of_structure] for part in (n_out, k_out)]
        prior = (wide[1] + PRIOR) / (wide[0] + PRIOR / overall[:, None])
        rate = np.clip((k_out + PRIOR) / (n_out + PRIOR / prior), 1e-5, 0.98)
        comparable = n_out >= 5 if data.case.strict else wide[0] >= LEAST_REST  # noqa: PLR2004
        # A group with a unique structure is compared with all calls, and has to stand out more.
        alone = (n_in * comparable).sum(axis=1) < n_in.sum(axis=1) / 2
        # A codec that no other call of its kind has belongs to its channel, which is tested separately.
        if not data.case.strict and grouping.name != "codec_guess":
            comparable |= alone[:, None] & (n_out.sum(axis=1) >= LEAST_REST)[:, None]
        n, k, e = ((part * comparable).sum(axis=1) for part in (n_in, k_in, n_in * rate))
        e = np.where(alone, ALONE * e, e)
        noise = (comparable * n_in**2 * rate * (1 - rate) / (n_out + PRIOR / prior)).sum(axis=1)
        if grouping.name in STRUCTURAL:
            # Some channels hardly ever have faults that others have now and then: their rate is not a baseline.
            e = np.maximum(e, LEAST_RATE * n)
            k_out = np.maximum(k_out, LEAST_RATE * n_out)
        # The rest is known no better than the count of its bad calls.
        noise = np.maximum(noise, e**2 / np.maximum(k_out.sum(axis=1) + 0.5, 0.5) * (1 - np.minimum(overall, 0.98)))
        usual[of >= 0] = rate[of[of >= 0], strata[of >= 0]]
        usable = ~outstanding
        v_all, e_all = sums(codes, usual * (1 - usual)), sums(codes, usual)
        spread = between_variance(k_all[usable], e_all[usable], v_all[usable])
        return cls(data, grouping, codes, valid, large_groups, of, usual, n, k, e, noise, max(spread, 0.0))

    @cached_property
    def y(self) -> Floats:
        """Whether each call is bad."""
        result: Floats = self.data.y[self.valid]
        return result

    @cached_property
    def size(self) -> Floats:
        """Calls of each large group."""
        return sums(self.of[self.of >= 0], size=len(self.large_groups))

    @property
    def odds(self) -> float:
        """The odds ratio up to which a difference is not reported."""
        case = self.data.case
        if self.grouping.name in STRUCTURAL:
            return case.structural_odds
        return case.odds * 1.5 if self.grouping.party else case.odds

    def groups(self) -> Iterator[Candidate]:
        """Groups with more bad calls than the rest of their strata."""
        n, e = np.maximum(self.n, 1e-9), self.expected
        e = np.minimum(e, 0.98 * n)
        spread = 1 + self.spread * e * (1 - e / n)
        z = excess_z(self.k, n, np.clip(e, 1e-9, n), self.noise, odds=self.odds) / np.sqrt(spread)
        tests = len(self.large_groups) * (FEW if self.grouping.name in CORE else MANY)
        enough = (n >= LEAST_N) & (z >= CLOSE_LOOK) & (self.k - e >= self.data.least_excess)
        for at in np.flatnonzero(enough):
            rows = self.valid[self.of == at]
            expected = float(e[at] / n[at] * len(rows))
            label = self.label(int(self.large_groups[at]))
            made = self.data.candidate((self.grouping.name,), (label,), rows, expected, float(z[at]), tests, "the rest")
            if made is not None:
                yield made

    def label(self, code: int) -> str:
        """The name of a group."""
        return str(self.data.groups.of(self.grouping.name, self.data.case.unit).labels[code])


def _cells(of: Ints, strata: Ints, y: Floats, groups: int) -> tuple[Floats, Floats]:
    """Calls and bad calls per group and stratum; calls with -1 are in no group."""
    size = int(strata.max(initial=0)) + 1
    inside = of >= 0
    cell = of[inside] * size + strata[inside]
    n = sums(cell, size=groups * size).reshape(groups, size)
    return n, sums(cell, y[inside], size=groups * size).reshape(groups, size)


def _outstanding(k: Floats, codes: Ints, usual: Floats) -> Flags:
    """Groups so far above the others that they would distort the comparison for the rest; a fifth of them at most."""
    e, v = sums(codes, usual), sums(codes, usual * (1 - usual))
    z = (k - e) / np.sqrt(np.maximum(v, 1e-9))
    far = (z > OUTSTANDING) & (k >= LEAST_K)
    n = sums(codes)
    count = int(np.count_nonzero(n))
    most = max(count // 5, 1) if count > 2 else 0  # noqa: PLR2004
    ranked = np.argsort(-np.where(far, k - e, -np.inf), kind="stable")
    chosen = np.zeros(len(k), dtype=bool)
    total = 0.0
    for at in ranked[: min(most, int(far.sum()))]:
        total += n[at]
        # A route of most calls is the usual one.
        if total > len(codes) * 0.4:
            break
        chosen[at] = True
    return chosen


__all__ = ["Table"]
