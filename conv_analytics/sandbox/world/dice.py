"""Seeded chance: the only source of randomness of the sandbox."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Dice:
    """Draw reproducible values; the same parts always give the same sequence.

    Parts are the world's seed and what the dice are for, e.g. `Dice(7, "conversation", 12)`, so that one
    record can be made without making the ones before it.
    """

    __slots__ = ("_rng", "uniform")

    def __init__(self, *parts: object) -> None:
        """Seed from the text of the parts (stable across processes, unlike `hash`)."""
        self._rng = random.Random("/".join(map(str, parts)))
        self.uniform = self._rng.random

    def uuid(self) -> str:
        """Draw a version 4 uuid."""
        text = f"{self._rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def hex32(self) -> str:
        """Draw 32 hexadecimal digits."""
        return f"{self._rng.getrandbits(128):032x}"

    def chance(self, probability: float) -> bool:
        """Whether something of this probability [0..1] happens."""
        return self.uniform() < probability

    def between(self, low: int, high: int) -> int:
        """Draw an integer, both ends included."""
        return low + int(self.uniform() * (high - low + 1))

    def real(self, low: float, high: float, digits: int = 2) -> float:
        """Draw a number rounded to `digits` decimal digits."""
        return round(low + self.uniform() * (high - low), digits)

    def pick(self, items: Sequence[T]) -> T:
        """Draw one item."""
        return items[int(self.uniform() * len(items))]

    def weighted(self, items: Sequence[tuple[T, float]]) -> T:
        """Draw one item by weight."""
        left = self.uniform() * sum(weight for _, weight in items)
        for item, weight in items:
            left -= weight
            if left < 0:
                return item
        return items[-1][0]

    def long_tail(self, typical: float, most: int, shape: float = 1.4) -> int:
        """Draw a count with a heavy (Pareto) tail: mostly near `typical`, now and then many times that."""
        return min(most, int(typical * self._rng.paretovariate(shape)))

    def around(self, median: float, spread: float = 0.6) -> float:
        """Draw a positive measure with a log-normal spread around its median (call lengths, delays)."""
        return median * self._rng.lognormvariate(0.0, spread)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order."""
        copy = list(items)
        self._rng.shuffle(copy)
        return copy
