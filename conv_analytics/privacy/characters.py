"""One spelling for texts that look the same: without invisible characters, and with ASCII digits.

Numbers that are copied from messages and address books contain direction marks, zero-width joiners, narrow and no-break
spaces, full-width or Arabic-Indic digits. These would make two people out of one.
"""

from __future__ import annotations

import unicodedata

#: Categories of invisible characters: format, control, lone surrogates.
_UNSEEN = frozenset({"Cf", "Cc", "Cs"})
_ALSO_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | frozenset(
    map(chr, range(0xFE00, 0xFE10))
)


def plain(text: str) -> str:
    r"""A text in its plainest spelling: NFKC, visible characters and ASCII digits only, every space an ordinary one.

    Examples
    --------
    >>> plain("\u202a+44\u202f7700\u200e 900123\ufeff"), plain("\u0664\u0664\uff17")
    ('+44 7700 900123', '447')
    >>> plain("Zoe\u0308") == plain("Zo\u00eb")
    True
    """
    if text.isascii() and text.isprintable():
        return text
    # Invisible characters go first: they would keep letters and their accents apart.
    seen = "".join(" " if char in "\t\n\r\v\f" else char for char in text if not _is_invisible(char))
    return "".join(_plain(char) for char in unicodedata.normalize("NFKC", seen) if not _is_invisible(char))


def _is_invisible(char: str) -> bool:
    return char in _ALSO_UNSEEN or (char not in "\t\n\r\v\f" and unicodedata.category(char) in _UNSEEN)


def _plain(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category[0] == "Z":
        return " "
    if category == "Pd" or char == "\u2212":
        return "-"
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)


__all__ = ["plain"]
