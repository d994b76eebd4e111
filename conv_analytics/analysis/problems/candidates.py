"""A group of calls that may be a problem, with the evidence for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from conv_analytics.analysis.maths.clustered import design_effect, effective_number, normal_tail
from conv_analytics.analysis.problems.case import VERSION_COLUMNS, Case
from conv_analytics.analysis.problems.observations import DAY_US, HOUR_US, Flags, Floats, Ints, Observations

#: Penalty of each further condition (a second key, a window) in log likelihood: the simplest description wins.
PRICE = 2.0
#: Windows of a day that cluster calls of one cause: a burst is one event, not fifty.
BURST_US = HOUR_US // 2
#: An address with more than this share of all legs is part of the platform's own side.
LARGE = 0.08
#: Standard errors by which a design effect is shrunk towards 1.
ERROR = 0.7
#: Minimum effective number of far ends to blame a place.
LEAST_PARTIES = 4.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """Some calls of a case, the expected number of bad ones, and the significance of the excess.

    Attributes
    ----------
    by, values
        Columns and their values, as text; empty for all calls.
    rows
        The calls, as rows of the observations.
    k, n, expected
        Bad calls, all calls, and the expected number of bad ones.
    z
        Standard deviations above the largest irrelevant difference, after allowing for clusters.
    tests
        Number of candidates that were tested in the same way.
    since_us, until_us, hours, lengths_s
        The window: instants, hours of the day [from, to), lengths of calls.
    """

    case: Case
    by: tuple[str, ...]
    values: tuple[str, ...]
    rows: Ints
    bad: Ints
    k: float
    n: float
    expected: float
    z: float
    tests: float
    raw_z: float = 0.0
    since_us: int | None = None
    until_us: int | None = None
    hours: tuple[int, int] | None = None
    lengths_s: tuple[float, float] | None = None
    against: str = ""
    deff: float = 1.0
    scale: float = 1.0
    """Calls per tested call: more than 1 if a sample was tested."""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def conditions(self) -> int:
        """How many conditions describe it."""
        return sum(name != "all" for name in self.by) + self.window

    @property
    def window(self) -> bool:
        """Whether it covers only part of its group's time, hours or lengths."""
        limits = (self.since_us, self.until_us, self.hours, self.lengths_s)
        return any(limit is not None for limit in limits)

    @property
    def excess(self) -> float:
        """Bad calls beyond the expected number."""
        return self.k - self.expected

    @property
    def p(self) -> float:
        """Probability of at least this many by chance."""
        return normal_tail(self.z)

    @property
    def q(self) -> float:
        """The same, adjusted for all tests."""
        return min(self.p * self.tests, 1.0)

    @property
    def gain(self) -> float:
        """The gain in likelihood over chance, minus a penalty for its conditions."""
        evidence = self.scale * self.z * self.z / 2
        return math.copysign(evidence, self.z) - math.log(max(self.tests, 1.0)) - PRICE * self.conditions


def cluster_columns(legs: Observations) -> dict[str, Ints]:
    """The clusterings of calls: the conversation, the far end, the user, and the half hour."""
    columns = {"conversation": legs.conversation}
    for name in ("remote_address", "user_id"):
        codes = legs.texts[name].codes
        # A bot's socket or a trunk that carries a good part of all calls is not a party with its own habits.
        large = np.append(np.bincount(codes[codes >= 0], minlength=1) > LARGE * len(codes), False)
        alone = (codes < 0) | (large[np.minimum(codes, len(large) - 1)] if name == "remote_address" else False)
        columns[name] = np.where(alone, len(legs.texts[name].labels) + np.arange(len(codes)), codes)
    columns["burst"] = legs.local_us // BURST_US
    columns["day"] = legs.local_us // DAY_US
    return columns


def clustered(
    candidate: Candidate, bad: Flags, fitted: Floats, clusters: dict[str, Ints], *, skip: tuple[str, ...] = (),
    timed: bool = False, least_excess: float, correlation: Callable[[Ints], float] = lambda _rows: 1.0,
) -> Candidate | None:  # fmt: skip
    """The candidate with the largest design effect of several clusterings; None if a single cluster causes it.

    `fitted` is the probability of each of its rows to be bad, at the group's own rate; `correlation` returns the
    correlation of calls of one far end elsewhere, 0..1.
    """
    rows = candidate.rows
    y = bad[rows].astype("float64")
    variance = fitted * (1 - fitted)
    usual = candidate.expected / max(candidate.n, 1.0)
    largest = 1.0
    for name, column in clusters.items():
        if name in skip or (timed and name == "day"):
            continue
        place = np.unique(column[rows], return_inverse=True)[1]
        count = int(place.max(initial=-1)) + 1
        if count == len(rows):
            continue
        if count < 2:  # noqa: PLR2004  a group of one cluster: whatever it is, it is that cluster
            return None
        size = np.bincount(place).astype("float64")
        if name == "remote_address" and effective_number(size) < LEAST_PARTIES and not _of_versions(candidate):
            # If only a few numbers of a place are called, they say more about these numbers, as far as numbers have
            # habits.
            largest = max(largest, 1 + correlation(rows) * float((size**2).sum() / size.sum() - 1))
        sums = np.bincount(place, y - usual)
        rest = candidate.excess - float(sums.max())
        # An excess of one number, one user or one half hour alone is not the group's.
        if rest < max(least_excess * 0.3, candidate.excess * 0.25):
            return None
        if name == "day" or (timed and name == "burst"):
            continue
        # Few clusters show little of how much clusters differ: only the part beyond the error of the estimate counts.
        error = math.sqrt(2 / max(effective_number(size) - 1, 1.0))
        largest = max(largest, design_effect(y - fitted, variance, place) / (1 + ERROR * error))
    return replace(candidate, z=candidate.z / math.sqrt(largest), deff=largest)


def _of_versions(candidate: Candidate) -> bool:
    """Whether it is a version, which a few users may share."""
    return bool(candidate.by) and set(VERSION_COLUMNS).issuperset(candidate.by)


__all__ = ["PRICE", "Candidate", "cluster_columns", "clustered"]
