"""Counts of legs in memory, as the values of a report: rates and quantiles, of all and per group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis import kpi
from conv_analytics.analysis.stats import MIN_N, TAIL_N, newcombe, rates
from conv_analytics.notebook.report.numbers import Change, Rate, Values

#: How a group is called whose value is missing.
NOT_KNOWN = "not known"
ALL = ""


def rate(k: int, n: int, unknown: int = 0) -> Rate:
    """A rate with its interval.

    >>> rate(5, 10).enough, round(rate(5, 10).lo, 3)
    (False, 0.237)
    """
    told = {name: _number(float(value)) for name, value in rates(k, n).items()}
    return Rate(k, n, told["rate"], told["lo"], told["hi"], unknown, n >= MIN_N)


def flag_rates(holds: pd.Series[Any], of: pd.Series[Any], keys: pd.Series[Any] | None = None) -> dict[str, Rate]:
    """How often something holds among the rows of which it is known, per key; all together without keys.

    Parameters
    ----------
    holds, of
        Flags of equal length; null is false.
    keys
        Text; null is a group of its own.
    """
    known = of.fillna(value=False).astype(bool)
    true = holds.fillna(value=False).astype(bool) & known
    if keys is None:
        return {ALL: rate(int(true.sum()), int(known.sum()), int((~known).sum()))}
    table = pd.DataFrame({"key": named(keys), "k": true, "n": known, "unknown": ~known}).groupby("key").sum()
    return {str(row.key): rate(int(row.k), int(row.n), int(row.unknown)) for row in rows_of(table.reset_index())}


def kpi_rates(
    rows: pd.DataFrame, metrics: Sequence[str], scope: str, by: str | None = None
) -> dict[str, dict[str, Rate]]:
    """Rates of `kpi`: name of the metric -> key -> rate."""
    table = kpi(rows, by=[by] if by else [], metrics=metrics, scope=scope)
    found: dict[str, dict[str, Rate]] = {name: {} for name in metrics}
    keys = named(table[by]) if by else pd.Series([ALL] * len(table))
    for key, row in zip(keys, rows_of(table), strict=True):
        share, lo, hi = (_number(value) for value in (row.rate, row.lo, row.hi))
        k, n, unknown = (int(value) for value in (row.k, row.n, row.unknown))
        found[row.metric][str(key)] = Rate(k, n, share, lo, hi, unknown, n >= MIN_N)
    return found


def values(numbers: pd.Series[Any], of: int | None = None) -> Values:
    """A distribution: p5 and p95 of 20 values or more, quantiles as numpy's ``linear``.

    >>> values(pd.Series([1.0, 2.0, None])).p50
    1.5
    """
    known = numbers.to_numpy("float64", na_value=np.nan)
    total = len(known) if of is None else of
    known = known[~np.isnan(known)]
    if not len(known):
        return Values(0, total, None, None, None, None, None)
    p5, p50, p95 = (float(value) for value in np.quantile(known, [0.05, 0.5, 0.95]))
    tails = len(known) >= TAIL_N
    return Values(
        len(known), total, p5 if tails else None, p50, p95 if tails else None, float(known.min()), float(known.max())
    )


def values_by(numbers: pd.Series[Any], keys: pd.Series[Any]) -> dict[str, Values]:
    """The same per key."""
    floats = pd.Series(numbers.to_numpy("float64", na_value=np.nan))
    groups = floats.groupby(named(keys).to_numpy())
    return {str(key): values(group) for key, group in groups}


def change(now: Rate | Values, before: Rate | Values | None) -> Change | None:
    """Now minus before: of rates with Newcombe's interval, of distributions between the medians."""
    if isinstance(now, Rate) and isinstance(before, Rate):
        if not now.n or not before.n:
            return None
        by, lo, hi = (float(value) for value in newcombe(now.k, now.n, before.k, before.n))
        return Change(by, lo, hi, clear=(lo > 0 or hi < 0) and now.enough and before.enough)
    if isinstance(now, Values) and isinstance(before, Values) and now.p50 is not None and before.p50 is not None:
        return Change(now.p50 - before.p50)
    return None


def named(keys: pd.Series[Any]) -> pd.Series[Any]:
    """Keys as text, with a name for what is missing."""
    return keys.astype("object").where(keys.notna() & (keys != ""), NOT_KNOWN).astype("str")


def rows_of(table: pd.DataFrame) -> Iterable[Any]:
    """The rows of a small table, with an attribute per column."""
    return table.itertuples(index=False)


def nothing(found: Mapping[str, Rate], key: str) -> Rate:
    """The rate of a key, or one of no cases."""
    return found.get(key) or rate(0, 0)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) or not math.isfinite(value) else float(value)


__all__ = [
    "ALL",
    "NOT_KNOWN",
    "change",
    "flag_rates",
    "kpi_rates",
    "named",
    "nothing",
    "rate",
    "rows_of",
    "values",
    "values_by",
]
