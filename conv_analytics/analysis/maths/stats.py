"""Statistics: intervals of rates and differences, tails, false discoveries, quantiles.

All functions take plain numbers or numpy arrays, broadcast them, and return floats or arrays. Unmeasured values are
NaN, never 0.

>>> lo, hi = wilson(45, 50)
>>> round(float(lo), 6), round(float(hi), 6)
(0.786398, 0.956524)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from conv_analytics.errors import ConfigError
from conv_analytics.proportions import CONFIDENCE, Floats, counts, normal_quantile, wilson

#: Interpolation of quantiles between two values: numpy's default, DuckDB's `quantile_cont`.
QUANTILE_METHOD: Final = "linear"
#: A quantile this far out, or further, needs at least `TAIL_N` values.
TAIL = 0.05
TAIL_N = 20
#: Rates of fewer cases are shown, but neither ranked nor coloured.
MIN_N = 30
#: Convergence limit of the continued fraction.
_PRECISION = 3e-16
_STEPS = 10_000


def rates(k: npt.ArrayLike, n: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> dict[str, Floats]:
    """The columns that every rate has: ``k, n, rate, lo, hi``.

    Examples
    --------
    >>> {name: round(float(value), 4) for name, value in rates(1650, 1750).items()}
    {'k': 1650.0, 'n': 1750.0, 'rate': 0.9429, 'lo': 0.931, 'hi': 0.9528}
    """
    k, n = counts(k, n)
    lo, hi = wilson(k, n, confidence=confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"k": k, "n": n, "rate": np.where(n > 0, k / n, np.nan), "lo": lo, "hi": hi}


def newcombe(
    k1: npt.ArrayLike, n1: npt.ArrayLike, k2: npt.ArrayLike, n2: npt.ArrayLike, *, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats, Floats]:
    """Difference of two rates, first minus second, with its interval.

    Returns
    -------
    tuple of arrays
        Difference, lower and upper limit, in -1..1; NaN where an n is 0.

    Notes
    -----
    Newcombe's hybrid score, method 10: Wilson's limits of both, combined. Source: R. G. Newcombe, Stat. Med. 17
    (1998) 873; its example of 56/70 and 48/80 is this one.

    Examples
    --------
    >>> [round(float(value), 4) for value in newcombe(56, 70, 48, 80)]
    [0.2, 0.0524, 0.3339]
    """
    one, two = rates(k1, n1, confidence=confidence), rates(k2, n2, confidence=confidence)
    difference = one["rate"] - two["rate"]
    lo = difference - np.hypot(one["rate"] - one["lo"], two["hi"] - two["rate"])
    hi = difference + np.hypot(one["hi"] - one["rate"], two["rate"] - two["lo"])
    return difference, lo, hi


def binomial_tail(k: npt.ArrayLike, n: npt.ArrayLike, p: npt.ArrayLike) -> Floats:
    """Probability of k cases or more among n, when each happens with probability p.

    Returns
    -------
    array
        In 0..1, small ones with full relative precision; NaN where p or a count is unknown.

    Notes
    -----
    The regularised incomplete beta function I_p(k, n - k + 1), as a continued fraction.

    Examples
    --------
    >>> float(binomial_tail(120, 1000, 0.015)) < 1e-66, round(float(binomial_tail(3, 100, 0.015)), 2)
    (True, 0.19)
    """
    k, n = counts(k, n)
    p = np.asarray(p, dtype="float64")
    if np.any((p < 0) | (p > 1)):
        raise ConfigError("A probability is between 0 and 1.")
    result: Floats = np.vectorize(_upper_tail, otypes=["float64"])(k, n, p) if np.broadcast(k, n, p).size else k * n * p
    return result


def _upper_tail(k: float, n: float, p: float) -> float:
    if math.isnan(k + n + p):
        return math.nan
    if k == 0 or p == 1:
        return 1.0
    if p == 0:
        return 0.0
    a, b = k, n - k + 1
    # On each side of the mean, one of the two fractions converges fast.
    if p < (a + 1) / (a + b + 2):
        return _beta_fraction(a, b, p)
    return 1 - _beta_fraction(b, a, 1 - p)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """I_x(a, b) for x below its mean: DLMF 8.17.22 by Lentz's method."""
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    value = d
    for m in range(1, _STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + step * d) or tiny)
            c = (1 + step / c) or tiny
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return front * value


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """The share of false discoveries for each p value, if it and all smaller ones are reported.

    Parameters
    ----------
    p
        One p value per test; NaN means no test, and stays NaN.

    Returns
    -------
    array
        Adjusted p values, in the order of the tests. Of those up to 0.1, one in ten is chance.

    Notes
    -----
    Source: Y. Benjamini, Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289.

    Examples
    --------
    >>> [round(float(q), 3) for q in benjamini_hochberg([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.053, 0.053, 0.5]
    """
    p = np.asarray(p, dtype="float64")
    if p.ndim != 1 or np.any((p < 0) | (p > 1)):
        raise ConfigError("Give the p values of the tests as one row of numbers between 0 and 1.")
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return adjusted


def quantile(values: npt.ArrayLike, q: float) -> float:
    """A quantile (numpy's ``linear``), or NaN when there are too few values.

    Parameters
    ----------
    values
        Numbers; NaN is ignored.
    q
        Share, 0..1. From 0.05 down and 0.95 up it takes 20 values, else it would just be the extreme.

    Examples
    --------
    >>> quantile([1, 2, 3, 10], 0.5), quantile([1, 2, 3, 10], 0.95), round(quantile(range(100), 0.95), 2)
    (2.5, nan, 94.05)
    """
    known = np.asarray(values, dtype="float64").ravel()
    known = known[~np.isnan(known)]
    needed = TAIL_N if 0 < q <= TAIL or 1 > q >= 1 - TAIL else 1
    if not 0 <= q <= 1:
        raise ConfigError(f"q is {q}: a quantile is between 0 and 1.")
    return float(np.quantile(known, q, method=QUANTILE_METHOD)) if len(known) >= needed else math.nan


def quantile_interval(values: npt.ArrayLike, q: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Distribution-free interval of the quantile of the population.

    Returns
    -------
    tuple of floats
        Two of the values; an infinity where too few lie beyond the quantile to tell; NaN without values.

    Notes
    -----
    Order statistics: how many values lie below the quantile is binomial, here by its normal approximation.
    Source: H. A. David, H. N. Nagaraja, Order Statistics, 7.1.

    Examples
    --------
    >>> quantile_interval(range(1, 101), 0.5), quantile_interval(range(1, 31), 0.95)
    ((40.0, 61.0), (26.0, inf))
    """
    known = np.sort(np.asarray(values, dtype="float64").ravel())
    known = known[~np.isnan(known)]
    if not len(known):
        return math.nan, math.nan
    middle, half = len(known) * q, normal_quantile(confidence) * math.sqrt(len(known) * q * (1 - q))
    low, high = math.floor(middle - half), math.ceil(middle + half) + 1
    lo = float(known[low - 1]) if low >= 1 else -math.inf
    return lo, float(known[high - 1]) if high <= len(known) else math.inf


def summary(values: npt.ArrayLike) -> Mapping[str, Any]:
    """Number, mean, quantiles and extremes of some values: ``n, mean, min, p5, p50, p95, max``.

    Examples
    --------
    >>> talk = summary([4.5] * 94 + [1.5] * 6)
    >>> round(talk["mean"], 2), talk["p5"], talk["p50"]
    (4.32, 1.5, 4.5)
    """
    known = np.asarray(values, dtype="float64").ravel()
    known = known[~np.isnan(known)]
    mean = float(known.mean()) if len(known) else math.nan
    points = {"min": 0.0, "p5": 0.05, "p50": 0.5, "p95": 0.95, "max": 1.0}
    return {"n": len(known), "mean": mean, **{name: quantile(known, q) for name, q in points.items()}}


__all__ = [
    "CONFIDENCE",
    "benjamini_hochberg",
    "binomial_tail",
    "newcombe",
    "quantile",
    "quantile_interval",
    "rates",
    "summary",
    "wilson",
]
