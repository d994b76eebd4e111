"""How long calls last: short ones, and the whole distribution (M24)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.analysis.rates import counting
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.analysis.rates.metrics import SHORT_BOUNDS_S
from conv_analytics.errors import ConfigError

#: Edges of the histogram: from a quarter of a minute to half an hour. [s]
EDGES_S = (15, 30, 60, 120, 180, 300, 600, 1200, 1800)


@question
def short_calls(
    data: Any,
    by: str | Sequence[str] = (),
    *,
    bounds_s: Sequence[float] = SHORT_BOUNDS_S,
    without_zero: bool = False,
    scope: str = "outbound",
    unit: str = "leg",
    tz: str = "UTC",
    min_n: int = MIN_N,
) -> Any:
    """Share of answered calls that end within some seconds, for which carriers charge extra.

    Parameters
    ----------
    data, by, scope, unit, tz, min_n
        As for `kpi`. Carriers often count per calling number and week: ``by=["from_address", "week"]``.
    bounds_s
        Bounds [s], each with its own rate; a call of exactly that length is included.
    without_zero
        Leave calls of 0 s out of numerator and denominator.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and bound: the keys, ``bound_s``, ``k``, ``n``, ``rate``, ``lo``, ``hi``, ``unknown`` (answered, of an
        unknown length), ``enough``.

    Notes
    -----
    Rules differ: 15 % up to 6 s (Telnyx, UTC weeks), 20 % below 6 s (CallTrackingMetrics), 15 % below 10 s (Twilio).

    Examples
    --------
    >>> import pandas as pd
    >>> five = pd.DataFrame({"conversation_id": list("abcde"), "leg_id": list("abcde"), "direction": "outbound",
    ...                      "answered": True, "talk_s": [2.0, 6.0, 40.0, 90.0, None]})
    >>> short_calls(five, bounds_s=[6])[["bound_s", "k", "n", "rate", "unknown"]].values.tolist()
    [[6.0, 2, 4, 0.5, 1]]
    """
    bounds = _ascending("bounds_s", bounds_s)
    timed = _timed(without_zero=without_zero)
    conditions = {f"k{place}": timed & is_true(nw.col("talk_s") <= bound) for place, bound in enumerate(bounds)}
    keys = keys_of(by, "short_calls")
    source, counted = _counted(data, keys, conditions, scope, unit, tz, timed)
    parts = [
        counted[keys].assign(
            bound_s=bound,
            **counting.rate_columns(counted[f"_k{place}"], counted["_n"]),
            unknown=counted["_unknown"],
            enough=(counted["_n"] >= min_n).astype("boolean"),
        )
        for place, bound in enumerate(bounds)
    ]
    return source.result(_stacked(parts))


@question
def duration_hist(
    data: Any,
    by: str | Sequence[str] = (),
    *,
    edges_s: Sequence[float] = EDGES_S,
    scope: str = "all",
    unit: str = "leg",
    tz: str = "UTC",
) -> Any:
    """Answered calls by duration.

    Parameters
    ----------
    data, by, scope, unit, tz
        As for `kpi`.
    edges_s
        Bounds between the classes; the first class begins at 0, the last has no end.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and class: the keys, ``from_s`` (included), ``to_s`` (not included; null of the last), ``k``, ``n``,
        ``rate``, ``lo``, ``hi``, ``unknown`` (answered, of an unknown length).

    Examples
    --------
    >>> import pandas as pd
    >>> three = pd.DataFrame({"conversation_id": list("abc"), "leg_id": list("abc"), "answered": True,
    ...                       "talk_s": [14.9, 15.0, 4000.0]})
    >>> duration_hist(three, edges_s=[15, 1800])[["from_s", "k"]].values.tolist()
    [[0.0, 1], [15.0, 1], [1800.0, 1]]
    """
    edges = [0.0, *(edge for edge in _ascending("edges_s", edges_s) if edge > 0), None]
    timed, talk = _timed(), nw.col("talk_s")
    classes = list(itertools.pairwise(edges))
    conditions = {
        f"k{place}": timed & is_true(talk >= low) & (is_true(talk < high) if high is not None else timed)
        for place, (low, high) in enumerate(classes)
    }
    keys = keys_of(by, "duration_hist")
    source, counted = _counted(data, keys, conditions, scope, unit, tz, timed)
    parts = [
        counted[keys].assign(
            from_s=low,
            to_s=float("nan") if high is None else high,
            **counting.rate_columns(counted[f"_k{place}"], counted["_n"]),
            unknown=counted["_unknown"],
        )
        for place, (low, high) in enumerate(classes)
    ]
    return source.result(_stacked(parts))


def _timed(*, without_zero: bool = False) -> nw.Expr:
    """Answered calls with a known talk time."""
    least = is_true(nw.col("talk_s") > 0) if without_zero else is_true(nw.col("talk_s") >= 0)
    return is_true(nw.col("answered")) & least


def _counted(  # noqa: PLR0917
    data: Any, keys: list[str], conditions: dict[str, nw.Expr], scope: str, unit: str, tz: str, timed: nw.Expr
) -> tuple[Source, pd.DataFrame]:
    source = Source.of(data)
    rows = scopes.attempts(source, scope=scope, unit=unit, needs={"answered", "talk_s"}, by=keys)
    rows = rows.with_time_keys(keys, tz)
    unknown = is_true(nw.col("answered")) & nw.col("talk_s").is_null()
    return source, counting.count(rows, keys, {**conditions, "n": timed, "unknown": unknown})


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Group by group; within, in the order of the parts."""
    done = pd.concat(parts)
    return done.assign(_row=done.index).sort_values("_row", kind="stable", ignore_index=True).drop(columns="_row")


def _ascending(name: str, values: Sequence[float]) -> list[float]:
    seconds = [float(value) for value in values]
    if not seconds or seconds != sorted(set(seconds)) or seconds[0] < 0:
        raise ConfigError(f"{name}={list(values)} are not bounds: give seconds from 0 up, ascending, each once.")
    return seconds


__all__ = ["duration_hist", "short_calls"]
