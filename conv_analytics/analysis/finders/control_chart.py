"""A control chart that learns the usual level from earlier periods: limits for each period, and for drifts.

Each period has a normal score: how far it is from its usual level in units of chance. Where the scores of earlier
periods vary more than by chance, or are autocorrelated, the limits are that much wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from conv_analytics.proportions import Floats

Places = npt.NDArray[np.int64]

#: Weight of the newest period in the drift, and number of weeks in the baseline.
LAMBDA, WEEKS = 0.2, 4
#: Number of periods of each kind in a day.
PER_DAY = {"hour": 24, "day": 1}
#: Monday of the days that are counted from 1 January 1970, a Thursday.
_THURSDAY, _SATURDAY, _WEEK = 3, 5, 7
#: Assumed correlation of successive periods while few scores are known, if they vary more than by chance.
_FEW, _FOLLOWING, _MOST_FOLLOWING = 10, 0.6, 0.9
#: Days before a period that are excluded from its variance, and the number of scores that suffice for one.
_GUARD, _ENOUGH, _FEWEST = 14, 6, 3.0
#: Standard errors above 1 from which a variance counts as real; median of the size of a standard normal number.
_DOUBT, _DOUBT_MEDIAN, _MEDIAN = 0.5, 2.5, 0.6745
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Options:
    """Parameters of a chart."""

    per: str
    weeks: int
    min_n: int
    weight: float
    #: Standard deviations for a flag.
    limit: float


@dataclass(frozen=True, eq=False)
class Chart:
    """Per score its variance relative to chance; the moving average and its limit, in standard deviations."""

    variance: Floats
    ewma: Floats
    ewma_limit: Floats


def baselines(place: Places, n: Floats, options: Options) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.object_]]:
    """The earlier periods that each is compared with (a row of flags), and their values; see `change_points`.

    The same weekday, per hour also the same hour, of the weeks before; where that has too few cases, all days of its
    kind (working days, or Saturdays and Sundays) in the same weeks, per hour the same hour: a weekend is no change.
    """
    per_day = PER_DAY[options.per]
    day, hour = place // per_day, place % per_day
    weekend = (day + _THURSDAY) % _WEEK >= _SATURDAY
    age = day[:, None] - day[None, :]
    earlier = (age > 0) & (age <= options.weeks * _WEEK) & (hour[:, None] == hour[None, :])
    chosen, words = np.zeros(earlier.shape, dtype=bool), np.full(len(place), "none", dtype=object)
    for word, alike in (("earlier", weekend[:, None] == weekend[None, :]), ("same_weekday", age % _WEEK == 0)):
        rows = earlier & alike
        enough = rows @ n >= options.min_n
        chosen[enough], words[enough] = rows[enough], word
    return chosen, words


def scores(upper: Floats, lower: Floats) -> Floats:
    """Normal scores of counts from both tails, each including the count itself: the middle of the step.

    >>> scores(np.array([0.6, 0.001, 1.0]), np.array([0.6, 1.0, 0.001])).round(2).tolist()
    [0.0, 3.29, -3.29]
    """
    itself = np.clip(upper + lower - 1, 0, np.minimum(upper, lower)) / 2
    above, below = np.maximum(upper - itself, 1e-300), np.maximum(lower - itself, 1e-300)
    smaller = np.minimum(np.minimum(above, below), 0.5)
    size = np.array([np.nan if np.isnan(each) else -_NORMAL.inv_cdf(each) for each in smaller])
    return np.where(above < below, size, -size)


def charted(z: Floats, day: Places, weekly: npt.NDArray[np.bool_], options: Options) -> Chart:
    """The variance of each score, estimated from the others, and the moving average week by week.

    Parameters
    ----------
    z
        Scores in order, NaN where there is nothing to compare with.
    day
        The day of each.
    weekly
        Which of them are compared with the same weekday: others share their baselines.
    """
    count = len(z)
    ewma, bound = np.full(count, np.nan), np.full(count, np.nan)
    variance, following = _variances(z, day, options)
    value = 0.0
    for drifting, row in enumerate(np.flatnonzero(weekly & ~np.isnan(z)), start=1):
        # A single outlier is flagged as such: it does not make the following periods a drift.
        most = options.limit * variance[row] ** 0.5
        value = options.weight * float(np.clip(z[row], -most, most)) + (1 - options.weight) * value
        decay = 1 - (1 - options.weight) ** (2 * drifting)
        ewma[row] = value / variance[row] ** 0.5
        spread = options.weight / (2 - options.weight) * decay * following[row] / variance[row]
        bound[row] = options.limit * spread**0.5
    return Chart(variance, ewma, bound)


def _variances(z: Floats, day: Places, options: Options) -> tuple[Floats, Floats]:
    """The variance of each score, and of the moving average relative to chance.

    From the scores of other times, without the days before and the weeks after, in which the change itself would add
    variance. If those are few, from all before; else from all others.
    """
    variance, following = np.ones(len(z)), np.ones(len(z))
    rows = np.flatnonzero(~np.isnan(z))
    if not rows.size:
        return variance, following
    scored, at = z[rows], day[rows]
    # An outlier tells that something happened, not how much days differ.
    most = options.limit * max(float(np.median(np.abs(scored))) / _MEDIAN, 1.0)
    clipped = np.clip(scored, -most, most)
    squares = np.concatenate([[0.0], np.cumsum(clipped**2)])
    products = np.concatenate([[0.0, 0.0], np.cumsum(clipped[1:] * clipped[:-1])])
    place = np.arange(rows.size)
    first = np.searchsorted(at, at - _GUARD)
    last = np.searchsorted(at, at + options.weeks * _WEEK)
    few = first + rows.size - last < _ENOUGH
    first[few], last[few] = place[few], rows.size
    few &= first < _ENOUGH
    last[few] = place[few] + 1
    seen = first + rows.size - last
    pairs = np.maximum(seen - 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.where(seen > 0, (squares[first] + squares[-1] - squares[last]) / seen, 1.0)
        product = np.where(
            pairs > 0, (products[first] + products[-1] - products[np.minimum(last + 1, rows.size)]) / pairs, 0.0
        )
        excess = np.where(square > 1 + _DOUBT * np.sqrt(2 / np.maximum(seen, 1)), square - 1, 0.0)
        doubt = pairs**-0.5
        alike = np.where((excess > 0) & (product / square > doubt / 2), product / np.maximum(excess, 1e-9) + doubt, 0.0)
        alike = np.where(pairs < _FEW, _FOLLOWING, np.clip(alike, 0.0, _MOST_FOLLOWING))
    step, week = (_differences(scored, lag) for lag in (1, _WEEK * PER_DAY[options.per]))
    common = max(step, week)
    follows = min(1 - step / common, _MOST_FOLLOWING) if common else 0.0
    alike = np.where(common > excess, np.maximum(alike, follows), alike)
    # Successive periods say less about the variance than as many independent ones.
    telling = np.clip(alike * excess / np.maximum(square, 1.0), 0.0, 1.0) ** 2
    student = _student_allowance(options.limit, np.maximum(seen * (1 - telling) / (1 + telling), _FEWEST))
    excess = np.maximum(excess * student, common)
    variance[rows] = 1 + excess
    next_to = alike * (1 - options.weight)
    following[rows] = 1 + excess * (1 + next_to) / (1 - next_to)
    return variance, following


def _differences(z: Floats, lag: int) -> float:
    """Variance beyond chance, from lagged differences of scores: a single change affects few of them."""
    if len(z) < lag + _FEW:
        return 0.0
    differences = np.abs(z[lag:] - z[:-lag])
    square = float(np.median(differences) / _MEDIAN) ** 2 / 2
    return square - 1 if square > 1 + _DOUBT_MEDIAN * (2 / len(differences)) ** 0.5 else 0.0


def _student_allowance(limit: float, seen: Floats) -> Floats:
    """Allowance for a variance estimated from few values: the squared ratio of Student's limit to the normal one."""
    more = (limit**2 + 1) / (4 * seen) + (5 * limit**4 + 16 * limit**2 + 3) / (96 * seen**2)
    factor: Floats = (1 + more) ** 2
    return factor


__all__ = ["LAMBDA", "PER_DAY", "WEEKS", "Chart", "Options", "baselines", "charted", "scores"]
