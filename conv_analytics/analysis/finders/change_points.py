"""When a rate changed: a control chart of each period against its usual rate, and slow drifts that no period shows."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.options import keys_of, one_of
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.finders.case_counts import case_rows, counts_of
from conv_analytics.analysis.finders.control_chart import LAMBDA, PER_DAY, WEEKS, Options, baselines, charted, scores
from conv_analytics.analysis.maths.stats import MIN_N, rates
from conv_analytics.analysis.maths.tails import hypergeometric_tail
from conv_analytics.errors import ConfigError
from conv_analytics.proportions import Floats

#: Share of unchanged datasets that get a flag.
FALSE_ALARMS = 0.05
_SHOWN_TO: dict[str, Literal["m", "D"]] = {"hour": "m", "day": "D"}


@question
def change_points(
    data: Any,
    by: str | Sequence[str] = (),
    case: str = "answered",
    *,
    per: str = "day",
    scope: str | None = None,
    tz: str = "UTC",
    profile: str | Profile = "recommended",
    units: Units | None = None,
    weeks: int = WEEKS,
    min_n: int = MIN_N,
    limit: float | None = None,
    false_alarms: float = FALSE_ALARMS,
    weight: float = LAMBDA,
) -> Any:
    """A rate by day or hour against the same weekday (and hour) of the weeks before, with flags.

    Parameters
    ----------
    data, scope, tz, profile, units
        As for `offenders`.
    by
        Keys of the groups; each has its own chart. One chart of all legs when empty.
    case
        The case to count, as for `compare`.
    per
        ``day`` or ``hour``, on the clock of `tz`.
    weeks
        Number of weeks in the baseline.
    min_n
        Minimum number of legs for a period to be flagged, and for a baseline to be used.
    limit
        Standard deviations for a flag; derived from `false_alarms` when absent.
    false_alarms
        Share of unchanged datasets that may get any flag, 0..1: with more periods and groups, each needs a larger
        deviation.
    weight
        Weight of the newest period in the moving average, above 0 and up to 1.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and period with cases, in order: the keys; ``period`` (its start, as ``2026-11-23`` or
        ``2026-11-23 10:00``); ``k``, ``n``, ``rate``, ``lo``, ``hi``; ``base_k``, ``base_n``, ``base_rate`` and
        ``baseline`` (``same_weekday``: the same weekday, per hour also the same hour, of the weeks before; where that
        has too few cases ``earlier``: all days of its kind, working days or weekends, of the same weeks; else
        ``none``); ``overdispersion`` (variance relative to chance alone, at least 1); ``limit_lo``,
        ``limit_hi``; ``z``, ``p`` (two-sided); ``ewma`` and ``ewma_limit`` in standard deviations; ``flag``: ``below``
        or ``above`` (outside of the limits), ``drift_down`` or ``drift_up`` (the average is), else empty.

    Notes
    -----
    p is Fisher's exact test of k of n against the baseline, whose variance is multiplied by the overdispersion: exact
    for rare cases, too. z is the normal score of its mid-p. The overdispersion is the mean square of the z of other
    times (not of the two weeks before and the `weeks` after, so that a change does not hide itself), larger by
    Student's t where few are known; or that of the differences between periods, and weeks, if that is larger.
    The drift is an EWMA (S. W. Roberts, Technometrics 1 (1959) 239) of z, of those that are compared with the same
    weekday; its limits allow for periods that follow each other (first-order autocorrelation of what is beyond chance).
    A lasting change becomes usual after `weeks`. Such charts: D. C. Montgomery, Introduction to Statistical Quality
    Control.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2026-11-02", periods=14, tz="UTC")
    >>> rows = [(day, n < (80 if place < 13 else 40)) for place, day in enumerate(days) for n in range(100)]
    >>> chart = change_points(pd.DataFrame(rows, columns=["started_at", "ok"]), case="ok")
    >>> chart.loc[chart["flag"] != "", ["period", "k", "n", "base_rate", "baseline", "flag"]].values.tolist()
    [['2026-11-15', 40, 100, 0.8, 'same_weekday', 'below']]
    """
    one_of("per", per, PER_DAY)
    if weeks < 1 or min_n < 1 or (limit is not None and limit <= 0) or not 0 < weight <= 1 or not 0 < false_alarms < 1:
        raise ConfigError(
            f"weeks={weeks}, min_n={min_n}, limit={limit}, false_alarms={false_alarms}, weight={weight}: weeks and "
            "min_n are 1 or more, limit above 0, false_alarms between 0 and 1, weight above 0 and up to 1."
        )
    keys = keys_of(by, "change_points")
    rows = case_rows(data, keys, case, scope=scope, tz=tz, profile=profile, units=units, timed=True)
    rows = rows.filter(~nw.col("started_at").is_null()).materialized()
    zone = zones.Zone.over(tz, *rows.span("started_at"))
    counts = counts_of(with_periods(rows, per, zone).select(*keys, "_period", "_k", "_n"), [*keys, "_period"])
    wanted = limit or limit_for(false_alarms, int((counts["n"] >= min_n).sum()))
    return rows.source.result(_charts(counts, keys, Options(per, weeks, min_n, weight, wanted)))


def with_periods(rows: Rows, per: str, zone: zones.Zone) -> Rows:
    """The rows with ``_period``, the number of the hour or day of their start on the clock of a zone since 1970."""
    rows = rows.with_micros("started_at")
    day, hour = (zone.key(name, nw.col("started_at_us")) for name in ("day", "hour"))
    return rows.with_columns((day if per == "day" else day * PER_DAY["hour"] + hour).alias("_period"))


def period_names(places: pd.Series[Any], per: str) -> pd.Series[Any]:
    """The start of each period, formatted for display."""
    length = 24 * zones.HOUR // PER_DAY[per]
    # By numpy: on a zone's clock a wrong instant may be before the first day of `datetime`, or after its last.
    starts = places.to_numpy("int64") * length
    names = [str(np.datetime_as_string(at, unit=_SHOWN_TO[per])).replace("T", " ") for at in starts.view("M8[us]")]
    return pd.Series(names, dtype="str", index=places.index)


def limit_for(false_alarms: float, periods: int) -> float:
    """Standard deviations that some period exceeds by chance with this probability, with both kinds of flags."""
    return -NormalDist().inv_cdf(false_alarms / 4 / max(periods, 1))


def _charts(counts: pd.DataFrame, keys: list[str], options: Options) -> pd.DataFrame:
    groups = [part for _, part in counts.groupby(keys, dropna=False, sort=True)] if keys else [counts]
    charts = [_chart(part.sort_values("_period"), options) for part in groups]
    done = pd.concat(charts, ignore_index=True) if charts else _chart(counts, options)
    period = period_names(done.pop("_period"), options.per)
    done.insert(len(keys), "period", period)
    return done


def _chart(part: pd.DataFrame, options: Options) -> pd.DataFrame:
    k, n = (part[name].to_numpy("float64") for name in ("k", "n"))
    place = part["_period"].to_numpy("int64")
    chosen, baseline = baselines(place, n, options)
    base_k, base_n = chosen @ k, chosen @ n
    based = base_n > 0
    z = np.full(len(k), np.nan)
    z[based] = scores(*_tails(k[based], n[based], base_k[based], base_n[based], np.ones(based.sum())))
    chart = charted(z, place // PER_DAY[options.per], baseline == "same_weekday", options)
    upper, lower = np.full(len(k), np.nan), np.full(len(k), np.nan)
    upper[based], lower[based] = _tails(k[based], n[based], base_k[based], base_n[based], chart.variance[based])
    low, high = _limits(n, base_k, base_n, chart.variance, options.limit)
    flag = np.full(len(k), "", dtype=object)
    enough, beyond = n >= options.min_n, NormalDist().cdf(-options.limit)
    with np.errstate(invalid="ignore"):
        flag[enough & (chart.ewma > chart.ewma_limit)] = "drift_up"
        flag[enough & (chart.ewma < -chart.ewma_limit)] = "drift_down"
        flag[enough & (upper <= beyond)], flag[enough & (lower <= beyond)] = "above", "below"
        base_rate = np.where(based, base_k / base_n, np.nan)
    rate = rates(k, n)
    return part.assign(
        **{name: rate[name] for name in ("rate", "lo", "hi")},
        base_k=base_k, base_n=base_n, base_rate=base_rate, baseline=baseline, overdispersion=chart.variance,
        limit_lo=low, limit_hi=high, z=z / np.sqrt(chart.variance), p=np.minimum(2 * np.minimum(upper, lower), 1.0),
        ewma=chart.ewma, ewma_limit=chart.ewma_limit, flag=flag,
    ).astype({"base_k": "Int64", "base_n": "Int64", "baseline": "str", "flag": "str"})  # fmt: skip


def _tails(k: Floats, n: Floats, base_k: Floats, base_n: Floats, deff: Floats) -> tuple[Floats, Floats]:
    """Probability of at least this many cases, and of at most this many."""
    cases, total = k + base_k, n + base_n
    return (
        hypergeometric_tail(k, n, cases, total, deff=deff),
        hypergeometric_tail(n - k, n, total - cases, total, deff=deff),
    )


def _limits(n: Floats, base_k: Floats, base_n: Floats, variance: Floats, limit: float) -> tuple[Floats, Floats]:
    """Rates at which a period is flagged, by the normal approximation with a correction for skewness."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(base_n > 0, base_k / base_n, np.nan)
        smooth = (base_k + 0.5) / (base_n + 1)
        half = limit * np.sqrt(smooth * (1 - smooth) * (1 / n + 1 / base_n) * variance)
        skew = (limit**2 - 1) / 6 * (1 - 2 * smooth) / n * variance
    return np.maximum(rate - half + skew, 0.0), np.minimum(rate + half + skew, 1.0)


__all__ = ["FALSE_ALARMS", "change_points", "limit_for", "period_names", "with_periods"]
