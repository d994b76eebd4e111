"""The formats of shares, amounts, counts and differences in a report."""

from __future__ import annotations

#: Stands for a number that is not known.
DASH = "\u2013"
_MINUS = "\u2212"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage.

    >>> percent(0.0213), percent(None) == DASH
    ('2.1 %', True)
    """
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def amount(value: float | None, unit: str = "") -> str:
    """A number with its unit: three significant digits, thousands separated.

    >>> amount(4.3281, "MOS"), amount(1234.5, "s"), amount(12.34, "ms")
    ('4.33 MOS', '1,234 s', '12.3 ms')
    """
    if value is None:
        return DASH
    if not value:
        return f"0 {unit}".rstrip()
    size = abs(value)
    text = f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"  # noqa: PLR2004
    return f"{text} {unit}".rstrip()


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "leg"), count(1200, "leg")
    ('1 leg', '1,200 legs')
    """
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def is_or_are(number: int) -> str:
    """The verb that goes with a number."""
    return "is" if number == 1 else "are"


def probability(q: float) -> str:
    """A probability adjusted for all tests; values below 0.001 are not told apart.

    >>> probability(0.0312), probability(3e-9)
    ('q = 0.031', 'q < 0.001')
    """
    return "q < 0.001" if q < 0.001 else f"q = {q:.2g}"  # noqa: PLR2004


def was_or_were(number: int) -> str:
    """The same in the past tense."""
    return "was" if number == 1 else "were"


def none_was(number: int, noun: str, participle: str) -> str:
    """A sentence that something applies to none of some things.

    >>> none_was(1, "leg", "answered"), none_was(1200, "leg", "answered")
    ('the only leg was not answered', 'none of 1,200 legs was answered')
    """
    return f"the only {noun} was not {participle}" if number == 1 else f"none of {count(number, noun)} was {participle}"


def difference(by: float, unit: str, *, share: bool = False) -> str:
    """A difference with its sign.

    >>> difference(0.0123, "%", share=True), difference(0.2, "MOS")
    ('+1.2 points', '+0.20 MOS')
    """
    sign = "+" if by > 0 else _MINUS if by < 0 else "±"
    return f"{sign}{abs(100 * by):.1f} points" if share else f"{sign}{amount(abs(by), unit)}"


__all__ = ["DASH", "amount", "count", "difference", "is_or_are", "none_was", "percent", "probability", "was_or_were"]
