"""Counts per group in one pass over the rows, and the rates made from them."""

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
    # Group by group, in the order of their keys; within, in the order of the metrics.
    k, n = (np.column_stack([totals[f"_{name}"].to_numpy("int64") for name in names]).ravel() for names in (
        [metric.k for metric in metrics], [metric.n for metric in metrics]))  # fmt: skip
    unknown = np.column_stack([
        totals[f"_{metric.unknown}"].to_numpy("int64") if metric.unknown else np.zeros(len(totals), dtype="int64")
        for metric in metrics
    ]).ravel()  # fmt: skip
    groups = np.repeat(np.arange(len(totals)), len(metrics))
    done = {name: totals[name].take(groups).reset_index(drop=True) for name in by}
    names = pd.Series([metric.name for metric in metrics] * len(totals), dtype="str")
    counts_of_rate = (pd.Series(pd.array(each, "Int64")) for each in (k, n))
    done |= {"metric": names, **rate_columns(*counts_of_rate), "unknown": pd.Series(pd.array(unknown, "Int64"))}
    return pd.DataFrame(done | {"enough": (done["n"] >= min_n).astype("boolean")})


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
    rate = rates(k.to_numpy("float64", na_value=np.nan), n.to_numpy("float64", na_value=np.nan))
    return {"k": k, "n": n} | {name: pd.Series(rate[name], index=k.index) for name in ("rate", "lo", "hi")}


__all__ = ["count", "rate_columns", "table"]
