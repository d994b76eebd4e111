"""Rates and quantiles of legs in memory: of all legs, and per group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.analysis import kpi
from conv_analytics.analysis.maths.stats import MIN_N, TAIL_N, newcombe, rates
from conv_analytics.notebook.report.numbers import Change, Rate, Values

#: The name of the group of rows without a value.
NOT_KNOWN = "unknown"
#: The key of all rows together.
ALL = ""


class Rates(dict[str, Rate]):
    """Rates by group; a missing group has no cases."""

    def __missing__(self, key: str) -> Rate:
        return _no_rate()


class Distributions(dict[str, Values]):
    """Distributions by group; a missing group has no values."""

    def __missing__(self, key: str) -> Values:
        return Values(0, 0, None, None, None, None, None)


@cache
def _no_rate() -> Rate:
    """The rate without cases, computed once: over years, most hours have no call."""
    return rate(0, 0)


def rate(k: int, n: int, unknown: int = 0) -> Rate:
    """A rate with its interval.

    >>> rate(5, 10).enough, round(rate(5, 10).lo, 3)
    (False, 0.237)
    """
    interval = {name: _number(float(value)) for name, value in rates(k, n).items()}
    return Rate(k, n, interval["rate"], interval["lo"], interval["hi"], unknown, n >= MIN_N)


def flag_rates(holds: pd.Series[Any], of: pd.Series[Any], keys: pd.Series[Any] | None = None) -> Rates:
    """How often a flag is true among the rows where it is known, per key; over all rows without keys.

    Parameters
    ----------
    holds, of
        Flags of equal length; null is false.
    keys
        Of any type; rows without a key are a separate group.
    """
    known = of.fillna(value=False).to_numpy("bool")
    true = holds.fillna(value=False).to_numpy("bool") & known
    return summed(true, known, ~known, keys)


class Kpi:
    """The rates of `kpi` over legs, computed once: counts add up, so those of any group are sums.

    Parameters
    ----------
    rows
        Legs, with the columns to group by.
    by
        The columns that rates can be grouped by.
    """

    METRICS = ("asr", "ner", "drop_failure")

    def __init__(self, rows: pd.DataFrame, by: Sequence[str] = ()) -> None:
        keys = list(dict.fromkeys([*by, "direction"]))
        self._table: pd.DataFrame = kpi(rows, by=keys, metrics=self.METRICS, scope="all")

    def rates(self, metric: str, scope: str, by: str | None = None) -> Rates:
        """One metric of the attempts in scope, per value of a column, or of all of them."""
        wanted = self._table["metric"] == metric
        counts = self._table[wanted if scope == "all" else wanted & (self._table["direction"] == scope)]
        k, n, unknown = (counts[name].to_numpy("int64") for name in ("k", "n", "unknown"))
        return summed(k, n, unknown, None if by is None else counts[by])


def summed(k: Any, n: Any, unknown: Any, keys: pd.Series[Any] | None = None) -> Rates:
    """Rates of counts that are summed per key, or over all rows without keys.

    >>> summed([1, 2], [4, 4], [0, 1]) == {ALL: rate(3, 8, 1)}
    True
    """
    groups, names = (np.zeros(len(k), dtype="int64"), [ALL]) if keys is None else grouped(keys)
    k, n, unknown = (
        np.bincount(groups, weights=np.asarray(each, dtype="float64"), minlength=len(names)).astype("int64")
        for each in (k, n, unknown)
    )
    intervals = rates(k, n)
    share, lo, hi = ([_number(value) for value in intervals[part].tolist()] for part in ("rate", "lo", "hi"))
    return Rates(
        {
            name: Rate(int(k[i]), int(n[i]), share[i], lo[i], hi[i], int(unknown[i]), bool(n[i] >= MIN_N))
            for i, name in enumerate(names)
        }
    )


def values(numbers: pd.Series[Any], of: int | None = None) -> Values:
    """A distribution: quantiles as numpy's ``linear``, p5 and p95 only of 20 values or more.

    >>> values(pd.Series([1.0, 2.0, None])).p50
    1.5
    """
    return _distribution(numbers.to_numpy("float64", na_value=np.nan), len(numbers) if of is None else of)


def values_by(numbers: pd.Series[Any], keys: pd.Series[Any]) -> Distributions:
    """A distribution per key."""
    groups, names = grouped(keys)
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(names)))
    parts = np.split(numbers.to_numpy("float64", na_value=np.nan)[order], ends[:-1])
    return Distributions({name: _distribution(part, len(part)) for name, part in zip(names, parts, strict=True)})


def _distribution(numbers: npt.NDArray[np.float64], of: int) -> Values:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return Values(0, of, None, None, None, None, None)
    p5, p50, p95 = (float(value) for value in np.quantile(known, [0.05, 0.5, 0.95]))
    tails = len(known) >= TAIL_N
    return Values(
        len(known), of, p5 if tails else None, p50, p95 if tails else None, float(known.min()), float(known.max())
    )


def change(now: Rate | Values, before: Rate | Values | None) -> Change | None:
    """Now minus before: of rates with Newcombe's interval, of distributions the difference of the medians."""
    if isinstance(now, Rate) and isinstance(before, Rate):
        if not now.n or not before.n:
            return None
        by, lo, hi = (float(value) for value in newcombe(now.k, now.n, before.k, before.n))
        return Change(by, lo, hi, clear=(lo > 0 or hi < 0) and now.enough and before.enough)
    if isinstance(now, Values) and isinstance(before, Values) and now.p50 is not None and before.p50 is not None:
        return Change(now.p50 - before.p50)
    return None


def grouped(keys: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The group of each row, and the names of the groups as texts; rows without a value are the group `NOT_KNOWN`.

    >>> groups, names = grouped(pd.Series(["a", None, "b", "a"]))
    >>> groups.tolist(), names
    ([0, 1, 2, 0], ['a', 'unknown', 'b'])
    """
    codes, values = pd.factorize(keys, use_na_sentinel=False)
    shown = [NOT_KNOWN if pd.isna(value) or value == "" else str(value) for value in values]
    places = {name: place for place, name in enumerate(dict.fromkeys(shown))}
    return np.array([places[name] for name in shown], dtype="int64")[codes], list(places)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) or not math.isfinite(value) else float(value)


__all__ = ["ALL", "NOT_KNOWN", "Distributions", "Kpi", "Rates", "change", "flag_rates", "grouped", "rate", "summed",
           "values", "values_by"]  # fmt: skip
