"""Shared expressions: conditions without nulls, times between instants, choices among values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd


def is_true(condition: nw.Expr) -> nw.Expr:
    """A condition that is false where it is null."""
    return condition.fill_null(False)  # noqa: FBT003


def one_if(condition: nw.Expr) -> nw.Expr:
    """1 where a condition holds, else 0, to be summed."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))


def conversation_or_leg() -> nw.Expr:
    """The conversation of a leg; for a leg without one its own id: nothing tells which of them belong together."""
    return nw.coalesce("conversation_id", nw.concat_str([nw.lit("leg:"), nw.col("leg_id")], separator=""))


def seconds_between(earlier: str, later: str) -> nw.Expr:
    """The seconds between two columns of microseconds; null where they would be negative."""
    span = nw.col(later) - nw.col(earlier)
    return nw.when(span >= 0).then(span / 1_000_000)


@dataclass(frozen=True)
class CaseWhen:
    """The value of the first condition that holds, else `otherwise`: texts, or all of them numbers.

    pandas evaluates every condition once and then picks; nested conditions would each copy the column.
    """

    branches: Sequence[tuple[nw.Expr, Any]]
    otherwise: Any

    @property
    def conditions(self) -> list[nw.Expr]:
        """The conditions, in order."""
        return [condition for condition, _ in self.branches]

    def pick(self, met: Any) -> pd.Series[Any]:
        """The values, given which conditions are met: an array of rows by conditions."""
        values = pd.Series([*(value for _, value in self.branches), self.otherwise])
        values = values.astype("str" if isinstance(self.otherwise, str) else "float64")
        first = np.where(met.any(axis=1), met.argmax(axis=1), len(self.branches))
        return values.take(first).reset_index(drop=True)

    def expr(self) -> nw.Expr:
        """The same as one expression."""
        done: nw.Expr = nw.lit(self.otherwise)
        for condition, value in reversed(self.branches):
            done = nw.when(condition).then(nw.lit(value)).otherwise(done)
        return done


@dataclass(frozen=True)
class JoinedNames:
    """The names of the conditions that hold, separated by commas; "" when none does."""

    named: Mapping[str, nw.Expr]

    @property
    def conditions(self) -> list[nw.Expr]:
        """The conditions, in order."""
        return list(self.named.values())

    def pick(self, met: Any) -> pd.Series[Any]:
        """The names, given which conditions are met: an array of rows by conditions."""
        bits = met @ (1 << np.arange(met.shape[1], dtype=np.int64))
        numbers, places = np.unique(bits, return_inverse=True)
        texts = [",".join(name for place, name in enumerate(self.named) if number >> place & 1) for number in numbers]
        return pd.Series(texts, dtype="str").take(places).reset_index(drop=True)

    def expr(self) -> nw.Expr:
        """The same as one expression."""
        words = [nw.when(holds).then(nw.lit(f",{name}")).otherwise(nw.lit("")) for name, holds in self.named.items()]
        return nw.concat_str(words, separator="").str.slice(1)


#: How a column is computed.
Value = nw.Expr | CaseWhen | JoinedNames

__all__ = ["CaseWhen", "JoinedNames", "Value", "conversation_or_leg", "is_true", "one_if", "seconds_between"]
