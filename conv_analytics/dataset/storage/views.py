"""A table of a dataset as a DuckDB query over its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.frame import DATE
from conv_analytics.tables.kinds import MONEY

#: The column with the path of a row's file.
_FILE = "conv_analytics_file"
_DAY = r"[/\\]date=(\d{4}-\d\d-\d\d)[/\\][^/\\]*$"
_COMMIT = r"[/\\](\d+)-[0-9a-f]{8}-\d+\.parquet$"


def view(table: Table, paths: Sequence[Path]) -> str:
    """The statement that selects a table from its files; for records as last seen, the row of the latest run.

    Paths come in the order of their runs. DuckDB would take each path for a pattern, and every ``key=value`` in it for
    a column, even in the folders around the dataset: so patterns are quoted, and the day is taken from the end of the
    path.
    """
    if MONEY in table.schema.types:
        # DuckDB takes the types of the first file and rounds what does not fit; the latest file has the widest ones.
        paths = paths[::-1]
    files = ", ".join(_text(literal(str(path))) for path in paths)
    columns = ", ".join(map(_column, table.columns))
    day = f"cast(regexp_extract({_FILE}, {_text(_DAY)}, 1) as date) as {DATE}"
    source = f"read_parquet([{files}], hive_partitioning = false, filename = '{_FILE}')"
    latest = ""
    if table.latest:
        # A later run saw the later state, whatever the clock said.
        number = f"try_cast(regexp_extract({_FILE}, {_text(_COMMIT)}, 1) as bigint)"
        window = f"partition by {', '.join(table.key)} order by {number} desc, {table.latest} desc"
        latest = f" qualify row_number() over ({window}) = 1"
    return f"select {columns}, {day} from {source}{latest}"  # noqa: S608  the dataset's own names and paths, quoted


def _column(column: Column) -> str:
    name = f'"{column.name}"'
    if column.arrow.type != MONEY:
        return name
    # A folder may hold files of an earlier version only.
    return f"cast({name} as decimal({MONEY.precision}, {MONEY.scale})) as {name}"


def literal(path: str) -> str:
    """A path as a DuckDB pattern that matches this path alone.

    >>> literal("/exports[1]/a*b")
    '/exports[[]1]/a[*]b'
    """
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
