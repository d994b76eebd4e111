"""Windows of time, hours of the day, or lengths of calls in which one group has more bad calls than otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from conv_analytics.analysis.maths.clustered import excess_z, share_z
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case_data import CORE, FEW, MANY
from conv_analytics.analysis.problems.observations import DAY_US, HOUR_US, NO_INSTANT, Floats, Ints, sums
from conv_analytics.analysis.problems.table import Table

#: Limit from which a group's bad calls are unevenly distributed: range of the bridge (Kuiper's 2 % limit is 1.86).
UNEVEN = 1.75
#: Maximum number of bad calls that are tried as ends of windows.
ENDS = 90
#: Minimum number of days for windows within the day.
LEAST_DAYS = 3
#: Windows this near to the ends of the data begin and end with it, as a share of the calls.
NEAR_END = 0.03
#: Maximum length of a window within the day. [h]
LONGEST_H = 12
#: Number of bins in the first pass over groups.
TIME_BINS, LENGTH_BINS = 240, 40
#: Share of bad calls from which the other calls say as much about windows as the bad ones.
FREQUENT = 0.2
#: Effective number of independent windows of a group.
WINDOWS = 8


@dataclass(frozen=True, eq=False)
class Window:
    """A window of one group; its calls are positions among the rows of the case."""

    group: int
    rows: Ints
    expected: float
    z: float
    tests: float
    against: str
    window: dict[str, Any]


def candidates(table: Table) -> list[Candidate]:
    """Times, hours and durations in which a group is worse than at others, and worse than other groups."""
    data, grouping = table.data, table.grouping
    if grouping.name in {"weekday", "remote_kind"}:
        return []
    found = []
    for what in data.case.windows:
        for window in scan(table, what):
            values = () if grouping.name == "all" else (table.label(window.group),)
            by = () if grouping.name == "all" else (grouping.name,)
            one = data.candidate(
                by, values, window.rows, window.expected, window.z, window.tests, window.against, **window.window
            )
            if one is not None:
                found.append(one)
    return found


def scan(table: Table, what: str) -> Iterator[Window]:
    """The best window of each group whose bad calls are unevenly distributed."""
    data, everything = table.data, table.grouping.name == "all"
    if everything and not data.case.everywhere:
        return
    values, rate, y = _values(table, what), _rate(table, what), table.y
    uneven = _uneven(table, _bins(values, what), rate, y)
    if not len(uneven):
        return
    ordered = _Ordered.of(values, y, rate) if not everything else None
    days = _Days.of(table) if what != "length" else None
    for at in uneven:
        rows = np.flatnonzero(table.of == at)
        rows = rows[values[rows] >= 0]
        rows = rows[np.argsort(values[rows], kind="stable")]
        if what == "hour":
            span = _best_hours((values[rows] // HOUR_US).astype(np.int64), y[rows], rate[rows], data.case.odds)
        else:
            span = _best(y[rows], rate[rows], data.case.odds)
        window = None if span is None else _window(table, what, values, rows, span)
        if window is None:
            continue
        chosen, limits = window
        noise = 1.0 if days is None else days.overdispersion(table, rows[:0] if everything else rows)
        judged = _judged(table, values, rate, rows, chosen, ordered=ordered, noise=noise)
        if judged is None:
            continue
        z, expected, against = judged
        if z < 3.0 or y[chosen].sum() - expected < data.least_excess:  # noqa: PLR2004
            continue
        tests = (FEW if table.grouping.name in CORE else MANY) * len(table.large_groups) * WINDOWS
        yield Window(int(table.large_groups[at]), table.valid[chosen], expected, z, tests, against, limits)


def _rate(table: Table, what: str) -> Floats:
    """The usual rate; when testing hours of all calls, without the part of the day."""
    if what == "hour" and table.grouping.name == "all":
        return table.data.baseline(table.valid, adjusts=True, dayparts=False)
    return table.rate


def _values(table: Table, what: str) -> Any:
    """The value per call that windows are ranges of; negative where unknown."""
    legs, rows = table.data.legs, table.data.rows[table.valid]
    if what == "time":
        return np.where(legs.started_us[rows] == NO_INSTANT, -1, legs.started_us[rows])
    if what == "hour":
        # Days begin at four in the morning, when there are few calls.
        return np.where(legs.started_us[rows] == NO_INSTANT, -1, (legs.local_us[rows] - 4 * HOUR_US) % DAY_US)
    return np.nan_to_num(legs.numbers["talk_s"][rows], nan=-1.0)


def _bins(values: Any, what: str) -> Ints:
    """The coarse bin of each call; -1 where it has none."""
    known = values >= 0
    if what == "hour" or not known.any():
        return np.where(known, values // HOUR_US, -1).astype(np.int64)
    if what == "length":
        edges = np.quantile(values[known], np.linspace(0, 1, LENGTH_BINS + 1)[1:-1])
        return np.where(known, np.searchsorted(edges, values, side="right"), -1)
    low, high = values[known].min(), values[known].max()
    return np.where(known, (values - low) * TIME_BINS // (high - low + 1), -1).astype(np.int64)


def _uneven(table: Table, bins: Ints, rate: Floats, y: Floats) -> Ints:
    """Groups whose bad calls are unevenly distributed, by Kuiper's statistic: the range of the cumulative excess."""
    inside = (bins >= 0) & (table.of >= 0)
    size, groups = int(bins.max(initial=0)) + 1, len(table.large_groups)
    cell = table.of[inside] * size + bins[inside]
    k, e = (sums(cell, part[inside], size=groups * size).reshape(groups, size) for part in (y, rate))
    total = np.maximum(e.sum(axis=1, keepdims=True), 1e-9)
    ratio = k.sum(axis=1, keepdims=True) / total
    more = np.cumsum(k - e * ratio, axis=1)
    # The variance of each call at the group's rate.
    share = np.clip(k.sum(axis=1) / np.maximum(table.size, 1), 0, 0.99)
    spread = np.sqrt(np.maximum(k.sum(axis=1) * (1 - share), 1e-9))
    reach = np.maximum(more.max(axis=1), 0) - np.minimum(more.min(axis=1), 0)
    # Of many groups, some are uneven by chance.
    limit = UNEVEN + 0.12 * max(np.log2(max(groups, 1) / 20), 0.0)
    return np.flatnonzero((reach / spread >= limit) & (k.sum(axis=1) >= 5))  # noqa: PLR2004


@dataclass(frozen=True, eq=False)
class _Ordered:
    """All calls sorted by some values: bad and expected calls between any two values."""

    values: Any
    k: Floats
    e: Floats

    @classmethod
    def of(cls, values: Any, y: Floats, rate: Floats) -> _Ordered:
        order = np.argsort(values, kind="stable")
        return cls(values[order], np.r_[0.0, np.cumsum(y[order])], np.r_[0.0, np.cumsum(rate[order])])

    def between(self, low: Any, high: Any) -> tuple[float, float]:
        first = np.searchsorted(self.values, low, side="left")
        last = np.searchsorted(self.values, high, side="right")
        return float(self.k[last] - self.k[first]), float(self.e[last] - self.e[first])


@dataclass(frozen=True, eq=False)
class _Days:
    """Bad calls, expected ones and their variance per day."""

    day: Ints
    sums: tuple[Floats, Floats, Floats]

    @classmethod
    def of(cls, table: Table) -> _Days:
        day = table.data.legs.day[table.data.rows[table.valid]]
        day = day - int(day.min(initial=0))
        return cls(day, cls._sums(day, table, np.arange(len(day)), int(day.max(initial=0)) + 1))

    @staticmethod
    def _sums(day: Ints, table: Table, rows: Ints, size: int) -> tuple[Floats, Floats, Floats]:
        rate = table.rate[rows]
        k, e, v = (sums(day[rows], part, size=size) for part in (table.y[rows], rate, rate * (1 - rate)))
        return k, e, v

    def overdispersion(self, table: Table, without: Ints) -> float:
        """Variance of daily counts relative to independent calls; a lasting change does not count."""
        less = self._sums(self.day, table, without, len(self.sums[0]))
        k, e, v = (whole - part for whole, part in zip(self.sums, less, strict=True))
        z = ((k - e) / np.sqrt(np.maximum(v, 1e-9)))[v >= 1]
        if len(z) < 5:  # noqa: PLR2004
            return 1.0
        ratio = (float(np.median(np.abs(np.diff(z)))) / 0.954) ** 2
        return float(max(ratio / (1 + 2 / np.sqrt(len(z))), 1.0))


def _best(y: Floats, rate: Floats, odds: float) -> tuple[int, int] | None:
    """The window, as an index range, in which the bad calls of a group deviate most from even."""
    bad = np.flatnonzero(y > 0)
    if len(bad) > ENDS:
        bad = bad[np.unique(np.linspace(0, len(bad) - 1, ENDS).astype(int))]
    low, high = np.r_[0, bad], np.r_[bad + 1, len(y)]
    k, e = np.r_[0, np.cumsum(y)], np.r_[0, np.cumsum(rate)]
    k_in = k[high][None, :] - k[low][:, None]
    share = (e[high][None, :] - e[low][:, None]) / e[-1]
    whole = (low[:, None] == 0) & (high[None, :] == len(y))
    fine = (k_in >= 5) & (share > 0) & (share < 0.97) & ~whole  # noqa: PLR2004
    if not fine.any():
        return None
    share, frequent = np.clip(share, 1e-9, 1 - 1e-9), k[-1] >= FREQUENT * len(y)
    n_in = np.maximum(high[None, :] - low[:, None], 0) if frequent else None
    z = share_z(np.maximum(k_in, 0), k[-1], share, odds=odds, n=n_in, n_total=float(len(y)))
    at = np.where(fine, z, -np.inf)
    best = np.unravel_index(int(np.argmax(at)), at.shape)
    return int(low[best[0]]), int(high[best[1]])


def _best_hours(hours: Ints, y: Floats, rate: Floats, odds: float) -> tuple[int, int] | None:
    """The same for whole hours; `hours` are sorted, starting at night."""
    k, e = (np.r_[0.0, np.cumsum(np.bincount(hours, weights, minlength=24))] for weights in (y, rate))
    low, high = np.triu_indices(25, 1)
    fine = (high - low <= LONGEST_H) & (k[high] - k[low] >= 5)  # noqa: PLR2004
    low, high = low[fine], high[fine]
    if not len(low):
        return None
    share = np.clip((e[high] - e[low]) / e[-1], 1e-9, 1 - 1e-9)
    at = int(np.argmax(np.where(share < 0.97, share_z(k[high] - k[low], k[-1], share, odds=odds), -np.inf)))  # noqa: PLR2004
    first, last = np.searchsorted(hours, [low[at], high[at]])
    return (int(first), int(last)) if last > first else None


def _window(  # noqa: PLR0911 - each kind of window has its own reasons to be none
    table: Table, what: str, values: Any, rows: Ints, span: tuple[int, int]
) -> tuple[Ints, dict[str, Any]] | None:
    """The calls of a window whose limits are round, and the limits."""
    low, high = span
    first, last = values[rows[low]], values[rows[high - 1]]
    if what == "time":
        chosen = rows[low:high]
        early, late = low <= NEAR_END * len(rows), high >= (1 - NEAR_END) * len(rows)
        if early and late:
            return None
        return chosen, {"since_us": None if early else int(first), "until_us": None if late else int(last)}
    if what == "hour":
        begin, end = int(first // HOUR_US), int(last // HOUR_US) + 1
        if end - begin > LONGEST_H:
            return None
        chosen = rows[(values[rows] >= begin * HOUR_US) & (values[rows] < end * HOUR_US)]
        days = table.data.legs.day[table.data.rows[table.valid[chosen[table.y[chosen] > 0]]]]
        if len(np.unique(days)) < LEAST_DAYS:
            return None
        return chosen, {"hours": ((begin + 4) % 24, (end + 4) % 24)}
    if high < len(rows) * (1 - NEAR_END):
        return None
    return rows[low:], {"lengths_s": (float(first), float(values[rows[-1]]))}


def _judged(
    table: Table, values: Any, rate: Floats, rows: Ints, chosen: Ints, *, ordered: _Ordered | None, noise: float
) -> tuple[float, float, str] | None:
    """Significance of a window against the group's other calls, and against other groups in the same window."""
    y, odds = table.y, table.data.case.odds
    k, n, e = float(y[chosen].sum()), float(len(chosen)), float(rate[chosen].sum())
    k_own, e_own = float(y[rows].sum()) - k, float(rate[rows].sum()) - e
    if n < 8:  # noqa: PLR2004
        return None
    sides = []
    # Half a bad call is added to the other side, at the group's own rate.
    half = 0.5 * (e + e_own) / max(k + k_own, 1.0)
    own = e_own >= 2 * half
    if own:
        sides.append((k_own, e_own, half, "its other calls", noise))
    if ordered is not None:
        k_near, e_near = ordered.between(values[chosen].min(), values[chosen].max())
        k_rest, e_rest = k_near - k, e_near - e
        if e_rest >= 0.5:  # noqa: PLR2004
            sides.append((k_rest, e_rest, 0.5, "others at the same time", 1 + table.spread * e * (1 - e / n)))
    if not sides or (ordered is None and not own):
        return None
    judged = []
    for k_other, e_other, more, against, spread in sides:
        ratio = (k_other + 0.5) / (e_other + more)
        expected = min(e * ratio, 0.98 * n)
        # Variance of the ratio, as for a binomial count; a count of 0 has the uncertainty of 1/2.
        doubt = e**2 * (k_other + 0.5) * (1 - expected / n) / (e_other + more) ** 2
        z = float(excess_z(k, n, expected, doubt, odds=odds)) / np.sqrt(spread)
        judged.append((z, expected, against))
    return min(judged)


__all__ = ["Window", "scan"]
