"""Frames for spreadsheets, whose cells can hold less than a column of pandas."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from conv_analytics.markup import spreadsheet_cell

#: Characters that no workbook may hold.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: The longest text of a cell.
_TEXT = 32_767
#: Larger integers are rounded to fifteen digits.
_EXACT = 10**15


def for_excel(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of a frame that `pandas.DataFrame.to_excel` accepts and that shows all its values.

    - Instants lose their zone, which Excel does not support: they are UTC as before.
    - A text that would be evaluated (``=1+1``, ``@x``) gets an apostrophe before it, as in CSV; characters that no
      workbook may hold become U+FFFD; a text of more than 32,767 characters is cut, and ends with ``...``.
    - Integers of more than fifteen digits become texts: Excel would round them.

    Parameters
    ----------
    frame
        A table of an export, or an answer. Excel has room for 1,048,576 rows.

    Examples
    --------
    >>> hangups = pd.DataFrame({"at": pd.to_datetime(["2026-11-21T10:00Z"]), "reason_text": ["=1+1"]})
    >>> for_excel(hangups)
                       at reason_text
    0 2026-11-21 10:00:00       '=1+1
    """
    done = {name: _column(frame[name]) for name in frame.columns}
    return pd.DataFrame(done, index=frame.index, columns=frame.columns)


def _column(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        utc: pd.Series[Any] = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return utc
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.astype("str").where(column.notna()) if (column.abs() >= _EXACT).any() else column
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_dtype(column.dtype):
        return column
    return column.astype(object).map(_cell, na_action="ignore")


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = str(spreadsheet_cell(_FORBIDDEN.sub("\ufffd", value)))
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 3]}..."


__all__ = ["for_excel"]
