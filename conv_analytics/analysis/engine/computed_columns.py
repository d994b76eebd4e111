"""Columns computed from others: each declares its inputs, so that only what is needed is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import narwhals as nw

from conv_analytics.analysis.engine.expressions import Value
from conv_analytics.analysis.engine.rows import Rows


class Computed(NamedTuple):
    """How a column is computed.

    Attributes
    ----------
    needs
        Every column that `value` reads.
    value
        The expression.
    """

    needs: tuple[str, ...]
    value: Value


def first_of(*names: str) -> Computed:
    """The first of some columns that is not null."""
    return Computed(names, nw.coalesce(*names) if len(names) > 1 else nw.col(names[0]))


def inputs_of(columns: Mapping[str, Computed], targets: Collection[str]) -> set[str]:
    """The columns from which the targets are computed.

    >>> columns = {
    ...     "talk": Computed(("end", "start"), nw.col("end") - nw.col("start")),
    ...     "end": first_of("hangup", "last"),
    ... }
    >>> sorted(inputs_of(columns, ["talk"]))
    ['hangup', 'last', 'start']
    """
    inputs = set(targets) - set(columns)
    for name in set(targets) & set(columns):
        inputs |= inputs_of(columns, columns[name].needs)
    return inputs


def compute(rows: Rows, columns: Mapping[str, Computed], targets: Collection[str], *, keep: Sequence[str]) -> Rows:
    """The target columns and those to keep, computed level by level: a level needs only those before it.

    Columns that nothing needs any more are dropped on the way.
    """
    levels = _levels(columns, targets)
    there = set(rows.columns)
    for place, names in enumerate(levels):
        later = {need for level in levels[place + 1 :] for name in level for need in columns[name].needs}
        needed_later = sorted((later | set(targets)) & there - set(keep))
        rows = rows.with_values({name: columns[name].value for name in names}, keep=[*keep, *needed_later])
        there |= set(names)
    return rows


def _levels(columns: Mapping[str, Computed], targets: Collection[str]) -> list[list[str]]:
    """The columns to compute, in levels: each needs only those before it."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in columns:
            return 0
        if name not in depths:
            depths[name] = 1 + max((depth(need) for need in columns[name].needs), default=0)
        return depths[name]

    deepest = max((depth(name) for name in targets), default=0)
    return [[name for name, its in depths.items() if its == level] for level in range(1, deepest + 1)]


__all__ = ["Computed", "compute", "first_of", "inputs_of"]
