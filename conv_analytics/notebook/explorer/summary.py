"""The explorer's summary of the calls that pass its filters: a line of numbers, and a histogram over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.notebook.explorer.view import CLASSES, NOT_ANSWERED, View
from conv_analytics.notebook.html import mask_label

_BINS = 60
_STEPS = ("1min", "5min", "15min", "1h", "3h", "6h", "1D", "7D", "28D", "91D", "364D")


@dataclass(frozen=True)
class Summary:
    """The numbers of some calls.

    Attributes
    ----------
    total
        Calls without any filter.
    calls, answered, poor, unmeasured
        Calls that pass the filters; poor and unmeasured ones among the answered.
    """

    total: int
    calls: int
    answered: int
    poor: int
    unmeasured: int
    masked: bool

    @property
    def measured(self) -> int:
        """Answered calls with a verdict."""
        return self.answered - self.unmeasured

    def parts(self) -> list[tuple[str, str]]:
        """Each number, and what it counts.

        >>> Summary(100, 50, 40, 3, 10, masked=True).parts()
        [('50', 'of 100 calls'), ('40 (80.0%)', 'answered'), ('3 (10.0%)', 'with poor audio, of 30 measured'), \
('10 (25.0%)', 'of the answered calls unmeasured')]
        """
        some = f"of {self.total:,} calls" if self.calls != self.total else "call" if self.calls == 1 else "calls"
        return [
            (f"{self.calls:,}", some),
            (_share(self.answered, self.calls), "answered"),
            (_share(self.poor, self.measured), f"with poor audio, of {self.measured:,} measured"),
            (_share(self.unmeasured, self.answered), "of the answered calls unmeasured"),
        ]

    def __str__(self) -> str:
        return "; ".join([*(f"{number} {words}" for number, words in self.parts()), mask_label(masked=self.masked)])


def summary(view: View) -> Summary:
    """The numbers of the calls that a view shows."""
    counts = dict(zip(CLASSES, np.bincount(view.kinds[view.places], minlength=len(CLASSES)).tolist(), strict=True))
    shown = len(view.places)
    answered = shown - counts[NOT_ANSWERED]
    return Summary(
        len(view.frame), shown, answered, counts[Verdict.POOR], counts[Verdict.UNMEASURED], masked=view.display.on
    )


@dataclass(frozen=True)
class Bin:
    """A bin of the histogram: its start on the zone's clock, and how many calls of each of `CLASSES` started in it."""

    at: str
    counts: tuple[int, ...]


def bins(view: View) -> list[Bin]:
    """The calls that a view shows over time: at most sixty bins of minutes, hours or days on the zone's clock."""
    timed = view.places[view.clock.notna().to_numpy()[view.places]]
    if not len(timed):
        return []
    local = view.clock.iloc[timed]
    first, length = local.min(), local.max() - local.min()
    # Clocks that are wrong by centuries need several of the largest step to a bin.
    largest = pd.Timedelta(_STEPS[-1])
    size = next(
        (step for step in map(pd.Timedelta, _STEPS) if length / step < _BINS - 1),
        largest.as_unit("us") * math.ceil(length / largest / (_BINS - 2)),
    )
    start = first.floor(min(size, pd.Timedelta("1D")))
    place = ((local - start) // size).to_numpy(dtype=np.int64)
    table = np.zeros((int(place.max()) + 1, len(CLASSES)), dtype=np.int64)
    np.add.at(table, (place, view.kinds[timed]), 1)
    letters = len("2026-11-23") if size >= pd.Timedelta("1D") else len("2026-11-23 00:00")
    starts = ((start + number * size).isoformat(" ")[:letters] for number in range(len(table)))
    return [Bin(at, tuple(map(int, row))) for at, row in zip(starts, table, strict=True)]


def _share(k: int, n: int) -> str:
    return f"{k:,} ({k / n:.1%})" if n else f"{k:,}"


__all__ = ["CLASSES", "Bin", "Summary", "bins", "summary"]
