"""Who stands out: groups of legs that are worse than the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.finders.offenders import FDR, MIN_EXCESS, ranked
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.notebook.report import parts, tally, words
from conv_analytics.notebook.report.numbers import Offender, Rate

#: What is looked for: name of the flag, and how it is told of a group.
_BAD = {"poor": "poor audio", "silent": "no audio one way or both", "unanswered": "no answer"}
_BY = {"network_code": "Network", "country": "Country", "channel_type": "Channel", "user_id": "User",
       "remote_address": "Number"}  # fmt: skip
MOST = 12
_KEY = "group"


def offenders_of(rows: pd.DataFrame, scope: str) -> tuple[Offender, ...]:
    """Groups that are worse than the rest by more than chance, the largest excess first."""
    told: list[Offender] = []
    groups = {column: tally.grouped(rows[column]) for column in _BY if rows[column].notna().any()}
    for what, (holds, of) in _flags(rows, scope).items():
        for column, (codes, names) in groups.items():
            # Channels differ in how often they are answered: that is their nature.
            if (what, column) != ("unanswered", "channel_type"):
                told += [_offender(row, column, what) for row in _found(holds, of, codes, names)]
    return tuple(sorted(told, key=lambda each: (-each.excess, each.column, each.key, each.what))[:MOST])


def _flags(rows: pd.DataFrame, scope: str) -> dict[str, parts.Flags]:
    flags = {name: given for name, given in parts.flags(rows).items() if name in _BAD}
    attempts = pd.Series(data=True, index=rows.index) if scope == "all" else rows["direction"] == scope
    return {**flags, "unanswered": (~rows["answered"].fillna(value=False).astype(bool), attempts)}


def _found(holds: pd.Series[Any], of: pd.Series[Any], codes: Any, names: list[str]) -> list[dict[str, Any]]:
    """The offenders among some groups, as `offenders` ranks them; the legs are counted here, many times as fast."""
    stake = of.fillna(value=False).to_numpy("bool")
    bad = stake & holds.fillna(value=False).to_numpy("bool")
    counts = pd.DataFrame({
        _KEY: pd.Series(names, dtype="str"),
        "k": np.bincount(codes[bad], minlength=len(names)), "n": np.bincount(codes[stake], minlength=len(names)),
    })  # fmt: skip
    table = ranked(counts[counts["n"] > 0], min_n=MIN_N, fdr=FDR, min_excess=MIN_EXCESS)
    return [{str(name): value for name, value in row.items()} for row in table[table["offender"]].to_dict("records")]


def _offender(row: dict[str, Any], column: str, what: str) -> Offender:
    rate: Rate = tally.rate(int(row["k"]), int(row["n"]))
    key = str(row[_KEY])
    rest = None if pd.isna(row["rest_rate"]) else float(row["rest_rate"])
    reason = (
        f"{_BY[column]} {key}: {words.percent(rate.rate)} {_BAD[what]} ({rate.k:,} of {rate.n:,}), the rest"
        f" {words.percent(rest)}; {row['excess']:,.0f} too many"
    )
    q = None if pd.isna(row["q"]) else float(row["q"])
    return Offender(column, key, what, rate, rest, float(row["excess"]), q, reason)


__all__ = ["offenders_of"]
