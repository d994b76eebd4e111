"""Who stands out, as far as the analysis knows how to tell."""

from __future__ import annotations

from typing import Any

import pandas as pd

from conv_analytics import analysis
from conv_analytics.notebook.report import parts, tally, words
from conv_analytics.notebook.report.numbers import Offender, Rate

#: What is looked for: name of the flag, and how it is told of a group.
_BAD = {"poor": "poor audio", "silent": "no audio one way or both", "unanswered": "no answer"}
_BY = {"network_code": "Network", "country": "Country", "channel_type": "Channel", "user_id": "User",
       "remote_address": "Number"}  # fmt: skip
MOST = 12


def offenders_of(rows: pd.DataFrame, scope: str) -> tuple[Offender, ...] | None:
    """Groups that are worse than the rest by more than chance, the largest excess first."""
    find = getattr(analysis, "offenders", None)
    if find is None:
        return None
    told: list[Offender] = []
    for what, (holds, of) in _flags(rows, scope).items():
        for column, title in _BY.items():
            # Channels differ in how often they are answered: that is their nature.
            if not rows[column].notna().any() or (what, column) == ("unanswered", "channel_type"):
                continue
            cases = pd.DataFrame({column: rows[column], "bad": holds.where(of)}).astype({"bad": "boolean"})
            told += [_offender(row, column, title, what) for row in _rows(find(cases, by=column, bad="bad"))]
    return tuple(sorted(told, key=lambda each: (-each.excess, each.column, each.key, each.what))[:MOST])


def _flags(rows: pd.DataFrame, scope: str) -> dict[str, tuple[Any, Any]]:
    flags = {name: given for name, given in parts.flags(rows).items() if name in _BAD}
    attempts = pd.Series(data=True, index=rows.index) if scope == "all" else rows["direction"] == scope
    return {**flags, "unanswered": (~rows["answered"].fillna(value=False).astype(bool), attempts)}


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in _found(table).to_dict("records")]


def _found(table: pd.DataFrame) -> pd.DataFrame:
    done: pd.DataFrame = table[table["offender"].fillna(value=False)]
    return done


def _offender(row: dict[str, Any], column: str, title: str, what: str) -> Offender:
    rate: Rate = tally.rate(int(row["k"]), int(row["n"]))
    key = tally.NOT_KNOWN if pd.isna(row[column]) else str(row[column])
    rest = None if pd.isna(row["rest_rate"]) else float(row["rest_rate"])
    reason = (
        f"{title} {key}: {words.percent(rate.rate)} {_BAD[what]} ({rate.k:,} of {rate.n:,}), the rest"
        f" {words.percent(rest)}; {row['excess']:,.0f} too many"
    )
    q = None if pd.isna(row["q"]) else float(row["q"])
    return Offender(column, key, what, rate, rest, float(row["excess"]), q, reason)


__all__ = ["offenders_of"]
