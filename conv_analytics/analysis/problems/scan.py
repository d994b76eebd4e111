"""Tests one case in every grouping: groups against the rest of their stratum, windows against a group's other calls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conv_analytics.analysis.maths.clustered import between_variance, excess_z
from conv_analytics.analysis.problems import windows
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case_data import (
    CLOSE_LOOK,
    LEAST_K,
    LEAST_N,
    LEAST_RATE,
    MANY,
    STRUCTURAL,
    CaseData,
)
from conv_analytics.analysis.problems.groupings import GROUPINGS, Grouping
from conv_analytics.analysis.problems.observations import sums
from conv_analytics.analysis.problems.table import Table

#: Pairs of columns that are tested together.
PAIRS = (
    ("user_id", "network_code"), ("user_id", "country"), ("from_address", "country"), ("from_address", "network_code"),
    ("network_code", "channel_type"), ("network_code", "direction"), ("country", "direction"),
    ("channel_type", "direction"),
    *((version, column) for version in ("app_version", "version", "client_version", "sdk_version")
      for column in ("channel_type", "network_code", "country")),
)  # fmt: skip


def candidates(data: CaseData) -> Iterator[Candidate]:
    """All candidates that stand out."""
    for name in ("all", *data.case.by):
        if data.groups.has(name):
            yield from _of_grouping(data, GROUPINGS[name])
    for pair in PAIRS:
        structural = () if STRUCTURAL.issuperset(pair) else ("channel_type", "direction")
        if all(name in (*data.case.by, *structural) and data.groups.has(name) for name in pair):
            yield from _of_pair(data, pair)


def _of_grouping(data: CaseData, grouping: Grouping) -> Iterator[Candidate]:
    codes = data.codes(grouping.name)
    valid = np.flatnonzero(codes >= 0)
    if len(valid) < LEAST_N:
        return
    table = Table.of_codes(data, grouping, codes[valid], valid)
    if not len(table.large_groups):
        data.looked_at[grouping.name] = (0, len(valid), np.nan)
        return
    best = 1.0
    tested = [] if grouping.name == "all" else list(table.groups())
    tested += windows.candidates(table)
    for each in tested:
        best = min(best, each.q)
    data.looked_at[grouping.name] = (len(table.large_groups), len(valid), best)
    yield from tested


def _of_pair(data: CaseData, pair: tuple[str, str]) -> Iterator[Candidate]:
    first, second = (data.codes(name) for name in pair)
    valid = np.flatnonzero((first >= 0) & (second >= 0))
    if len(valid) < LEAST_N:
        return
    structural = STRUCTURAL.issuperset(pair)
    y, rate = data.y[valid], data.baseline(valid, adjusts=not structural)
    rate = np.maximum(rate, LEAST_RATE) if structural else rate
    width = len(data.groups.of(pair[1]).labels)
    both = first[valid].astype(np.int64) * width + second[valid]
    names, place = np.unique(both, return_inverse=True)
    k, n, e = (sums(place, weights) for weights in (y, None, rate))
    v = sums(place, rate * (1 - rate))
    worst = (y.sum() - k + 1) / (rate.sum() - e + 1)
    usable = (k >= LEAST_K) & (n >= LEAST_N)
    noise, both_alone = np.zeros(len(names)), e.copy()
    for codes, of in ((first[valid], names // width), (second[valid], names % width)):
        k_all, e_all, n_all = (sums(codes, weights)[of] for weights in (y, rate, None))
        ratio = (k_all - k + 1) / (e_all - e + 1)
        doubt = e**2 * (k_all - k + 1) / (e_all - e + 1) ** 2 * (1 - (k_all - k) / np.maximum(n_all - n + 1, 1.0))
        noise = np.where(ratio > worst, doubt, noise)
        worst = np.maximum(worst, ratio)
        both_alone *= ratio
        usable &= e_all - e >= 1.0
    expected = np.minimum(np.maximum(e * worst, LEAST_RATE * n if structural else 0.0), n * 0.98)
    z = excess_z(k, n, expected, noise, odds=data.case.structural_odds if structural else data.case.odds)
    spread = max(between_variance(k, np.minimum(both_alone, 0.98 * n), v), 0.0)
    z /= np.sqrt(1 + spread * v)
    tests = max(int(np.count_nonzero(usable)), 1) * MANY
    for at in np.flatnonzero(usable & (z >= CLOSE_LOOK) & (k - expected >= data.least_excess)):
        rows = valid[place == at]
        values = tuple(
            data.groups.of(name).labels[int(code)]
            for name, code in zip(pair, divmod(int(names[at]), width), strict=True)
        )
        made = data.candidate(pair, values, rows, float(expected[at]), float(z[at]), tests, "each of the two alone")
        if made is not None:
            yield made


__all__ = ["candidates"]
