"""Clustered calls: how similar the calls of one caller, user or conversation are, and how that affects a rate.

Twenty bad calls of one caller say less than twenty of twenty callers. The design effect is the variance of a count
relative to that of independent calls.

>>> sums = ClusterSums.of([3, 0, 0, 3, 0, 0], [3, 3, 3, 3, 3, 3], [0, 0, 0, 1, 1, 1])
>>> float(intraclass_correlation(sums)), design_effects(sums, 0.5).tolist()
(1.0, [2.0, 2.0])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from conv_analytics.errors import ConfigError
from conv_analytics.proportions import Floats, counts


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Sums over the clusters of each group; a cluster in two groups counts as one in each.

    Attributes
    ----------
    clusters, k, n
        Number of clusters, cases, calls.
    kk, kn, nn, nnn
        Sums of cases x cases, cases x calls, calls squared and calls cubed, of each cluster.
    """

    clusters: Floats
    k: Floats
    n: Floats
    kk: Floats
    kn: Floats
    nn: Floats
    nnn: Floats

    @classmethod
    def of(cls, k: npt.ArrayLike, n: npt.ArrayLike, group: npt.ArrayLike, groups: int | None = None) -> Self:
        """Sums from clusters within groups.

        Parameters
        ----------
        k, n
            Cases and calls of each cluster within a group.
        group
            The group's number, from 0.
        groups
            Number of groups; those that occur, when absent.
        """
        k, n = counts(k, n)
        number = np.asarray(group, dtype="int64")
        size = int(number.max(initial=-1)) + 1 if groups is None else groups
        sums = (np.ones_like(n), k, n, k * k, k * n, n * n, n**3)
        return cls(*(np.bincount(number, weights=each, minlength=size).astype("float64") for each in sums))


def intraclass_correlation(sums: ClusterSums) -> float:
    """Correlation of two calls of one cluster, within groups: 0 if they are independent, 1 if all are equal.

    Returns
    -------
    float
        In 0..1; 0 without evidence: no cluster of two calls in a group that has another, or no variation.

    Notes
    -----
    Moment estimate over pairs of calls, with each group's own rate taken out, so that groups may differ: the sum of (k
    - n r) ** 2 over clusters, less that of independent calls, divided by what a correlation of 1 would add. Pairs have
    equal weight, as in the variance of the sum. Source: M. S. Ridout, C. G. B. Demetrio, D. Firth, Biometrics 55 (1999)
    137, on such estimates.
    """
    n = sums.n
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(n > 0, sums.k / n, 0.0)
        # A rate estimated from the same calls makes them seem less varied than they are.
        variance = np.where(n > 1, rate * (1 - rate) * n / np.maximum(n - 1, 1), 0.0)
        pairs = sums.nn - n
        squares = sums.kk - 2 * rate * sums.kn + rate**2 * sums.nn
        independent = variance * np.where(n > 0, n - sums.nn / n, 0.0)
        # Sum of m (m - 1) (1 - 2 m / n), and the part that the estimated mean absorbs.
        weight = (
            pairs - 2 * np.where(n > 0, (sums.nnn - sums.nn) / n, 0.0) + np.where(n > 0, sums.nn * pairs / n**2, 0.0)
        )
    whole = float(np.sum(variance * weight))
    return min(max(float(np.sum(squares - independent)) / whole, 0.0), 1.0) if whole > 0 else 0.0


def design_effects(sums: ClusterSums, rho: float) -> Floats:
    """Variance of each group's cases against the rest, relative to independent calls.

    Parameters
    ----------
    sums
        The clusters.
    rho
        Correlation of two calls of a cluster, 0..1.

    Returns
    -------
    array
        1 or more; 1 for a group without calls, or without a rest.

    Notes
    -----
    For a group on its own it is L. Kish's 1 + (m - 1) rho, with m the mean size of a cluster as a call sees it,
    sum of n squared / n. The clusters of the rest count as far as the rest is noisy.
    Source: Survey Sampling (1965), 8.2.
    """
    if not 0 <= rho <= 1:
        raise ConfigError(f"rho is {rho}: a correlation of calls in a cluster is between 0 and 1.")
    total = sums.n.sum()
    share = sums.n / total if total else np.zeros_like(sums.n)
    own = sums.nn - sums.n
    others = own.sum() - own
    size = sums.n * (1 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        extra = np.where(size > 0, ((1 - share) ** 2 * own + share**2 * others) / size, 0.0)
    return 1 + rho * extra


__all__ = ["ClusterSums", "design_effects", "intraclass_correlation"]
