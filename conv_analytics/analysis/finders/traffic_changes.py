"""When there were more or fewer calls than usual: a control chart of call volumes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.options import keys_of, one_of
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.finders.change_points import FALSE_ALARMS, limit_for, period_names, with_periods
from conv_analytics.analysis.finders.control_chart import LAMBDA, PER_DAY, WEEKS, Options, baselines, charted, scores
from conv_analytics.analysis.maths.tails import beta_binomial_tail
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError
from conv_analytics.proportions import Floats

#: With a smaller expected number of calls, nobody could tell that some are missing.
MIN_EXPECTED = 5.0


@question
def traffic_changes(
    data: Any,
    by: str | Sequence[str] = (),
    *,
    per: str = "day",
    scope: str = "all",
    unit: str = "leg",
    tz: str = "UTC",
    weeks: int = WEEKS,
    min_expected: float = MIN_EXPECTED,
    false_alarms: float = FALSE_ALARMS,
    weight: float = LAMBDA,
) -> Any:
    """Numbers of calls by day or hour against the same weekday (and hour) of the weeks before, with flags.

    Parameters
    ----------
    data, by, scope, unit, tz
        As for `kpi`; each group has its own chart.
    per, weeks, false_alarms, weight
        As for `change_points`.
    min_expected
        Minimum number of expected calls for a period to be flagged.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and period, in order, including periods without calls: the keys; ``period``; ``n`` calls;
        ``expected``, as many as in the periods it is compared with, by their length; ``baseline`` (``same_weekday``,
        ``earlier`` or ``none``) and ``base_periods``, how many they are; ``overdispersion`` (variance by that of
        independent calls, at least 1); ``z``, ``p`` (two-sided); ``ewma`` and ``ewma_limit``; ``flag``: ``below``,
        ``above``, ``drift_down``, ``drift_up`` or empty.

    Notes
    -----
    p is of n among the calls of the period and of its baseline together, which would be binomial if calls were
    independent; with the overdispersion it is beta-binomial. The rest is as in `change_points`. The first and the last
    period of the data are left out: they are incomplete. So is an hour, or a day, that a zone's clock skips; one that
    it goes through twice, or half of which it skips, has that length. A gap of the export itself looks like a drop:
    check `coverage` and the watermarks of the folder.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2026-11-02", periods=16, tz="UTC")
    >>> at = [day for place, day in enumerate(days) for _ in range(20 if place == 14 else 100)]
    >>> calls = pd.DataFrame({"started_at": at, "direction": "outbound"})
    >>> chart = traffic_changes(calls)
    >>> chart.loc[chart["flag"] != "", ["period", "n", "expected", "flag"]].values.tolist()
    [['2026-11-16', 20, 100.0, 'below']]
    """
    one_of("per", per, PER_DAY)
    if weeks < 1 or min_expected <= 0 or not 0 < weight <= 1 or not 0 < false_alarms < 1:
        raise ConfigError(
            f"weeks={weeks}, min_expected={min_expected}, false_alarms={false_alarms}, weight={weight}: weeks is 1 or "
            "more, min_expected above 0, false_alarms between 0 and 1, weight above 0 and up to 1."
        )
    source, keys = Source.of(data), keys_of(by, "traffic_changes")
    rows = scopes.attempts(source, scope=scope, unit=unit, needs={"started_at"}, by=keys).with_time_keys(keys, tz)
    rows = rows.filter(~nw.col("started_at").is_null()).select(*dict.fromkeys((*keys, "started_at"))).materialized()
    zone = zones.Zone.over(tz, *rows.span("started_at"))
    counts = with_periods(rows, per, zone).grouped([*keys, "_period"], [nw.len().alias("n")])
    place = counts["_period"].to_numpy("int64")
    # Periods between the first and the last are complete.
    first, last = (int(place.min()) + 1, int(place.max())) if len(place) else (0, 0)
    groups = [part for _, part in counts.groupby(keys, dropna=False, sort=True)] if keys else [counts]
    limit = limit_for(false_alarms, max(last - first, 0) * len(groups))
    options = Options(per, weeks, 1, weight, limit)
    every = np.arange(first, last, dtype="int64")
    lengths = zone.lengths(every, 24 * zones.HOUR // PER_DAY[per])
    every, lengths = every[lengths > 0], lengths[lengths > 0]
    charts = [_chart(part, keys, (every, lengths), min_expected, options) for part in groups or [counts]]
    return source.result(pd.concat(charts, ignore_index=True))


def _chart(
    part: pd.DataFrame, keys: list[str], periods: tuple[Any, Floats], min_expected: float, options: Options
) -> pd.DataFrame:
    place, lengths = periods
    seen = pd.Series(part["n"].to_numpy("float64"), index=part["_period"].to_numpy("int64"))
    n = seen.reindex(place, fill_value=0.0).to_numpy("float64")
    chosen, baseline = baselines(place, np.ones(len(place)), options)
    base, base_length = chosen @ n, chosen @ lengths
    based = base_length > 0
    # Of the time of a period and of those it is compared with.
    share = lengths / (lengths + base_length)
    z = np.full(len(n), np.nan)
    z[based] = scores(*_tails(n[based], base[based], share[based], np.ones(based.sum())))
    chart = charted(z, place // PER_DAY[options.per], baseline == "same_weekday", options)
    upper, lower = np.full(len(n), np.nan), np.full(len(n), np.nan)
    upper[based], lower[based] = _tails(n[based], base[based], share[based], chart.variance[based])
    expected = np.full(len(n), np.nan)
    expected[based] = base[based] / base_length[based] * lengths[based]
    flag = np.full(len(n), "", dtype=object)
    beyond = NormalDist().cdf(-options.limit)
    with np.errstate(invalid="ignore"):
        enough = expected >= min_expected
        flag[enough & (chart.ewma > chart.ewma_limit)] = "drift_up"
        flag[enough & (chart.ewma < -chart.ewma_limit)] = "drift_down"
        flag[enough & (upper <= beyond)], flag[enough & (lower <= beyond)] = "above", "below"
    table = pd.DataFrame({
        "period": period_names(pd.Series(place), options.per), "n": n, "expected": expected, "baseline": baseline,
        "base_periods": chosen.sum(axis=1), "overdispersion": chart.variance, "z": z / np.sqrt(chart.variance),
        "p": np.minimum(2 * np.minimum(upper, lower), 1.0), "ewma": chart.ewma, "ewma_limit": chart.ewma_limit,
        "flag": flag,
    }).astype({"n": "Int64", "base_periods": "Int64", "baseline": "str", "flag": "str"})  # fmt: skip
    for position, name in enumerate(keys):
        column = part[name].head(1).reset_index(drop=True)
        table.insert(position, name, column.take(np.zeros(len(table), dtype="int64")).set_axis(table.index)
                     if len(column) else column.reindex(table.index))  # fmt: skip
    return table


def _tails(n: Floats, base: Floats, share: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Probability of at least this many calls, and of at most this many, given the total and the share of the time."""
    total = n + base
    rho = np.clip((variance - 1) / np.maximum(total - 1, 1), 0.0, 1.0)
    return beta_binomial_tail(n, total, share, rho), beta_binomial_tail(base, total, 1 - share, rho)


__all__ = ["MIN_EXPECTED", "traffic_changes"]
