"""Totals, groups and joins of rows in memory for the common cases; narwhals does the others.

Groups are numbered: each row has the number of its keys, in the order of first occurrence.

>>> import narwhals as nw
>>> from conv_analytics.analysis.engine.evaluate import Evaluation
>>> total(nw.col("a").sum(), Evaluation({"a": pa.array([1, None, 3])})).as_py()
4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.engine.evaluate import Evaluation, UnknownExpressionError, name_of
from conv_analytics.analysis.engine.windows import first_rows, numbers_of

_TOTALS = {"sum", "min", "max", "count"}


def is_total(expression: Any) -> bool:
    """Whether an expression aggregates all rows to one value."""
    return _last(expression)[1] in {*_TOTALS, "median", "len"}


def total(expression: Any, evaluation: Evaluation) -> pa.Scalar:
    """The value of an expression that aggregates all rows."""
    values, what = _last(expression)
    if what == "len":
        raise UnknownExpressionError("the number of rows")
    column = evaluation.of(values)
    if isinstance(column, pa.Scalar):
        raise UnknownExpressionError("a total of one value")
    if what == "median":
        known = column.drop_null().to_numpy(zero_copy_only=False)
        return pa.scalar(float(np.median(known)) if len(known) else None, pa.float64())
    if what == "sum":
        if pa.types.is_floating(column.type):
            # Added up as pandas does.
            return pa.scalar(float(np.nansum(column.to_numpy(zero_copy_only=False))))
        done = pc.sum(column, min_count=0)
        return done.cast(pa.int64())
    return {"min": pc.min, "max": pc.max, "count": pc.count}[what](column)


def _last(expression: Any) -> tuple[Any, str]:
    """An expression without its last step, and the name of that step; a column name is not a step."""
    nodes = [node for node in getattr(expression, "_nodes", ()) if node.name != "alias"]
    return (nw.Expr(*nodes[:-1]), nodes[-1].name) if nodes else (expression, "")


def groups(columns: Mapping[str, pa.Array], by: Sequence[str], aggregates: Sequence[Any]) -> dict[str, pa.Array]:
    """One row per group: its keys, and its aggregates."""
    evaluation = Evaluation(columns)
    keys = [columns[name] for name in by]
    numbers, count = numbers_of(keys)
    first = pa.array(first_rows(numbers, count))
    result_columns = {name: key.take(first) for name, key in zip(by, keys, strict=True)}
    table: dict[str, Any] = {"number": pa.array(numbers)}
    aggregations: list[tuple[str, str, Any]] = []
    for place, each in enumerate(aggregates):
        values, what = _last(each)
        if what == "len":
            result_columns["len" if not _named(each) else name_of(each)] = pa.array(
                np.bincount(numbers, minlength=count)
            )
            continue
        column = evaluation.of(values)
        if what not in _TOTALS or isinstance(column, pa.Scalar):
            raise UnknownExpressionError(f"{what} of a group")
        name = name_of(each)
        result_columns[name] = None
        if what == "sum" and pa.types.is_floating(column.type):
            # Added up as pandas does: the same numbers in the same order give the same sum.
            series = pd.Series(column.to_numpy(zero_copy_only=False))
            result_columns[name] = pa.array(series.groupby(numbers).sum().to_numpy())
            continue
        options = pc.ScalarAggregateOptions(min_count=0) if what == "sum" else None
        table[str(place)] = column.cast(pa.int64()) if what == "sum" else column
        aggregations.append((str(place), what, options))
        result_columns[name] = (str(place), what)
    result = pa.table(table).group_by("number", use_threads=False).aggregate(aggregations)
    for name, value in result_columns.items():
        if isinstance(value, tuple):
            result_columns[name] = result["_".join(value)].combine_chunks()
    return result_columns


def _named(expression: Any) -> bool:
    return any(node.name == "alias" for node in expression._nodes)  # noqa: SLF001


def match(left: Sequence[pa.Array], right: Sequence[pa.Array]) -> tuple[pa.Array, bool]:
    """Per row of the left side, the row of the right with the same keys, else null; null keys never match.

    Also whether the keys of the right side repeat: then the row is one of several.
    """
    if len(left) == 1:
        mine, theirs = left[0], right[0]
    else:
        both = [pa.concat_arrays(pair) for pair in zip(left, right, strict=True)]
        numbers, _ = numbers_of(both)
        valid = np.logical_and.reduce([column.is_valid().to_numpy(zero_copy_only=False) for column in both])
        whole = pa.array(numbers, mask=~valid)
        mine, theirs = whole[: len(left[0])], whole[len(left[0]) :]
    places = pc.index_in(mine, value_set=theirs, skip_nulls=True)
    valid_keys = theirs.drop_null()
    return places, len(valid_keys.unique()) < len(valid_keys)


__all__ = ["groups", "is_total", "match", "total"]
