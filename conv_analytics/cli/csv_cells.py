"""Cells that neither a spreadsheet nor a terminal executes, and CSV made of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from conv_analytics.markup import spreadsheet_cell

if TYPE_CHECKING:
    import pandas as pd

#: Characters that move the cursor, ring, or reverse text: C0 except tabs and line ends, C1, and bidirectional controls.
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    r"""Text for a terminal: control characters become U+FFFD.

    >>> plain("a\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return CONTROL_CHARACTERS.sub("\ufffd", text)


def safe_cell(value: Any) -> Any:
    """A cell that neither a spreadsheet nor a terminal executes."""
    return spreadsheet_cell(plain(value) if isinstance(value, str) else value)


def csv_of_cells(frame: pd.DataFrame) -> str:
    """CSV of cells that are already safe, under safe names.

    Until Python 3.13 the csv module leaves a lone CR unquoted, and spreadsheets begin a row there. Rows therefore end
    with a CR while they are written, which makes it quote every CR.
    """
    frame = frame.set_axis([safe_cell(str(name)) for name in frame.columns], axis="columns")
    # No cell has a NUL: `plain` replaced it.
    text: str = frame.to_csv(index=False, lineterminator="\0\r\n")
    return text.replace("\0\r\n", "\n").rstrip("\n")


__all__ = ["CONTROL_CHARACTERS", "csv_of_cells", "plain", "safe_cell"]
