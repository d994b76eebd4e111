"""When a rate changed: a chart of each period against what is usual there, and the slow drift that no period shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.options import keys_of, one_of
from conv_analytics.analysis.finders.case_counts import case_rows, counts_of
from conv_analytics.analysis.maths.stats import MIN_N, rates
from conv_analytics.errors import ConfigError
from conv_analytics.instants import from_micros

Floats = npt.NDArray[np.float64]

PERIODS = {"hour": zones.HOUR, "day": 24 * zones.HOUR}
#: Number of periods of each kind in a week.
_WEEK = {"hour": 168, "day": 7}
#: Standard deviations from what is usual to a flag: Shewhart's, and as many for the drift.
LIMIT = 3.0
#: Weight of the newest period in the drift, and how many weeks are looked back for what is usual.
LAMBDA, WEEKS = 0.2, 4
#: Median moving range of normal numbers, by their standard deviation: sqrt(2) x 0.6745.
_MEDIAN_RANGE = 0.9539


@dataclass(frozen=True)
class _Options:
    per: str
    weeks: int
    min_n: int
    limit: float
    weight: float


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
    limit: float = LIMIT,
    weight: float = LAMBDA,
) -> Any:
    """A rate by day or hour against the same weekday (and hour) of the weeks before, with flags.

    Parameters
    ----------
    data, scope, tz, profile, units
        As for `offenders`.
    by
        Groups with a chart of their own; none when empty.
    case
        What is counted, as for `compare`.
    per
        ``day`` or ``hour``, on the clock of `tz`.
    weeks
        How many weeks are looked back.
    min_n
        Cases that a period needs to be flagged, and its baseline to be one.
    limit
        Standard deviations to a flag.
    weight
        Weight of the newest period in the moving average, above 0 and up to 1.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and period with cases, in order: the keys; ``period`` (its start, as ``2026-11-23`` or
        ``2026-11-23 10:00``); ``k``, ``n``, ``rate``, ``lo``, ``hi``; ``base_k``, ``base_n``, ``base_rate`` and
        ``baseline`` (``same_weekday``: the same weekday, per hour also the same hour, of the weeks before; where that
        has too few cases ``earlier``: everything before in the same weeks; else ``none``); ``overdispersion``
        (variance by what chance alone would give, at least 1); ``limit_lo``, ``limit_hi``; ``z``, ``p`` (two-sided);
        ``ewma`` and ``ewma_limit`` in standard deviations; ``flag``: ``below`` or ``above`` (outside of the limits),
        ``drift_down`` or ``drift_up`` (the average is), else empty.

    Notes
    -----
    z = (rate - base) / sqrt(base (1 - base) (1/n + 1/base_n) phi), limits at `limit` of it: a p-chart that knows its
    baseline is an estimate too. phi is the group's overdispersion by the moving ranges of its z, as D. B. Laney
    proposed (Quality Engineering 14 (2002) 531), but by their median: with thousands of calls a day, plain limits
    flag every day. The drift is an EWMA of the same differences on the logit scale, (k + 1/2) / (n - k + 1/2), in
    their standard deviations (S. W. Roberts, Technometrics 1 (1959) 239). What lasts becomes usual after `weeks`.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2026-11-02", periods=14, tz="UTC")
    >>> rows = [(day, n < (80 if place < 13 else 40)) for place, day in enumerate(days) for n in range(100)]
    >>> chart = change_points(pd.DataFrame(rows, columns=["started_at", "ok"]), case="ok")
    >>> chart.loc[chart["flag"] != "", ["period", "k", "n", "base_rate", "baseline", "flag"]].values.tolist()
    [['2026-11-15', 40, 100, 0.8, 'same_weekday', 'below']]
    """
    one_of("per", per, PERIODS)
    if weeks < 1 or min_n < 1 or limit <= 0 or not 0 < weight <= 1:
        raise ConfigError(
            f"weeks={weeks}, min_n={min_n}, limit={limit}, weight={weight}: weeks and min_n are 1 or more, limit above "
            "0, weight above 0 and up to 1."
        )
    keys = keys_of(by)
    rows = case_rows(data, keys, case, scope=scope, tz=tz, profile=profile, units=units, timed=True)
    rows = rows.filter(~nw.col("started_at").is_null()).materialized()
    zone = zones.Zone.over(tz, *rows.span("started_at"))
    rows = rows.with_micros("started_at")
    day, hour = (zone.key(name, nw.col("started_at_us")) for name in ("day", "hour"))
    rows = rows.with_columns((day if per == "day" else day * 24 + hour).alias("_period"))
    counts = counts_of(rows.select(*keys, "_period", "_k", "_n"), [*keys, "_period"])
    done = _charts(counts, keys, _Options(per, weeks, min_n, limit, weight))
    return rows.source.result(done)


def _charts(counts: pd.DataFrame, keys: list[str], options: _Options) -> pd.DataFrame:
    groups = [part for _, part in counts.groupby(keys, dropna=False, sort=True)] if keys else [counts]
    charts = [_chart(part.sort_values("_period"), options) for part in groups]
    done = pd.concat(charts, ignore_index=True) if charts else _chart(counts, options)
    form = "%Y-%m-%d" if options.per == "day" else "%Y-%m-%d %H:%M"
    period = [from_micros(int(place) * PERIODS[options.per]).strftime(form) for place in done["_period"]]
    done = done.drop(columns="_period")
    done.insert(len(keys), "period", pd.Series(period, dtype="str", index=done.index))
    return done


def _chart(part: pd.DataFrame, options: _Options) -> pd.DataFrame:
    place = part["_period"].to_numpy("int64")
    k, n = (part[name].to_numpy("float64") for name in ("k", "n"))
    base_k, base_n, baseline = _baselines(place, k, n, options)
    with np.errstate(divide="ignore", invalid="ignore"):
        base = np.where(base_n > 0, base_k / base_n, np.nan)
        # A rate of 0 or 1 so far does not make the first other call impossible.
        smooth = (base_k + 0.5) / (base_n + 1)
        sigma = np.sqrt(smooth * (1 - smooth) * (1 / n + 1 / base_n))
        z = np.where(np.isnan(base), np.nan, (k / n - base) / sigma)
        logit = np.log((k + 0.5) / (n - k + 0.5)) - np.log((base_k + 0.5) / (base_n - base_k + 0.5))
        drift = np.where(np.isnan(base), np.nan, logit * np.sqrt(smooth * (1 - smooth) / (1 / n + 1 / base_n)))
    phi = _overdispersion(z)
    z, drift, sigma = z / np.sqrt(phi), drift / np.sqrt(phi), sigma * np.sqrt(phi)
    ewma, bound = _ewma(drift, options)
    normal, rate = NormalDist(), rates(k, n)
    p = np.array([np.nan if np.isnan(value) else 2 * normal.cdf(-abs(value)) for value in z])
    flag = np.full(len(k), "", dtype=object)
    enough = n >= options.min_n
    with np.errstate(invalid="ignore"):
        flag[enough & (ewma > bound)], flag[enough & (ewma < -bound)] = "drift_up", "drift_down"
        flag[enough & (z > options.limit)], flag[enough & (z < -options.limit)] = "above", "below"
    return part.assign(
        **{name: rate[name] for name in ("rate", "lo", "hi")},
        base_k=base_k, base_n=base_n, base_rate=base,
        baseline=baseline, overdispersion=phi,
        limit_lo=np.maximum(base - options.limit * sigma, 0.0), limit_hi=np.minimum(base + options.limit * sigma, 1.0),
        z=z, p=p, ewma=ewma, ewma_limit=bound, flag=flag,
    ).astype({"base_k": "Int64", "base_n": "Int64", "baseline": "str", "flag": "str"})  # fmt: skip


def _baselines(place: npt.NDArray[np.int64], k: Floats, n: Floats, options: _Options) -> tuple[Floats, Floats, Any]:
    week = _WEEK[options.per]
    base_k, base_n, words = np.zeros(len(k)), np.zeros(len(k)), np.full(len(k), "none", dtype=object)
    for row, at in enumerate(place):
        earlier = (place < at) & (place >= at - options.weeks * week)
        same = earlier & ((at - place) % week == 0)
        for word, rows in (("same_weekday", same), ("earlier", earlier)):
            if n[rows].sum() >= options.min_n:
                base_k[row], base_n[row], words[row] = k[rows].sum(), n[rows].sum(), word
                break
    return base_k, base_n, words


def _overdispersion(z: Floats) -> float:
    """Variance of the z, by the ranges from one to the next: a lasting change makes one large range, not many."""
    known = z[~np.isnan(z)]
    if len(known) < 3:  # noqa: PLR2004  two ranges at least
        return 1.0
    return max((float(np.median(np.abs(np.diff(known)))) / _MEDIAN_RANGE) ** 2, 1.0)


def _ewma(z: Floats, options: _Options) -> tuple[Floats, Floats]:
    ewma, bound = np.full(len(z), np.nan), np.full(len(z), np.nan)
    value, seen = 0.0, 0
    for row, each in enumerate(z):
        if np.isnan(each):
            continue
        value, seen = options.weight * each + (1 - options.weight) * value, seen + 1
        ewma[row] = value
        spread = options.weight / (2 - options.weight) * (1 - (1 - options.weight) ** (2 * seen))
        bound[row] = options.limit * np.sqrt(spread)
    return ewma, bound


__all__ = ["LAMBDA", "LIMIT", "PERIODS", "WEEKS", "change_points"]
