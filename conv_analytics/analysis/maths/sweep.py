"""The number of overlapping intervals at each instant: an exact sweep in numpy. Instants are microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: In microseconds.
HOUR = 3_600_000_000
_SECOND = 1_000_000
#: Seconds whose microseconds are integers of 64 bits.
_MOST = 9_000_000_000_000


@dataclass(frozen=True)
class Steps:
    """The number of open intervals from each instant to the next; 0 before the first and after the last.

    Attributes
    ----------
    since
        Instants at which something starts or ends, ascending. [us]
    up
        Number of open intervals from there on.
    """

    since: Ints
    up: Ints

    @classmethod
    def of(cls, starts: Ints, ends: Ints) -> Steps:
        """Count half-open intervals: one that ends where another starts does not overlap it; empty ones never do."""
        ends = np.maximum(ends, starts)
        at, place = np.unique(np.concatenate([starts, ends]), return_inverse=True)
        change = np.bincount(place[: len(starts)], minlength=len(at)) - np.bincount(
            place[len(starts) :], minlength=len(at)
        )
        return cls(at.astype("int64"), np.cumsum(change, dtype="int64"))

    def peak(self) -> tuple[int, int | None]:
        """The largest number open at once, and the first instant with that number."""
        if not len(self.since) or self.up.max() == 0:
            return 0, None
        place = int(self.up.argmax())
        return int(self.up[place]), int(self.since[place])

    def seconds(self) -> float:
        """Seconds of all intervals together."""
        whole, rest = _products(self.up[:-1], np.diff(self.since))
        return float(_seconds(whole.sum(), rest.sum()))

    def until(self, instants: npt.ArrayLike) -> Floats:
        """Seconds of all intervals together before each instant."""
        instants = np.asarray(instants, dtype="int64")
        if not len(self.since):
            return np.zeros(len(instants))
        done = [np.concatenate([[0], np.cumsum(part)]) for part in _products(self.up[:-1], np.diff(self.since))]
        place = np.clip(np.searchsorted(self.since, instants, side="right") - 1, 0, None)
        inside = _products(self.up[place], np.maximum(instants - self.since[place], 0))
        whole, rest = (before[place] + part for before, part in zip(done, inside, strict=True))
        return _seconds(whole, rest)

    def busiest(self, width: int = HOUR) -> tuple[float, int | None]:
        """Erlangs of the busiest window of a width, and the start of that window.

        The load of a sliding window changes its slope only where one of its edges meets a step: all of these are tried.
        """
        if not len(self.since) or self.up.max() == 0:
            return 0.0, None
        starts = np.unique(np.concatenate([self.since, self.since - width]))
        load = self.until(starts + width) - self.until(starts)
        place = int(load.argmax())
        return float(load[place]) / (width / 1e6), int(starts[place])


def _products(up: Ints, spans: Ints) -> tuple[Ints, Ints]:
    """Intervals times microseconds, as whole seconds and the rest: in microseconds, thousands of years overflow."""
    return up * (spans // _SECOND), up * (spans % _SECOND)


def _seconds(whole: Any, rest: Any) -> Floats:
    """Seconds of whole seconds and microseconds, rounded once where the microseconds are integers of 64 bits."""
    whole = whole + rest // _SECOND
    rest = rest % _SECOND
    few = np.clip(whole, -_MOST, _MOST)
    result: Floats = np.where(whole == few, (few * _SECOND + rest) / 1e6, whole + rest / 1e6)
    return result


__all__ = ["Steps"]
