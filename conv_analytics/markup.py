"""Makes texts from the API safe to show: on one line, in a spreadsheet, and as small pieces of HTML for notebooks.

HTML is escaped, and has no colours of its own, so that it fits light and dark pages. Any module may use this one: it
imports no other module of the package.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Characters that neither XML nor HTML may contain, and those that change the direction of text: shown as a box.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
#: Numbers with a sign, and masked phone numbers: nothing that a spreadsheet evaluates.
_HARMLESS = re.compile(r"[+-]?[0-9][0-9.,]*(?:e[+-]?[0-9]+)?|\+[0-9*]+(?:#[0-9a-f]+)?", re.IGNORECASE)
_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
# Front ends differ in the space between cells: marimo leaves none.
_LEFT = "text-align:left;padding:2px 8px"
_RIGHT = "text-align:right;padding:2px 8px;font-variant-numeric:tabular-nums"


def clean(text: object) -> str:
    r"""Text without characters that markup cannot contain; each becomes U+FFFD.

    >>> clean("a\x00b")
    'a\ufffdb'
    """
    return _FORBIDDEN.sub("\ufffd", str(text))


def line(text: object) -> str:
    r"""Text on one line, for printing: it cannot break the line.

    >>> line("a\n 2026-05-04 forged")
    'a 2026-05-04 forged'
    """
    return " ".join(clean(text).split())


def spreadsheet_cell(value: Any) -> Any:
    """A cell of a spreadsheet: a text that a program would take for a formula gets an apostrophe before it.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("-2+3"), spreadsheet_cell("-2.5"), spreadsheet_cell("+44***1234#4cf")
    ("'=1+1", "'-2+3", '-2.5', '+44***1234#4cf')
    """
    if not isinstance(value, str) or not value.lstrip(" ").startswith(tuple(_FORMULA)) or _HARMLESS.fullmatch(value):
        return value
    return f"'{value}"


def escape(text: object) -> str:
    """Text for HTML and SVG, between tags or within quotes.

    >>> escape('<img src=x onerror="alert(1)">')
    '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;'
    """
    return html.escape(clean(text), quote=True)


def grid(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table: whole numbers with thousands separators on the right, the rest as text on the left; None is empty.

    >>> grid(["table"], [["<b>"]])
    '<table><thead><tr><th style="text-align:left;padding:2px 8px">table</th></tr></thead><tbody><tr>\
<td style="text-align:left;padding:2px 8px" dir="auto">&lt;b&gt;</td></tr></tbody></table>'
    """
    titles = "".join(f'<th style="{_LEFT}">{escape(name)}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def facts(of: Mapping[str, object]) -> str:
    """A table of names and values."""
    lines = "".join(
        f'<tr><th style="{_LEFT}">{escape(name)}</th>{_cell(str(value))}</tr>' for name, value in of.items()
    )
    return f"<table><tbody>{lines}</tbody></table>"


def notes(lines: Iterable[str]) -> str:
    """Remarks, one below the other; nothing when there are none."""
    items = "".join(f'<li dir="auto">{escape(line)}</li>' for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def block(title: str, rest: str, *parts: str) -> str:
    """The HTML of an object in a cell: its title in bold, a line about it, then pieces of HTML."""
    return f"<div><p><strong>{escape(title)}</strong> {escape(rest)}</p>{''.join(parts)}</div>"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td style="{_RIGHT}">{value:,}</td>'
    return f'<td style="{_LEFT}" dir="auto">{"" if value is None else escape(value)}</td>'


__all__ = ["block", "clean", "escape", "facts", "grid", "line", "notes", "spreadsheet_cell"]
