"""Time until an event: Kaplan-Meier for censored cases, Aalen-Johansen where another event can come first.

Both take plain numbers or numpy arrays. Unmeasured values are NaN, never 0.

>>> kaplan_meier([2, 3, 3, 5, 8], [True, True, False, True, False]).quantile(0.5)
5.0
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.errors import ConfigError
from conv_analytics.proportions import CONFIDENCE, Floats, between, normal_quantile


@dataclass(frozen=True)
class Survival:
    """A Kaplan-Meier curve: one entry per time with an event.

    Attributes
    ----------
    time
        Times of events, ascending, in the unit of the durations.
    at_risk, events
        Number of cases that had lasted until then, and number of events at that time.
    survival, lo, hi
        Share that lasts longer, with its pointwise interval; NaN where nobody is left: at 0 there is no interval.
    """

    time: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    lo: Floats
    hi: Floats

    def quantile(self, q: float) -> float:
        """The time by which the share q has had the event; NaN if the curve does not get that far."""
        return _first(self.time, self.survival <= 1 - between(q, "q") + 1e-12)

    def quantile_interval(self, q: float) -> tuple[float, float]:
        """Limits of that time, where the limits of the curve cross it; NaN for one that they do not reach."""
        level = 1 - between(q, "q") + 1e-12
        return _first(self.time, self.lo <= level), _first(self.time, self.hi <= level)


def _first(time: Floats, reached: npt.NDArray[np.bool_]) -> float:
    return float(time[np.argmax(reached)]) if reached.any() else math.nan


def kaplan_meier(durations: npt.ArrayLike, happened: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> Survival:
    """Time until an event, where some cases are censored: their event had not happened by then.

    Parameters
    ----------
    durations
        Time until it happened, or until the observation ended. [any unit, >= 0] NaN is left out.
    happened
        Whether the event happened; if not, the case is censored: it leaves at its time, after the events of that time.
        Null is refused.

    Returns
    -------
    Survival
        Empty when nothing happened.

    Notes
    -----
    Interval: Greenwood's variance on the scale log(-log S), which stays within 0..1. Dropping the calls that were
    never answered would make answers look faster than they are. Source: E. L. Kaplan, P. Meier, JASA 53 (1958) 457.

    Examples
    --------
    >>> curve = kaplan_meier([2, 3, 3, 5, 8], [True, True, False, True, False])
    >>> [round(float(share), 3) for share in curve.survival], curve.quantile(0.5)
    ([0.8, 0.6, 0.3], 5.0)
    """
    t = np.atleast_1d(np.asarray(durations, dtype="float64"))
    seen = _flags(happened)
    if t.shape != seen.shape:
        raise ConfigError(f"{t.size} durations and {seen.size} flags do not match.")
    t, seen = t[~np.isnan(t)], seen[~np.isnan(t)]
    if np.any(t < 0):
        raise ConfigError("A duration is negative. Leave such cases out, or make them NaN.")
    time, counted = np.unique(t[seen], return_counts=True)
    events = counted.astype("float64")
    at_risk = (len(t) - np.searchsorted(np.sort(t), time, side="left")).astype("float64")
    survival = np.cumprod(1 - events / at_risk)
    z = normal_quantile(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(events / (at_risk * (at_risk - events)))) / np.abs(np.log(survival))
        lo, hi = survival ** np.exp(z * spread), survival ** np.exp(-z * spread)
    # At 0 Greenwood's variance is undefined: one answered call says nothing about the next.
    known = survival > 0
    return Survival(time, at_risk, events, survival, np.where(known, lo, np.nan), np.where(known, hi, np.nan))


def _flags(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    flags: Any = values if hasattr(values, "dtype") else np.asarray(values, dtype="object")
    if unknown := int(np.sum(pd.isna(flags))):
        raise ConfigError(f"{unknown} flags are null: leave these cases out, or say whether it happened.")
    return np.atleast_1d(np.asarray(flags, dtype=bool))


@dataclass(frozen=True)
class Incidence:
    """A cumulative incidence: one entry per time at which the event in question happened.

    Attributes
    ----------
    time
        Times of the event, ascending, in the unit of the durations.
    at_risk, events, others
        Number of cases that had lasted until then, number of events at that time, and number of competing events, which
        prevent it, since the entry before.
    share, variance, lo, hi
        Share for which it happened by then, Aalen's variance, and the pointwise interval; NaN where nobody is left.
    """

    time: Floats
    at_risk: Floats
    events: Floats
    others: Floats
    share: Floats
    variance: Floats
    lo: Floats
    hi: Floats

    def quantile(self, q: float) -> float:
        """The time by which the share q of all has had the event; NaN if fewer have."""
        return _first(self.time, self.share >= between(q, "q") - 1e-12)

    def quantile_interval(self, q: float) -> tuple[float, float]:
        """Limits of that time, where the limits of the curve cross it; NaN for one that they do not reach."""
        level = between(q, "q") - 1e-12
        return _first(self.time, self.hi >= level), _first(self.time, self.lo >= level)


def aalen_johansen(
    durations: npt.ArrayLike, happened: npt.ArrayLike, other: npt.ArrayLike, *, confidence: float = CONFIDENCE
) -> Incidence:
    """Share with an event by each time, if a competing event can come first and prevent it.

    Parameters
    ----------
    durations
        Time until either happened, or until the observation ended. [any unit, >= 0] NaN is left out.
    happened, other
        Whether the event happened, and whether the competing one did. If neither did, the case is censored: it leaves
        at its time, after the events of that time. Null is refused.

    Returns
    -------
    Incidence
        Empty when it never happened.

    Raises
    ------
    ConfigError
        If the lengths differ, a duration is negative, a flag is null, or both happened to one case.

    Notes
    -----
    To treat the other event as censoring (`kaplan_meier`) would describe a world without it: for one call answered
    after 10 s and nine that failed after 1 s, it says that all are answered by 10 s. Without other events it is 1 -
    `kaplan_meier`, limits included: both use the scale log(-log). Source: O. O. Aalen, S. Johansen, Scand. J. Stat. 5
    (1978) 141; variance by the delta method: E. Marubini, M. G. Valsecchi, Analysing Survival Data from Clinical Trials
    (1995), 10.3.

    Examples
    --------
    >>> curve = aalen_johansen([10, *[1] * 9], [True, *[False] * 9], [False, *[True] * 9])
    >>> [round(float(share), 3) for share in curve.share], curve.quantile(0.1), curve.quantile(0.5)
    ([0.1], 10.0, nan)
    """
    t = np.atleast_1d(np.asarray(durations, dtype="float64"))
    one, two = _flags(happened), _flags(other)
    if not t.shape == one.shape == two.shape:
        raise ConfigError(f"{t.size} durations, {one.size} and {two.size} flags do not match.")
    if np.any(one & two):
        raise ConfigError("A case has both flags: give it only the one for what happened first.")
    known = ~np.isnan(t)
    t, one, two = t[known], one[known], two[known]
    if np.any(t < 0):
        raise ConfigError("A duration is negative. Leave such cases out, or make them NaN.")
    time = np.unique(t[one | two])
    d1, d2 = (
        np.bincount(np.searchsorted(time, t[which]), minlength=len(time)).astype("float64") for which in (one, two)
    )
    n = (len(t) - np.searchsorted(np.sort(t), time, side="left")).astype("float64")
    free = np.cumprod(1 - (d1 + d2) / n)
    before = np.concatenate([[1.0], free[:-1]]) if len(time) else free
    share = np.minimum(np.cumsum(before * d1 / n), 1.0)
    variance = _variance_of_incidence(n, d1, d1 + d2, before, share)
    z = normal_quantile(confidence)
    limited = (share < 1 - 1e-12) & (variance > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Rounding may keep sums that should be 1 just off it: there is no limit there.
        rest = np.where(limited, 1 - share, np.nan)
        spread = z * np.sqrt(variance) / (rest * np.abs(np.log(rest)))
        lo, hi = 1 - rest ** np.exp(-spread), 1 - rest ** np.exp(spread)
    there = d1 > 0
    # Competing events since the entry before, up to this one.
    others = np.diff(np.cumsum(d2)[there], prepend=0.0)
    return Incidence(time[there], n[there], d1[there], others, share[there], variance[there], lo[there], hi[there])


def _variance_of_incidence(n: Floats, d1: Floats, d: Floats, before: Floats, share: Floats) -> Floats:
    """Aalen's variance of a share by the delta method, at each time.

    The sums over all earlier times of (F(t) - F(i))^2 a + b - 2 (F(t) - F(i)) c are computed as sums of their powers of
    F(i), which takes one pass.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where nobody is left the first factor is 0 from then on.
        a = np.where(n > d, d / (n * (n - d)), 0.0)
    b = before**2 * d1 * (n - d1) / n**3
    c = before * d1 / n**2
    a0, a1, a2 = (np.cumsum(a * share**power) for power in range(3))
    c0, c1 = np.cumsum(c), np.cumsum(c * share)
    result: Floats = share**2 * a0 - 2 * share * a1 + a2 + np.cumsum(b) - 2 * (share * c0 - c1)
    return np.maximum(result, 0.0)


__all__ = ["Incidence", "Survival", "aalen_johansen", "kaplan_meier"]
