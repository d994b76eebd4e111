"""Where a cause is: places that carry enough calls to be seen, and when it began."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests._helpers.worlds.legs import Legs, joined
from tests._helpers.worlds.planted import Planted
from tests._helpers.worlds.world import BEGIN, DAY, World

#: Kinds and cases that several causes share.
SETUP = frozenset({"failed", "unanswered", "no_answer", "blocked", "bad_number", "sip_code", "answered"})
AUDIO = frozenset({"poor", "fair", "good"})
SILENCE = frozenset({"silent", "no_in", "no_out", "ghost", "one_way", "no_audio", "one_way_audio"})


def of_size(world: World, values: np.ndarray, rows: np.ndarray, low: float = 0.06, high: float = 0.4) -> int:
    """One of the values that have a share of the rows; the nearest in size where none has."""
    known, counts = np.unique(values[rows & (values >= 0)], return_counts=True)
    shares = counts / counts.sum()
    fit = known[(shares >= low) & (shares <= high)]
    if len(fit):
        return int(world.rng.choice(fit))
    return int(known[np.argmin(np.abs(shares - (low + high) / 2))])


def some(world: World, rows: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """Each of the rows with a probability."""
    return rows & (world.rng.random(len(rows)) < share)


def since(world: World, low: float = 0.35, high: float = 0.65) -> float:
    """A moment in the middle of the data. [s]"""
    return float(BEGIN + world.days * DAY * world.rng.uniform(low, high))


def planted(description: str, words: str, cases: frozenset[str] | str, *masks: np.ndarray, **more: Any) -> Planted:
    """A cause, of masks over the legs that there are now: those hit, its place, and those that could be hit."""
    hit, target, among = masks
    named = frozenset(cases.split()) if isinstance(cases, str) else cases
    return Planted(description, frozenset(words.split()), named, hit, target, among, **more)


def added(world: World, extra: Legs) -> np.ndarray:
    """Add legs of conversations of their own to the world; gives a mask of them."""
    before = len(world.legs)
    world.legs = joined([world.legs, extra])
    return np.arange(len(world.legs)) >= before


def times_between(world: World, number: int, low: float, high: float) -> np.ndarray:
    """Instants between two. [s]"""
    return np.sort(world.rng.uniform(low, high, number))


__all__ = ["AUDIO", "SETUP", "SILENCE", "added", "of_size", "planted", "since", "some", "times_between"]
