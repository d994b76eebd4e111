"""The result of a coverage run: shares with their intervals, and the legs that the folder lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from conv_analytics import markup
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.instants import utc_text
from conv_analytics.proportions import wilson
from conv_analytics.tables.voice_calls import IN_FOLDER, CoverageClass

_CLASSES = [str(word) for word in CoverageClass]
_NOT_YET = str(CoverageClass.NOT_YET)
_FOUND = [str(word) for word in IN_FOLDER]


@dataclass(repr=False)
class Coverage:
    """How much of the Voice API's call list a folder has; of `conv_analytics.coverage`.

    Attributes
    ----------
    since, until
        The window: calls of the list from the first instant on, and before the second. [UTC]
    shares
        One row for the total and for each day, direction and channel: ``part`` (``total``, ``day``, ``direction``,
        ``channel``), ``value``, then ``k`` (legs that the folder has), ``n`` (legs that it could have: all but those of
        class ``not_yet``), ``rate``, ``lo`` and ``hi`` (95 % interval by Wilson), and the legs of each class.
    missing
        The legs that the folder lacks, wholly or in part, in the order in which they began.
    extra
        How many legs the folder has and the list lacks: app calls may be in no list of the Voice API.
    extra_legs
        The first of them.
    incomplete
        What could not be read, and why; the shares are then of what was read.
    """

    since: datetime
    until: datetime
    shares: pd.DataFrame
    missing: pd.DataFrame
    extra: int
    extra_legs: pd.DataFrame
    incomplete: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    """Requests sent, including retries."""
    retries: int = 0
    quarantined: int = 0
    """Calls of the list with something unreadable."""
    seconds: float = 0.0
    commit: int | None = None
    """Number of the commit that stores it; None when there was nothing to store."""

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return not self.incomplete

    @property
    def counts(self) -> dict[str, int]:
        """Legs of each class."""
        total = self._total
        return {name: int(total[name]) for name in _CLASSES}

    @property
    def share(self) -> float:
        """Legs that the folder has, of those that it could have; NaN when there are none (0..1)."""
        return float(self._total["rate"])

    @property
    def _total(self) -> pd.Series[Any]:
        return self.shares.iloc[0]

    def sentence(self) -> str:
        """The result in one line."""
        total = self._total
        window = f"{utc_text(self.since, 'minutes')} to {utc_text(self.until, 'minutes')}"
        if not total["n"]:
            return f"{window}: the call list has no leg that the folder could have"
        share = f"{total['rate']:.2%} ({total['lo']:.2%} to {total['hi']:.2%})".replace("%", " %")
        return f"{window}: the folder has {total['k']:,} of {total['n']:,} legs of the call list, {share}"

    def remarks(self) -> list[str]:
        """Remarks, one line each."""
        lines = []
        if waiting := self.counts[_NOT_YET]:
            lines.append(f"{waiting:,} legs are not counted: not ended, or for the next export to read")
        if self.extra:
            lines.append(f"{self.extra:,} legs of the folder are not in the call list, as calls of apps may be")
        if self.quarantined:
            lines.append(f"{self.quarantined:,} calls of the list have something unreadable; see _quarantine/")
        lines += [markup.line(f"not read to the end: {what}: {why}") for what, why in self.incomplete.items()]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON values, as the commit stores them, without individual legs."""
        total = self._total
        return {
            "k": int(total["k"]),
            "n": int(total["n"]),
            "share": _number(total["rate"]),
            "lo": _number(total["lo"]),
            "hi": _number(total["hi"]),
            "classes": self.counts,
            "extra": self.extra,
        }

    @safe_repr
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sentence()})"

    def _repr_html_(self) -> str:
        rows = [(name, count) for name, count in self.counts.items() if count]
        return markup.block(
            "Coverage", self.sentence(), markup.grid(("class", "legs"), rows), markup.notes(self.remarks())
        )


def shares_of(counts: Iterable[tuple[str, str | None, str, int]]) -> pd.DataFrame:
    """Counts of legs by part, value and class as shares.

    >>> frame = shares_of([("total", None, "covered", 3), ("total", None, "expired", 1), ("total", None, "not_yet", 9)])
    >>> int(frame.at[0, "k"]), int(frame.at[0, "n"]), float(frame.at[0, "rate"])
    (3, 4, 0.75)
    """
    grouped: dict[tuple[str, str | None], Counter[str]] = {("total", None): Counter()}
    for part in ("day", "direction", "channel"):
        grouped |= {(part, value): Counter() for each, value, *_ in counts if each == part}
    for part, value, name, count in counts:
        grouped[part, value][name] += count
    frame = pd.DataFrame(
        [[part, value, *(legs[name] for name in _CLASSES)] for (part, value), legs in grouped.items()],
        columns=["part", "value", *_CLASSES],
    )
    k = frame[_FOUND].sum(axis=1).astype("int64")
    n = (frame[_CLASSES].sum(axis=1) - frame[_NOT_YET]).astype("int64")
    lo, hi = wilson(k, n)
    with np.errstate(invalid="ignore"):
        rate = k.to_numpy("float64") / n.to_numpy("float64")
    rates = pd.DataFrame({"k": k, "n": n, "rate": rate, "lo": lo, "hi": hi})
    return pd.concat([frame[["part", "value"]], rates, frame[_CLASSES]], axis=1)


def frame_of(rows: pa.Table) -> pd.DataFrame:
    """Rows as a DataFrame with the dtypes of the folder's tables."""
    frame: pd.DataFrame = rows.to_pandas(types_mapper=lambda kind: pd.Int64Dtype() if kind == pa.int64() else None)
    return frame


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


__all__ = ["Coverage", "frame_of", "shares_of"]
