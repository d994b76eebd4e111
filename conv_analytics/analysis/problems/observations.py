"""Legs as arrays, built once: each text column as integer codes with labels, each measure as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
#: An instant that is not known. [us]
NO_INSTANT = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Codes:
    """A text column: a code per row, -1 where it is unknown, and the label of each code."""

    codes: Ints
    labels: Sequence[str]

    def is_in(self, *words: str) -> Flags:
        """Whether a row has one of some words.

        >>> Codes(np.array([0, 1, -1]), ["poor", "good"]).is_in("poor").tolist()
        [True, False, False]
        """
        wanted = np.array([*(label in words for label in self.labels), False], dtype=bool)
        return wanted[self.codes]


@dataclass(frozen=True)
class Observations:
    """One row per leg.

    Attributes
    ----------
    texts
        Columns of text as `Codes`; a column that the data lacks has -1 only.
    numbers
        Measures, NaN where they are not known. [as in `legs` and `quality`]
    flags
        Columns of true and false; null is false.
    started_us
        When each leg started, microseconds since 1970; `NO_INSTANT` where that is not known, or its clock was wrong.
    local_us
        The same on the clock of the requested zone.
    columns
        The columns that the data has and that are not null everywhere.
    misdated
        How many legs started so far from all others that their clock was wrong.
    """

    texts: Mapping[str, Codes]
    numbers: Mapping[str, Floats]
    flags: Mapping[str, Flags]
    instants: Mapping[str, Ints]
    local_us: Ints
    columns: frozenset[str] = field(default_factory=frozenset)
    misdated: int = 0

    def __len__(self) -> int:
        return len(self.local_us)

    @property
    def started_us(self) -> Ints:
        """When each leg started."""
        return self.instants["started_at"]

    @property
    def conversation(self) -> Ints:
        """The conversation of each leg; a leg without one stands alone."""
        return self._conversation

    @cached_property
    def _conversation(self) -> Ints:
        codes = self.texts["conversation_id"].codes
        alone = codes < 0
        return np.where(alone, len(self.texts["conversation_id"].labels) + np.arange(len(codes)), codes)

    @cached_property
    def hour(self) -> Ints:
        """Hour of the day on the zone's clock, 0..23; -1 where it is not known."""
        return np.where(self.started_us == NO_INSTANT, -1, self.local_us % DAY_US // HOUR_US).astype(np.int32)

    @cached_property
    def weekday(self) -> Ints:
        """Weekday on the zone's clock, 0 is Monday; -1 where it is not known."""
        return np.where(self.started_us == NO_INSTANT, -1, (self.local_us // DAY_US + 3) % 7).astype(np.int32)

    @cached_property
    def day(self) -> Ints:
        """Day since 1970 on the zone's clock; -1 where it is not known."""
        return np.where(self.started_us == NO_INSTANT, -1, self.local_us // DAY_US).astype(np.int32)

    @cached_property
    def outbound(self) -> Flags:
        """Whether the platform placed the call."""
        return self.texts["direction"].is_in("outbound")

    @cached_property
    def answered(self) -> Flags:
        """Whether the leg was answered."""
        return self.flags["answered"]

    @cached_property
    def with_inbound(self) -> Flags:
        """Whether the leg's conversation has an inbound leg: somebody called in, and outbound legs seek an answer."""
        inbound = self.texts["direction"].is_in("inbound")
        called = np.zeros(self.conversation.max(initial=-1) + 1, dtype=bool)
        called[self.conversation[inbound]] = True
        return called[self.conversation]

    @cached_property
    def structure(self) -> Ints:
        """The structure of each leg: direction, channel, and whether somebody had called in."""
        direction, channel = self.texts["direction"], self.texts["channel_type"]
        width = len(channel.labels) + 1
        return ((direction.codes + 1) * width + channel.codes + 1) * 2 + (self.with_inbound & self.outbound)

    @cached_property
    def attempt(self) -> Ints:
        """Attempt of each outbound leg: legs of one conversation that ring at the same time are one; -1 for others.

        Where somebody called in, all outbound legs of the conversation look for one answer, and are one attempt.
        """
        rows = np.flatnonzero(self.outbound)
        attempt = np.full(len(self), -1, dtype=np.int64)
        if not len(rows):
            return attempt
        start = self.started_us[rows]
        until = np.maximum(*(self.instants[name][rows] for name in ("answered_at", "rang_until")))
        order = np.lexsort((start, self.conversation[rows]))
        rows, start, until = rows[order], start[order], until[order]
        conversation = self.conversation[rows]
        new = np.r_[True, conversation[1:] != conversation[:-1]]
        # The latest end so far within a conversation, as a running maximum: its rows are few.
        carried = _running_maximum(until, new)
        apart = np.r_[True, start[1:] >= carried[:-1]]
        begins = new | (apart & ~self.with_inbound[rows])
        attempt[rows] = np.cumsum(begins) - 1
        return attempt


def sums(codes: Ints, weights: Floats | None = None, *, size: int = 0) -> Floats:
    """Rows per code, or the sum of their weights; `size` is the minimum number of codes.

    >>> sums(np.array([0, 2, 2])).tolist()
    [1.0, 0.0, 2.0]
    """
    result: Floats = np.bincount(codes, weights, minlength=size).astype("float64")
    return result


def _running_maximum(values: Ints, new: Flags) -> Ints:
    """The maximum so far within each run of rows.

    >>> _running_maximum(np.array([3, 1, 2, 5]), np.array([True, False, True, False])).tolist()
    [3, 3, 2, 5]
    """
    _, rank = np.unique(values, return_inverse=True)
    run = np.cumsum(new) - 1
    size = int(rank.max(initial=0)) + 1
    highest = np.maximum.accumulate(run * size + rank) - run * size
    result: Ints = np.unique(values)[highest]
    return result


__all__ = ["DAY_US", "HOUR_US", "NO_INSTANT", "Codes", "Flags", "Floats", "Ints", "Observations", "sums"]
