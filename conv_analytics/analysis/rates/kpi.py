"""Rates of calls by any key: one pass over the legs, in their own engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.analysis.rates import counting
from conv_analytics.analysis.rates import metrics as declared
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError


@question
def kpi(
    data: Any,
    by: str | Sequence[str] = (),
    metrics: str | Iterable[str] | None = None,
    *,
    scope: str = "outbound",
    unit: str = "leg",
    tz: str = "UTC",
    min_n: int = MIN_N,
) -> Any:
    """Answer, effectiveness, failure and short-call rates, each with its counts and its interval.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of table name to frame, or a frame of `legs` or `calls`.
    by
        Keys to group by: columns of legs (``country``, ``network_code``, ``direction``, ``channel_type``, ``sip_code``,
        ``outcome``, ...), and ``hour``, ``weekday`` (0 is Monday), ``day``, ``week`` (its Monday) of the start in `tz`.
        A frame may have further columns of text, with other names than the columns of the answer.
    metrics
        Names from `kpi_metrics`; all when absent.
    scope
        ``outbound``, ``inbound`` or ``all``: the attempts that are counted.
    unit
        ``leg``, or ``call`` for a frame of calls.
    tz
        IANA time zone of the keys of time.
    min_n
        Rates of fewer cases are not ``enough``: show them, but neither rank nor colour them.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and metric: the keys, ``metric``, ``k``, ``n``, ``rate`` (0..1), ``lo``, ``hi`` (Wilson, 95 %),
        ``unknown`` (attempts left out of n because their case is not known), ``enough``. A rate of no cases is null,
        not 0.

    Raises
    ------
    ConfigError
        If an option has an unknown value.
    ColumnNotFound
        If a requested or needed column is missing.

    Notes
    -----
    Legs are not calls: a forwarded call has two outbound legs, and each is an attempt. Unanswered attempts without a
    code are classified by the platform's reason words; answered ones are 200, whatever their hangup says. Sources are
    named per metric by `kpi_metrics`.

    Examples
    --------
    >>> import pandas as pd
    >>> from conv_analytics.analysis import legs
    >>> at = pd.to_datetime(["2026-11-02T10:00:00Z", "2026-11-02T10:01:00Z"], utc=True, format="ISO8601")
    >>> records = pd.DataFrame({
    ...     "conversation_id": ["CON-1", "CON-2"], "event_id": [1, 2], "leg_id": ["a", "b"],
    ...     "direction": "outbound", "at": at, "sip_code": [200, 486],
    ... })
    >>> table = kpi(legs({"hangups": records}), metrics=["asr", "ner"])
    >>> table[["metric", "k", "n", "rate"]].values.tolist()
    [['asr', 1, 2, 0.5], ['ner', 2, 2, 1.0]]
    >>> float(table["lo"][0].round(4)), float(table["hi"][0].round(4)), bool(table["enough"][0])
    (0.0945, 0.9055, False)
    """
    if min_n < 1:
        raise ConfigError(f"min_n={min_n} is not a number of cases: it must be 1 or more.")
    source, keys, picked = Source.of(data), keys_of(by, "kpi"), declared.chosen(metrics)
    counts = declared.counts_of(picked)
    needs = {column for count in counts for column in count.needs}
    rows = scopes.attempts(source, scope=scope, unit=unit, needs=needs, by=keys, reads=declared.reads(counts))
    return source.result(counting.table(rows.with_time_keys(keys, tz), keys, picked, min_n))


__all__ = ["kpi"]
