"""Service level: callers that were answered in time (M22)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true, seconds_between
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.sip import GIVEN_UP
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.analysis.rates import counting
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError


@question
def service_level(
    data: Any,
    by: str | Sequence[str] = (),
    *,
    within_s: float = 20.0,
    forgiven_s: float = 0.0,
    scope: str = "inbound",
    unit: str = "leg",
    tz: str = "UTC",
    min_n: int = MIN_N,
) -> Any:
    """Share of calls answered within some seconds.

    Parameters
    ----------
    data, by, scope, unit, tz, min_n
        As for `kpi`; inbound ones by default.
    within_s
        Seconds from start to answer that count as in time.
    forgiven_s
        Calls abandoned within this time are left out: the caller misdialled. 5 to 10 are usual. Calls that failed, or
        were refused, are not forgiven, however short they were. [s]

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group: the keys, ``within_s``, ``forgiven_s``, ``k`` (answered in time), ``n`` (answered, failed, or
        abandoned and not forgiven), ``rate``, ``lo``, ``hi``, ``forgiven``, ``unknown`` (answered after an unknown
        time, or not answered and without an end), ``enough``.

    Notes
    -----
    Of the denominators in use this is answered + abandoned - abandoned early; with ``forgiven_s=0`` it includes all
    abandoned calls. An inbound leg may count as answered when the platform picks it up: for the time until a person
    answered, use calls, or the legs to agents (``scope="outbound"``).

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T09:00:00Z"] * 2, utc=True, format="ISO8601")
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "direction": "inbound",
    ...     "answered": [True, False], "setup_s": [12.0, None], "started_at": at, "ended_at": at + pd.Timedelta("30s")})
    >>> service_level(two)[["k", "n", "rate"]].values.tolist()
    [[1, 2, 0.5]]
    """
    if within_s < 0 or forgiven_s < 0:
        raise ConfigError("within_s and forgiven_s are seconds: 0 or more.")
    source, keys = Source.of(data), keys_of(by, "service_level")
    needs = {"answered", "started_at", "ended_at"}
    rows = scopes.attempts(
        source, scope=scope, unit=unit, needs=needs, by=keys, reads=["setup_s", "answered_at", "outcome"]
    )
    answered = is_true(nw.col("answered"))
    rows = (
        rows.with_time_keys(keys, tz)
        .with_micros("started_at", "answered_at", "ended_at")
        .with_columns(
            nw.when(nw.col("setup_s").is_null())
            .then(seconds_between("started_at_us", "answered_at_us"))
            .otherwise(nw.col("setup_s"))
            .alias("_setup_s"),
            seconds_between("started_at_us", "ended_at_us").alias("_waited_s"),
        )
    )
    setup, waited = nw.col("_setup_s"), nw.col("_waited_s")
    unknown = (answered & setup.is_null()) | (~answered & waited.is_null())
    given_up = ~answered & nw.col("outcome").fill_null("unknown").is_in([*GIVEN_UP, "answered"])
    forgiven = given_up & is_true(waited <= forgiven_s) if forgiven_s else nw.col("_one") == 0
    counted = counting.count(rows, keys, {
        "k": answered & is_true(setup <= within_s),
        "n": ~unknown & ~forgiven,
        "forgiven": forgiven,
        "unknown": unknown,
    })  # fmt: skip
    done = counted[keys].assign(
        within_s=float(within_s),
        forgiven_s=float(forgiven_s),
        **counting.rate_columns(counted["_k"], counted["_n"]),
        forgiven=counted["_forgiven"],
        unknown=counted["_unknown"],
        enough=(counted["_n"] >= min_n).astype("boolean"),
    )
    return source.result(pd.DataFrame(done))


__all__ = ["service_level"]
