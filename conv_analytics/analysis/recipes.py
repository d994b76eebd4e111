"""Columns made of columns: each says what it needs, so that only what is asked for is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import narwhals as nw


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
    value: nw.Expr


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


def make(rows: nw.LazyFrame[Any], recipes: Mapping[str, Recipe], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    """The rows with the wanted columns: all that need no other at once, then those that need these, and so on."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in recipes:
            return 0
        if name not in depths:
            depths[name] = 1 + max((depth(need) for need in recipes[name].needs), default=0)
        return depths[name]

    for name in wanted:
        depth(name)
    for level in range(1, max(depths.values(), default=0) + 1):
        names = [name for name, its in depths.items() if its == level]
        rows = rows.with_columns(recipes[name].value.alias(name) for name in names)
    return rows


__all__ = ["Recipe", "first_of", "inputs", "make"]
