"""Data of other libraries, through Arrow's C interface: columns are converted when they are needed.

>>> import polars as pl
>>> table = ArrowInput("hangups", pl.DataFrame({"conversation_id": ["CON-1"], "sip_code": [486]}))
>>> table.read({"sip_code": int}).native
   sip_code
0       486
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.memory_frame import MemoryFrame, arrow_type
from conv_analytics.analysis.engine.stored_tables import CONVERSATION, PandasTable, as_it_is
from conv_analytics.errors import ConfigError

#: The library of a caller's data, which decides the engine of questions and the format of answers. Other frames that
#: offer Arrow or that narwhals supports are answered with pyarrow tables.
Kind = Literal["pandas", "duckdb", "spark", "ibis", "pyarrow", "polars", "connection"]


#: Per kind the names of its frames, and the prefix of their modules.
_KINDS: tuple[tuple[Kind, tuple[str, ...], str], ...] = (
    ("duckdb", ("DuckDBPyRelation",), ""),
    ("connection", ("DuckDBPyConnection",), ""),
    ("polars", ("DataFrame", "LazyFrame"), "polars"),
    ("spark", ("DataFrame",), "pyspark.sql."),
    ("ibis", ("Table",), "ibis."),
)


def kind_of(frame: Any) -> Kind:
    """The library that a frame belongs to; nothing is imported to find out.

    Raises
    ------
    ConfigError
        If it is not a frame, or can be read only once.
    """
    frame = nw.to_native(frame, pass_through=True)
    name, module = type(frame).__name__, type(frame).__module__
    if isinstance(frame, pd.DataFrame):
        return "pandas"
    for kind, names, begin in _KINDS:
        if name in names and module.startswith(begin):
            return kind
    if isinstance(frame, pa.RecordBatchReader):
        # The next question would find it empty.
        raise ConfigError("A RecordBatchReader can be read only once. Give what it reads: reader.read_all().")
    if hasattr(frame, "__arrow_c_stream__") or _is_dask(frame) or _known_to_narwhals(frame):
        return "pyarrow"
    raise ConfigError(
        f"{name} cannot be analysed: give a Dataset, Frames, a mapping of table name to frame, or a pandas DataFrame, "
        "pyarrow Table, Polars DataFrame, DuckDB relation, Spark DataFrame, Ibis table, or another frame that offers "
        "__arrow_c_stream__ or that narwhals supports."
    )


def _known_to_narwhals(frame: Any) -> bool:
    try:
        nw.from_native(frame)
    except TypeError:
        return False
    return True


class ArrowInput:
    """A table that is a frame of another library; a column is read when it is first needed."""

    def __init__(self, name: str, frame: Any) -> None:
        self._name = name
        self._frame = nw.to_native(frame, pass_through=True)
        self._typed: dict[tuple[str, Any], pa.Array] = {}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that it has."""
        if hasattr(self._frame, "collect_schema"):
            return tuple(self._frame.collect_schema().names())
        return tuple(self._table.column_names)

    @cached_property
    def _eager(self) -> Any:
        """The frame in memory. A lazy one is computed once: twice, its rows might come in another order."""
        return self._frame.collect() if hasattr(self._frame, "collect") else self._frame

    @cached_property
    def _table(self) -> pa.Table:
        """All of it as Arrow, without copying memory that the frame can share."""
        frame = self._frame
        if hasattr(frame, "__arrow_c_stream__"):
            try:
                return pa.table(frame)
            except pa.ArrowException as error:
                raise ConfigError(f"{self._name} cannot be read as Arrow: {error}.") from error
        if _is_dask(frame):
            return pa.Table.from_pandas(frame.compute(), preserve_index=False)
        return nw.from_native(frame).lazy().collect(backend="pyarrow").to_native()

    def __len__(self) -> int:
        return len(self._eager if _is_polars(self._frame) else self._table)

    def read(self, kinds: Mapping[str, Any]) -> MemoryFrame:
        """Some columns as their kinds; null where it lacks one."""
        for name, kind in kinds.items():
            if (name, kind) not in self._typed:
                self._typed[name, kind] = self._column(name, kind)
        return MemoryFrame({name: self._typed[name, kind] for name, kind in kinds.items()}, len(self))

    def _column(self, name: str, kind: Any) -> pa.Array:
        if name not in self.columns:
            return pa.nulls(len(self), arrow_type(kind))
        plain = self._plain(name)
        done = as_it_is(plain, kind)
        if done is None and kind is datetime and pa.types.is_timestamp(plain.type) and plain.type.tz is not None:
            # The same instants in another unit; fractions of a microsecond are cut off, as everywhere here.
            done = pc.cast(plain, arrow_type(kind), safe=False)
        if done is not None:
            return done
        # Anything beyond a cast of the same values, or invalid values, is left to pandas: this column alone.
        typed = coerce.pandas_columns(self._name, coerce.to_pandas(pa.table({name: plain})), {name: kind})[name]
        return pa.array(typed.array, arrow_type(kind), from_pandas=True)

    def _plain(self, name: str) -> Any:
        """A column as Arrow, its chunks in one, without views and categories."""
        coerce.check_once(self._name, self.columns, (name,))
        column = _of_polars(self._eager.get_column(name)) if _is_polars(self._frame) else self._table.column(name)
        if pa.types.is_dictionary(column.type):
            of_nothing = pa.types.is_null(column.type.value_type)
            column = pa.nulls(len(column)) if of_nothing else column.cast(column.type.value_type)
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column

    def of_conversation(self, conversation_id: str) -> PandasTable:
        """The rows of one conversation."""
        places = pc.indices_nonzero(pc.equal(self.read({CONVERSATION: str}).arrow(CONVERSATION), conversation_id))
        return PandasTable(self._name, coerce.to_pandas(self._plain_table(places)))

    def frame(self) -> pd.DataFrame:
        """All of it as a pandas frame."""
        return coerce.to_pandas(self._plain_table(None))

    def _plain_table(self, places: pa.Array | None) -> pa.Table:
        columns = {name: self._plain(name) for name in self.columns}
        return pa.table(columns if places is None else {name: each.take(places) for name, each in columns.items()})


def _of_polars(column: Any) -> Any:
    """A column of Polars as Arrow, which has no integers of 128 bits: they are of 64, or texts if one does not fit."""
    if str(column.dtype) not in {"Int128", "UInt128"}:
        return column.to_arrow()
    small = column.cast(_polars().Int64, strict=False)
    return (small if small.null_count() == column.null_count() else column.cast(_polars().String)).to_arrow()


def _polars() -> Any:
    import polars as pl  # noqa: PLC0415  only who gave Polars has it

    return pl


def _is_dask(frame: Any) -> bool:
    """Whether it is a Dask DataFrame, which is computed directly: narwhals would need another package."""
    return type(frame).__module__.startswith("dask.") and type(frame).__name__ == "DataFrame"


def _is_polars(frame: Any) -> bool:
    return type(frame).__module__.startswith("polars")


__all__ = ["ArrowInput", "Kind", "kind_of"]
