"""Phone numbers: recognising them, comparing spellings, and finding the calling code."""

from __future__ import annotations

import re
from urllib.parse import unquote

from conv_analytics.privacy.characters import plain
from conv_analytics.privacy.personal_patterns import is_ip

#: Country calling codes of one and two digits; all others have three (ITU-T E.164, list of assigned codes).
_ONE = frozenset("17")
_TWO = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_BETWEEN = re.compile(r"\(0\)|[\s().\-/_\u2010-\u2015\u2043\u2212\u30fb]")
_NUMBER = re.compile(r"(?:\+?00|\+)?([0-9]{7,15})")


def digits_of(text: str) -> str | None:
    r"""The digits of a phone number, with the country if it is written; None when the text is not a number.

    The API writes E.164 without a plus. A number that begins with one zero is a national one: its country is unknown,
    and so it stays different from its international spelling. Digits of other scripts and invisible characters
    make no difference.

    >>> [digits_of(text) for text in ("447700900000", "+44 7700 900000", "0044 (0)7700-900000", "07700 900000")]
    ['447700900000', '447700900000', '447700900000', '07700900000']
    >>> digits_of("\u202a%2B44\u202f7700\u00a0900000\u202c"), digits_of("\uff0b\u0664\u0664 7700 900000")
    ('447700900000', '447700900000')
    >>> digits_of("agent.007"), digits_of("203.0.113.77")
    (None, None)
    """
    spelled = plain(unquote(text) if "%" in text else text).strip()
    if not spelled or not (spelled[0].isdigit() or spelled[0] in "+("):
        return None
    match = _NUMBER.fullmatch(_BETWEEN.sub("", spelled))
    return None if match is None or is_ip(spelled) else match[1]


def calling_code(digits: str) -> str:
    """The country calling code that digits begin with; empty for a national number.

    >>> [calling_code(digits) for digits in ("447700900000", "12025550123", "353861234567", "07700900000")]
    ['44', '1', '353', '']
    """
    if digits.startswith("0"):
        return ""
    return digits[:1] if digits[:1] in _ONE else digits[:2] if _TWO.match(digits) else digits[:3]
