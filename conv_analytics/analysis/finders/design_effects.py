"""Design effects per group: how similar the legs of one conversation, number or user are, which adds variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.finders.case_counts import CLUSTERS
from conv_analytics.analysis.maths.clusters import ClusterSums, design_effects, intraclass_correlation
from conv_analytics.analysis.maths.tails import hypergeometric_tail
from conv_analytics.proportions import Floats

#: Minimum number of clusters beyond one per group to estimate how much they differ.
_LEAST = 10
#: A group of fewer clusters is not tested without its worst one: little would be left.
_LEAST_OWN = 5
#: Groups by one of these columns are a person, or a number.
_IDENTITIES = frozenset({"user_id", "member_id", "from_address", "to_address", "remote_address"})
_SUMS = ("clusters", "k", "n", "kk", "kn", "nn", "nnn")


@dataclass(frozen=True, eq=False)
class _Worst:
    """The cluster of each group with the largest excess: its cases and legs, 0 where there is none."""

    k: Floats
    n: Floats


def with_design_effects(counts: pd.DataFrame, rows: Rows, by: Sequence[str]) -> pd.DataFrame:
    """The counts of groups, with their design effects.

    Parameters
    ----------
    counts
        The keys, ``k`` and ``n`` of `case_rows`; only groups whose keys are all known form the rest.
    rows
        The legs, with the existing columns of `CLUSTERS`.
    by
        The keys.

    Returns
    -------
    pandas.DataFrame
        With ``clusters``, the column with the largest design effect (null if none has one), ``deff``, that effect, and
        ``least_p``: the p of the group without its worst cluster, a lower bound for its own p: what a single number
        does is not the fault of its network.
    """
    # The group itself is the cluster: the numbers of a user are the user's own, and no reason for doubt.
    about = CLUSTERS[:1] if _IDENTITIES.intersection(by) else CLUSTERS
    names = [name for name in about if name in rows.columns and name not in by]
    known = counts[list(by)].notna().all(axis=1).to_numpy()
    effects, least_p = np.ones((len(names) + 1, len(counts))), np.zeros(len(counts))
    for place, name in enumerate(names, start=1):
        sums, worst = _clusters(counts, rows, by, name, known)
        if np.sum(np.maximum(sums.clusters - 1, 0)) >= _LEAST:
            effects[place, known] = design_effects(sums, intraclass_correlation(sums))
            least_p[known] = np.maximum(least_p[known], _without_worst(sums, worst))
    column = pd.Series([None, *names], dtype="str").take(effects.argmax(axis=0)).set_axis(counts.index)
    return counts.assign(clusters=column, deff=effects.max(axis=0), least_p=least_p)


def _clusters(
    counts: pd.DataFrame, rows: Rows, by: Sequence[str], name: str, has_keys: np.ndarray
) -> tuple[ClusterSums, _Worst]:
    """The sums over the clusters of each group with all keys; a leg of unknown cluster is its own cluster."""
    together = [nw.col("_k").sum(), nw.col("_n").sum()]
    clustered = rows.filter(~nw.col(name).is_null()).group([*by, name], *together).materialized()
    k, n = (nw.col(column).cast(nw.Float64()) for column in ("_k", "_n"))
    values = {"clusters": n * 0 + 1, "k": k, "n": n, "kk": k * k, "kn": k * n, "nn": n * n, "nnn": n * n * n}
    products = clustered.select(*by, *(value.alias(f"_{column}") for column, value in values.items()))
    sums = products.grouped(by, [nw.col(f"_{column}").sum() for column in _SUMS])
    usual = counts.loc[has_keys, "k"].sum() / max(counts.loc[has_keys, "n"].sum(), 1)
    # An excess of up to one case is a single leg.
    spared = clustered.with_columns(_spared=n * usual - k).filter(nw.col("_spared") < -1)
    worst = spared.unique(list(by), keep="first", order_by=["_spared", "_n", "_k"])
    first = worst.grouped(by, [nw.col("_k").max().alias("_worst_k"), nw.col("_n").max().alias("_worst_n")])
    table = counts.assign(_row=np.arange(len(counts)))[[*by, "_row", "k", "n"]]
    table = table.merge(sums, on=list(by), how="left").merge(first, on=list(by), how="left")
    table = table.sort_values("_row").loc[has_keys]
    of = {str(column): table[column].fillna(0).to_numpy("float64") for column in table if column not in by}
    k_alone, n_alone = of["k"] - of["_k"], of["n"] - of["_n"]
    alone = {"clusters": n_alone, "k": k_alone, "n": n_alone, "kk": k_alone, "kn": k_alone, "nn": n_alone,
             "nnn": n_alone}  # fmt: skip
    return ClusterSums(**{column: of[f"_{column}"] + alone[column] for column in _SUMS}), _Worst(
        of["_worst_k"], of["_worst_n"]
    )


def _without_worst(sums: ClusterSums, worst: _Worst) -> Floats:
    """The p value of each group against the rest, without its worst cluster; 0 where that is not tested."""
    tested = (sums.clusters >= _LEAST_OWN) & (worst.n > 0)
    k, n = np.where(tested, worst.k, 0.0), np.where(tested, worst.n, 0.0)
    rest = replace(
        sums, clusters=sums.clusters - tested, k=sums.k - k, n=sums.n - n, kk=sums.kk - k * k, kn=sums.kn - k * n,
        nn=sums.nn - n * n, nnn=sums.nnn - n**3,
    )  # fmt: skip
    # Each group is compared with all others, which stay complete.
    deff = design_effects(rest, intraclass_correlation(rest))
    p = hypergeometric_tail(rest.k, rest.n, sums.k.sum() - k, sums.n.sum() - n, deff=deff)
    return np.where(tested, p, 0.0)


__all__ = ["with_design_effects"]
