"""Expressions of narwhals on columns in memory, evaluated with the functions of pyarrow.

On pandas, narwhals builds a Series, an index and a block for every step of every expression: for a thousand rows that
takes a hundred times as long as the comparison itself. Here the same expressions work on bare Arrow arrays. An
expression that is not supported, such as a window, raises `UnknownExpressionError`, and narwhals evaluates it.

Null behaves as in SQL: a comparison with it is null, and a condition that is null does not hold.

>>> columns = {"a": pa.array([1, None, 3])}
>>> Evaluation(columns).of(nw.when(nw.col("a") > 1).then(nw.lit("yes")).otherwise(nw.lit("no"))).to_pylist()
['no', 'no', 'yes']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.engine.windows import window

TEXT = pa.large_string()
INSTANT = pa.timestamp("us", "UTC")
_CASTS = {"Int64": pa.int64(), "Float64": pa.float64(), "String": TEXT}


class UnknownExpressionError(Exception):
    """An expression, or a type of column, that is not evaluated here."""


def name_of(expression: Any) -> str:
    """The name of the column that an expression becomes."""
    if isinstance(expression, str):
        return expression
    nodes = getattr(expression, "_nodes", ())
    for node in reversed(nodes):
        if node.name == "alias":
            return str(node.kwargs["name"])
    if nodes and nodes[0].name == "col" and len(nodes[0].kwargs["names"]) == 1:
        return str(nodes[0].kwargs["names"][0])
    if nodes and nodes[0].name == "coalesce":
        return name_of(nodes[0].exprs[0])
    raise UnknownExpressionError("it has no name")


class Evaluation:
    """Expressions over some columns, Arrow arrays by name; common subexpressions are evaluated once."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = columns
        # Stored with the expressions, so that no other expression gets their ids.
        self._evaluated: dict[int, tuple[Any, Any]] = {}

    def of(self, expression: Any) -> Any:
        """The values of an expression: an Arrow array, or a scalar if it uses no column.

        Raises
        ------
        UnknownExpressionError
            If it is not supported here.
        """
        try:
            return self._value(expression)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, AttributeError, KeyError, TypeError) as error:
            # Narwhals reports what is wrong with it, or evaluates it in another way.
            raise UnknownExpressionError(str(error)) from error

    def _value(self, value: Any, *, literal: bool = False) -> Any:
        if isinstance(value, nw.Expr):
            if id(value) not in self._evaluated:
                self._evaluated[id(value)] = value, self._chain(value)
            return self._evaluated[id(value)][1]
        if isinstance(value, str) and not literal:
            return self.columns[value]
        return scalar(value)

    def _chain(self, expression: Any) -> Any:
        first, *rest = expression._nodes  # noqa: SLF001  narwhals has no other way to look at an expression
        last = max((place for place, node in enumerate(rest) if node.name == "over"), default=None)
        if last is not None:
            *before, step, over = expression._nodes[: last + 2]  # noqa: SLF001
            value, rest = window(self._value(nw.Expr(*before)), step, over, self.columns), rest[last + 1 :]
            return self._steps(value, rest)
        value = _SOURCES[first.name](self, first)
        return self._steps(value, rest)

    def _steps(self, value: Any, nodes: Sequence[Any]) -> Any:
        for node in nodes:
            if node.name != "alias":
                value = _STEPS[node.name](value, self.all_of(node), node)
        return value

    def all_of(self, node: Any) -> list[Any]:
        """The values of the arguments of a step."""
        return [self._value(each, literal=node.str_as_lit) for each in node.exprs]


def scalar(value: Any) -> Any:
    """A Python value as an Arrow scalar."""
    if isinstance(value, str):
        return pa.scalar(str(value), TEXT)
    if isinstance(value, float) and math.isnan(value):
        return pa.scalar(None, pa.float64())
    if hasattr(value, "tzinfo"):
        return pa.scalar(value, INSTANT)
    return pa.scalar(value)


def true_only(condition: Any) -> Any:
    """A condition that is false where it is null."""
    return pc.fill_null(condition, False) if condition.null_count else condition  # noqa: FBT003


def _col(evaluation: Evaluation, node: Any) -> Any:
    if len(node.kwargs["names"]) > 1:
        raise UnknownExpressionError("several columns at once")
    return evaluation.columns[node.kwargs["names"][0]]


def _lit(_: Evaluation, node: Any) -> Any:
    value = scalar(node.kwargs["value"])
    dtype = node.kwargs["dtype"]
    return value if dtype is None else value.cast(_type(dtype))


def _coalesce(evaluation: Evaluation, node: Any) -> Any:
    values = evaluation.all_of(node)
    done = values[0]
    for value in values[1:]:
        if not _nulls(done):
            break
        done = pc.coalesce(done, value)
    return done


def _nulls(value: Any) -> bool:
    return bool(value.null_count) if not isinstance(value, pa.Scalar) else not value.is_valid


def _when_then(evaluation: Evaluation, node: Any) -> Any:
    met, value, *otherwise = evaluation.all_of(node)
    other = otherwise[0] if otherwise else pa.scalar(None, value.type)
    met = pc.fill_null(met, False) if _nulls(met) else met  # noqa: FBT003
    return pc.if_else(met, value, other)


def _horizontal(combine: Callable[[Any, Any], Any], *, missing: bool) -> Callable[[Evaluation, Any], Any]:
    def of(evaluation: Evaluation, node: Any) -> Any:
        values = evaluation.all_of(node)
        if node.kwargs["ignore_nulls"]:
            values = [pc.fill_null(value, missing) if _nulls(value) else value for value in values]
        return reduce(combine, values)

    return of


def _sum_horizontal(evaluation: Evaluation, node: Any) -> Any:
    return reduce(pc.add, [pc.fill_null(value, 0) if _nulls(value) else value for value in evaluation.all_of(node)])


def _min_horizontal(evaluation: Evaluation, node: Any) -> Any:
    return pc.min_element_wise(*evaluation.all_of(node), skip_nulls=True)


def _concat_str(evaluation: Evaluation, node: Any) -> Any:
    if node.kwargs.get("ignore_nulls"):
        raise UnknownExpressionError("concat_str without nulls")
    return pc.binary_join_element_wise(*evaluation.all_of(node), scalar(node.kwargs.get("separator", "")))


_SOURCES: Mapping[str, Callable[[Evaluation, Any], Any]] = {
    "col": _col,
    "lit": _lit,
    "coalesce": _coalesce,
    "when_then": _when_then,
    "any_horizontal": _horizontal(pc.or_kleene, missing=False),
    "all_horizontal": _horizontal(pc.and_kleene, missing=True),
    "sum_horizontal": _sum_horizontal,
    "min_horizontal": _min_horizontal,
    "concat_str": _concat_str,
}

# Steps: the value so far, the values of the arguments, and the node.
_Step = Callable[[Any, Sequence[Any], Any], Any]


def _binary(function: Callable[[Any, Any], Any]) -> _Step:
    return lambda value, others, _: function(value, others[0])


def _unary(function: Callable[[Any], Any]) -> _Step:
    return lambda value, _, __: function(value)


def _without_nan(values: Any) -> Any:
    """NaN becomes null, as in pandas."""
    if isinstance(values, pa.Scalar):
        return values
    odd = pc.is_nan(values)
    return pc.if_else(odd, pa.scalar(None, values.type), values) if pc.any(odd).as_py() else values


def _divided(value: Any, other: Any) -> Any:
    # Whole numbers beyond 2 to the 53rd become the nearest float, as in every other engine.
    numbers = (pc.cast(each, pa.float64(), safe=False) for each in (value, other))
    return _without_nan(pc.divide(*numbers))


def _by_numpy(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function that pyarrow lacks, of a column of numbers and a whole number other than 0."""

    def of(value: Any, other: Any) -> Any:
        divisor = other.as_py()
        if isinstance(value, pa.Scalar) or value.type not in {pa.int64(), pa.float64()} or not isinstance(divisor, int):
            raise UnknownExpressionError("division of something else than a column of numbers by a whole number")
        # Infinity has no remainder, as in pandas.
        with np.errstate(invalid="ignore"):
            done = function(pc.fill_null(value, 0).to_numpy(zero_copy_only=False), divisor)
        divided = pa.array(done, mask=pc.is_null(value).to_numpy(zero_copy_only=False))
        return _without_nan(divided) if pa.types.is_floating(divided.type) else divided

    return of


def _cast(value: Any, _: Sequence[Any], node: Any) -> Any:
    kind = _type(node.kwargs["dtype"])
    if kind == TEXT and not (pa.types.is_integer(value.type) or value.type in {TEXT, pa.null()}):
        raise UnknownExpressionError(f"cast of {value.type} to text")
    return pc.cast(value, kind)


def _type(dtype: Any) -> pa.DataType:
    return _CASTS[dtype.__name__ if isinstance(dtype, type) else type(dtype).__name__]


def _is_in(value: Any, _: Sequence[Any], node: Any) -> Any:
    other = node.kwargs["other"]
    if isinstance(other, nw.Series):
        raise UnknownExpressionError("is_in of a series")
    values = [str(each) if isinstance(each, str) else each for each in other]
    return pc.is_in(value, value_set=pa.array(values, value.type))


def _is_between(value: Any, others: Sequence[Any], node: Any) -> Any:
    if node.kwargs["closed"] != "both":
        raise UnknownExpressionError("is_between with an open end")
    low, high = others
    return pc.and_kleene(pc.greater_equal(value, low), pc.less_equal(value, high))


def _fill_null(value: Any, others: Sequence[Any], node: Any) -> Any:
    if node.kwargs["strategy"] is not None:
        raise UnknownExpressionError("fill_null with a strategy")
    return pc.coalesce(value, others[0]) if _nulls(value) else value


def _contains(value: Any, others: Sequence[Any], node: Any) -> Any:
    match = pc.match_substring if node.kwargs["literal"] else pc.match_substring_regex
    return match(value, others[0].as_py())


def _slice(value: Any, _: Sequence[Any], node: Any) -> Any:
    start, length = node.kwargs["offset"], node.kwargs["length"]
    return pc.utf8_slice_codeunits(value, start, None if length is None else start + length)


_STEPS: Mapping[str, _Step] = {
    "__eq__": _binary(pc.equal),
    "__ne__": _binary(pc.not_equal),
    "__gt__": _binary(pc.greater),
    "__ge__": _binary(pc.greater_equal),
    "__lt__": _binary(pc.less),
    "__le__": _binary(pc.less_equal),
    "__and__": _binary(pc.and_kleene),
    "__or__": _binary(pc.or_kleene),
    "__add__": _binary(pc.add),
    "__sub__": _binary(pc.subtract),
    "__mul__": _binary(pc.multiply),
    "__truediv__": _binary(_divided),
    "__floordiv__": _binary(_by_numpy(np.floor_divide)),
    "__mod__": _binary(_by_numpy(np.mod)),
    "__invert__": _unary(pc.invert),
    "abs": _unary(pc.abs),
    "floor": _unary(pc.floor),
    "sqrt": _unary(lambda value: _without_nan(pc.sqrt(value))),
    "is_null": _unary(pc.is_null),
    "is_in": _is_in,
    "is_between": _is_between,
    "fill_null": _fill_null,
    "cast": _cast,
    "str.contains": _contains,
    "str.strip_chars": lambda value, _, node: _stripped(value, node),
    "str.to_lowercase": _unary(pc.utf8_lower),
    "str.slice": _slice,
}


def _stripped(value: Any, node: Any) -> Any:
    if node.kwargs["characters"] is not None:
        raise UnknownExpressionError("strip of some characters")
    return pc.utf8_trim_whitespace(value)


__all__ = ["INSTANT", "TEXT", "Evaluation", "UnknownExpressionError", "name_of", "scalar", "true_only"]
