"""The numbers that may stay, by what they measure: others may be phone, coordinate or customer numbers."""

from __future__ import annotations

from collections.abc import Callable

Fits = Callable[[str], bool]

_FEW, _MEASURE = 6, 9
#: The first and the last second of 2000 to 2099.
_FIRST, _LAST = 946_684_800, 4_102_444_800
#: Seconds, and the parts of them that instants are counted in.
_PARTS = (1, 10**3, 10**6, 10**9)


def any_length(written: str) -> bool:  # noqa: ARG001 - one of several that can be asked
    """A count: it may have any length."""
    return True


def few_digits(written: str) -> bool:
    """A number of few digits.

    >>> few_digits("-12.5"), few_digits("447700900123")
    (True, False)
    """
    return sum(char.isdigit() for char in written) <= _FEW


def measure(written: str) -> bool:
    """A price, a share, a length: few digits before the decimal point, with or without an exponent.

    >>> measure("4.4093184712"), measure("447700900123"), measure("4.47700900123e11"), measure("1.5E+2")
    (True, False, False, True)
    """
    digits, _, exponent = written.lower().partition("e")
    # A positive exponent moves the point to the right and so uncovers the digits behind it.
    shifted = not exponent.startswith("-") and exponent.strip("+0") != ""
    return sum(char.isdigit() for char in digits.partition(".")[0]) <= _MEASURE and (not shifted or few_digits(digits))


def instant(written: str) -> bool:
    """Seconds since 1970, or thousandths, millionths, billionths of them, in this century.

    >>> instant("1794999999999"), instant("447700900123")
    (True, False)
    """
    try:
        seconds = float(written)
    except (ValueError, OverflowError):
        return False
    return few_digits(written) or any(_FIRST <= seconds / part <= _LAST for part in _PARTS)


__all__ = ["Fits", "any_length", "few_digits", "instant", "measure"]
