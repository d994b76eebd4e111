"""The result of `findings`: a row per problem, a row per test, and one problem with typed fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

import pandas as pd

from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.markup import grid, line


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem: what, where, since when, how many calls, how significant, and what to do.

    Attributes
    ----------
    problem
        Its number, 1 for the one with the most excess calls.
    kind
        The kind that found it: ``group_rate``, ``change``, ``post_dial_delay``, ``timer_cliff``, ... (see `KINDS`).
    case
        What the calls are: ``failed``, ``unanswered``, ``poor``, ``silent``, ``short``, ``dropped``, ``pdd``, ...
    where
        The group in words.
    keys
        The group: column to value, or a list of values; empty for all calls. ``hour`` is like ``9-12``.
    since, until
        When it began and ended; None if it was there from the start, or still is.
    k, n, rate, lo, hi
        Bad calls, all calls, their share, and its 95 % interval, which allows for clusters.
    baseline
        The expected share, 0..1.
    excess
        Bad calls beyond that share; for a number that is no longer called, the missing calls.
    p, q
        Probability of at least this many by chance: alone, and among all tests.
    sure
        Whether q is within the given limit.
    side
        Whose it is: ``caller``, ``called party``, ``route or carrier``, ``platform``, ``own application``, ``unknown``.
    what, compared_with, same_calls, ruled_out, advice
        Sentences.
    leg_ids, conversation_id
        Evidence: up to five legs, and a conversation for a timeline.
    python
        The Python call that shows it.
    """

    problem: int
    kind: str
    case: str
    where: str
    keys: Mapping[str, Any]
    since: datetime | None
    until: datetime | None
    k: int
    n: int
    rate: float
    lo: float
    hi: float
    baseline: float
    excess: float
    p: float
    q: float
    sure: bool
    side: str
    what: str
    compared_with: str
    same_calls: str
    ruled_out: str
    advice: str
    leg_ids: tuple[str, ...]
    conversation_id: str | None
    python: str

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> Self:
        """A problem from its row in `Findings.problems`."""
        known = dict(row)
        for name in ("since", "until"):
            known[name] = None if pd.isna(known[name]) else pd.Timestamp(known[name]).to_pydatetime()
        known |= {name: int(known[name]) for name in ("problem", "k", "n")}
        known |= {name: float(known[name]) for name in ("rate", "lo", "hi", "baseline", "excess", "p", "q")}
        known["sure"] = bool(known["sure"])
        known["keys"] = json.loads(known["keys"])
        known["leg_ids"] = tuple(part for part in str(known["leg_ids"]).split(",") if part)
        known["conversation_id"] = None if pd.isna(known["conversation_id"]) else known["conversation_id"]
        return cls(**{field.name: known[field.name] for field in fields(cls)})


#: Columns of `Findings.problems`, in order, and their dtypes in pandas.
PROBLEM_DTYPES: Mapping[str, str] = {
    "problem": "Int64", "kind": "str", "case": "str", "where": "str", "keys": "str",
    "since": "datetime64[us, UTC]", "until": "datetime64[us, UTC]", "k": "Int64", "n": "Int64",
    "rate": "float64", "lo": "float64", "hi": "float64", "baseline": "float64", "excess": "float64",
    "p": "float64", "q": "float64", "sure": "boolean", "side": "str", "what": "str", "compared_with": "str",
    "same_calls": "str", "ruled_out": "str", "advice": "str", "leg_ids": "str", "conversation_id": "str",
    "python": "str",
}  # fmt: skip
#: Columns of `Findings.looked_at`, in order, and their dtypes in pandas.
LOOKED_AT_DTYPES: Mapping[str, str] = {
    "kind": "str", "case": "str", "by": "str", "groups": "Int64", "calls": "Int64", "smallest_q": "float64",
    "why_not": "str",
}  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """The problems that `findings` reports, and the tests that it made.

    Attributes
    ----------
    problems
        One row per distinct problem, the one with the most excess calls first; columns as `Problem` describes them,
        with ``keys`` as a JSON object and ``leg_ids`` separated by commas.
    looked_at
        One row per case and grouping: ``kind``, ``case``, ``by``, ``groups`` tested, ``calls`` that were counted, the
        ``smallest_q``, and ``why_not``, the reason if nothing was tested. A row of the kind ``wrong_clock`` counts the
        legs whose time is unknown because they start far from all others.
    """

    problems: Any
    looked_at: Any

    def problem(self, number: int = 1) -> Problem:
        """One of the problems, by its number.

        Raises
        ------
        ConfigError
            If there is no problem with this number.
        """
        rows = _pandas(self.problems)
        row = rows[rows["problem"] == number]
        if row.empty:
            have = f"there are {len(rows)}" if len(rows) else "nothing was found"
            raise ConfigError(f"There is no problem {number}: {have}. Numbers begin with 1.")
        return Problem.of_row(row.to_dict("records")[0])

    def __len__(self) -> int:
        return len(_pandas(self.problems))

    @safe_repr
    def __repr__(self) -> str:
        rows = _pandas(self.problems)
        if rows.empty:
            return f"Findings: no problem that is not chance, in {len(_pandas(self.looked_at))} questions"
        said = (f"{row['problem']}. {line(row['what'])}" for _, row in rows.iterrows())
        return "\n".join([f"Findings: {len(rows)}", *said])

    def _repr_html_(self) -> str:
        rows = _pandas(self.problems)
        if rows.empty:
            return f"<p>No problem that is not chance, in {len(_pandas(self.looked_at))} questions.</p>"
        head = ("", "Problem", "Bad calls", "Expected", "Since", "Whose", "What to do")
        return grid(head, [_cells(row) for row in rows.to_dict("records")])


def _cells(row: Mapping[Any, Any]) -> tuple[object, ...]:
    since = "" if pd.isna(row["since"]) else f"{row['since']:%Y-%m-%d %H:%M}"
    bad = f"{row['k']:,} of {row['n']:,} ({row['rate']:.1%})"
    if row["case"] == "no_calls":
        bad = f"{row['k']:,} missing calls"
    return row["problem"], row["what"], bad, f"{row['baseline']:.1%}", since, row["side"], row["advice"]


def _pandas(frame: Any) -> pd.DataFrame:
    """A frame of any kind as pandas: these are short."""
    if isinstance(frame, pd.DataFrame):
        return frame
    import narwhals as nw  # noqa: PLC0415 - only for frames of other kinds

    lazy = nw.from_native(frame).lazy().collect("pandas")
    return lazy.to_native()  # type: ignore[no-any-return]


__all__ = ["LOOKED_AT_DTYPES", "PROBLEM_DTYPES", "Findings", "Problem"]
