"""The offenders of a report: groups of legs that are worse than the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.entities.cases import CASES, Case
from conv_analytics.analysis.finders.offenders import FDR, MIN_EXCESS, ranked
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.notebook.report import statistics
from conv_analytics.notebook.report.formatting import percent
from conv_analytics.notebook.report.numbers import Offender, Rate

#: The cases that groups are compared by.
_COMPARED = ("poor", "silent", "unanswered")
_BY = {"network_code": "Network", "country": "Country", "channel_type": "Channel", "user_id": "User",
       "remote_address": "Number"}  # fmt: skip
MOST = 12
_KEY = "group"


def offenders_of(rows: pd.DataFrame, scope: str) -> tuple[Offender, ...]:
    """Groups that are worse than the rest by more than chance, the largest excess first."""
    offenders: list[Offender] = []
    groups = {column: statistics.grouped(rows[column]) for column in _BY if rows[column].notna().any()}
    attempts = pd.Series(data=True, index=rows.index) if scope == "all" else rows["direction"] == scope
    for case in (CASES[name] for name in _COMPARED):
        cases, known = case.flags(rows)
        if case.scope != "all":
            cases, known = cases & attempts, known & attempts
        for column, (codes, names) in groups.items():
            # How often calls are answered differs between channels anyway.
            if (case.name, column) != ("unanswered", "channel_type"):
                offenders += [_offender(row, column, case) for row in _ranked(cases, known, codes, names)]
    return tuple(sorted(offenders, key=lambda each: (-each.excess, each.column, each.key, each.what))[:MOST])


def _ranked(cases: pd.Series[Any], known: pd.Series[Any], codes: Any, names: list[str]) -> list[dict[str, Any]]:
    """The offenders among some groups, ranked as `offenders` does it, but much faster: the legs are counted here."""
    counts = pd.DataFrame({
        _KEY: pd.Series(names, dtype="str"),
        "k": np.bincount(codes[cases], minlength=len(names)), "n": np.bincount(codes[known], minlength=len(names)),
    })  # fmt: skip
    table = ranked(counts[counts["n"] > 0], min_n=MIN_N, fdr=FDR, min_excess=MIN_EXCESS)
    return [{str(name): value for name, value in row.items()} for row in table[table["offender"]].to_dict("records")]


def _offender(row: dict[str, Any], column: str, case: Case) -> Offender:
    rate: Rate = statistics.rate(int(row["k"]), int(row["n"]))
    key = str(row[_KEY])
    rest = None if pd.isna(row["rest_rate"]) else float(row["rest_rate"])
    reason = (
        f"{_BY[column]} {key}: {percent(rate.rate)} {case.label} ({rate.k:,} of {rate.n:,}), the rest"
        f" {percent(rest)}; {row['excess']:,.0f} too many"
    )
    q = None if pd.isna(row["q"]) else float(row["q"])
    return Offender(column, key, case.name, rate, rest, float(row["excess"]), q, reason)


__all__ = ["offenders_of"]
