"""Calls by hour and weekday in any time zone, per hour that existed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.analysis.rates import counting
from conv_analytics.analysis.rates import metrics as declared
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError
from conv_analytics.instants import just_after, micros

_CELLS = 7 * 24
_WEEK = 7 * 24 * zones.HOUR


@question
def heatmap(
    data: Any,
    metric: str | None = None,
    *,
    tz: str = "UTC",
    scope: str = "all",
    unit: str = "leg",
    since: datetime | None = None,
    until: datetime | None = None,
    min_n: int = MIN_N,
) -> Any:
    """Starts per hour of the week, or a rate of them.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of table name to frame, or a frame of `legs` or `calls`.
    metric
        A rate of `kpi_metrics`; only starts are counted when absent.
    tz
        IANA time zone of hours and weekdays, such as ``Europe/London``.
    scope, unit
        As for `kpi`.
    since, until
        The period, without its end. From the first to the last start, as whole hours of the clock, when absent.
    min_n
        Cells with a rate of fewer cases are not ``enough``.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        168 rows, ``weekday`` (0 is Monday), ``hour``, ``hours`` (how often that hour came, 0.5 for half of it),
        ``starts``, ``per_hour`` (starts / hours; null where the hour never came). With a metric also ``metric``, ``k``,
        ``n``, ``rate``, ``lo``, ``hi``, ``unknown``, ``enough``. Starts at an unknown time are in no cell.

    Raises
    ------
    ConfigError
        If the zone or the metric is not known, or an instant has no time zone.

    Notes
    -----
    Where clocks change, an hour is missing or comes twice: a Sunday in October has two hours from 1 to 2 in London, and
    counting them as one would show twice the calls. So starts are divided by the hours that existed.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"], utc=True, format="ISO8601")
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "started_at": at})
    >>> cells = heatmap(two, tz="Europe/London")
    >>> cells[cells["starts"] > 0].values.tolist()
    [[6, 1, 2.0, 2, 1.0]]
    """
    source = Source.of(data)
    picked = declared.chosen([metric]) if metric is not None else []
    needs = {"started_at"} | {column for each in declared.counts_of(picked) for column in each.needs}
    reads = declared.reads(declared.counts_of(picked))
    rows = scopes.attempts(source, scope=scope, unit=unit, needs=needs, reads=reads).materialized()
    zones.zone_info(tz)
    first, last = _period(rows, since, until)
    if since is not None:
        rows = rows.filter(nw.col("started_at") >= nw.lit(first))
    if until is not None:
        rows = rows.filter(nw.col("started_at") < nw.lit(last))
    zone = zones.Zone.over(tz, first, last)
    begin, end = (None if at is None else micros(at) for at in (first, last))
    # A requested period without data has no hours.
    some = (since is None and until is None) or first != last
    if begin is not None and end is not None and some:
        # Whole hours of that clock, unless the caller set the period.
        begin = begin if since is not None else zone.hour_start(begin)
        end = end if until is not None else zone.hour_end(end - 1)
        zone = zones.Zone.over(tz, zones.known_instant(begin), zones.known_instant(end))
    hours = _hours(zone, begin, end)
    cells = pd.DataFrame({
        "weekday": pd.array(np.repeat(np.arange(7), 24), "Int64"),
        "hour": pd.array(np.tile(np.arange(24), 7), "Int64"),
        "hours": hours,
    })  # fmt: skip
    cell = [zone.key(name, nw.col("started_at_us")).alias(name) for name in ("weekday", "hour")]
    keyed = rows.with_micros("started_at").with_columns(*cell)
    started = keyed.filter(~nw.col("started_at").is_null())
    starts = counting.count(started, ["weekday", "hour"], {"starts": nw.col("_one") == 1})
    table = cells.merge(starts.rename(columns={"_starts": "starts"}), on=["weekday", "hour"], how="left")
    table["starts"] = table["starts"].fillna(0).astype("Int64")
    table["per_hour"] = (table["starts"].astype("float64") / table["hours"]).where(table["hours"] > 0)
    if picked:
        rates = counting.table(started, ["weekday", "hour"], picked, min_n)
        table = table.merge(rates, on=["weekday", "hour"], how="left")
        table["metric"] = table["metric"].fillna(picked[0].name)
        for name in ("k", "n", "unknown"):
            table[name] = table[name].fillna(0)
        table["enough"] = table["enough"].fillna(value=False)
    # For the title of a plot.
    table.attrs |= {"unit": unit, "min_n": min_n}
    return source.result(table)


def _period(rows: Rows, since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    first, last = rows.span("started_at")
    first = in_utc("since", since) if since is not None else first
    last = in_utc("until", until) if until is not None else last and just_after(last)
    if first is not None and last is not None and first > last:
        if since is not None and until is not None:
            raise ConfigError(f"since={since} is after until={until}.")
        last = first
    return (first, last) if first is not None and last is not None else (None, None)


def _hours(zone: zones.Zone, begin: int | None, end: int | None) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How many hours of each cell lie between two instants, in the order of the cells."""
    total = np.zeros(_CELLS)
    if begin is None or end is None:
        return total
    # The first known offset applies before it, too.
    starts, stops = [begin, *(since for since, _ in zone.steps[1:])], [*(since for since, _ in zone.steps[1:]), end]
    for (_, offset), since, stop in zip(zone.steps, starts, stops, strict=True):
        low, high = max(since, begin) + offset, min(stop, end) + offset
        if low < high:
            total += _before(high) - _before(low)
    return total


def _before(local: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Hours of each cell from a Monday until an instant, on a clock without jumps."""
    since_monday = local + 3 * 24 * zones.HOUR
    weeks, rest = divmod(since_monday, _WEEK)
    inside = np.clip(rest - np.arange(_CELLS) * zones.HOUR, 0, zones.HOUR)
    return np.asarray(weeks + inside / zones.HOUR, dtype="float64")


__all__ = ["heatmap"]
