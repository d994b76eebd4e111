"""Counts per group in one pass over the rows, and the rates that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.maths.stats import rates
from conv_analytics.analysis.rates import metrics as declared


def table(rows: Rows, by: Sequence[str], metrics: Sequence[declared.Metric], min_n: int) -> pd.DataFrame:
    """The long table of some metrics; `rows` are attempts with the keys."""
    counts = declared.counts_of(metrics)
    if any("sip_code" in each.needs for each in counts):
        rows = declared.with_code(rows)
    totals = count(rows, by, {each.name: each.holds for each in counts})
    parts = [
        totals[list(by)].assign(
            metric=metric.name,
            **rate_columns(totals[f"_{metric.k}"], totals[f"_{metric.n}"]),
            unknown=totals[f"_{metric.unknown}"] if metric.unknown else pd.array([0] * len(totals), "Int64"),
            place=place,
        )
        for place, metric in enumerate(metrics)
    ]
    done = pd.concat(parts, ignore_index=False)
    # Group by group, in the order of their keys; within, in the order of the metrics.
    done = done.assign(group=done.index).sort_values(["group", "place"], ignore_index=True)
    done["metric"] = done["metric"].astype("str")
    done["enough"] = (done["n"] >= min_n).astype("boolean")
    return done.drop(columns=["place", "group"])


def count(rows: Rows, by: Sequence[str], conditions: dict[str, nw.Expr]) -> pd.DataFrame:
    """How often each condition holds per group, as columns with ``_`` before their names."""
    one = nw.lit(1)
    rows = rows.with_columns(one.alias("_one"))
    # Flags first, then plain counts: grouped pandas can do those fast, and DuckDB makes one query of both.
    flagged = rows.select(*by, *(nw.when(holds).then(one).alias(f"_{name}") for name, holds in conditions.items()))
    done = flagged.grouped(by, [nw.col(f"_{name}").count() for name in conditions])
    names = [f"_{name}" for name in conditions]
    return done.assign(**{name: done[name].fillna(0).astype("Int64") for name in names})


def rate_columns(k: pd.Series[Any], n: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    """``k, n, rate, lo, hi`` of two columns of counts."""
    told = rates(k.to_numpy("float64", na_value=np.nan), n.to_numpy("float64", na_value=np.nan))
    return {"k": k, "n": n} | {name: pd.Series(told[name], index=k.index) for name in ("rate", "lo", "hi")}


__all__ = ["count", "rate_columns", "table"]
