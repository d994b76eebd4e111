"""Columns made of columns: each says what it needs, so that only what is asked for is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.source import Source


@dataclass(frozen=True)
class Cases:
    """The value of the first condition that holds, else `otherwise`: texts, or all of them numbers.

    pandas looks at every condition once and picks; as nested conditions each would copy the column.
    """

    branches: Sequence[tuple[nw.Expr, Any]]
    otherwise: Any

    @property
    def conditions(self) -> list[nw.Expr]:
        """What has to be known."""
        return [condition for condition, _ in self.branches]

    def picked(self, met: Any) -> pd.Series[Any]:
        """The values, of conditions met: rows by conditions."""
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
class Joined:
    """The names of the conditions that hold, with commas between; "" when none does."""

    named: Mapping[str, nw.Expr]

    @property
    def conditions(self) -> list[nw.Expr]:
        """What has to be known."""
        return list(self.named.values())

    def picked(self, met: Any) -> pd.Series[Any]:
        """The names, of conditions met: rows by conditions."""
        bits = met @ (1 << np.arange(met.shape[1], dtype=np.int64))
        numbers, places = np.unique(bits, return_inverse=True)
        texts = [",".join(name for place, name in enumerate(self.named) if number >> place & 1) for number in numbers]
        return pd.Series(texts, dtype="str").take(places).reset_index(drop=True)

    def expr(self) -> nw.Expr:
        """The same as one expression."""
        words = [nw.when(holds).then(nw.lit(f",{name}")).otherwise(nw.lit("")) for name, holds in self.named.items()]
        return nw.concat_str(words, separator="").str.slice(1)


class Recipe(NamedTuple):
    """How a column is made.

    Attributes
    ----------
    needs
        Every column that `value` looks at.
    value
        The expression.
    """

    needs: tuple[str, ...]
    value: nw.Expr | Cases | Joined


def first_of(*names: str) -> Recipe:
    """The first of some columns that is not null."""
    return Recipe(names, nw.coalesce(*names) if len(names) > 1 else nw.col(names[0]))


def inputs(recipes: Mapping[str, Recipe], wanted: Collection[str]) -> set[str]:
    """The columns that have to be there before `wanted` can be made.

    >>> recipes = {"talk": Recipe(("end", "start"), nw.col("end") - nw.col("start")), "end": first_of("hangup", "last")}
    >>> sorted(inputs(recipes, ["talk"]))
    ['hangup', 'last', 'start']
    """
    found = set(wanted) - set(recipes)
    for name in set(wanted) & set(recipes):
        found |= inputs(recipes, recipes[name].needs)
    return found


def make(
    source: Source,
    rows: nw.LazyFrame[Any],
    recipes: Mapping[str, Recipe],
    wanted: Collection[str],
    *,
    keep: Sequence[str],
) -> nw.LazyFrame[Any]:
    """The wanted columns and those to keep: all that need no other at once, then those that need these, and so on.

    What nothing needs any more is left behind on the way.
    """
    levels = _levels(recipes, wanted)
    there = set(rows.collect_schema().names())
    for place, names in enumerate(levels):
        later = {need for level in levels[place + 1 :] for name in level for need in recipes[name].needs}
        kept = sorted((later | set(wanted)) & there - set(keep))
        rows = add(source, rows, {name: recipes[name].value for name in names}, keep=[*keep, *kept])
        there |= set(names)
    return rows


def _levels(recipes: Mapping[str, Recipe], wanted: Collection[str]) -> list[list[str]]:
    """What is to be made, in steps of which each needs only those before."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in recipes:
            return 0
        if name not in depths:
            depths[name] = 1 + max((depth(need) for need in recipes[name].needs), default=0)
        return depths[name]

    deepest = max((depth(name) for name in wanted), default=0)
    return [[name for name, its in depths.items() if its == level] for level in range(1, deepest + 1)]


def add(
    source: Source,
    rows: nw.LazyFrame[Any],
    values: Mapping[str, nw.Expr | Cases | Joined],
    *,
    keep: Sequence[str] | None = None,
) -> nw.LazyFrame[Any]:
    """The rows with some columns, none of which looks at another of them; of the others all, or those to keep."""
    there = rows.collect_schema().names() if keep is None else keep
    kept = [name for name in there if name not in values]
    plain = {name: value for name, value in values.items() if isinstance(value, nw.Expr)}
    others = {name: value for name, value in values.items() if not isinstance(value, nw.Expr)}
    if source.engine == "duckdb":
        plain |= {name: value.expr() for name, value in others.items()}
        return rows.select(*kept, *(value.alias(name) for name, value in plain.items()))
    done = rows.select(*kept, *(value.alias(name) for name, value in plain.items()))
    if not others:
        return done
    frame = nw.to_native(done.collect())
    told = {name: value.picked(_met(rows, value.conditions)) for name, value in others.items()}
    frame = frame.assign(**{name: texts.set_axis(frame.index) for name, texts in told.items()})
    made: nw.LazyFrame[Any] = nw.from_native(frame).lazy()
    return made


def _met(rows: nw.LazyFrame[Any], conditions: Sequence[nw.Expr]) -> Any:
    """Whether each condition holds on each row; what is not known does not hold."""
    found = rows.select(condition.alias(f"_{place}") for place, condition in enumerate(conditions))
    frame = nw.to_native(found.collect())
    columns = [column.to_numpy() if column.dtype == bool else column.to_numpy(bool, na_value=False)
               for _, column in frame.items()]  # fmt: skip
    return np.column_stack(columns)


__all__ = ["Cases", "Joined", "Recipe", "add", "first_of", "inputs", "make"]
