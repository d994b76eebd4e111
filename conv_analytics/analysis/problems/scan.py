"""Asks one case of every grouping: groups against the rest of their stratum, windows against a group's other calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from conv_analytics.analysis.maths.clustered import between_variance, excess_z
from conv_analytics.analysis.problems import windows
from conv_analytics.analysis.problems.candidates import Candidate, clustered
from conv_analytics.analysis.problems.case import Case
from conv_analytics.analysis.problems.groupings import GROUPINGS, Grouping, Groups
from conv_analytics.analysis.problems.observations import Flags, Floats, Ints, Observations

#: A group with fewer bad calls, or fewer calls, is nothing to act on.
LEAST_K, LEAST_N = 5, 8
#: Raw z from which on a group is looked at closely.
CLOSE_LOOK = 3.0
#: The rate of a stratum is drawn to that of all by so many bad calls: without any in it, it is low, but not 0.
PRIOR = 4.0
#: Calls of the same structure that are needed to compare with.
LEAST_REST = 20
#: So many times the usual rate is expected of a group that has no calls like it.
ALONE = 3.0
#: So many groups of one grouping are asked at the most.
MOST_GROUPS = 3000
#: Standard deviations from which on a group is not part of what is usual.
OUTSTANDING = 4.5
#: Families of tests: those of the columns that matter most, and the others, share the error between them.
FEW, MANY = 100.0, 250.0
CORE = frozenset({"network_code", "country", "user_id", "from_address", "to_address", "version", "app_version", "channel_type", "direction", "all"})
#: What is different by nature, and what share of bad calls is expected there at the least.
STRUCTURAL, LEAST_RATE = frozenset({"channel_type", "direction", "remote_kind"}), 0.005
#: Pairs of columns that are asked together.
PAIRS = (
    ("user_id", "network_code"), ("user_id", "country"), ("from_address", "country"), ("from_address", "network_code"),
    ("network_code", "channel_type"), ("network_code", "direction"), ("country", "direction"),
    ("channel_type", "direction"),
    *((version, column) for version in ("app_version", "version", "client_version", "sdk_version")
      for column in ("channel_type", "network_code", "country")),
)  # fmt: skip
_PARTS = 6


@dataclass(frozen=True, eq=False)
class Asked:
    """One case with the calls that are asked."""

    case: Case
    seen: Observations
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
        cls, case: Case, seen: Observations, groups: Groups, clusters: dict[str, Ints], rows: Ints, least_excess: float
    ) -> Asked:
        """The case asked of some rows."""
        structure = seen.structure[rows] if "structure" in case.adjust else np.zeros(len(rows), dtype=np.int64)
        part = np.zeros(len(rows), dtype=np.int64)
        if "daypart" in case.adjust:
            part = np.maximum(seen.hour[rows], 0) // (24 // _PARTS) + _PARTS * (seen.weekday[rows] >= 5)
        if "country" in case.adjust:
            part = part * (len(seen.texts["country"].labels) + 1) + seen.texts["country"].codes[rows] + 1
        return cls(case, seen, groups, clusters, rows, case.bad[rows].astype("float64"), structure, part, least_excess)

    def codes(self, name: str) -> Ints:
        """Codes of a grouping, of the rows that are asked."""
        return self.groups.of(name, self.case.unit).codes[self.rows]

    def candidates(self) -> Iterator[Candidate]:
        """Everything that stands out."""
        for name in ("all", *self.case.by):
            if self.groups.has(name):
                yield from self._of_grouping(GROUPINGS[name])
        for pair in PAIRS:
            structural = () if STRUCTURAL.issuperset(pair) else ("channel_type", "direction")
            if all(name in (*self.case.by, *structural) and self.groups.has(name) for name in pair):
                yield from self._of_pair(pair)

    def _of_grouping(self, grouping: Grouping) -> Iterator[Candidate]:
        codes = self.codes(grouping.name)
        valid = np.flatnonzero(codes >= 0)
        if len(valid) < LEAST_N:
            return
        table = Table.of_codes(self, grouping, codes[valid], valid)
        if not len(table.kept):
            self.looked_at[grouping.name] = (0, len(valid), np.nan)
            return
        best = 1.0
        found = [] if grouping.name == "all" else list(table.groups())
        found += table.windows()
        for each in found:
            best = min(best, each.q)
        self.looked_at[grouping.name] = (len(table.kept), len(valid), best)
        yield from found

    def _of_pair(self, pair: tuple[str, str]) -> Iterator[Candidate]:
        first, second = (self.codes(name) for name in pair)
        valid = np.flatnonzero((first >= 0) & (second >= 0))
        if len(valid) < LEAST_N:
            return
        structural = STRUCTURAL.issuperset(pair)
        y, rate = self.y[valid], self.baseline(valid, adjusts=not structural)
        rate = np.maximum(rate, LEAST_RATE) if structural else rate
        width = len(self.groups.of(pair[1]).labels)
        both = first[valid] * width + second[valid]
        names, place = np.unique(both, return_inverse=True)
        k, n, e = (np.bincount(place, weights) for weights in (y, None, rate))
        v = np.bincount(place, rate * (1 - rate))
        worst = (y.sum() - k + 1) / (rate.sum() - e + 1)
        usable = (k >= LEAST_K) & (n >= LEAST_N)
        noise = np.zeros(len(names))
        for codes, of in ((first[valid], names // width), (second[valid], names % width)):
            k_all, e_all = np.bincount(codes, y)[of], np.bincount(codes, rate)[of]
            ratio = (k_all - k + 1) / (e_all - e + 1)
            noise = np.where(ratio > worst, e**2 * (k_all - k + 1) / (e_all - e + 1) ** 2, noise)
            worst = np.maximum(worst, ratio)
            usable &= e_all - e >= 1.0
        expected = np.minimum(np.maximum(e * worst, LEAST_RATE * n if structural else 0.0), n * 0.98)
        z = excess_z(k, n, expected, noise, odds=self.case.structural_odds if structural else self.case.odds)
        spread = max(between_variance(k, e * np.maximum(worst, 1e-9), v), 0.0)
        z /= np.sqrt(1 + spread * v)
        tests = max(np.count_nonzero(usable), 1) * MANY
        for at in np.flatnonzero(usable & (z >= CLOSE_LOOK) & (k - expected >= self.least_excess)):
            rows = valid[place == at]
            values = tuple(
                self.groups.of(name).labels[int(code)]
                for name, code in zip(pair, divmod(int(names[at]), width), strict=True)
            )
            made = self.made(pair, values, rows, float(expected[at]), float(z[at]), tests, "each of the two alone")
            if made is not None:
                yield made

    def baseline(self, valid: Ints, *, adjusts: bool, dayparts: bool = True) -> Floats:
        """Probability of each call to be bad by its stratum alone."""
        strata = self.strata(valid, adjusts=adjusts) if dayparts else _ranks(self.structure[valid])
        n, k = np.bincount(strata), np.bincount(strata, self.y[valid])
        overall = (self.y[valid].sum() + 0.5) / (len(valid) + 1)
        rate = np.clip((k + PRIOR) / (n + PRIOR / overall), 1e-4, 0.98)
        result: Floats = rate[strata]
        return result

    def structure_of(self, valid: Ints, strata: Ints, *, adjusts: bool) -> Ints:
        """The structure of each stratum, from 0."""
        of = np.zeros(int(strata.max(initial=0)) + 1, dtype=np.int64)
        if adjusts:
            of[strata] = _ranks(self.structure[valid])
        return of

    def strata(self, valid: Ints, *, adjusts: bool) -> Ints:
        """The stratum of each call, from 0."""
        part = self.part[valid]
        if adjusts:
            part = part * (int(self.structure.max(initial=0)) + 1) + self.structure[valid]
        return _ranks(part)

    def made(  # noqa: PLR0917
        self, by: tuple[str, ...], values: tuple[str, ...], rows: Ints, expected: float, z: float, tests: float,
        against: str, **window: object,
    ) -> Candidate | None:  # fmt: skip
        """A candidate of some of the rows that are asked, its clusters allowed for."""
        of_seen = self.rows[rows]
        y = self.y[rows]
        candidate = Candidate(
            self.case, by, values, of_seen, of_seen[y > 0], float(y.sum()), float(len(rows)), expected, z, tests,
            raw_z=z, against=against, **window,  # type: ignore[arg-type]
        )
        party = any(GROUPINGS[name].party for name in by)
        skip = (*(("user_id", "remote_address") if party else ()), *self.case.ignores)
        timed = window.get("since_us") is not None or window.get("until_us") is not None
        # Channels and directions of a group differ by nature: that is no clustering.
        of_kind = np.unique(self.structure[rows], return_inverse=True)[1]
        rate = np.clip(np.bincount(of_kind, y) / np.bincount(of_kind), 1e-6, 0.99)[of_kind]
        return clustered(
            candidate, self.case.bad, rate, self.clusters, skip=skip, timed=timed, least_excess=self.least_excess
        )


@dataclass(frozen=True, eq=False)
class Table:
    """One grouping of a case: counts per group and stratum.

    Attributes
    ----------
    valid
        Places among the rows that are asked whose group is known.
    codes, rate
        Of each of these: its group, and the probability to be bad by its stratum in other groups.
    kept
        Codes of the groups that are large enough.
    """

    asked: Asked
    grouping: Grouping
    codes: Ints
    valid: Ints
    kept: Ints
    of: Ints
    """Place of each call's group among those kept, or -1."""
    rate: Floats
    n: Floats
    k: Floats
    expected: Floats
    noise: Floats
    spread: float

    @classmethod
    def of_codes(cls, asked: Asked, grouping: Grouping, codes: Ints, valid: Ints) -> Table:
        """Count; groups with too few calls are part of the rest only."""
        y = asked.y[valid]
        k_all, n_all = np.bincount(codes, y), np.bincount(codes)
        kept = np.flatnonzero((k_all >= LEAST_K) & (n_all >= LEAST_N))
        if len(kept) > MOST_GROUPS:
            # Of very many groups those with the highest share over the least count: the others are like the rest.
            kept = np.sort(kept[np.argsort(-k_all[kept] ** 2 / n_all[kept], kind="stable")[:MOST_GROUPS]])
        place = np.full(len(n_all), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        of = place[codes]
        strata = asked.strata(valid, adjusts=grouping.adjusts)
        usual = asked.baseline(valid, adjusts=grouping.adjusts)
        if grouping.name == "all" or not len(kept):
            none = np.zeros(len(kept))
            return cls(asked, grouping, codes, valid, kept, of, usual, none, none, none, none, 0.0)
        n_in, k_in = _cells(of, strata, y, len(kept))
        n_total, k_total = (np.bincount(strata, weights, minlength=n_in.shape[1]) for weights in (None, y))
        outstanding = _outstanding(k_all, codes, usual)
        n_odd, k_odd = _cells(np.where(outstanding[codes], 0, -1), strata, y, 1)
        own = outstanding[kept][:, None]
        # Groups that stand out themselves are no measure of what is usual.
        n_out = n_total - n_odd - np.where(own, 0, n_in)
        k_out = k_total - k_odd - np.where(own, 0, k_in)
        overall = (k_out.sum(axis=1) + 0.5) / (n_out.sum(axis=1) + 1)
        # A stratum without others is judged by those of the same structure at other times.
        of_structure = asked.structure_of(valid, strata, adjusts=grouping.adjusts)
        wide = [np.stack([np.bincount(of_structure, row) for row in part])[:, of_structure] for part in (n_out, k_out)]
        prior = (wide[1] + PRIOR) / (wide[0] + PRIOR / overall[:, None])
        rate = np.clip((k_out + PRIOR) / (n_out + PRIOR / prior), 1e-5, 0.98)
        comparable = n_out >= 5 if asked.case.strict else wide[0] >= LEAST_REST  # noqa: PLR2004
        # A group of a structure of its own is held against all calls, and has to stand out more.
        alone = (n_in * comparable).sum(axis=1) < n_in.sum(axis=1) / 2
        if not asked.case.strict:
            comparable |= alone[:, None] & (n_out.sum(axis=1) >= LEAST_REST)[:, None]
        n, k, e = ((part * comparable).sum(axis=1) for part in (n_in, k_in, n_in * rate))
        e = np.where(alone, ALONE * e, e)
        noise = (comparable * n_in**2 * rate * (1 - rate) / (n_out + PRIOR / prior)).sum(axis=1)
        if grouping.name in STRUCTURAL:
            # Some channels hardly ever have what others have now and then: that is no measure.
            e = np.maximum(e, LEAST_RATE * n)
            k_out = np.maximum(k_out, LEAST_RATE * n_out)
        # The strata of the rest together are known no better than the count of its bad calls.
        noise = np.maximum(noise, e**2 / np.maximum(k_out.sum(axis=1) + 0.5, 0.5))
        usual[of >= 0] = rate[of[of >= 0], strata[of >= 0]]
        usable = ~outstanding
        v_all, e_all = np.bincount(codes, usual * (1 - usual)), np.bincount(codes, usual)
        spread = between_variance(k_all[usable], e_all[usable], v_all[usable])
        return cls(asked, grouping, codes, valid, kept, of, usual, n, k, e, noise, max(spread, 0.0))

    @cached_property
    def y(self) -> Floats:
        """Whether each call is bad."""
        result: Floats = self.asked.y[self.valid]
        return result

    @cached_property
    def size(self) -> Floats:
        """Calls of each group that is kept."""
        result: Floats = np.bincount(self.of[self.of >= 0], minlength=len(self.kept)).astype("float64")
        return result

    @property
    def odds(self) -> float:
        """The odds ratio that is nothing to report."""
        case = self.asked.case
        if self.grouping.name in STRUCTURAL:
            return case.structural_odds
        return case.odds * 1.5 if self.grouping.party else case.odds

    def groups(self) -> Iterator[Candidate]:
        """Groups with more bad calls than the rest of their strata."""
        n, e = np.maximum(self.n, 1e-9), self.expected
        e = np.minimum(e, 0.98 * n)
        spread = 1 + self.spread * e * (1 - e / n)
        z = excess_z(self.k, n, np.clip(e, 1e-9, n), self.noise, odds=self.odds) / np.sqrt(spread)
        tests = len(self.kept) * (FEW if self.grouping.name in CORE else MANY)
        enough = (n >= LEAST_N) & (z >= CLOSE_LOOK) & (self.k - e >= self.asked.least_excess)
        for at in np.flatnonzero(enough):
            rows = self.valid[self.of == at]
            expected = float(e[at] / n[at] * len(rows))
            label = self._label(int(self.kept[at]))
            made = self.asked.made((self.grouping.name,), (label,), rows, expected, float(z[at]), tests, "the rest")
            if made is not None:
                yield made

    def windows(self) -> list[Candidate]:
        """Times, hours and lengths at which a group is worse than otherwise, and worse than others then."""
        asked = self.asked
        if self.grouping.name in {"weekday", "remote_kind"}:
            return []
        made = []
        for what in asked.case.windows:
            for found in windows.scan(self, what):
                values = () if self.grouping.name == "all" else (self._label(found.group),)
                by = () if self.grouping.name == "all" else (self.grouping.name,)
                one = asked.made(
                    by, values, found.rows, found.expected, found.z, found.tests, found.against, **found.window
                )
                if one is not None:
                    made.append(one)
        return made

    def _label(self, code: int) -> str:
        return str(self.asked.groups.of(self.grouping.name, self.asked.case.unit).labels[code])


def _ranks(values: Ints) -> Ints:
    """The values, small numbers, as numbers from 0 without gaps."""
    if not len(values):
        return values
    there = np.bincount(values) > 0
    result: Ints = (np.cumsum(there) - 1)[values]
    return result


def _cells(of: Ints, strata: Ints, y: Floats, groups: int) -> tuple[Floats, Floats]:
    """Calls and bad calls per group and stratum; calls with -1 are in no group."""
    size = int(strata.max(initial=0)) + 1
    inside = of >= 0
    cell = of[inside] * size + strata[inside]
    n = np.bincount(cell, minlength=groups * size).reshape(groups, size).astype("float64")
    return n, np.bincount(cell, y[inside], minlength=groups * size).reshape(groups, size)


def _outstanding(k: Floats, codes: Ints, usual: Floats) -> Flags:
    """Groups so far above the others that they would spoil what the others are compared with: a fifth at the most."""
    e, v = np.bincount(codes, usual), np.bincount(codes, usual * (1 - usual))
    z = (k - e) / np.sqrt(np.maximum(v, 1e-9))
    far = (z > OUTSTANDING) & (k >= LEAST_K)
    count = int(np.count_nonzero(np.bincount(codes)))
    most = max(count // 5, 1) if count > 2 else 0  # noqa: PLR2004
    ranked = np.argsort(-np.where(far, k - e, -np.inf), kind="stable")
    chosen = np.zeros(len(k), dtype=bool)
    n, total = np.bincount(codes), 0
    for at in ranked[: min(most, int(far.sum()))]:
        total += int(n[at])
        # What most calls go through is what is usual.
        if total > len(codes) * 0.4:
            break
        chosen[at] = True
    return chosen


def rows_of(case: Case, active: Flags, representatives: Ints) -> Ints:
    """The rows that a case is asked of."""
    if case.unit == "attempt":
        rows = representatives
        return rows[case.known[rows] & active[rows]]
    return np.flatnonzero(case.known & active)


__all__ = ["CLOSE_LOOK", "Asked", "Table", "rows_of"]
