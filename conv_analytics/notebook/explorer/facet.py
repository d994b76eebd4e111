"""A facet: the values of a column that can be filtered by, with the rows that have each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.notebook.explorer.filters import NONE

Rows = npt.NDArray[np.bool_]


class Facet:
    """The values of one column, numbered once, so that filtering by them is fast. An empty text is no value.

    Examples
    --------
    >>> facet = Facet(pd.Series(["busy", "answered", None, "busy"], dtype="str"))
    >>> facet.rows_with(["busy", NONE]).tolist()
    [True, False, True, True]
    >>> facet.counts(np.array([True, True, True, False]))
    {'answered': 1, 'busy': 1, 'none known': 1}
    """

    def __init__(self, column: pd.Series) -> None:
        codes, values = pd.factorize(column.astype("str").replace("", NONE).fillna(NONE), sort=True)
        self._codes = codes
        self.texts = tuple(map(str, values))

    def rows_with(self, chosen: Iterable[str]) -> Rows:
        """The rows with one of these values; all rows when none is chosen."""
        wanted = set(chosen)
        if not wanted:
            return np.ones(len(self._codes), dtype=bool)
        keep = np.array([value in wanted for value in self.texts], dtype=bool)
        return keep[self._codes] if len(keep) else np.zeros(0, dtype=bool)

    def counts(self, rows: Rows) -> dict[str, int]:
        """How many of some rows have each value; `NONE` comes last."""
        counts = np.bincount(self._codes[rows], minlength=len(self.texts))
        order = sorted(range(len(self.texts)), key=lambda place: (self.texts[place] == NONE, place))
        return {self.texts[place]: int(counts[place]) for place in order}


__all__ = ["Facet", "Rows"]
