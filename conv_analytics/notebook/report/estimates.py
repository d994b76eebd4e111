"""Numbers of a report with their basis: rates, values, changes, bins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`k` of `n` cases, with Wilson's interval at 95 %; `n` does not include the `unknown` cases."""

    k: int
    n: int
    rate: float | None
    lo: float | None
    hi: float | None
    unknown: int = 0
    enough: bool = False


@dataclass(frozen=True)
class Values:
    """A distribution; quantiles are None if there are too few values for them."""

    n: int
    of: int
    """The number of cases that could have had a value."""
    p5: float | None
    p50: float | None
    p95: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Change:
    """The change since the period before; it is `clear` if chance alone does not explain it."""

    by: float | None
    lo: float | None = None
    hi: float | None = None
    clear: bool = False


@dataclass(frozen=True)
class Bin:
    """A bin of a histogram, from `low` up to but not including `high`."""

    low: float | None
    high: float | None
    n: int


__all__ = ["Bin", "Change", "Rate", "Values"]
