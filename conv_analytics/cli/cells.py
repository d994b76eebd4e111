"""Texts of other people in what commands print: none becomes a formula, markup, another line, or a terminal's order.

What is printed is for reading. Exact values are in JSON, where they are escaped, and in the folder's Parquet files.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from conv_analytics.markup import spreadsheet_cell

if TYPE_CHECKING:
    import pandas as pd

#: What moves a cursor, rings, or turns the text around it: C0 but tabs and ends of lines, C1, and directions of text.
ORDERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
#: One underscore between letters or digits is itself in Markdown.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&$#!]|(?<![^\W_])_|_(?![^\W_])")


def plain(text: str) -> str:
    r"""Text for a terminal: what would steer it becomes U+FFFD.

    >>> plain("a\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return ORDERS.sub("\ufffd", text)


def csv_text(frame: pd.DataFrame) -> str:
    r"""A table as CSV: no name or cell is a formula, and those that hold an end of line are in quotes.

    Until Python 3.13 its writer puts a lone CR between no quotes, and spreadsheets begin a row there. So rows end with
    a CR while they are written, which it does quote.

    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"id": ["CON-1\r=1+1", "=1+1", "-2.5"], "n": [1, 2, -3]}))
    'id,n\n"CON-1\r=1+1",1\n\'=1+1,2\n-2.5,-3'
    """
    safe = frame.map(lambda value: spreadsheet_cell(plain(value) if isinstance(value, str) else value))
    safe.columns = [spreadsheet_cell(plain(str(name))) for name in frame.columns]
    # A NUL stands in no cell: `plain` took it out.
    text: str = safe.to_csv(index=False, lineterminator="\0\r\n")
    return text.replace("\0\r\n", "\n").rstrip("\n")


def markdown_cell(value: Any) -> str:
    r"""A cell of a Markdown table: one line, and markup in it is shown, not read.

    >>> markdown_cell("<b>|[a](b)")
    '\\<b\\>\\|\\[a\\](b)'
    >>> markdown_cell("network_code _a_")
    'network_code \\_a\\_'
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(plain(str(value)).split()))


def json_text(value: Any, **options: Any) -> str:
    r"""JSON that a terminal shows as it is: what would steer it is escaped, so that the value stays.

    >>> json_text("a\x9bb")
    '"a\\u009bb"'
    """
    return ORDERS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, **options))


__all__ = ["ORDERS", "csv_text", "json_text", "markdown_cell", "plain"]
