"""Exact tails of counts: cases of one group among all, rare events, and both with clustered calls.

A tail is the probability of k cases or more. Everything broadcasts, and small tails have full relative precision.

>>> round(float(hypergeometric_tail(330, 1000, 630, 2000)), 3)
0.081
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from conv_analytics.analysis.maths.log_gamma import log_binomial, log_gamma, log_poisson
from conv_analytics.analysis.maths.tail_sums import Places, tail_sum
from conv_analytics.errors import ConfigError
from conv_analytics.proportions import Floats, counts

#: Below this correlation, clusters make no difference in double precision.
_NO_CORRELATION: Final = 1e-9


def hypergeometric_tail(
    k: npt.ArrayLike, n: npt.ArrayLike, cases: npt.ArrayLike, total: npt.ArrayLike, *, deff: npt.ArrayLike = 1.0
) -> Floats:
    """Probability that k or more of a group's n calls are cases, given the cases among all calls.

    This is Fisher's one-sided exact test of a group against the rest: the rest is as noisy as the group.

    Parameters
    ----------
    k, n
        Cases of the group, and its calls.
    cases, total
        Cases and calls of the group and the rest together.
    deff
        Design effect: the variance of k relative to that of independent calls, 1 or more.

    Returns
    -------
    array
        In 0..1; NaN where a count is unknown.

    Raises
    ------
    ConfigError
        If the counts contradict each other, or `deff` is below 1.

    Notes
    -----
    With a design effect it is the tail of the Polya distribution (of which the hypergeometric, the binomial and the
    beta-binomial are special cases) with the same mean and the larger variance. Sources: R. A. Fisher, J. R. Stat. Soc.
    98 (1935) 39; L. Kish, Survey Sampling (1965), 8.2; the starting term by C. Loader, Fast and accurate computation of
    binomial probabilities (2000).

    Examples
    --------
    >>> [round(float(p), 4) for p in hypergeometric_tail([3, 9], 10, 10, 20)]
    [0.9885, 0.0005]
    >>> round(float(hypergeometric_tail(330, 1000, 630, 2000, deff=4)), 2)
    0.24
    """
    k, n = counts(k, n)
    cases, total = counts(cases, total)
    deff = np.asarray(deff, dtype="float64")
    shape, (k, n, cases, total, deff) = _broadcast(k, n, cases, total, deff)
    if np.any((n > total) | (k > cases) | (n - k > total - cases)):
        raise ConfigError("A group's calls must be part of all calls: n <= total, k <= cases, n - k <= total - cases.")
    _at_least(deff, 1, "deff")
    # The same distribution with the smaller of the two as the number of draws: fewer terms.
    draws, marked = np.minimum(n, cases), np.maximum(n, cases)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(total > 0, marked / np.maximum(total, 1), 0.0)
        plain = np.where(total > 1, (total - draws) / np.maximum(total - 1, 1), 0.0)
        rho = np.where(draws > 1, (deff * plain - 1) / np.maximum(draws - 1, 1), 0.0)
    result = np.empty(k.shape)
    exact = deff == 1
    result[exact] = _hypergeometric(k[exact], draws[exact], marked[exact], total[exact])
    result[~exact] = _polya(k[~exact], draws[~exact], p[~exact], rho[~exact])
    return np.where(np.isnan(k + n + cases + total + deff), np.nan, result).reshape(shape)


def beta_binomial_tail(k: npt.ArrayLike, n: npt.ArrayLike, p: npt.ArrayLike, rho: npt.ArrayLike) -> Floats:
    """Probability of k cases or more among n clustered calls.

    Parameters
    ----------
    k, n
        Cases, and calls.
    p
        Probability of one, 0..1.
    rho
        Intraclass correlation, from 0 (independent: the binomial tail) to 1 (all or none).

    Returns
    -------
    array
        In 0..1; NaN where something is not known.

    Notes
    -----
    Variance n p (1 - p) (1 + (n - 1) rho). Source: J. G. Skellam, J. R. Stat. Soc. B 10 (1948) 257.

    Examples
    --------
    Two of two with the uniform distribution (p 1/2, rho 1/3) is one of three outcomes:

    >>> [round(float(tail), 4) for tail in beta_binomial_tail(2, 2, 0.5, [0, 1 / 3, 1])]
    [0.25, 0.3333, 0.5]
    """
    k, n = counts(k, n)
    p, rho = np.asarray(p, dtype="float64"), np.asarray(rho, dtype="float64")
    shape, (k, n, p, rho) = _broadcast(k, n, p, rho)
    if np.any((p < 0) | (p > 1) | (rho < 0) | (rho > 1)):
        raise ConfigError("A probability and a correlation of cases are between 0 and 1.")
    return np.where(np.isnan(k + n + p + rho), np.nan, _polya(k, n, p, rho)).reshape(shape)


def poisson_tail(k: npt.ArrayLike, mean: npt.ArrayLike, *, deff: npt.ArrayLike = 1.0) -> Floats:
    """Probability of k events or more where `mean` are usual.

    Parameters
    ----------
    k
        Events, 0 or more.
    mean
        Expected events, 0 or more.
    deff
        Variance by mean, 1 or more: above 1 it is the tail of the negative binomial.

    Returns
    -------
    array
        In 0..1; NaN where something is not known.

    Examples
    --------
    >>> [round(float(tail), 5) for tail in poisson_tail([0, 1, 10], 2.0)]
    [1.0, 0.86466, 5e-05]
    >>> round(float(poisson_tail(10, 2.0, deff=3)), 3)
    0.017
    """
    k, mean, deff = (np.asarray(value, dtype="float64") for value in (k, mean, deff))
    shape, (k, mean, deff) = _broadcast(k, mean, deff)
    if np.any((k < 0) | (mean < 0)):
        raise ConfigError("Events and their mean are 0 or more.")
    _at_least(deff, 1, "deff")
    # Size of the negative binomial, and the probability that a cluster goes on.
    over = np.maximum(deff - 1, 0)
    size = mean / np.where(over > 0, over, 1)
    going = over / np.where(deff > 0, deff, 1)

    def first(x: Floats, rows: Places) -> Floats:
        m, r, q, plain = (values[rows] for values in (mean, size, going, over == 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            clustered = (
                log_gamma(x + r)
                - log_gamma(np.maximum(r, 1e-300))
                - log_gamma(x + 1)
                + r * np.log1p(-q)
                + x * np.log(q)
            )
        return np.where(plain, log_poisson(x, m), np.where(x == 0, r * np.log1p(-q), clustered))

    def up(x: Floats, rows: Places) -> Floats:
        m, r, q, plain = (values[rows] for values in (mean, size, going, over == 0))
        return np.where(plain[:, None], m[:, None], q[:, None] * (x + r[:, None])) / (x + 1)

    tail = tail_sum(k, mean, np.full(k.shape, np.inf), first, up)
    return np.where(np.isnan(deff), np.nan, tail).reshape(shape)


def _hypergeometric(k: Floats, draws: Floats, marked: Floats, total: Floats) -> Floats:
    share = np.where(total > 0, draws / np.maximum(total, 1), 0.0)

    def first(x: Floats, rows: Places) -> Floats:
        n, m, whole, p = draws[rows], marked[rows], total[rows], share[rows]
        with np.errstate(invalid="ignore"):
            value = log_binomial(x, m, p) + log_binomial(n - x, whole - m, p) - log_binomial(n, whole, p)
        return np.where((x < n + m - whole) | (x > n), -np.inf, value)

    def up(x: Floats, rows: Places) -> Floats:
        n, m, whole = draws[rows][:, None], marked[rows][:, None], total[rows][:, None]
        return (m - x) * (n - x) / ((x + 1) * (whole - m - n + x + 1))

    least = np.maximum(draws + marked - total, 0)
    return tail_sum(k, draws * np.where(total > 0, marked / np.maximum(total, 1), 0.0), draws, first, up, least)


def _polya(k: Floats, n: Floats, p: Floats, rho: Floats) -> Floats:
    """Tail of n draws with a share p of successes and a correlation; below 0, drawing without replacement."""
    rho = np.minimum(rho, 1.0)
    together, apart = rho >= 1 - _NO_CORRELATION, np.abs(rho) < _NO_CORRELATION
    # Size of the urn: negative if each draw puts back more than it took.
    size = -np.where(together | apart, 1.0, 1 / np.where(rho == 0, 1.0, rho) - 1)
    size = np.where(rho < 0, 1 - 1 / np.where(rho < 0, rho, -1.0), size)

    def first(x: Floats, rows: Places) -> Floats:
        m, share, urn, single = n[rows], p[rows], size[rows], apart[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            value = _log_choose(urn * share, x) + _log_choose(urn * (1 - share), m - x) - _log_choose(urn, m)
        return np.where(single, log_binomial(x, m, share), np.where((share == 0) | (share == 1), -np.inf, value))

    def up(x: Floats, rows: Places) -> Floats:
        m, share, urn, single = n[rows][:, None], p[rows][:, None], size[rows][:, None], apart[rows][:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            odds = np.where(single, share / (1 - share), (urn * share - x) / (urn * (1 - share) - m + x + 1))
        return np.maximum(odds, 0) * (m - x) / (x + 1)

    tail = tail_sum(k, n * p, n, first, up)
    sure = np.where(k <= n * p, 1.0, 0.0)
    tail = np.where((p <= 0) | (p >= 1), sure, tail)
    return np.where(together & (k > 0), p, tail)


def _log_choose(size: Floats, x: Floats) -> Floats:
    """Logarithm of the absolute binomial coefficient; for a negative size it is that of -size + x - 1 over x."""
    negative = size < 0
    upper = np.where(negative, x - size, size + 1)
    lower = np.where(negative, -size, size - x + 1)
    return log_gamma(np.maximum(upper, 1e-300)) - log_gamma(np.maximum(lower, 1e-300)) - log_gamma(x + 1)


def _broadcast(*values: Floats) -> tuple[tuple[int, ...], list[Floats]]:
    """The common shape, and the arguments broadcast to it as rows."""
    together = np.broadcast_arrays(*values)
    return together[0].shape, [each.ravel() for each in together]


def _at_least(values: Floats, least: float, name: str) -> None:
    if np.any(values < least):
        raise ConfigError(f"{name} is at least {least}: {least} where calls are independent.")


__all__ = ["beta_binomial_tail", "hypergeometric_tail", "poisson_tail"]
