"""Identifiers, and which of them are machine-made, so that they identify nobody."""

from __future__ import annotations

import re

from conv_analytics.privacy.safe_patterns import API_ID, UUID

#: Words at the beginning of ids, or in them: kinds of records, as the API and its users' programs write them.
_WORDS = (
    "con|conv|conversation|mem|member|usr|user|ses|session|nam|leg|call|event|evt|say|play|rec|record|recording|rtc|asr"
    "|dtmf|app|req|request|msg|message|knocker|id|ws|sip|phone|transcription"
)
#: Numbers of a series, and the short mixtures of digits and letters in random ids.
_PART = (
    rf"[0-9]{{1,6}}|[0-9A-Za-z]{{1,2}}|(?=[a-f]*[0-9])[0-9a-f]{{2,32}}|[a-z]{{0,2}}[0-9]{{1,6}}[a-z]{{0,2}}|{_WORDS}"
)
_OPAQUE = re.compile(
    rf"(?:(?:{_WORDS})[-_.:])*(?:{UUID.pattern}|{API_ID.pattern}|(?:{_PART})(?:[-_.:](?:{_PART})){{0,9}})",
    re.IGNORECASE,
)
_PREFIX = re.compile(rf"(?:{_WORDS})[-_.:]", re.IGNORECASE)
_MANY_DIGITS = re.compile(r"(?:[0-9][-_.:]?){7}")
_UUID = re.compile(rf"{UUID.pattern}|{API_ID.pattern}")
#: The tokens of a mask for ids, numbers and names.
TOKEN = re.compile(rf"(?:{_PREFIX.pattern})?i_(?:[0-9a-f]{{16}}|[0-9a-f]{{34,}})|[0-9]{{0,3}}x[0-9a-f]{{16}}"
                   r"|[a-z]_[0-9a-f]{16}(?:_[0-9]+)?", re.IGNORECASE)  # fmt: skip


def opaque(value: str) -> bool:
    """Whether an id is machine-made: a UUID, a serial number, a mixture without words and phone numbers.

    An id with a name or a phone number in it is not opaque, nor is one that may have one.

    Examples
    --------
    >>> [opaque(text) for text in ("CON-d93b4bfb-87c1-4ed1-a5b3-659ab98db2cb", "leg-1", "MEM-17", "event:12")]
    [True, True, True, True]
    >>> [opaque(text) for text in ("USR-AliceSmithson", "call-447700900123", "call-44-7700-900123", "alice")]
    [False, False, False, False]
    """
    if len(value) > 128 or not _OPAQUE.fullmatch(value):  # noqa: PLR2004 - longer texts are not ids
        return False
    return not _MANY_DIGITS.search(_UUID.sub("", value))


def prefix(value: str) -> str:
    """The prefix of an id that names its kind, with its separator; empty without one.

    >>> prefix("USR-AliceSmithson"), prefix("AliceSmithson")
    ('USR-', '')
    """
    match = _PREFIX.match(value)
    return match[0] if match else ""


__all__ = ["TOKEN", "opaque", "prefix"]
