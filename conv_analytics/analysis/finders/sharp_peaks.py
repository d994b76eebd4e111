"""Sharp peaks in call durations: more calls in two seconds than a smooth curve through the neighbours allows.

Lengths come as counts per tenth of a second. The number expected in a window is the value of a parabola through the
blocks of calls on both sides, so that the round top of human behaviour (talk for half a minute, more or less) is not a
peak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conv_analytics.analysis.maths.tails import poisson_tail
from conv_analytics.proportions import Floats

Places = npt.NDArray[np.int64]

#: Length of a bin. [s]
BIN_S = 0.1
PER_SECOND = 10
#: Blocks beside a window are this many times as long as it, growing until both nearest have enough calls.
_TIMES, _ENOUGH = (1, 2, 4, 8), 20
#: A cliff has this share of its excess within one second, and this many times the calls that are expected.
_WITHIN_A_SECOND, _SLACK, _TIMES_EXPECTED = 0.85, 0.4, 1.5
#: Standard deviations from which a window is looked at more closely.
_CLOSER_LOOK = 3.0


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one group: starts [bins], calls inside and around them, expected calls and their uncertainty."""

    start: Places
    k: Floats
    around: Floats
    expected: Floats
    variance: Floats

    def p(self, fewer: npt.ArrayLike = 0.0) -> Floats:
        """Probability of at least this many calls, optionally less some, when the expected number is an estimate."""
        k = np.maximum(self.k - np.asarray(fewer, dtype="float64"), 0.0)
        return poisson_tail(k, self.expected, deff=1 + self.variance / self.expected)


def windows_at(histogram: Floats, start: Places, width: int) -> Windows:
    """The windows of some starts, which may lie before 0 or after the last call."""
    below = np.concatenate([[0.0], np.cumsum(histogram)])

    def between(first: Places, last: Places) -> Floats:
        calls: Floats = below[np.clip(last, 0, len(histogram))] - below[np.clip(first, 0, len(histogram))]
        return calls

    end = start + width
    estimates = [np.zeros(len(start)) for _ in range(3)]
    too_few_calls = np.ones(len(start), dtype=bool)
    for times in _TIMES:
        block = times * width
        near = between(start - block, start) + between(end, end + block)
        far = between(start - 2 * block, start - block) + between(end + block, end + 2 * block)
        # Correction of the nearest blocks' mean by a parabola through the next ones.
        bend = (times + 1) ** 2 / ((3 * times + 1) ** 2 - (times + 1) ** 2)
        mean, next_mean = (near + 1) / (2 * times), (far + 1) / (2 * times)
        expected = np.maximum(mean + bend * (mean - next_mean), mean)
        variance = ((1 + bend) ** 2 * (near + 1) + bend**2 * (far + 1)) / (2 * times) ** 2
        fits = too_few_calls & ((start >= 2 * block) | (times == 1))
        for values, new in zip(estimates, (near + far, expected, variance), strict=True):
            values[fits] = new[fits]
        too_few_calls &= near < _ENOUGH
    return Windows(start, between(start, end), *estimates)


def sharp(histogram: Floats, windows: Windows, width: int) -> npt.NDArray[np.bool_]:
    """Whether the excess of each window lies within a second, and is a large part of it."""
    whole = windows.k - windows.expected
    best = np.zeros(len(whole))
    below = np.concatenate([[0.0], np.cumsum(histogram)])
    for step in range(max(width - PER_SECOND, 0) + 1):
        first = np.clip(windows.start + step, 0, len(histogram))
        last = np.clip(windows.start + step + min(PER_SECOND, width), 0, len(histogram))
        best = np.maximum(best, below[last] - below[first])
    excess = best - windows.expected * min(PER_SECOND / width, 1.0)
    # Lower for few calls, which chance moves.
    enough = _WITHIN_A_SECOND * whole - _SLACK * np.sqrt(windows.k)
    return (windows.k >= _TIMES_EXPECTED * windows.expected) & (excess >= enough)


def peaks_anywhere(histogram: Floats, width: int, least: float) -> tuple[Windows, Floats, int]:
    """The windows that stand out locally, their p values, and the number of windows tested."""
    start = np.arange(2 * width, max(len(histogram) - width, 2 * width), dtype="int64")
    windows = windows_at(histogram, start, width)
    high = windows.k - windows.expected >= np.maximum(
        least, _CLOSER_LOOK * np.sqrt(windows.expected + windows.variance)
    )
    rows = np.flatnonzero(high)
    rows = rows[sharp(histogram, _subset(windows, rows), width)]
    p = _subset(windows, rows).p()
    kept: list[int] = []
    for place in np.argsort(p, kind="stable"):
        if all(abs(start[rows[place]] - start[rows[other]]) >= 2 * width for other in kept):
            kept.append(int(place))
    # Windows that share most of their calls do not count as separate tests.
    tests = 2 * (len(start) // max(width, 1)) + 1
    return _subset(windows, rows[kept]), p[kept], tests


def onset(histogram: Floats, start: int, width: int) -> float:
    """When the calls of a window begin to end [s]: the time by which one in ten has ended."""
    inside = np.cumsum(histogram[max(start, 0) : start + width])
    return (max(start, 0) + int(np.searchsorted(inside, 0.1 * inside[-1], side="right"))) * BIN_S


def _subset(windows: Windows, rows: npt.NDArray[np.intp]) -> Windows:
    values = (windows.k, windows.around, windows.expected, windows.variance)
    return Windows(windows.start[rows], *(each[rows] for each in values))


__all__ = ["BIN_S", "PER_SECOND", "Windows", "onset", "peaks_anywhere", "sharp", "windows_at"]
