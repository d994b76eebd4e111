"""Read one JSON value as one of eight cell kinds: the only place that tolerates the API's loose types.

Section 9 of the API contract lists how the same fact arrives in several spellings: ``"372"`` for 372,
``"false"`` for false, ``in`` for inbound, 0 to 7 fraction digits in an instant. Every reader of this package,
the typed records as well as the bulk tables, calls the functions below, so a value means the same everywhere.

A function returns the value, or raises `Unreadable` with a reason; it never guesses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

#: Money is kept as decimal(28, 18): ten digits before the point, eighteen after it. Ten digits are left of the 38 that
#: Arrow, DuckDB, Polars and Spark count with: with 38 of 38, a sum can overflow and Arrow refuses price + price.
MONEY_DIGITS, MONEY_SCALE = 28, 18

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
# Python alone would also read "1_000", digits of other scripts, and exponents too large to count with.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


class Unreadable(ValueError):  # noqa: N818  it never leaves the package
    """A value that is present but not of its field's kind; the message says why."""


def text(value: object) -> str:
    """Text as it stands; a number becomes its digits (phone numbers arrive as both).

    >>> text(442079460123)
    '442079460123'
    """
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise Unreadable("half of a surrogate pair is not text")
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and _in_range(value):
        return str(value)
    raise _unreadable(value, "text")


def integer(value: object) -> int:
    """A whole number within 64 bits, from a number or from its digits.

    >>> integer("372"), integer(41)
    (372, 41)
    """
    if (isinstance(value, str) and _INTEGER.fullmatch(value.strip())) or (
        isinstance(value, float) and value.is_integer()
    ):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unreadable(value, "a whole number")
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise Unreadable("outside the 64-bit range")
    return value


def natural_number(value: object) -> int | None:
    """The only reader of event ids, counts and sequence numbers: a non-negative `integer`, else None.

    >>> [natural_number(value) for value in (41, "2500", 7.0, True, 1.5, -1, 10**30, None)]
    [41, 2500, 7, None, None, None, None, None]
    """
    try:
        read = integer(value)
    except Unreadable:
        return None
    return read if read >= 0 else None


def identity(value: object) -> str | None:
    """The only reader of ids, in the spelling of the tables, so that requested ids equal stored ones; else None.

    >>> [identity(value) for value in ("CON-1", 5, 0, 1.5, "", "  ", True, None, {})]
    ['CON-1', '5', '0', '1.5', None, None, None, None, None]
    """
    try:
        read = text(value)
    except Unreadable:
        return None
    # A text with replaced bytes does not name anything that could be requested.
    return read if read.strip() and "\ufffd" not in read else None


def number(value: object) -> float:
    """A finite number, from a number or from its text.

    >>> number("0.94")
    0.94
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unreadable(value, "a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise _unreadable(value, "a number")
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise _unreadable(value, "a number") from None
    if not math.isfinite(result):
        raise Unreadable("not a finite number")
    return result


def flag(value: object) -> bool:
    """True or false, from a boolean, 0 or 1, or one of the words.

    >>> flag("false"), flag(1)
    (False, True)
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else str(value) if value in (0, 1) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _unreadable(value, "true or false")


def instant(value: object) -> datetime:
    """An ISO 8601 instant, in UTC, to the microsecond; without a zone it is taken as UTC.

    >>> instant("2026-02-03T10:14:09.02+02:00")
    datetime.datetime(2026, 2, 3, 8, 14, 9, 20000, tzinfo=datetime.timezone.utc)
    """
    if not isinstance(value, str):
        raise _unreadable(value, "an ISO 8601 instant")
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _unreadable(value, "an ISO 8601 instant") from None


def money(value: object) -> Decimal:
    """An exact amount with at most eighteen decimals; the record determines its currency.

    Zeros after the eighteenth decimal are cut off. A float is taken by its shortest spelling.

    >>> money("0.04218000")
    Decimal('0.04218000')
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _in_range(value):
        raise _unreadable(value, "an amount")
    written = str(value).strip()
    if not _NUMBER.fullmatch(written):
        raise _unreadable(value, "an amount")
    amount = Decimal(written)
    # Arithmetic would round at the context's precision, so the digits are counted instead.
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    significant = "".join(map(str, digits)).lstrip("0")
    trimmed = significant.rstrip("0")
    shortest = exponent + len(significant) - len(trimmed)
    if trimmed and (shortest < -MONEY_SCALE or len(trimmed) + shortest > MONEY_DIGITS - MONEY_SCALE):
        raise Unreadable(f"does not fit {MONEY_DIGITS - MONEY_SCALE} digits and {MONEY_SCALE} decimals")
    if -MONEY_SCALE <= exponent <= 0:
        return amount
    # Arrow counts the zeros, too, and refuses an amount with more digits than fit.
    return Decimal((sign, tuple(map(int, trimmed)), shortest)) if trimmed else Decimal(0)


def choice(vocabulary: type[StrEnum]) -> Callable[[object], str]:
    """Make the reader of an open vocabulary: a known word becomes its member, any other stays as written.

    Words are compared trimmed and without case; a vocabulary may name other spellings in ``__also__``.
    """
    known: dict[str, str] = {member.value.lower(): member for member in vocabulary}
    known |= {also: vocabulary(value) for also, value in getattr(vocabulary, "__also__", {}).items()}

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise _unreadable(value, "a word")
        written = text(value)
        return known.get(written.strip().lower(), written)

    return read


def json(value: object) -> Any:
    """User data: kept as it is, whatever it is."""
    return value


def _in_range(value: object) -> bool:
    # Also keeps `str` from refusing integers of thousands of digits, and "nan" from becoming text.
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 10**40


def _unreadable(value: object, expected: str) -> Unreadable:
    # The value itself stays out of the message: it may be personal, and the quarantine holds it in full.
    return Unreadable(f"{_KINDS.get(type(value), type(value).__name__)} is not {expected}")


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "this text",
    bool: "a boolean",
    int: "this number",
    float: "this number",
}
