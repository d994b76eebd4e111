"""The data dictionary: what every table and column means, as text, Markdown, JSON or a DataFrame."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from conv_analytics.errors import TableNotFound
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.frame import DATE
from conv_analytics.tables.kinds import is_vocabulary, storage

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 100


def describe(table: str | None = None) -> pd.DataFrame:
    """The data dictionary as a DataFrame.

    Parameters
    ----------
    table
        Name of one table; all when absent.

    Returns
    -------
    pandas.DataFrame
        One row per column: ``table``, ``column``, ``dtype``, ``unit``, ``meaning``, ``source`` (path in the JSON).

    Raises
    ------
    TableNotFound
        If there is no such table.

    Examples
    --------
    >>> describe("transcripts").set_index("column").loc["confidence", "dtype"]
    'float64'
    """
    import pandas as pd  # noqa: PLC0415  the text forms do without

    return pd.DataFrame([row for each in select(table) for row in _rows(each)])


def select(table: str | None) -> list[Table]:
    """One table, or all."""
    if table is None:
        return list(TABLES.values())
    if table not in TABLES:
        raise TableNotFound(table, TABLES)
    return [TABLES[table]]


def as_text(tables: Iterable[Table]) -> str:
    """The dictionary for a terminal."""
    return "\n\n".join(_text(table) for table in tables)


def as_markdown(tables: Iterable[Table]) -> str:
    """The dictionary as Markdown: a section per table."""
    return "\n".join(_markdown(table) for table in tables)


def as_json(tables: Iterable[Table]) -> str:
    """The dictionary for programs."""
    return json.dumps([_json(table) for table in tables], ensure_ascii=False, indent=2)


def overview() -> str:
    """One line per table, for a terminal."""
    width = max(map(len, TABLES))
    return "\n".join(f"{table.name:<{width}}  {table.doc}" for table in TABLES.values())


def words(column: Column) -> list[str]:
    """The known words of a column that holds words of a vocabulary."""
    return [str(word) for word in column.kind] if is_vocabulary(column.kind) else []


def _rows(table: Table) -> list[dict[str, str]]:
    return [
        {
            "table": table.name,
            "column": column.name,
            "dtype": storage(column.kind).pandas,
            "unit": column.unit or "",
            "meaning": column.doc,
            "source": column.source,
        }
        for column in table.columns
    ]


def _text(table: Table) -> str:
    lines = [
        table.name,
        "=" * len(table.name),
        *textwrap.wrap(table.doc, _WIDTH),
        f"Key: {', '.join(table.key)}",
    ]
    if table.types:
        lines += textwrap.wrap(f"Events: {', '.join(table.types)}", _WIDTH, subsequent_indent="  ")
    lines += [line for note in table.notes for line in textwrap.wrap(f"Note: {note}", _WIDTH, subsequent_indent="  ")]
    lines.append("")
    width = max(len(column.name) for column in table.columns)
    for row in _rows(table):
        unit = f" [{row['unit']}]" if row["unit"] else ""
        head = f"{row['column']:<{width}}  {row['dtype']:<19}  "
        lines += textwrap.wrap(
            head + row["meaning"] + unit, _WIDTH, subsequent_indent=" " * len(head), drop_whitespace=False
        )
    return "\n".join(lines)


def _markdown(table: Table) -> str:
    lines = [
        f"## {table.name}",
        "",
        table.doc,
        "",
        f"Key: {', '.join(f'`{name}`' for name in table.key)}.",
        "",
    ]
    if table.types:
        lines += [f"Events: {', '.join(f'`{kind}`' for kind in table.types)}.", ""]
    lines += [f"> {note}\n" for note in table.notes]
    lines += ["| column | dtype | unit | meaning | source |", "|---|---|---|---|---|"]
    for row in _rows(table):
        source = ", ".join(f"`{path}`" for path in row["source"].split(" or ") if path)
        meaning = row["meaning"].replace("|", "\\|")
        lines.append(f"| `{row['column']}` | `{row['dtype']}` | {row['unit']} | {meaning} | {source} |")
    lines.append(
        f"| `{DATE}` | `datetime64[us, UTC]` | | Midnight of the UTC day of `{table.day}`, from the file's path. | |"
    )
    return "\n".join(lines) + "\n"


def _json(table: Table) -> dict[str, Any]:
    return {
        "table": table.name,
        "doc": table.doc,
        "key": list(table.key),
        "events": list(table.types),
        "notes": list(table.notes),
        "columns": [
            {
                "name": column.name,
                "dtype": storage(column.kind).pandas,
                "arrow": str(storage(column.kind).arrow),
                "unit": column.unit,
                "doc": column.doc,
                "source": [".".join(path) for path in column.paths],
                "values": words(column),
            }
            for column in table.columns
        ],
    }
