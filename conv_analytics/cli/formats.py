"""The output of commands as text, CSV, JSON or Markdown: no cell becomes a formula, markup, or terminal control.

What is printed is for reading. Exact values are in JSON, where they are escaped, and in the folder's Parquet files.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.colours import painted_table
from conv_analytics.cli.csv_cells import CONTROL_CHARACTERS, csv_of_cells, plain, safe_cell
from conv_analytics.cli.readable import readable
from conv_analytics.json_records import json_records

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("text", "csv", "excel", "json", "md")
#: The formats as `--help` describes them.
FORMATS_HELP = "text (the default), CSV, CSV for Excel, JSON or Markdown"

#: A single underscore between letters or digits is literal in Markdown.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&$#!]|(?<![^\W_])_|_(?![^\W_])")


def table(frame: pd.DataFrame, style: str) -> str:
    """A table in one of `FORMATS`.

    >>> import pandas as pd
    >>> table(pd.DataFrame({"who": ["CON-1"], "n": [2]}), "json")
    '[{"who": "CON-1", "n": 2}]'
    """
    if style == "csv":
        return csv_text(frame)
    if style == "excel":
        from conv_analytics.cli.excel_csv import excel_csv

        return excel_csv(frame)
    if style == "json":
        return json_text(json_records(frame))
    if style == "md":
        return markdown(frame)
    if not len(frame):
        return f"no rows ({', '.join(frame.columns)})"
    shown = readable(frame)
    return painted_table(plain(shown.to_string(index=False, na_rep="-")), shown)


def csv_text(frame: pd.DataFrame) -> str:
    r"""A table as CSV: no name or cell is a formula, and cells with an end of line are quoted.

    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"id": ["CON-1\r=1+1", "=1+1", "-2.5"], "n": [1, 2, -3]}))
    'id,n\n"CON-1\r=1+1",1\n\'=1+1,2\n-2.5,-3'
    """
    return csv_of_cells(frame.map(safe_cell))


def markdown(frame: pd.DataFrame) -> str:
    r"""A table in Markdown.

    >>> import pandas as pd
    >>> print(markdown(pd.DataFrame({"who": ["a|b"], "n": [2]})))
    | who | n |
    |---|---|
    | a\|b | 2 |
    """
    texts = frame.astype(object).where(frame.notna(), "").astype(str)
    head = [str(name) for name in frame.columns]
    lines = [head, *texts.to_numpy().tolist()]
    rows = [f"| {' | '.join(map(markdown_cell, line))} |" for line in lines]
    return "\n".join([rows[0], f"|{'---|' * len(frame.columns)}", *rows[1:]])


def markdown_cell(value: Any) -> str:
    r"""A cell of a Markdown table: one line, with markup escaped.

    >>> markdown_cell("<b>|[a](b)")
    '\\<b\\>\\|\\[a\\](b)'
    >>> markdown_cell("network_code _a_")
    'network_code \\_a\\_'
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(plain(str(value)).split()))


def json_text(value: Any) -> str:
    r"""JSON for a terminal: control characters are escaped, so that the value is unchanged.

    >>> json_text("a\x9bb")
    '"a\\u009bb"'
    """
    return CONTROL_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


__all__ = [
    "CONTROL_CHARACTERS",
    "FORMATS",
    "FORMATS_HELP",
    "csv_text",
    "json_text",
    "markdown",
    "markdown_cell",
    "plain",
    "table",
]
