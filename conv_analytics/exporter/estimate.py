"""Estimates of a run's cost from a sample of its conversations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean, stdev
from typing import TypeVar

from conv_analytics.proportions import wilson

T = TypeVar("T")

#: Standard errors to either side. With few long conversations among many short ones, two are too few.
_ERRORS = 3.0


@dataclass(frozen=True)
class Range:
    """An estimate: the expected value and its bounds."""

    expected: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Range:
        """A known number."""
        return cls(value, value, value)

    def __add__(self, other: Range) -> Range:
        return Range(self.expected + other.expected, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Range:
        """A multiple."""
        return Range(self.expected * factor, self.low * factor, self.high * factor)

    def rounded(self) -> dict[str, int]:
        """Whole numbers, with the bounds rounded outwards.

        >>> Range(2.5, 1.2, 9.1).rounded()
        {'expected': 2, 'low': 1, 'high': 10}
        """
        return {"expected": round(self.expected), "low": int(self.low), "high": ceil(self.high)}

    def __str__(self) -> str:
        values = self.rounded()
        if values["low"] == values["high"]:
            return f"{values['expected']:,}"
        return f"{values['expected']:,} ({values['low']:,} to {values['high']:,})"


def estimate_total(sample: Sequence[float], size: int, usual: float) -> Range:
    """The sum over a group of conversations, estimated from a sample.

    Parameters
    ----------
    sample
        The values of the sampled ones.
    size
        Number of conversations in the group.
    usual
        Minimum value of one that has any: the others may have it although no sampled one has.

    Returns
    -------
    The sum with its bounds: three standard errors to either side, and at least as wide as the Wilson interval (95 %) of
    the share that has any value. Never below the sample's own sum.

    Examples
    --------
    >>> estimate_total([2, 3, 2, 2], 4, 2)
    Range(expected=9, low=9, high=9)
    >>> print(estimate_total([0] * 20, 1000, 2))
    0 (0 to 323)
    >>> print(estimate_total([2, 2, 2, 2, 3, 2, 2, 4, 2, 2], 100, 2))
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
    least, most = map(float, wilson(len(positive), count))
    each = fmean(positive) if positive else usual
    low, high = min(mean - error, least * each), max(mean + error, most * each)
    return Range(mean * size, max(low * size, seen), high * size)


def allocate(sizes: Sequence[int], total: int) -> list[int]:
    """Sample sizes: the same for each group; what a small group does not use goes to the others.

    >>> allocate([2000, 0, 0], 20), allocate([5, 1995, 40], 20), allocate([1, 1, 1], 20)
    ([20, 0, 0], [5, 8, 7], [1, 1, 1])
    """
    samples = [0] * len(sizes)
    while total and (open_groups := [n for n, size in enumerate(sizes) if samples[n] < size]):
        for n in open_groups[:total]:
            samples[n] += 1
        total -= min(total, len(open_groups))
    return samples


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """Some items, evenly spaced over a list.

    >>> evenly_spaced(range(100), 4)
    [12, 37, 62, 87]
    """
    return [items[(2 * n + 1) * len(items) // (2 * count)] for n in range(count)]


def estimate_seconds(requests: Range, list_pages: int, *, rate: float, latency_s: float, concurrency: int) -> Range:
    """How long the requests take [s].

    The limit is either the rate or the latency: pages of the list are requested one after the other, and `concurrency`
    of the other requests at a time.
    """

    def of(count: float) -> float:
        return max(count / rate if rate else 0.0, count * latency_s / concurrency, list_pages * latency_s)

    return Range(of(requests.expected), of(requests.low), of(requests.high))
