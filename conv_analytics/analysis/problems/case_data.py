"""One case with the calls that it is tested on, and the usual rates among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from conv_analytics.analysis.maths.clustered import design_effect, effective_number
from conv_analytics.analysis.problems.candidates import Candidate, clustered
from conv_analytics.analysis.problems.case import Case
from conv_analytics.analysis.problems.groupings import GROUPINGS, Groups
from conv_analytics.analysis.problems.observations import Flags, Floats, Ints, Observations, sums

#: A group with fewer bad calls, or fewer calls, is not worth acting on.
LEAST_K, LEAST_N = 5, 8
#: A group with a raw z of at least this is tested in full.
CLOSE_LOOK = 3.0
#: Bad calls by which the rate of a stratum is shrunk towards the overall rate: without any, it is low, but not 0.
PRIOR = 4.0
#: Families of tests: the columns that matter most, and the others, share the error between them.
FEW, MANY = 100.0, 250.0
CORE = frozenset({
    "all", "network_code", "country", "user_id", "from_address", "to_address", "version", "app_version", "channel_type",
    "direction",
})  # fmt: skip
#: Columns whose groups differ by nature, and the minimum expected share of bad calls there.
STRUCTURAL, LEAST_RATE = frozenset({"channel_type", "direction", "remote_kind"}), 0.005
#: Minimum effective number of half hours, or days, to say that something happened in only one of them.
LEAST_TIMES = 4.0
#: Minimum correlation of calls to one number, whatever other calls show.
LEAST_CORRELATION = 0.05
_PARTS, _SATURDAY = 6, 5


@dataclass(frozen=True, eq=False)
class CaseData:
    """One case with the calls that it is tested on."""

    case: Case
    legs: Observations
    groups: Groups
    clusters: dict[str, Ints]
    rows: Ints
    y: Floats
    structure: Ints
    part: Ints
    least_excess: float
    looked_at: dict[str, tuple[int, int, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, case: Case, legs: Observations, groups: Groups, clusters: dict[str, Ints], *, rows: Ints,
        least_excess: float,
    ) -> CaseData:  # fmt: skip
        """The case with some rows."""
        structure = legs.structure[rows] if "structure" in case.adjust else np.zeros(len(rows), dtype=np.int64)
        part = np.zeros(len(rows), dtype=np.int64)
        if "daypart" in case.adjust:
            part = np.maximum(legs.hour[rows].astype(np.int64), 0) // (24 // _PARTS) + _PARTS * (
                legs.weekday[rows] >= _SATURDAY
            )
        if "country" in case.adjust:
            part = part * (len(legs.texts["country"].labels) + 1) + legs.texts["country"].codes[rows] + 1
        return cls(case, legs, groups, clusters, rows, case.bad[rows].astype("float64"), structure, part, least_excess)

    def _correlation(self, without: Ints) -> float:
        """Intraclass correlation, 0..1, of the calls of one far end; some rows are left out."""
        others = self.rows[~np.isin(self.rows, without)]
        if not len(others):
            return 1.0
        y = self.case.bad[others].astype("float64")
        place = np.unique(self.clusters["remote_address"][others], return_inverse=True)[1]
        size, rate = sums(place), min(max(float(y.mean()), 1e-6), 0.99)
        more = float((size**2).sum() / size.sum() - 1)
        if more <= 0:
            return LEAST_CORRELATION
        effect = design_effect(y - rate, np.full(len(y), rate * (1 - rate)), place)
        return float(np.clip((effect - 1) / more, LEAST_CORRELATION, 1.0))

    @cached_property
    def too_short(self) -> tuple[str, ...]:
        """Clusterings in time with too few clusters to say anything: the days of a one-night export."""
        return tuple(
            name for name in ("burst", "day")
            if name in self.clusters
            and effective_number(np.unique(self.clusters[name][self.rows], return_counts=True)[1]) < LEAST_TIMES
        )  # fmt: skip

    def codes(self, name: str) -> Ints:
        """The codes of a grouping, for the rows of the case."""
        return self.groups.of(name, self.case.unit).codes[self.rows]

    def baseline(self, valid: Ints, *, adjusts: bool, dayparts: bool = True) -> Floats:
        """Probability of each call to be bad, by its stratum alone."""
        strata = self.strata(valid, adjusts=adjusts) if dayparts else ranks(self.structure[valid])
        n, k = sums(strata), sums(strata, self.y[valid])
        overall = (self.y[valid].sum() + 0.5) / (len(valid) + 1)
        rate = np.clip((k + PRIOR) / (n + PRIOR / overall), 1e-4, 0.98)
        result: Floats = rate[strata]
        return result

    def structure_of(self, valid: Ints, strata: Ints, *, adjusts: bool) -> Ints:
        """The structure of each stratum, from 0."""
        of = np.zeros(int(strata.max(initial=0)) + 1, dtype=np.int64)
        if adjusts:
            of[strata] = ranks(self.structure[valid])
        return of

    def strata(self, valid: Ints, *, adjusts: bool) -> Ints:
        """The stratum of each call, from 0."""
        part = self.part[valid]
        if adjusts:
            part = part * (int(self.structure.max(initial=0)) + 1) + self.structure[valid]
        return ranks(part)

    def candidate(  # noqa: PLR0917
        self, by: tuple[str, ...], values: tuple[str, ...], rows: Ints, expected: float, z: float, tests: float,
        against: str, **window: object,
    ) -> Candidate | None:  # fmt: skip
        """A candidate made of some of the rows, with an allowance for clusters."""
        of_seen = self.rows[rows]
        y = self.y[rows]
        candidate = Candidate(
            self.case,
            by,
            values,
            of_seen,
            of_seen[y > 0],
            float(y.sum()),
            float(len(rows)),
            expected,
            z,
            tests,
            raw_z=z,
            against=against,
            **window,  # type: ignore[arg-type]
        )
        party = any(GROUPINGS[name].party for name in by)
        skip = (*(("user_id", "remote_address") if party else ()), *self.case.ignores, *self.too_short)
        timed = window.get("since_us") is not None or window.get("until_us") is not None
        # Channels and directions of a group differ by nature: that is not a clustering.
        of_kind = np.unique(self.structure[rows], return_inverse=True)[1]
        rate = np.clip(sums(of_kind, y) / sums(of_kind), 1e-6, 0.99)[of_kind]
        return clustered(
            candidate, self.case.bad, rate, self.clusters, skip=skip, timed=timed, least_excess=self.least_excess,
            correlation=self._correlation,
        )  # fmt: skip


def rows_of(case: Case, active: Flags, representatives: Ints) -> Ints:
    """The rows that a case is tested on."""
    if case.unit == "attempt":
        rows = representatives
        return rows[case.known[rows] & active[rows]]
    return np.flatnonzero(case.known & active)


def ranks(values: Ints) -> Ints:
    """Small whole numbers renumbered from 0 without gaps."""
    if not len(values):
        return values
    there = np.bincount(values) > 0
    result: Ints = (np.cumsum(there) - 1)[values]
    return result


__all__ = ["CLOSE_LOOK", "CORE", "FEW", "LEAST_K", "LEAST_N", "LEAST_RATE", "MANY", "PRIOR", "STRUCTURAL", "CaseData",
           "ranks", "rows_of"]  # fmt: skip
