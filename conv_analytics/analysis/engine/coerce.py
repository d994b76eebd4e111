"""The types of columns: as read, and as shown.

Frames come from files and from other tools: a column may be text, categories, floats for integers, or missing. Here
each gets the type that its table declares, or an error says why it cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from conv_analytics.errors import ConfigError

#: The dtype of each kind. Every other kind (words, JSON) is text.
_TYPES: Mapping[Any, str] = {
    int: "Int64", float: "float64", Decimal: "float64", bool: "boolean", datetime: "datetime64[us, UTC]",
}  # fmt: skip
_TEXT = "str"
_LEAST, _MOST = -(2**63), 2**63 - 1
#: The dtypes of columns that come from Arrow.
_DTYPES = {pa.string(): pd.StringDtype(na_value=float("nan")), pa.int64(): pd.Int64Dtype(),
           pa.bool_(): pd.BooleanDtype()}  # fmt: skip
_NAIVE = (
    "Column {column!r} of {table} has instants without a time zone. Say which one they are in, for example: "
    "frame[{column!r}] = frame[{column!r}].dt.tz_localize('UTC')."
)
_NO_NUMBERS = (
    "Column {column!r} of {table} holds {what}, not numbers. Convert it first; durations, for example{example}."
)
_NO_INSTANTS = (
    "Column {column!r} of {table} holds {dtype}, not instants. Convert it, for example: "
    "frame[{column!r}] = pd.to_datetime(frame[{column!r}], utc=True, format='ISO8601')."
)


def pandas_columns(table: str, frame: pd.DataFrame, kinds: Mapping[str, Any]) -> pd.DataFrame:
    """Some columns of a frame, converted to their kinds; null where the frame lacks one."""
    rows = pd.RangeIndex(len(frame))
    done: dict[str, pd.Series[Any]] = {}
    for name, kind in kinds.items():
        dtype = _TYPES.get(kind, _TEXT)
        if name not in frame.columns:
            done[name] = pd.Series(None, index=rows, dtype=dtype)
            continue
        series = frame[name].set_axis(rows)
        done[name] = series if series.dtype == dtype else _as(table, name, series, kind, dtype)
    return pd.DataFrame(done, index=rows)


def _as(table: str, name: str, series: pd.Series[Any], kind: Any, dtype: str) -> pd.Series[Any]:
    if kind is datetime:
        return _instants(table, name, series)
    try:
        if dtype == "str":
            return _texts(series)
        series = _plain_values(series)
        if dtype == "boolean":
            return _truths(series)
        return _numbers(table, name, series, dtype)
    except (OverflowError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Column {name!r} of {table} cannot be read as {dtype}: {error}. Convert it first."
        ) from error


def _plain_values(series: pd.Series[Any]) -> pd.Series[Any]:
    """Categories as their values, and objects of one type as that type where pandas has it."""
    dtype = series.dtype
    decimals = isinstance(dtype, pd.ArrowDtype) and pa.types.is_decimal(dtype.pyarrow_dtype)
    if decimals or isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_object_dtype(dtype):
        series = series.astype("object")
        series = series.where(series.notna(), None)
        if pd.api.types.infer_dtype(series, skipna=True) in {"timedelta", "timedelta64", "datetime", "datetime64"}:
            return series.infer_objects()
    return series


def _numbers(table: str, name: str, series: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    known = series.dropna()  # A null would turn whole numbers into floats, which round them above 2**53.
    if no_number := {"m": "durations", "M": "instants"}.get(series.dtype.kind):
        if no_number == "instants" or not name.endswith("_s"):
            raise no_numbers(table, name, no_number)
        known = known.dt.total_seconds()
    if dtype == "Int64" and pd.api.types.is_object_dtype(known.dtype):
        known = known.map(lambda value: int(value) if isinstance(value, Decimal) and value == int(value) else value)
    numbers = pd.to_numeric(known).dropna()  # An empty text is no number.
    if dtype == "float64":
        return _finite(numbers.astype("Float64").astype("float64").reindex(series.index))
    if len(numbers) and not _LEAST <= int(numbers.min()) <= int(numbers.max()) <= _MOST:
        raise OverflowError(f"{numbers.abs().max()} does not fit in 64 bits")
    if pd.api.types.is_float_dtype(numbers.dtype):
        numbers = numbers.astype("float64")  # Nullable floats would lose their fractions.
    return numbers.astype("Int64").reindex(series.index)


def _finite(series: pd.Series[Any]) -> pd.Series[Any]:
    """Infinity is null, as in tables of an export."""
    infinite = np.isinf(series.to_numpy())
    return series.mask(infinite) if infinite.any() else series


def _truths(series: pd.Series[Any]) -> pd.Series[Any]:
    """0 and 1 of any type of numbers are truth values, as are those of pandas; other numbers and texts are none."""
    if pd.api.types.infer_dtype(series, skipna=True) == "decimal":
        series = series.map(lambda value: int(value) if value in {0, 1} else float(value), na_action="ignore")
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        known = series.dropna()
        if not known.isin([0, 1]).all():
            raise ValueError(f"{known[~known.isin([0, 1])].iloc[0]} is neither true nor false")
    return series.astype("boolean")


def _texts(series: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        values = series.dtype.categories.dtype
        if pd.api.types.is_float_dtype(values) or pd.api.types.is_object_dtype(values):
            series = series.astype(values)
    # Phone numbers read from a file with gaps are floats: 442079460000.0.
    if pd.api.types.is_float_dtype(series.dtype):
        series = series.astype("Int64")
    elif pd.api.types.is_object_dtype(series.dtype):
        series = pd.Series(list(map(_whole, series)), index=series.index, dtype="object")
    return (
        series.astype("str") if isinstance(series.dtype, pd.CategoricalDtype) else series.astype("string").astype("str")
    )


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float | np.floating) and value.is_integer() else value


def _instants(table: str, name: str, series: pd.Series[Any]) -> pd.Series[Any]:
    if series.isna().all():
        return pd.Series(pd.NaT, index=series.index, dtype="datetime64[us, UTC]")
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_timestamp(dtype.pyarrow_dtype):
        zone = dtype.pyarrow_dtype.tz
        dtype = pd.DatetimeTZDtype("us", zone) if zone else np.dtype("datetime64[us]")
        series = series.astype(dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        converted: pd.Series[Any] = series.dt.tz_convert("UTC").dt.as_unit("us")
        return converted
    if pd.api.types.is_datetime64_dtype(dtype):
        raise no_instants(table, name, str(dtype), naive=True)
    if pd.api.types.is_object_dtype(dtype) and all(isinstance(value, datetime) for value in series.dropna()):
        if any(value.tzinfo is None for value in series.dropna()):
            raise no_instants(table, name, str(dtype), naive=True)
        return pd.to_datetime(series, utc=True).dt.as_unit("us")
    raise no_instants(table, name, str(dtype), naive=False)


def micros(series: pd.Series[Any]) -> pd.Series[Any]:
    """Instants in UTC as microseconds since 1970: Int64."""
    values = series.dt.tz_localize(None).to_numpy("datetime64[us]")
    return pd.Series(pd.arrays.IntegerArray(values.view("int64").copy(), np.isnat(values)), index=series.index)


def instants(series: pd.Series[Any]) -> pd.Series[Any]:
    """Microseconds since 1970 as instants in UTC.

    >>> instants(micros(pd.to_datetime(pd.Series(["2026-05-04T09:00Z", None]), utc=True))).to_list()
    [Timestamp('2026-05-04 09:00:00+0000', tz='UTC'), NaT]
    """
    values = series.to_numpy("int64", na_value=np.iinfo("int64").min).view("datetime64[us]")
    return pd.Series(pd.DatetimeIndex(values).tz_localize("UTC"), index=series.index)


def no_instants(table: str, column: str, dtype: str, *, naive: bool) -> ConfigError:
    """The error for a column that should hold instants, but has no time zone or another type."""
    return ConfigError((_NAIVE if naive else _NO_INSTANTS).format(column=column, table=table, dtype=dtype))


def check_once(table: str, columns: Sequence[str], wanted: Iterable[str]) -> None:
    """Refuse a table with several columns of one name, if that one is wanted."""
    if repeated := [name for name in dict.fromkeys(wanted) if columns.count(name) > 1]:
        raise ConfigError(
            f"Columns of {table} have the same name: {', '.join(repeated)}. Rename or drop all but one of them."
        )


def no_numbers(table: str, column: str, what: str, example: str | None = None) -> ConfigError:
    """The error for a column that should hold numbers, but has durations or instants.

    `example` converts durations; in pandas when absent.
    """
    shown = f": frame[{column!r}] = frame[{column!r}].dt.total_seconds()" if example is None else f" {example}"
    return ConfigError(_NO_NUMBERS.format(column=column, table=table, what=what, example=shown))


def from_arrow(table: pa.Table) -> pd.DataFrame:
    """Arrow as pandas, column by column to save memory."""
    fields = [pa.field(field.name, _plain(field.type)) for field in table.schema]
    table = table.cast(pa.schema(fields))
    frame: pd.DataFrame = table.to_pandas(types_mapper=_DTYPES.get, split_blocks=True, self_destruct=True)
    return frame


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC")
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    return pa.string() if pa.types.is_large_string(kind) else kind


def with_answer_dtypes(frame: pd.DataFrame, kinds: Mapping[str, Any]) -> pd.DataFrame:
    """A result with the dtypes of answers: ``str``, ``Int64``, ``float64``, ``boolean``, instants in UTC."""
    changed: dict[str, str] = {}
    for name, dtype in frame.dtypes.items():
        kind = kinds.get(str(name))
        if kind is not None:
            answer_dtype = _TYPES.get(kind, _TEXT)
        elif pd.api.types.is_bool_dtype(dtype):
            answer_dtype = "boolean"
        elif pd.api.types.is_integer_dtype(dtype):
            answer_dtype = "Int64"
        elif pd.api.types.is_float_dtype(dtype):
            answer_dtype = "float64"
        else:
            continue
        if dtype != answer_dtype:
            changed[str(name)] = answer_dtype
    return frame.astype(changed) if changed else frame.copy(deep=False)


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A caller's rows as pandas, with dictionary values as text; whoever reads a column converts it.

    Instants without a time zone and numbers that do not fit stay as they are: the reader of the column refuses them.
    """
    done = {place: _given(column).to_pandas(types_mapper=_DTYPES.get) for place, column in enumerate(table.columns)}
    return pd.DataFrame(done, index=pd.RangeIndex(len(table))).set_axis(table.column_names, axis="columns")


def _given(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        # Fractions of a microsecond are cut off, as everywhere here.
        return column if kind.tz is None else column.cast(pa.timestamp("us", "UTC"), safe=False)
    try:
        return column.cast(_plain(kind))
    except pa.ArrowInvalid:
        return column


def from_pandas(frame: pd.DataFrame, kind: str) -> Any:
    """A result as a pyarrow Table or a Polars frame."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    if kind == "pyarrow":
        return table
    import polars as pl  # noqa: PLC0415  only who gave Polars gets it

    return pl.from_arrow(table)


__all__ = [
    "check_once",
    "from_arrow",
    "from_pandas",
    "instants",
    "micros",
    "no_instants",
    "no_numbers",
    "pandas_columns",
    "to_pandas",
    "with_answer_dtypes",
]
