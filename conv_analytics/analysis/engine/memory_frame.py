"""Rows in memory: columns of pandas or Arrow, in the format in which the last step left them.

Steps on one row at a time work on Arrow arrays (`evaluate`); narwhals does all others on pandas. A column is converted
only when a step needs the other format.

>>> import narwhals as nw
>>> rows = MemoryFrame.of(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
>>> rows.filter(nw.col("a") > 1).select("b").native
   b
0  y
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.engine.evaluate import (
    INSTANT,
    TEXT,
    Evaluation,
    UnknownExpressionError,
    name_of,
    true_only,
)
from conv_analytics.analysis.engine.memory_groups import (
    groups,
    is_total,
    match,
    total,
)
from conv_analytics.analysis.engine.windows import first_rows, numbers_of

# Methods of pandas that only pyarrow calls are not in its types.
_STR: Any = pd.StringDtype(na_value=np.nan)
_INT: Any = pd.Int64Dtype()
_BOOL: Any = pd.BooleanDtype()
_INSTANTS: Any = pd.DatetimeTZDtype("us", "UTC")
#: The pandas dtype of each Arrow type.
_TO_PANDAS: Mapping[pa.DataType, Callable[[Any], Any]] = {
    TEXT: _STR.__from_arrow__,
    pa.int64(): _INT.__from_arrow__,
    pa.bool_(): _BOOL.__from_arrow__,
    pa.float64(): lambda column: column.to_numpy(zero_copy_only=False),
    INSTANT: _INSTANTS.__from_arrow__,
}


#: Per kind its type in Arrow; every other kind is text.
_KINDS: Mapping[Any, pa.DataType] = {
    int: pa.int64(), float: pa.float64(), Decimal: pa.float64(), bool: pa.bool_(), datetime: INSTANT,
}  # fmt: skip


def arrow_type(kind: Any) -> pa.DataType:
    """The type that columns of a kind have in memory."""
    return _KINDS.get(kind, TEXT)


class _ArrowView(Mapping[str, Any]):
    """The columns of a frame as Arrow arrays; each is converted when it is first used."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        column = self._columns[name]
        if not isinstance(column, pa.Array):
            column = self._columns[name] = _to_arrow(column)
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class MemoryFrame:
    """Columns of the same length, by name; every step returns a new frame."""

    def __init__(self, columns: dict[str, Any], rows: int) -> None:
        self._columns = columns
        self._rows = rows

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """The columns of a pandas frame, without its index."""
        return cls({str(name): series.array for name, series in frame.items()}, len(frame))

    def __len__(self) -> int:
        return self._rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._columns)

    @property
    def native(self) -> pd.DataFrame:
        """The rows as a new pandas frame, numbered from 0."""
        arrays = {name: _to_pandas(column) for name, column in self._columns.items()}
        return pd.DataFrame(arrays, index=pd.RangeIndex(self._rows), copy=False)

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as plain values, without nulls; instants are microseconds since 1970."""
        columns = [self._plain(name) for name in self._columns]
        for values in zip(*columns, strict=True):
            yield {name: value for name, value in zip(self._columns, values, strict=True) if value is not None}

    def _plain(self, name: str) -> list[Any]:
        column = self.arrow(name)
        if column.null_count == self._rows:
            return [None] * self._rows
        values: list[Any] = (column.cast(pa.int64()) if column.type == INSTANT else column).to_pylist()
        return values

    def conditions_met(self, conditions: Sequence[Any]) -> Any:
        """Whether each condition holds on each row, as an array of rows by conditions; null counts as false."""
        try:
            evaluation = Evaluation(_ArrowView(self._columns))
            met = [self._filled(true_only(evaluation.of(each))) for each in conditions]
        except UnknownExpressionError:
            frame = self._by_narwhals(
                lambda rows: rows.select(each.alias(f"_{place}") for place, each in enumerate(conditions))
            ).native
            return np.column_stack([
                column.to_numpy() if column.dtype == bool else column.to_numpy(bool, na_value=False)
                for _, column in frame.items()
            ])  # fmt: skip
        return np.column_stack([column.to_numpy(zero_copy_only=False) for column in met])

    # Steps.

    def select(self, *columns: Any, **named: Any) -> Self:
        """Some columns or expressions, and no others."""
        columns = tuple(_listed(columns))
        try:
            totals = {**{name_of(each): each for each in columns}, **named}
            if totals and all(map(is_total, totals.values())):
                evaluation = Evaluation(_ArrowView(self._columns))
                return type(self)({name: pa.repeat(total(each, evaluation), 1) for name, each in totals.items()}, 1)
            return type(self)(self._evaluated(columns, named), self._rows)
        except UnknownExpressionError:
            return self._by_narwhals(lambda rows: rows.select(*columns, **named))

    def with_columns(self, *columns: Any, **named: Any) -> Self:
        """The rows with further columns."""
        columns = tuple(_listed(columns))
        try:
            return type(self)(self._columns | self._evaluated(columns, named), self._rows)
        except UnknownExpressionError:
            return self._by_narwhals(lambda rows: rows.with_columns(*columns, **named))

    def filter(self, *conditions: Any) -> Self:
        """The rows for which all conditions hold."""
        conditions = tuple(_listed(conditions))
        try:
            evaluation = Evaluation(_ArrowView(self._columns))
            met = [self._filled(true_only(evaluation.of(each))) for each in conditions]
        except UnknownExpressionError:
            return self._by_narwhals(lambda rows: rows.filter(*conditions))
        keep = met[0]
        for each in met[1:]:
            keep = pc.and_(keep, each)
        return self._where(keep)

    def join(self, other: Self, *, on: Any, how: Any, suffix: str) -> Self:
        """The rows joined with others."""
        keys = [on] if isinstance(on, str) else list(on)
        if how in {"left", "inner", "semi", "anti"}:
            try:
                return self._looked_up(other, keys, how, suffix)
            except UnknownExpressionError:
                pass
        right = nw.from_native(other.native).lazy()
        return self._by_narwhals(lambda rows: rows.join(right, on=on, how=how, suffix=suffix))

    def unique(self, subset: Any, *, keep: Any, order_by: Any) -> Self:
        """The rows without duplicates."""
        if order_by is None and keep in {"any", "first"}:
            names = [subset] if isinstance(subset, str) else list(self._columns if subset is None else subset)
            try:
                numbers, count = numbers_of([self.arrow(name) for name in names])
                keep_rows = np.zeros(self._rows, dtype=bool)
                keep_rows[first_rows(numbers, count)] = True
                return self._where(pa.array(keep_rows))
            except UnknownExpressionError:
                pass
        return self._by_narwhals(lambda rows: rows.unique(subset, keep=keep, order_by=order_by))

    def group(self, by: Sequence[str], aggregates: Sequence[Any]) -> Self:
        """One row per group, with its aggregates."""
        try:
            done = groups(_ArrowView(self._columns), by, aggregates)
            return type(self)(done, len(done[by[0]]))
        except UnknownExpressionError:
            pass
        return self._by_narwhals(lambda rows: rows.group_by(*by).agg(*aggregates))

    def rename(self, names: Mapping[str, str]) -> Self:
        """The rows with columns renamed."""
        return type(self)({names.get(name, name): column for name, column in self._columns.items()}, self._rows)

    def drop(self, *names: str) -> Self:
        """The rows without some columns."""
        return type(self)({name: each for name, each in self._columns.items() if name not in names}, self._rows)

    def sort(self, by: Sequence[str]) -> Self:
        """The rows sorted by some columns, nulls last."""
        keys = self.select(*by).native
        return self.take(keys.sort_values(list(by), kind="stable", na_position="last").index.to_numpy())

    def take(self, places: Any) -> Self:
        """The rows at some places."""
        return type(self)({name: column.take(places) for name, column in self._columns.items()}, len(places))

    def distinct(self, name: str) -> list[Any]:
        """The distinct values of a column without null."""
        return pd.Series(_to_pandas(self._columns[name])).drop_duplicates().dropna().to_list()

    def repeats(self, by: Sequence[str]) -> bool:
        """Whether some keys occur on more than one row."""
        try:
            return numbers_of([self.arrow(name) for name in by])[1] < self._rows
        except UnknownExpressionError:
            return bool(self.select(*by).native.duplicated().any())

    def arrow(self, name: str) -> pa.Array:
        """A column as an Arrow array; raises `UnknownExpressionError` for a type that is not known here."""
        return _ArrowView(self._columns)[name]

    def assign(self, columns: Mapping[str, Any]) -> Self:
        """The rows with further columns: arrays of pandas or Arrow."""
        return type(self)(self._columns | dict(columns), self._rows)

    def with_micros(self, names: Mapping[str, str]) -> Self:
        """The rows with microseconds since 1970 of some instants, each under a new name or in place."""
        view = _ArrowView(self._columns)
        return self.assign({new: view[name].cast(INSTANT).cast(pa.int64()) for name, new in names.items()})

    def with_instants(self, names: Iterable[str]) -> Self:
        """The rows with some columns of microseconds since 1970 as instants."""
        view = _ArrowView(self._columns)
        return self.assign({name: view[name].cast(pa.int64()).cast(INSTANT) for name in names})

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, which have the same columns."""
        return cls.of(nw.concat([nw.from_native(part.native) for part in parts], how="vertical").to_native())

    def _where(self, keep: pa.BooleanArray) -> Self:
        count = keep.true_count
        if count == self._rows:
            return self
        mask = keep.to_numpy(zero_copy_only=False)
        done = {
            name: column.filter(keep) if isinstance(column, pa.Array) else column[mask]
            for name, column in self._columns.items()
        }
        return type(self)(done, count)

    def _looked_up(self, other: Self, keys: Sequence[str], how: str, suffix: str) -> Self:
        """The rows joined by keys that are unique in the other frame."""
        mine, theirs = ([frame.arrow(name) for name in keys] for frame in (self, other))
        if [key.type for key in mine] != [key.type for key in theirs]:
            raise UnknownExpressionError("keys of different types")
        places, repeated = match(mine, theirs)
        if how in {"semi", "anti"}:
            return self._where(places.is_valid() if how == "semi" else places.is_null())
        if repeated:
            raise UnknownExpressionError("keys that are repeated")
        if how == "inner":
            return self._where(places.is_valid()).join(other, on=keys, how="left", suffix=suffix)
        rest = {name: other.arrow(name).take(places) for name in other.columns if name not in keys}
        return self.assign({f"{name}{suffix}" if name in self._columns else name: each for name, each in rest.items()})

    def _evaluated(self, columns: Iterable[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        view = _ArrowView(self._columns)
        evaluation = Evaluation(view)
        done: dict[str, Any] = {}
        for name, value in (*((name_of(each), each) for each in columns), *named.items()):
            if isinstance(value, str):
                if value not in self._columns:
                    raise UnknownExpressionError(value)
                done[name] = self._columns[value]
            else:
                done[name] = self._filled(evaluation.of(value))
        return done

    def _filled(self, value: Any) -> Any:
        """A scalar on every row."""
        if isinstance(value, pa.Scalar):
            if pa.types.is_null(value.type):
                raise UnknownExpressionError("null of no type")
            return pa.repeat(value, self._rows)
        return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value

    def _by_narwhals(self, step: Callable[[Any], Any]) -> Self:
        return self.of(nw.to_native(step(nw.from_native(self.native).lazy()).collect()))


def _listed(values: Iterable[Any]) -> list[Any]:
    """Columns given one by one, or as one iterable."""
    done: list[Any] = []
    for value in values:
        done += [value] if isinstance(value, str | nw.Expr) else list(value)
    return done


def _to_arrow(column: Any) -> pa.Array:
    if isinstance(column.dtype, np.dtype) and column.dtype == object:
        raise UnknownExpressionError("a column of objects")
    done = pa.array(column, from_pandas=True)
    done = done.combine_chunks() if isinstance(done, pa.ChunkedArray) else done
    if pa.types.is_integer(done.type) and not pa.types.is_int64(done.type):
        done = done.cast(pa.int64())
    if done.type not in _TO_PANDAS:
        raise UnknownExpressionError(f"a column of {done.type}")
    return done


def _to_pandas(column: Any) -> Any:
    if not isinstance(column, pa.Array):
        return column
    if column.type not in _TO_PANDAS:
        column = column.cast(TEXT if pa.types.is_string(column.type) else pa.int64())
    return _TO_PANDAS[column.type](column)


__all__ = ["MemoryFrame", "arrow_type"]
