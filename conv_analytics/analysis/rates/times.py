"""Delays and durations as distributions: ACD, PDD, ringing, time to answer (M19, M20, M23)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true, seconds_between
from conv_analytics.analysis.engine.options import keys_of, one_of
from conv_analytics.analysis.engine.rows import show_time_keys
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.sip import GIVEN_UP
from conv_analytics.analysis.maths.stats import QUANTILE_METHOD, TAIL_N
from conv_analytics.analysis.maths.survival import aalen_johansen
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError

#: Measures: column of legs -> meaning.
MEASURES = {
    "talk_s": "Average call duration (ACD, ALOC): talk of answered calls.",
    "pdd_s": "Post-dial delay: start to ringing, or to the answer of a call that never rang.",
    "ring_s": "Ringing to answer, of answered calls.",
    "setup_s": "Start to answer, of answered calls; see `answer_times` for all.",
    "billed_s": "What is billed.",
}
#: The only measure of calls.
_OF_CALLS = ("talk_s",)


@question
def kpi_values(
    data: Any,
    by: str | Sequence[str] = (),
    measures: str | Iterable[str] | None = None,
    *,
    scope: str = "outbound",
    unit: str = "leg",
    tz: str = "UTC",
) -> Any:
    """Call durations, post-dial delay, ringing and set-up times per group: mean, quantiles, extremes, sum.

    Parameters
    ----------
    data, by, scope, unit, tz
        As for `kpi`.
    measures
        Any of ``talk_s``, ``pdd_s``, ``ring_s``, ``setup_s``, ``billed_s``; all when absent.
        Calls have ``talk_s`` only.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and measure: the keys, ``measure``, ``n`` (attempts that have it), ``mean``, ``p5``, ``p50``, ``p95``,
        ``min``, ``max``, ``total``; all in seconds. p5 and p95 of fewer than 20 values are null: see min and max.

    Notes
    -----
    The mean of ``talk_s`` is the ACD (RFC 6076: session duration, from answer to end), its total / 60 the minutes.
    Quantiles are numpy's ``linear``. Negative times are null in `legs`, and not counted here.

    Examples
    --------
    >>> import pandas as pd
    >>> three = pd.DataFrame({"conversation_id": list("abc"), "leg_id": list("abc"), "direction": "outbound",
    ...                       "talk_s": [30.0, 60.0, 120.0]})
    >>> kpi_values(three, measures="talk_s")[["n", "mean", "p50", "max", "total"]].values.tolist()
    [[3, 70.0, 60.0, 120.0, 210.0]]
    """
    known = _OF_CALLS if unit == "call" else tuple(MEASURES)
    names = list(known) if measures is None else [measures] if isinstance(measures, str) else list(measures)
    for name in names:
        one_of("measures", name, known)
    source, keys = Source.of(data), keys_of(by, "kpi_values")
    needs = set(names) if measures is not None or not source.single else set(names) & set(source.columns())
    ringing = "ring_s" in needs
    reads = ["answered"] if ringing else []
    rows = scopes.attempts(source, scope=scope, unit=unit, needs=needs, by=keys, reads=reads)
    if ringing:
        # Legs also have the ringing time of unanswered ones, which is not a time to an answer.
        lost = is_true(~nw.col("answered"))
        rows = rows.with_columns(nw.when(~lost).then(nw.col("ring_s")).alias("ring_s"))
    rows = rows.with_time_keys(keys, tz).select(*dict.fromkeys((*keys, *names)))
    groups = rows.grouped(keys, [each for name in names for each in _of(name)])
    parts = []
    for name in names:
        part = groups[keys].assign(measure=name, n=groups[f"_{name}_n"].fillna(0).astype("Int64"))
        for stat in ("mean", "p5", "p50", "p95", "min", "max", "total"):
            # Without rows, pandas returns a null that is not a float.
            numbers = groups[f"_{name}_{stat}"].astype("Float64").to_numpy("float64", na_value=np.nan)
            part[stat] = np.where(part["n"] > 0, numbers, np.nan)
        for stat in ("p5", "p95"):
            part[stat] = part[stat].where(part["n"] >= TAIL_N)
        parts.append(part)
    done = pd.concat(parts).assign(_row=lambda part: part.index)
    done = done.sort_values("_row", kind="stable", ignore_index=True).drop(columns="_row")
    return source.result(done.astype({"measure": "str"}))


def _of(name: str) -> list[nw.Expr]:
    column = nw.col(name)
    return [
        column.count().alias(f"_{name}_n"),
        column.mean().alias(f"_{name}_mean"),
        *(column.quantile(share, QUANTILE_METHOD).alias(f"_{name}_{stat}")
          for stat, share in {"p5": 0.05, "p50": 0.5, "p95": 0.95}.items()),
        column.min().alias(f"_{name}_min"),
        column.max().alias(f"_{name}_max"),
        column.sum().alias(f"_{name}_total"),
    ]  # fmt: skip


@question
def answer_curve(data: Any, by: str | Sequence[str] = (), *, scope: str = "outbound", tz: str = "UTC") -> Any:
    """Share of calls answered by each second; failed and abandoned calls are taken into account.

    Parameters
    ----------
    data, by, scope, tz
        As for `kpi`; legs only.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and time of an answer: the keys, ``after_s``, ``at_risk`` (still waiting until then), ``answers``,
        ``failures`` (since the row before), ``rate`` (share that would be answered by then if nobody gave up), ``lo``,
        ``hi`` (95 %; null where nobody is left waiting: one call says nothing about the next).

    Notes
    -----
    Aalen-Johansen. A call that failed, was refused, busy or declined is never answered, however long anyone waits: a
    competing event, which holds the curve below 1. A call that the caller or the ring timer gave up (outcome
    ``cancelled``, ``no_answer``, or unknown) waited at least until then: it is right-censored there. Leaving these out
    makes answers look fast; counting them as never answered makes answers look rare. Without failures this is
    Kaplan-Meier.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T09:00:00Z"] * 3, utc=True, format="ISO8601")
    >>> three = pd.DataFrame({"conversation_id": list("abc"), "leg_id": list("abc"), "direction": "outbound",
    ...     "answered": [True, False, True], "setup_s": [5.0, None, 20.0], "started_at": at,
    ...     "ended_at": at + pd.to_timedelta([60, 10, 60], unit="s")})
    >>> answer_curve(three)[["after_s", "at_risk", "rate"]].round(3).values.tolist()
    [[5.0, 3, 0.333], [20.0, 1, 1.0]]

    One call that was answered tells no limits:

    >>> answer_curve(three.head(1))[["rate", "lo", "hi"]].values.tolist()
    [[1.0, nan, nan]]
    """
    keys = keys_of(by, "answer_curve")
    source, waits = _waits(data, keys, scope, tz)
    parts = []
    for key, group in _groups(waits, keys):
        curve = aalen_johansen(group["_waited_s"], group["_up"], group["_failed"])
        part = pd.DataFrame({
            "after_s": curve.time,
            "at_risk": pd.array(curve.at_risk.astype("int64"), "Int64"),
            "answers": pd.array(curve.events.astype("int64"), "Int64"),
            "failures": pd.array(curve.others.astype("int64"), "Int64"),
            "rate": curve.share,
            "lo": curve.lo,
            "hi": curve.hi,
        })  # fmt: skip
        parts.append(_with_keys(part, key, keys, waits))
    return source.result(pd.concat(parts, ignore_index=True))


@question
def answer_times(
    data: Any,
    by: str | Sequence[str] = (),
    *,
    shares: Sequence[float] = (0.5, 0.9),
    scope: str = "outbound",
    tz: str = "UTC",
) -> Any:
    """Seconds by which some shares of calls are answered; failed and abandoned calls are taken into account.

    Parameters
    ----------
    data, by, scope, tz
        As for `answer_curve`.
    shares
        Shares of calls, between 0 and 1.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and share: the keys, ``share``, ``n``, ``answered``, ``failed`` (busy, declined, refused, failed:
        never answered), ``after_s`` (null if that share is never answered), ``lo_s``, ``hi_s`` (its interval, null
        where the limits of the curve do not reach the share), ``unknown`` (waited an unknown time).

    Notes
    -----
    Shares of all calls, including failed ones; see `answer_curve`. If nine of ten failed, no more than a tenth is ever
    answered, and the time for half of them is null.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T09:00:00Z"] * 3, utc=True, format="ISO8601")
    >>> three = pd.DataFrame({"conversation_id": list("abc"), "leg_id": list("abc"), "direction": "outbound",
    ...     "answered": [True, False, True], "setup_s": [5.0, None, 20.0], "started_at": at,
    ...     "ended_at": at + pd.to_timedelta([60, 10, 60], unit="s")})
    >>> answer_times(three, shares=[0.5])[["share", "n", "answered", "after_s"]].values.tolist()
    [[0.5, 3, 2, 20.0]]
    """
    if not shares or not all(0 < share < 1 for share in shares):
        raise ConfigError(f"shares={list(shares)}: give shares of calls between 0 and 1, such as 0.5.")
    keys = keys_of(by, "answer_times")
    source, waits = _waits(data, keys, scope, tz)
    parts = []
    for key, group in _groups(waits, keys):
        timed = group[group["_waited_s"].notna()]
        curve = aalen_johansen(timed["_waited_s"], timed["_up"], timed["_failed"])
        limits = np.array([curve.quantile_interval(share) for share in shares])
        part = pd.DataFrame({
            "share": [float(share) for share in shares],
            "n": pd.array([len(timed)] * len(shares), "Int64"),
            "answered": pd.array([int(timed["_up"].sum())] * len(shares), "Int64"),
            "failed": pd.array([int(timed["_failed"].sum())] * len(shares), "Int64"),
            "after_s": [curve.quantile(share) for share in shares],
            "lo_s": limits[:, 0],
            "hi_s": limits[:, 1],
            "unknown": pd.array([len(group) - len(timed)] * len(shares), "Int64"),
        })  # fmt: skip
        parts.append(_with_keys(part, key, keys, waits))
    return source.result(pd.concat(parts, ignore_index=True))


def _waits(data: Any, keys: list[str], scope: str, tz: str) -> tuple[Source, pd.DataFrame]:
    """Per leg: the keys, how long it waited, and whether it was answered or failed then."""
    source = Source.of(data)
    needs = {"answered", "setup_s", "started_at", "ended_at"}
    rows = scopes.attempts(source, scope=scope, unit="leg", needs=needs, by=keys, reads=["outcome"])
    answered = is_true(nw.col("answered"))
    # A leg with an unknown outcome may have been given up: it is censored.
    failed = ~answered & ~nw.col("outcome").fill_null("unknown").is_in([*GIVEN_UP, "answered"])
    rows = rows.with_time_keys(keys, tz).with_micros("started_at", "ended_at")
    gave_up = nw.when(~answered).then(seconds_between("started_at_us", "ended_at_us"))
    shown = rows.select(
        *keys,
        # In this order: pandas fills nullable columns with plain ones, not the other way around.
        nw.coalesce(gave_up, nw.when(answered).then(nw.col("setup_s"))).alias("_waited_s"),
        answered.alias("_up"),
        failed.alias("_failed"),
    )
    return source, show_time_keys(shown.collect(), keys)


def _groups(waits: pd.DataFrame, keys: list[str]) -> list[tuple[Any, pd.DataFrame]]:
    if not keys or waits.empty:
        return [(None, waits)]
    return list(waits.groupby(keys, dropna=False))


def _with_keys(part: pd.DataFrame, key: Any, keys: list[str], waits: pd.DataFrame) -> pd.DataFrame:
    if key is None:
        # No groups: none were requested, or there are no rows.
        part = part if not keys else part.iloc[:0]
        key = (None,) * len(keys)
    for place, name in enumerate(keys):
        part.insert(place, name, pd.Series([key[place]] * len(part), index=part.index, dtype=waits[name].dtype))
    return part


__all__ = ["MEASURES", "answer_curve", "answer_times", "kpi_values"]
