"""Logarithms of the gamma function and of binomial and Poisson terms, for arrays: numpy lacks them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from conv_analytics.proportions import Floats

#: Stirling's series: coefficients of 1/x, 1/x**3, ... (DLMF 5.11.1).
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
#: From here on the series is exact to a double.
_LARGE = 10
_HALF_LOG_TWO_PI = math.log(2 * math.pi) / 2
#: Within this share of their sum, two numbers are close: their deviance is a series.
_CLOSE = 0.1


def log_gamma(x: npt.ArrayLike) -> Floats:
    """Logarithm of the gamma function of positive numbers.

    >>> log_gamma([1.0, 5.0, 0.5]).round(6).tolist()
    [0.0, 3.178054, 0.572365]
    """
    x = np.asarray(x, dtype="float64")
    small = x < _LARGE
    shifted = np.where(small, x + _LARGE, x)
    value = (shifted - 0.5) * np.log(shifted) - shifted + _HALF_LOG_TWO_PI + _series(shifted)
    below = np.where(small, x, 1.0)
    product = np.ones_like(below)
    for step in range(_LARGE):
        product = product * (below + step)
    with np.errstate(divide="ignore"):
        return np.where(small, value - np.log(product), value)


def log_binomial(x: npt.ArrayLike, n: npt.ArrayLike, p: npt.ArrayLike) -> Floats:
    """Logarithm of the probability of exactly x cases among n, each with probability p.

    Source: C. Loader, Fast and accurate computation of binomial probabilities (2000).

    >>> np.exp(log_binomial([0, 1, 2], 2, 0.5)).round(9).tolist()
    [0.25, 0.5, 0.25]
    """
    x, n, p = (np.asarray(value, dtype="float64") for value in (x, n, p))
    x, n, p = np.broadcast_arrays(x, n, p)
    q = 1 - p
    inner = (x > 0) & (x < n) & (p > 0) & (q > 0)
    a, m, share = np.where(inner, x, 1.0), np.where(inner, n, 2.0), np.where(inner, p, 0.5)
    value = _error(m) - _error(a) - _error(m - a) - _deviance(a, m * share) - _deviance(m - a, m * (1 - share))
    value = value - _HALF_LOG_TWO_PI - 0.5 * (np.log(a) + np.log1p(-a / m))
    with np.errstate(divide="ignore", invalid="ignore"):
        none, every = np.where(n > 0, n * np.log1p(-p), 0.0), np.where(n > 0, n * np.log(p), 0.0)
    edges = np.where(x == 0, none, np.where(x == n, every, -np.inf))
    return np.where(inner, value, edges)


def log_poisson(x: npt.ArrayLike, mean: npt.ArrayLike) -> Floats:
    """Logarithm of the probability of exactly x events where `mean` are usual; the source is that of `log_binomial`.

    >>> np.exp(log_poisson([0, 1], 1.0)).round(6).tolist()
    [0.367879, 0.367879]
    """
    x, mean = (np.asarray(value, dtype="float64") for value in (x, mean))
    x, mean = np.broadcast_arrays(x, mean)
    inner = (x > 0) & (mean > 0)
    a, m = np.where(inner, x, 1.0), np.where(inner, mean, 1.0)
    value = -_error(a) - _deviance(a, m) - _HALF_LOG_TWO_PI - 0.5 * np.log(a)
    return np.where(inner, value, np.where(x == 0, -mean, -np.inf))


def _series(x: Floats) -> Floats:
    square, total = 1 / (x * x), np.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        total = total * square + coefficient
    return total / x


def _error(n: Floats) -> Floats:
    """The error of Stirling's formula for log(n!)."""
    small = n < _LARGE
    large = _series(np.where(small, _LARGE, n))
    few = np.where(small, n, 1.0)
    exact = log_gamma(few + 1) - (few + 0.5) * np.log(few) + few - _HALF_LOG_TWO_PI
    return np.where(small, exact, large)


def _deviance(x: Floats, mean: Floats) -> Floats:
    """X log(x / mean) + mean - x, without cancellation where both are close."""
    difference = x - mean
    v = difference / (x + mean)
    close = np.abs(v) < _CLOSE
    near = np.where(close, v, 0.0)
    square, total = near * near, np.zeros_like(near)
    for step in range(10, 0, -1):
        total = (total + 1 / (2 * step + 1)) * square
    return np.where(close, difference * near + 2 * x * near * total, x * np.log(x / mean) - difference)


__all__ = ["log_binomial", "log_gamma", "log_poisson"]
