"""CSV that Excel shows unchanged: UTF-8 with a byte order mark, formulas only to keep texts, digits that stay digits.

Excel converts every text that looks like a number: a phone number loses its plus sign and becomes
4.47E+11, ``0044`` becomes 44, ``1-2`` becomes the second of January. The only way to keep such a text is a formula that
returns it: ``="0044"``. It is written only for texts of digits and a few signs; every other text that Excel would
evaluate gets an apostrophe in front, as OWASP advises.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.csv_cells import csv_of_cells, safe_cell

if TYPE_CHECKING:
    import pandas as pd

#: Without it Excel reads UTF-8 as the code page of the system.
BYTE_ORDER_MARK = "\ufeff"
#: Texts that Excel would take for numbers, dates or times; and masked phone numbers, which begin like a formula.
_LIKE_NUMBERS = re.compile(r"[+-]?[0-9][0-9 .,:/-]*(?:[eE][+-]?[0-9]+)?%?|\+[0-9*]+(?:#[0-9a-f]+)?")
#: Larger integers are rounded to fifteen digits.
_EXACT = 10**15
#: The longest text of a cell.
_TEXT = 32_767


def excel_csv(frame: pd.DataFrame) -> str:
    """A table as CSV for Excel.

    - Instants lose their zone and fractions of a millisecond, which Excel lacks; they stay on the clock of their
      zone.
    - A text that looks like a number or a date stays a text, as ``="0044"``; so do integers of more than fifteen
      digits, which Excel would round.
    - A text that Excel would evaluate gets an apostrophe in front; one of more than 32,767 characters is cut, and ends
      with ``...``; control characters become U+FFFD.

    >>> import csv, pandas as pd
    >>> at = pd.to_datetime(["2026-11-21T10:00:00.5Z"])
    >>> frame = pd.DataFrame({"number": ["+447700900123"], "text": ["=1+1"], "at": at, "n": [-2]})
    >>> list(csv.reader(excel_csv(frame).splitlines()))[1]
    ['="+447700900123"', "'=1+1", '2026-11-21 10:00:00.500', '-2']
    """
    import pandas as pd

    # Columns of dtype object can take texts.
    done = frame.astype(object)
    for position in range(len(frame.columns)):
        column = frame.iloc[:, position]
        if isinstance(column.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(column.dtype):
            done.isetitem(position, _objects([_instant(value) for value in column]))
        elif pd.api.types.is_integer_dtype(column.dtype):
            done.isetitem(position, _objects([_integer(value) for value in column.astype(object)]))
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            done.isetitem(position, _objects([_cell(value) for value in column]))
    return BYTE_ORDER_MARK + csv_of_cells(done)


def _objects(values: list[Any]) -> Any:
    """The values as objects: otherwise integers in a column with missing values would become floats."""
    import pandas as pd

    return pd.Series(values, dtype=object).array


def _instant(value: Any) -> str | None:
    if value != value or str(value) == "NaT":  # noqa: PLR0124  what is missing
        return None
    text = value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{value.microsecond // 1000:03d}" if value.microsecond >= 1000 else str(text)  # noqa: PLR2004


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _LIKE_NUMBERS.fullmatch(value):
        return f'="{value}"'
    text = str(safe_cell(value))
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 3]}..."


def _integer(value: Any) -> Any:
    if str(value) == "<NA>":
        return None
    return f'="{value}"' if abs(value) >= _EXACT else value


__all__ = ["BYTE_ORDER_MARK", "excel_csv"]
