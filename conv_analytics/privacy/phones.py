"""Phone numbers: when a text is one, which spellings are the same one, and where its country's part ends."""

from __future__ import annotations

import re

#: Country calling codes of one and two digits; all others have three (ITU-T E.164, list of assigned codes).
_ONE = frozenset("17")
_TWO = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_BETWEEN = re.compile(r"\(0\)|[\s().\-/\u00a0\u2010-\u2015]")
_NUMBER = re.compile(r"(\+|00)?([0-9]{7,15})")


def digits_of(text: str) -> str | None:
    """The digits of a phone number, country first where the spelling tells; None when the text is no number.

    The API writes E.164 without a plus. A number that begins with one zero is a national one: its country is unknown,
    and so it stays different from its international spelling.

    >>> [digits_of(text) for text in ("447700900000", "+44 7700 900000", "0044 (0)7700-900000", "07700 900000")]
    ['447700900000', '447700900000', '447700900000', '07700900000']
    >>> digits_of("agent.007") is None
    True
    """
    if not text.isascii() and not any(char in text for char in "\u00a0\u2010\u2011\u2012\u2013\u2014\u2015"):
        return None
    found = _NUMBER.fullmatch(_BETWEEN.sub("", text))
    return found[2] if found else None


def calling_code(digits: str) -> str:
    """The country calling code that digits begin with; empty for a national number.

    >>> [calling_code(digits) for digits in ("447700900000", "12025550123", "353861234567", "07700900000")]
    ['44', '1', '353', '']
    """
    if digits.startswith("0"):
        return ""
    return digits[:1] if digits[:1] in _ONE else digits[:2] if _TWO.match(digits) else digits[:3]
