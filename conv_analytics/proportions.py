"""Proportions: k cases of n, with their interval."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from conv_analytics.errors import ConfigError

Floats = npt.NDArray[np.float64]

#: Coverage of every interval.
CONFIDENCE = 0.95


def wilson(k: npt.ArrayLike, n: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Interval of a rate, by Wilson's score.

    Parameters
    ----------
    k, n
        Number of cases, and of trials. Null counts are NaN.
    confidence
        Coverage, between 0 and 1.

    Returns
    -------
    tuple of arrays
        Lower and upper limit in 0..1; NaN where n is 0 or a count is not known.

    Raises
    ------
    ConfigError
        If k is negative or above n.

    Notes
    -----
    Unlike the textbook's p +- z s it stays within 0..1, and has a width at 0 and at n cases: of 10 calls without an
    answer the rate may still be 0.28. Source: E. B. Wilson, JASA 22 (1927).

    Examples
    --------
    >>> [round(float(limit), 6) for limit in wilson(0, 10)]
    [0.0, 0.277533]
    """
    k, n = counts(k, n)
    z = normal_quantile(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n the limit is exact; rounding would leave 1e-17.
    lo = np.where(k == 0, np.where(n > 0, 0.0, np.nan), np.maximum(middle - half, 0.0))
    hi = np.where(k == n, np.where(n > 0, 1.0, np.nan), np.minimum(middle + half, 1.0))
    return lo, hi


def counts(k: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Counts as floats; k must be from 0 to n."""
    k, n = (np.asarray(value, dtype="float64") for value in (k, n))
    if np.any((k < 0) | (k > n)):
        raise ConfigError("A rate counts k of n: k is neither negative nor above n.")
    return k, n


def between(value: float, name: str) -> float:
    """A number between 0 and 1; others are refused."""
    if not 0 < value < 1:
        raise ConfigError(f"{name} is {value}: it must be between 0 and 1, such as 0.95.")
    return value


def normal_quantile(confidence: float) -> float:
    """The normal quantile for a two-sided coverage, in standard errors.

    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    return NormalDist().inv_cdf((1 + between(confidence, "confidence")) / 2)


__all__ = ["CONFIDENCE", "Floats", "between", "counts", "normal_quantile", "wilson"]
