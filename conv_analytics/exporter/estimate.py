"""How much a run will cost, judged from a sample of its conversations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean, stdev
from typing import TypeVar

T = TypeVar("T")

#: Standard errors to either side. Few conversations are long and most are short, where twice is too little.
_ERRORS = 3.0
#: Of a normal distribution, for 95 %.
_Z = 1.96


@dataclass(frozen=True)
class Range:
    """A number that is not known exactly: what is expected, and between which bounds it should lie."""

    expected: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Range:
        """A number that is known."""
        return cls(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.expected + other.expected, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Range:
        """A multiple."""
        return Range(self.expected * factor, self.low * factor, self.high * factor)

    def whole(self) -> dict[str, int]:
        """The same in whole numbers, the bounds rounded outwards.

        >>> Range(2.5, 1.2, 9.1).whole()
        {'expected': 2, 'low': 1, 'high': 10}
        """
        return {"expected": round(self.expected), "low": int(self.low), "high": ceil(self.high)}

    def __str__(self) -> str:
        values = self.whole()
        if values["low"] == values["high"]:
            return f"{values['expected']:,}"
        return f"{values['expected']:,} ({values['low']:,} to {values['high']:,})"


def total(sample: Sequence[float], size: int, usual: float) -> Range:
    """The sum over a group of conversations, of which some were looked at.

    Parameters
    ----------
    sample
        The values of those looked at.
    size
        How many there are in the group.
    usual
        A value that one has at least when it has any: what those not looked at may have although no one of the sample
        has.

    Returns
    -------
    The sum with its bounds: three standard errors to either side, and at least as far as the share of those with any
    value may differ from the sample's (Wilson, 95 %). No less than what was seen.

    Examples
    --------
    >>> total([2, 3, 2, 2], 4, 2)
    Range(expected=9, low=9, high=9)
    >>> print(total([0] * 20, 1000, 2))
    0 (0 to 323)
    >>> print(total([2, 2, 2, 2, 3, 2, 2, 4, 2, 2], 100, 2))
    230 (166 to 291)
    """
    count, seen = len(sample), sum(sample)
    if count >= size:
        return Range.exactly(seen)
    if not count:
        return Range(size * usual, 0, 2 * size * usual)
    mean = fmean(sample)
    error = _ERRORS * (stdev(sample) if count > 1 else mean) / sqrt(count) * sqrt(1 - count / size)
    positive = [value for value in sample if value]
    least, most = wilson(len(positive), count)
    each = fmean(positive) if positive else usual
    low, high = min(mean - error, least * each), max(mean + error, most * each)
    return Range(mean * size, max(low * size, seen), high * size)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The share that `hits` of `count` speak for, with 95 % confidence.

    >>> [round(bound, 3) for bound in wilson(0, 20)]
    [0.0, 0.161]
    """
    share, spread = hits / count, _Z * _Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def allot(sizes: Sequence[int], places: int) -> list[int]:
    """How many of each group to look at: the same number of each, and what a small group leaves goes to the others.

    >>> allot([2000, 0, 0], 20), allot([5, 1995, 40], 20), allot([1, 1, 1], 20)
    ([20, 0, 0], [5, 8, 7], [1, 1, 1])
    """
    given = [0] * len(sizes)
    while places and (open_ := [n for n, size in enumerate(sizes) if given[n] < size]):
        for n in open_[:places]:
            given[n] += 1
        places -= min(places, len(open_))
    return given


def spread(items: Sequence[T], count: int) -> list[T]:
    """Some items, evenly spread over a list that is in the order of time.

    >>> spread(range(100), 4)
    [12, 37, 62, 87]
    """
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]


def seconds(requests: Range, list_pages: int, *, rate: float, latency_s: float, concurrency: int) -> Range:
    """How long so many requests take, in seconds.

    Either the rate is what limits them, or the time of an answer: one page of the list has to come before the next is
    asked for, and of the others so many are under way at a time.
    """

    def of(count: float) -> float:
        return max(count / rate if rate else 0.0, count * latency_s / concurrency, list_pages * latency_s)

    return Range(of(requests.expected), of(requests.low), of(requests.high))
