"""Groups of rows as numbers, and windows over them: running sums and maxima, preceding values, sums of a group.

>>> numbers_of([pa.array(["b", "a", "b"])])
(array([0, 1, 0]), 2)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

#: Steps of narwhals that are supported here, and their names in pandas.
_WINDOWS = {"cum_sum": "cumsum", "cum_max": "cummax", "shift": "shift", "sum": "transform"}


def numbers_of(keys: Sequence[pa.Array]) -> tuple[Any, int]:
    """The number of each row's keys, by first occurrence, and how many there are; null is a key like any other."""
    numbers = np.zeros(len(keys[0]), dtype=np.int64)
    for column in keys:
        encoded = column.dictionary_encode(null_encoding="encode")
        numbers = pd.factorize(numbers * max(len(encoded.dictionary), 1) + encoded.indices.to_numpy())[0]
    return numbers, int(numbers.max(initial=-1)) + 1


def first_rows(numbers: Any, count: int) -> Any:
    """The first row of each group."""
    first = np.empty(count, dtype=np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return first


def window(column: pa.Array, step: Any, over: Any, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The values of a window function over whole numbers; raises `KeyError` for an unknown one.

    Parameters
    ----------
    column
        The values.
    step, over
        The nodes of the expression: the function, and its groups and order.
    columns
        All columns.
    """
    partition, order = over.kwargs["partition_by"], over.kwargs["order_by"]
    numeric = isinstance(column, pa.Array) and pa.types.is_integer(column.type) and not column.null_count
    if not numeric or not partition or over.exprs or step.kwargs.get("reverse"):
        raise KeyError(step.name)
    what = _WINDOWS[step.name]
    numbers, _ = numbers_of([columns[name] for name in partition])
    values = pd.Series(column.to_numpy(), dtype="Int64")
    if order:
        ordered = pd.DataFrame({name: columns[name].to_pandas() for name in order})
        places = ordered.sort_values(list(order), kind="stable", na_position="first").index.to_numpy()
        values, numbers = values.take(places), numbers[places]
    grouped = values.groupby(numbers)
    arguments = {"shift": (step.kwargs.get("n"),), "sum": ("sum",)}.get(step.name, ())
    done = getattr(grouped, what)(*arguments)
    return pa.array(done.sort_index().array, from_pandas=True)


__all__ = ["first_rows", "numbers_of", "window"]
