"""Excess over an expected number: tests that allow for noise in the expectation and for calls that are not independent.

>>> bool(excess_z(12.0, 100.0, 4.0, 0.0) > 3), bool(excess_z(4.0, 100.0, 4.0, 0.0) < 0.1)
(True, True)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_TINY = 1e-9


def excess_z(
    k: npt.ArrayLike, n: npt.ArrayLike, expected: npt.ArrayLike, variance: npt.ArrayLike, *, odds: float = 1.0
) -> Floats:
    """Standard deviations by which k of n exceed the expected number, at least, as a normal quantile.

    Parameters
    ----------
    k, n
        Cases, and those that could be one.
    expected
        Cases that are expected, 0..n.
    variance
        Variance of the expectation itself: it comes from a sample, too. 0 if it is known.
    odds
        The odds ratio that is not worth reporting: k is compared with ``expected`` with its odds times this.

    Notes
    -----
    The signed root of the deviance of two samples, k of n and one of such a size that its rate has this variance, with
    a continuity correction of 1/2. Its tail is within a few percent of the exact one down to an expectation of 0.1.

    Examples
    --------
    The exact tail of 5 and more at a mean of 0.3 is 1.6e-5, a z of 4.16:

    >>> round(float(excess_z(5, 1000, 0.3, 0)), 1)
    4.0
    """
    k, n, expected, variance = np.broadcast_arrays(
        *(np.asarray(each, dtype="float64") for each in (k, n, expected, variance))
    )
    rate = np.clip(expected / np.maximum(n, _TINY), 1e-7, 1 - 1e-7)
    other = np.clip(n**2 * rate * (1 - rate) / np.maximum(variance, _TINY), 0.5, 1e9)
    k_other, shift = rate * other, math.log(odds)
    # Half a case towards the expected number, never beyond it.
    null = _expit(np.log(rate / (1 - rate)) + shift)
    above = k > n * null
    k = np.where(above, np.maximum(k - 0.5, n * null), np.minimum(k + 0.5, n * null))
    low, high = np.full(k.shape, -18.0), np.full(k.shape, 18.0)
    for _ in range(34):
        middle = (low + high) / 2
        more = k + k_other - n * _expit(middle + shift) - other * _expit(middle) > 0
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    together = (low + high) / 2
    deviance = _deviance(k, n, n * _expit(together + shift)) + _deviance(k_other, other, other * _expit(together))
    root = np.sqrt(np.maximum(deviance, 0.0))
    result: Floats = np.where(above, root, -root)
    return result


def _expit(logit: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-logit))
    return result


def share_z(
    k: npt.ArrayLike, total: npt.ArrayLike, share: npt.ArrayLike, *, odds: float = 1.0,
    n: npt.ArrayLike | None = None, n_total: float = np.inf,
) -> Floats:  # fmt: skip
    """The same for k of a total of which a share is expected in this part, such as a window of time.

    Where the total is a good part of all calls, pass `n` and `n_total`, the calls in this part and in all: calls that
    are not cases say as much as those that are.

    Examples
    --------
    >>> bool(share_z(9, 10, 0.1) > 5), bool(share_z(1, 10, 0.1) < 0.2)
    (True, True)
    >>> bool(share_z(90, 130, 0.5) < 5), bool(share_z(90, 130, 0.5, n=100, n_total=200) > 7)
    (True, True)
    """
    k, total, share = (np.asarray(each, dtype="float64") for each in (k, total, share))
    null = odds * share / (1 - share + odds * share)
    mean = total * null
    calls = None if n is None else np.maximum(np.asarray(n, dtype="float64"), k)
    if calls is not None:
        mean = np.minimum(mean, 0.98 * calls)
    above = k > mean
    k = np.where(above, np.maximum(k - 0.5, mean), np.minimum(k + 0.5, mean))
    if calls is None:
        deviance = _deviance(k, total, mean)
    else:
        deviance = _deviance(k, calls, mean) + _deviance(total - k, n_total - calls, total - mean)
    root = np.sqrt(np.maximum(deviance, 0.0))
    result: Floats = np.where(above, root, -root)
    return result


def _deviance(k: Floats, n: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        cases = np.where(k > 0, k * np.log(k / np.maximum(expected, _TINY)), 0.0)
        others = np.where(n - k > 0, (n - k) * np.log((n - k) / np.maximum(n - expected, _TINY)), 0.0)
    result: Floats = 2 * (cases + others)
    return result


def normal_tail(z: float) -> float:
    """Probability that a standard normal is at least z.

    >>> round(normal_tail(1.96), 4)
    0.025
    """
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile_of_tail(p: float) -> float:
    """The z whose upper tail is p.

    >>> round(normal_quantile_of_tail(0.025), 3)
    1.96
    """
    from statistics import NormalDist  # noqa: PLC0415

    return -NormalDist().inv_cdf(max(p, 1e-300))


def design_effect(residual: Floats, variance: Floats, clusters: Ints) -> float:
    """Variance of a sum of clustered residuals relative to independent ones; at least 1.

    Parameters
    ----------
    residual
        Difference of each call from its expectation.
    variance
        Its variance if calls are independent.
    clusters
        The cluster of each call.

    Notes
    -----
    The sandwich estimate with the correction C / (C - 1) for C clusters.

    Examples
    --------
    Ten clusters of ten calls that are all alike count as ten calls:

    >>> y = np.repeat([0.5, -0.5], 50)
    >>> round(design_effect(y, np.full(100, 0.25), np.arange(100) // 10), 1)
    11.1
    """
    total = float(variance.sum())
    if not len(residual) or total <= 0:
        return 1.0
    _, place = np.unique(clusters, return_inverse=True)
    sums = np.bincount(place, residual)
    count = len(sums)
    if count < 2:  # noqa: PLR2004  nothing to compare with
        return 1.0
    return max(float((sums**2).sum()) / total * count / (count - 1), 1.0)


def between_variance(k: Floats, expected: Floats, variance: Floats) -> float:
    """Variance of the log odds between groups beyond chance, robust against the few that stand out.

    Notes
    -----
    Two estimates, of which the larger is taken: from the median of the squared deviations (groups with an expectation
    of 3 and more), and from their mean without the largest twentieth; each is shrunk towards 0 by its error, so that
    chance alone gives 0. Fewer than 8 groups give 0.

    Examples
    --------
    >>> between_variance(np.full(20, 10.0), np.full(20, 10.0), np.full(20, 9.0))
    0.0
    """
    usable = variance > _TINY
    k, expected, variance = k[usable], expected[usable], variance[usable]
    estimates = [0.0]
    large = expected >= 3  # noqa: PLR2004
    if np.count_nonzero(large) >= 8:  # noqa: PLR2004
        offset = (k[large] - expected[large]) / variance[large]
        squared = (offset - np.median(offset)) ** 2 * variance[large]
        # The median of a chi-squared of one degree of freedom is 0.455; its standard error is 2.3 by the root of n.
        ratio = float(np.median(squared)) / 0.455 / (1 + 2 * 1.1 / math.sqrt(len(squared)))
        estimates.append((ratio - 1) / float(np.median(variance[large])))
    if len(k) >= 8:  # noqa: PLR2004
        squared = (k - expected) ** 2 / variance
        kept = np.argsort(squared)[: len(k) - max(1, len(k) // 20)]
        total = max(float(np.sum(variance[kept])), _TINY)
        # A mean of squares has a kurtosis of 3, and for small counts 1 / variance more.
        error = math.sqrt(float(np.sum(2 * variance[kept] ** 2 + variance[kept]))) / total
        ratio = float(np.sum((k[kept] - expected[kept]) ** 2)) / total / (1 + 1.5 * error)
        estimates.append((ratio - 1) / max(float(np.sum(variance[kept] ** 2)) / total, _TINY))
    return max(estimates)


def effective_number(sizes: Any) -> float:
    """Effective number of clusters (Kish): that many of equal size carry the same information.

    >>> effective_number([10, 10, 10]), round(effective_number([28, 1, 1]), 2)
    (3.0, 1.15)
    """
    sizes = np.asarray(sizes, dtype="float64")
    return float(sizes.sum() ** 2 / max(float((sizes**2).sum()), _TINY))


__all__ = [
    "between_variance", "design_effect", "effective_number", "excess_z", "normal_quantile_of_tail", "normal_tail",
    "share_z",
]  # fmt: skip
