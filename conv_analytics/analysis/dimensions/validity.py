"""Rows with a period of validity: its start, its end (excluded), and which row is valid at an instant."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.dimensions.keys import FROM, TO
from conv_analytics.errors import ConfigError
from conv_analytics.instants import from_micros
from conv_analytics.time_zones import zone_info

Ints = npt.NDArray[np.int64]
#: Before and after every instant. [us]
ALWAYS, FOR_EVER = -(2**62), 2**62
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def instants_of(column: Any, name: str, map_name: str, *, missing: int, tz: str) -> Ints:
    """A column of instants or days as microseconds since 1970, `missing` where it is empty."""
    values = column.to_pylist()
    return np.array([missing if value in {None, ""} else _micros(value, name, map_name, tz) for value in values],
                    dtype=np.int64)  # fmt: skip


def _micros(value: Any, name: str, map_name: str, tz: str) -> int:
    wrong = ConfigError(
        f"{map_name} has {str(value)!r} as {name}, which is neither a day nor an instant with a time zone. Write it "
        "like 2026-11-20, which is midnight in tz, or 2026-11-20T14:30:00+01:00."
    )
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= len("2026-11-20") else datetime.fromisoformat(value)
        except ValueError:
            raise wrong from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            # A day as pandas writes it; any other time without a zone is ambiguous.
            if value.time() != time():
                raise wrong
            value = value.date()
        else:
            return (value - _EPOCH) // pd.Timedelta(microseconds=1).to_pytimedelta()
    if not isinstance(value, date):
        raise wrong
    local = datetime.combine(value, time(), zone_info(tz))
    return (local - _EPOCH) // pd.Timedelta(microseconds=1).to_pytimedelta()


class Validity:
    """Periods of keys; those of one key do not overlap.

    Parameters
    ----------
    keys
        The key of each row.
    since, until
        Microseconds since 1970; the end is excluded.

    Examples
    --------
    >>> teams = Validity(pa.array(["ann", "ann"]), np.array([0, 50]), np.array([50, FOR_EVER]), "teams.csv")
    >>> teams.places(pa.array(["ann", "ann", "ann", "bob"]), np.array([-1, 49, 50, 7])).tolist()
    [-2, 0, 1, -1]
    """

    #: The key has rows, but none that holds at that time.
    OUTSIDE = -2

    def __init__(self, keys: pa.Array, since: Ints, until: Ints, map_name: str) -> None:
        self.keys, self.since, self.until = keys, since, until
        self._different = pc.unique(keys)
        numbers = pc.index_in(keys, value_set=self._different).to_numpy(zero_copy_only=False).astype(np.int64)
        empty = np.flatnonzero(since >= until)
        if len(empty):
            self._refuse(map_name, empty[0], empty[0], "ends before it begins, or at the same instant")
        self._order = np.lexsort((since, numbers))
        numbers, self._starts = numbers[self._order], np.unique(since)
        same = numbers[1:] == numbers[:-1]
        # The periods before the first overlapping one do not overlap: each ends before the next begins.
        overlaps = np.flatnonzero(same & (until[self._order][:-1] > since[self._order][1:]))
        if len(overlaps):
            first, second = self._order[overlaps[0]], self._order[overlaps[0] + 1]
            self._refuse(map_name, first, second, "is valid at the same time as another one")
        self._ranked = numbers * (len(self._starts) + 1) + np.searchsorted(self._starts, since[self._order])

    def _refuse(self, map_name: str, row: Any, other: Any, why: str) -> None:
        def period(at: Any) -> str:
            ends = (self.since[at], self.until[at])
            texts = ["always" if abs(end) == FOR_EVER else from_micros(int(end)).isoformat() for end in ends]
            return f"{texts[0]} to {texts[1]}"

        more = "" if row == other else f" and row {int(other) + 1} ({period(other)})"
        raise ConfigError(
            f"{map_name}: row {int(row) + 1} of {self.keys[int(row)].as_py()!r} ({period(row)}){more} {why}. {FROM} is "
            f"the first instant at which a row is valid, {TO} the first at which it no longer is."
        )

    def places(self, keys: pa.Array, at_us: Ints, has_instant: Any = None) -> Ints:
        """Per key and instant the valid row; -1 for a key without rows, `OUTSIDE` where none is valid then.

        Parameters
        ----------
        has_instant
            Which of the keys have an instant; all when absent.
        """
        numbers = pc.fill_null(pc.index_in(keys, value_set=self._different, skip_nulls=True), -1)
        numbers = numbers.to_numpy(zero_copy_only=False).astype(np.int64)
        sought = numbers * (len(self._starts) + 1) + np.searchsorted(self._starts, at_us, side="right") - 1
        before = np.searchsorted(self._ranked, sought, side="right") - 1
        rows = self._order[np.maximum(before, 0)]
        width = len(self._starts) + 1
        holds = (before >= 0) & (self._ranked[np.maximum(before, 0)] // width == numbers) & (at_us < self.until[rows])
        if has_instant is not None:
            holds &= has_instant
        result: Ints = np.where(numbers < 0, -1, np.where(holds, rows, self.OUTSIDE))
        return result


__all__ = ["ALWAYS", "FOR_EVER", "Validity", "instants_of"]
