"""Arrow tables as pandas DataFrames, with the dtypes that ``pd.read_parquet`` of a dataset folder gives."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.errors import ColumnNotFound
from conv_analytics.tables.column import Table
from conv_analytics.tables.kinds import INSTANT, is_vocabulary, recode

if TYPE_CHECKING:
    import pandas as pd

#: The partition column: midnight UTC of a row's day, last in every frame.
DATE = "date"


def with_date(rows: pa.Table, day: date) -> pa.Table:
    """Rows of one partition with its day as a column.

    It is an instant like every other one, because instants compare: with each other, with ``pd.Timestamp``, and with
    text such as ``"2026-11-15"``. Of the dtypes that ``pd.read_parquet`` can give to a part of a path without an
    argument, it is the only one that does.
    """
    midnight = pa.scalar(datetime(day.year, day.month, day.day, tzinfo=UTC), INSTANT)
    return rows.append_column(DATE, pa.repeat(midnight, rows.num_rows))


def columns_to_read(table: Table, columns: Iterable[str]) -> list[str]:
    """The columns of a file to read for some columns of its table: at least one, because rows are counted by it.

    Raises
    ------
    ColumnNotFound
        If the table has no such column.
    """
    wanted = dict.fromkeys(columns)
    for name in wanted:
        if name != DATE and name not in table.schema.names:
            raise ColumnNotFound(table.name, name, (*table.schema.names, DATE))
    return [name for name in wanted if name != DATE] or table.schema.names[:1]


def to_frame(table: Table, parts: Iterable[tuple[date, pa.Table]]) -> pd.DataFrame:
    """One DataFrame from the rows of some days.

    Enumerations have the known words as categories, in their order, then the unknown ones.
    A table without rows has no categories: Parquet keeps none.
    """
    parts = sorted(parts, key=lambda part: part[0])
    return as_frame(table, pa.concat_tables([with_date(rows, day) for day, rows in parts]))


def as_frame(table: Table, rows: pa.Table) -> pd.DataFrame:
    """Rows of a table, with their days, as a DataFrame; see `to_frame`."""
    whole = rows.unify_dictionaries().combine_chunks()
    for column in table.columns:
        if is_vocabulary(column.kind) and whole.num_rows:
            place = whole.schema.get_field_index(column.name)
            whole = whole.set_column(place, whole.schema.field(place), _recoded(column.kind, whole.column(place)))
    # A column of texts that is all null would come back as objects without the schema's own word for it.
    frame: pd.DataFrame = whole.replace_schema_metadata(table.schema.metadata).to_pandas()
    return frame


def _recoded(vocabulary: type, column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    array = array if isinstance(array, pa.DictionaryArray) else pc.dictionary_encode(array)
    return recode(vocabulary, array.dictionary.to_pylist(), array.indices)
