"""Windows of time, hours of the day, or lengths of calls in which one group has more bad calls than otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conv_analytics.analysis.maths.clustered import excess_z, share_z
from conv_analytics.analysis.problems.observations import DAY_US, HOUR_US, NO_INSTANT, Floats, Ints

if TYPE_CHECKING:
    from conv_analytics.analysis.problems.scan import Table

#: From here on the order of a group's bad calls is no chance: range of the bridge, Kuiper's limit for 1 in 50 is 1.86.
UNEVEN = 1.75
#: Ends of windows are tried at so many bad calls at the most.
ENDS = 90
#: A day of windows is asked on so many days at the least.
LEAST_DAYS = 3
TESTS = 250.0
#: Windows begin and end with the data when they come so near, as a share of the calls.
NEAR_END = 0.03
#: More hours of a day are not some of them.
LONGEST_H = 12
#: Windows of a group that are as good as independent.
WINDOWS = 12


@dataclass(frozen=True, eq=False)
class Window:
    """A window of one group: the calls in it as places among those asked."""

    group: int
    rows: Ints
    expected: float
    z: float
    tests: float
    against: str
    window: dict[str, Any]


def scan(table: Table, what: str) -> Iterator[Window]:
    """The best window of each group whose bad calls do not come evenly."""
    asked, everything = table.asked, table.grouping.name == "all"
    if everything and not asked.case.everywhere:
        return
    values = _values(table, what)
    known = np.flatnonzero(values >= 0) if what != "length" else np.flatnonzero(~np.isnan(values))
    kept = np.zeros(int(table.codes.max()) + 1, dtype=bool)
    kept[table.kept] = True
    inside = known[kept[table.codes[known]]]
    if len(inside) < 8:  # noqa: PLR2004
        return
    order = inside[np.lexsort((values[inside], table.codes[inside]))]
    codes = table.codes[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    ends = np.r_[starts[1:], len(order)]
    y, rate = table.y, _rate(table, what)
    uneven = _uneven(y[order], rate[order], starts, ends)
    for at in uneven:
        rows = order[starts[at] : ends[at]]
        if what == "hour":
            found = _best_hours(values[rows] // HOUR_US, y[rows], rate[rows], asked.case.odds)
        else:
            found = _best(y[rows], rate[rows], asked.case.odds)
        if found is None:
            continue
        low, high = found
        window = _window(table, what, values, rows, low, high)
        if window is None:
            continue
        chosen, limits = window
        judged = _judged(table, values, rate, rows, chosen, everything=everything, noise=_overdispersion(table, what, rows if not everything else rows[:0]))
        if judged is None:
            continue
        z, expected, against = judged
        if z < 3.0 or y[chosen].sum() - expected < asked.least_excess:  # noqa: PLR2004
            continue
        tests = TESTS * len(table.kept) * WINDOWS
        yield Window(int(codes[starts[at]]), table.valid[chosen], expected, z, tests, against, limits)


def _rate(table: Table, what: str) -> Floats:
    """What is usual; for hours of all calls without the part of the day, which is the question."""
    if what == "hour" and table.grouping.name == "all":
        return table.asked.baseline(table.valid, adjusts=True, dayparts=False)
    return table.rate


def _values(table: Table, what: str) -> Any:
    seen, rows = table.asked.seen, table.asked.rows[table.valid]
    if what == "time":
        return np.where(seen.started_us[rows] == NO_INSTANT, -1, seen.started_us[rows])
    if what == "hour":
        # The day is cut at four in the night, when few call.
        return np.where(seen.started_us[rows] == NO_INSTANT, -1, (seen.local_us[rows] - 4 * HOUR_US) % DAY_US)
    return seen.numbers["talk_s"][rows]


def _uneven(y: Floats, rate: Floats, starts: Ints, ends: Ints) -> Ints:
    """Groups whose bad calls come unevenly: the range of what is more than expected so far."""
    size = ends - starts
    total, usual = np.add.reduceat(y, starts), np.add.reduceat(rate, starts)
    own = np.clip(rate * np.repeat(total / usual, size), 0, 0.99)
    more = np.cumsum(y - own)
    more -= np.repeat(more[starts] - (y - own)[starts], size)
    spread = np.sqrt(np.maximum(np.add.reduceat(own * (1 - own), starts), 1e-9))
    reach = np.maximum(np.maximum.reduceat(more, starts), 0) - np.minimum(np.minimum.reduceat(more, starts), 0)
    return np.flatnonzero(reach / spread >= UNEVEN)


def _best(y: Floats, rate: Floats, odds: float) -> tuple[int, int] | None:
    """The window, as places from and to, in which the bad calls of a group are furthest from even."""
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
    at = np.where(fine, share_z(k_in, k[-1], np.clip(share, 1e-9, 1 - 1e-9), odds=odds), -np.inf)
    best = np.unravel_index(int(np.argmax(at)), at.shape)
    return int(low[best[0]]), int(high[best[1]])


def _best_hours(hours: Ints, y: Floats, rate: Floats, odds: float) -> tuple[int, int] | None:
    """The same for whole hours; `hours` are in order, from the night on."""
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


def _window(
    table: Table, what: str, values: Any, rows: Ints, low: int, high: int
) -> tuple[Ints, dict[str, Any]] | None:
    """The calls of a window whose limits are round, and the limits."""
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
        days = table.asked.seen.day[table.asked.rows[table.valid[chosen[table.y[chosen] > 0]]]]
        if len(np.unique(days)) < LEAST_DAYS:
            return None
        return chosen, {"hours": ((begin + 4) % 24, (end + 4) % 24)}
    if high < len(rows) * (1 - NEAR_END):
        return None
    return rows[low:], {"lengths_s": (float(first), float(values[rows[-1]]))}


def _judged(
    table: Table, values: Any, rate: Floats, rows: Ints, chosen: Ints, *, everything: bool, noise: float
) -> tuple[float, float, str] | None:
    """How surely a window is worse than the group's other calls, and than others in the same window."""
    y, odds = table.y, table.asked.case.odds
    k, n, e = float(y[chosen].sum()), float(len(chosen)), float(rate[chosen].sum())
    k_own, e_own = float(y[rows].sum()) - k, float(rate[rows].sum()) - e
    if n < 8:  # noqa: PLR2004
        return None
    sides = []
    # Half a bad call more on the other side, at the group's own rate.
    half = 0.5 * (e + e_own) / max(k + k_own, 1.0)
    own = e_own >= 2 * half
    if own:
        sides.append((k_own, e_own, half, "its other calls", noise))
    if not everything:
        low, high = values[chosen].min(), values[chosen].max()
        near = (values >= low) & (values <= high)
        k_rest = float(y[near].sum()) - k
        e_rest = float(rate[near].sum()) - e
        if e_rest >= 0.5:  # noqa: PLR2004
            sides.append((k_rest, e_rest, 0.5, "others at the same time", 1 + table.spread * e * (1 - e / n)))
    if not sides or (everything and not own):
        return None
    judged = []
    for k_other, e_other, more, against, spread in sides:
        ratio = (k_other + 0.5) / (e_other + more)
        expected = min(e * ratio, 0.98 * n)
        # Variance of the ratio, as that of a count; a count of 0 is known no better than one of 1/2.
        doubt = e**2 * (k_other + 0.5) / (e_other + more) ** 2
        z = float(excess_z(k, n, expected, doubt, odds=odds)) / np.sqrt(spread)
        judged.append((z, expected, against))
    return min(judged)


def _overdispersion(table: Table, what: str, without: Ints) -> float:
    """Variance of the counts of days by what it were if calls were independent; a lasting change does not count."""
    if what == "length":
        return 1.0
    others = np.ones(len(table.valid), dtype=bool)
    others[without] = False
    day = table.asked.seen.day[table.asked.rows[table.valid[others]]]
    names, place = np.unique(day, return_inverse=True)
    if len(names) < 5:  # noqa: PLR2004
        return 1.0
    rate = table.rate[others]
    k, e, v = (np.bincount(place, weights) for weights in (table.y[others], rate, rate * (1 - rate)))
    z = ((k - e) / np.sqrt(np.maximum(v, 1e-9)))[v >= 1]
    if len(z) < 5:  # noqa: PLR2004
        return 1.0
    ratio = (float(np.median(np.abs(np.diff(z)))) / 0.954) ** 2
    return max(ratio / (1 + 2 / np.sqrt(len(z))), 1.0)


__all__ = ["Window", "scan"]
