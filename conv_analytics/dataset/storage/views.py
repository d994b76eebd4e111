"""A table of a dataset as a DuckDB query over its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from conv_analytics.dataset.store.stored_object import StoredFile
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.envelope import EVENT_KEY, SOURCE, EventSource
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.frame import DATE
from conv_analytics.tables.kinds import INSTANT, MONEY

#: The column with the path of a row's file.
_FILE = "conv_analytics_file"
_DAY = r"[/\\]date=(\d{4}-\d\d-\d\d)[/\\][^/\\]*$"
_COMMIT = r"[/\\](\d+)-[0-9a-f]{8}-\d+\.parquet$"
#: DuckDB's names for the types of columns that files of earlier versions lack.
_TYPES = {
    pa.string(): "varchar", pa.int64(): "bigint", pa.float64(): "double", pa.bool_(): "boolean", INSTANT: "timestamptz",
    MONEY: f"decimal({MONEY.precision}, {MONEY.scale})",
}  # fmt: skip
_SAME_EVENT = " and ".join(f"also.{column} = file.{column}" for column in EVENT_KEY)


class DatasetFile(NamedTuple):
    """A Parquet file of a table."""

    path: StoredFile
    lacking: frozenset[str] = frozenset()
    """Columns of the table that it does not have, because an earlier version wrote it."""


def view(table: Table, files: Sequence[DatasetFile], event_sources: Sequence[StoredFile] = ()) -> str:
    """The statement that selects a table from its files, each row once.

    For records as last seen that is the row of the latest run; for an event with different versions from a list and a
    webhook, the list's.

    Paths come in the order of their runs. DuckDB would take each path for a pattern, and every ``key=value`` in it for
    a column, even in the folders around the dataset: so patterns are quoted, and the day is taken from the end of the
    path.

    Parameters
    ----------
    table
        The table.
    files
        Its files.
    event_sources
        The files of ``event_sources``, when some events came from a list and a webhook.
    """
    if MONEY in table.schema.types:
        # DuckDB takes the types of the first file and rounds what does not fit; the latest file has the widest ones.
        files = files[::-1]
    everywhere = frozenset.intersection(*(file.lacking for file in files)) if files else frozenset()
    by_name = any(file.lacking != everywhere for file in files)
    also = _read(event_sources) if event_sources and SOURCE in table.columns else None
    sources = also if table is EVENTS else None
    columns = ", ".join(_column(column, everywhere, by_name=by_name, event_sources=sources) for column in table.columns)
    day = f"cast(regexp_extract({_FILE}, {text_literal(_DAY)}, 1) as date) as {DATE}"
    source = f"{_read([file.path for file in files], by_name=by_name)} as file"
    latest = ""
    if table.latest:
        # A later run saw the later state, whatever its clock said.
        number = f"try_cast(regexp_extract({_FILE}, {text_literal(_COMMIT)}, 1) as bigint)"
        window = f"partition by {', '.join(table.key)} order by {number} desc, {table.latest} desc"
        latest = f" qualify row_number() over ({window}) = 1"
    elif also and replaces_rows(table) and "source" not in everywhere:
        replaceable = f"file.source in ('{EventSource.LIVE}', '{EventSource.FILE}')"
        replaced = f"exists (from {also} as also where also.differs and {_SAME_EVENT})"
        latest = f" where ({replaceable}) is not true or not {replaced}"
    return f"select {columns}, {day} from {source}{latest}"  # noqa: S608  the dataset's own names and paths, quoted


def replaces_rows(table: Table) -> bool:
    """Whether a list's row of an event replaces a differing row of a webhook."""
    return set(EVENT_KEY) <= set(table.key) and SOURCE in table.columns


def _read(paths: Sequence[StoredFile], *, by_name: bool = False) -> str:
    quoted = ", ".join(text_literal(literal(str(path))) for path in paths)
    union = ", union_by_name = true" if by_name else ""
    return f"read_parquet([{quoted}], hive_partitioning = false, filename = '{_FILE}'{union})"


def _column(column: Column, lacking: frozenset[str], *, by_name: bool, event_sources: str | None) -> str:
    name = f'"{column.name}"'
    if column.name in lacking:
        earlier = "null" if column.earlier is None else text_literal(column.earlier)
        value = f"cast({earlier} as {_TYPES[_plain(column)]})"
    elif by_name and column.earlier is not None:
        value = f"coalesce({name}, {text_literal(column.earlier)})"
    elif column.arrow.type == MONEY:
        # A folder may hold files of an earlier version only.
        value = f"cast({name} as decimal({MONEY.precision}, {MONEY.scale}))"
    else:
        value = name
    if column is SOURCE and event_sources:
        both = f"exists (from {event_sources} as also where {_SAME_EVENT})"
        value = f"case when {both} then '{EventSource.BOTH}' else {value} end"
    return value if value == name else f"{value} as {name}"


def _plain(column: Column) -> pa.DataType:
    kind = column.arrow.type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def literal(path: str) -> str:
    """A path as a DuckDB pattern that matches this path alone.

    >>> literal("/exports[1]/a*b")
    '/exports[[]1]/a[*]b'
    """
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def text_literal(value: str) -> str:
    """A text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
