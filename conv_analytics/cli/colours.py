"""Colours on a terminal, and nowhere else: bad is red, uncertain is yellow, headings are bold.

A `Coloured` text is the plain text, with the same text in colours beside it. Only what writes to a terminal takes the
second one: files, pipes and logs get no escape sequence, and no width is ever computed with one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd

BOLD, RED, YELLOW = "1", "31", "33"
#: Columns that hold a judgement, with the words for bad and for uncertain.
_JUDGED = {
    "verdict": (("poor",), ("fair", "unmeasured")),
    "outcome": (("broken",), ("broken_may_be_chance", "too_few")),
    "offender": (("yes",), ()),
    "enough": ((), ("no",)),
}
#: Suffix of a rate of few cases.
_FEW = " *"
_LEVELS = {"error": RED, "warning": YELLOW}


class Coloured(str):
    """A text with its coloured form for a terminal.

    Attributes
    ----------
    in_colours
        The same text with escape sequences.
    """

    __slots__ = ("in_colours",)
    in_colours: str

    def __new__(cls, text: str, in_colours: str) -> Self:
        """The plain text, and the same in colours."""
        done = super().__new__(cls, text)
        done.in_colours = in_colours
        return done


def painted(text: str, colour: str) -> Coloured:
    r"""A text in one colour.

    >>> painted("poor", RED).in_colours
    '\x1b[31mpoor\x1b[0m'
    """
    return Coloured(text, _paint(text, colour))


def level_line(line: str) -> str:
    """A line that begins with a level, which is coloured if it is an error or a warning."""
    level = line.partition(" ")[0].rstrip(":")
    colour = _LEVELS.get(level)
    return Coloured(line, f"{_paint(level, colour)}{line[len(level) :]}") if colour else line


def painted_table(text: str, frame: pd.DataFrame) -> str:
    r"""A table as text with its head in bold, and its bad and uncertain cells in colour.

    Parameters
    ----------
    text
        One line of right-aligned columns for the head and for each row of `frame`; otherwise it stays as it is.
    frame
        The cells.

    Examples
    --------
    >>> import pandas as pd
    >>> verdicts = pd.DataFrame({"leg": ["a", "b"], "verdict": ["poor", "good"]})
    >>> painted_table(verdicts.to_string(index=False), verdicts).in_colours.splitlines()
    ['\x1b[1mleg verdict\x1b[0m', '  a    \x1b[31mpoor\x1b[0m', '  b    good']
    """
    lines = text.split("\n")
    ends = _ends(lines[0], [str(name) for name in frame.columns])
    if ends is None or len(lines) != len(frame) + 1:
        return text
    done = [_paint(lines[0], BOLD)]
    for line, row in zip(lines[1:], frame.itertuples(index=False, name=None), strict=True):
        marks = [(end, str(value), colour) for end, name, value in zip(ends, frame.columns, row, strict=True)
                 if (colour := _colour(str(name), value)) and line[: end].endswith(str(value))]  # fmt: skip
        for end, value, colour in reversed(marks):
            line = f"{line[: end - len(value)]}{_paint(value, colour)}{line[end:]}"  # noqa: PLW2901
        done.append(line)
    return Coloured(text, "\n".join(done))


def has_colours(stream: Any) -> bool:
    """Whether a stream is a terminal that shows colours, or the environment says to treat it as one.

    ``NO_COLOR`` turns colours off, ``FORCE_COLOR`` on; both count when they are not empty, and the first one first.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM") == "dumb" or (sys.platform == "win32" and "WT_SESSION" not in os.environ):
        return False
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _ends(head: str, names: Sequence[str]) -> list[int] | None:
    """Where each column of a table ends."""
    ends, at = [], 0
    for name in names:
        at = head.find(name, at)
        if at < 0:
            return None
        at += len(name)
        ends.append(at)
    return ends


def _colour(name: str, value: Any) -> str | None:
    bad, uncertain = _JUDGED.get(name, ((), ()))
    if value in bad:
        return RED
    return YELLOW if value in uncertain or (isinstance(value, str) and value.endswith(_FEW)) else None


def _paint(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if text else text


__all__ = ["BOLD", "RED", "YELLOW", "Coloured", "has_colours", "level_line", "painted", "painted_table"]
