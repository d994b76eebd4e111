"""How many requests may be in flight. Pure: the clock comes in as an argument.

One more after each round in which all were used, half as many when the server breaks down (503, lost connections) and
a quarter less when answers take far longer than they can: additive increase, multiplicative decrease, as TCP does.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

#: The fastest answer of so long a time is what answers take on a server that is not crowded. [s]
_MEMORY_S = 30.0
#: Answers are slow when they take so many times that long, and so much longer at least: short queues do no harm. [s]
_TIMES, _SLOWER_S = 3.0, 0.5
#: Weight of the newest answer in the mean. [1]
_NEWEST = 0.05
#: Slow answers alone take no more than this share away: what is slow may be something else than the number of requests.
_SHARE = 0.25
_SETTLE_S = 1.0


class Slots:
    """The requests that may be in flight.

    Parameters
    ----------
    ceiling
        The most ever, and the number to begin with. [requests]
    clock
        Seconds that only grow.

    >>> slots = Slots(20, clock=lambda: 5.0)
    >>> slots.failed(sent_at=4.0), slots.failed(sent_at=4.5), slots.limit
    (None, None, 10)
    """

    def __init__(self, ceiling: int, clock: Callable[[], float] = monotonic) -> None:
        self._ceiling, self._clock = ceiling, clock
        self._limit = float(ceiling)
        self._changed = -1.0
        self._fastest = self._fastest_before = float("inf")
        self._turned, self._mean = clock(), 0.0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    def failed(self, sent_at: float) -> None:
        """The server broke down at a request that was sent then; all of one burst count once."""
        if sent_at > self._changed:
            self._changed = self._clock()
            self._limit = max(1.0, self._limit / 2)

    def answered(self, took_s: float, in_flight: int) -> None:
        """An answer came after so long, with so many in flight."""
        now = self._clock()
        if now - self._turned > _MEMORY_S:
            self._turned, self._fastest_before, self._fastest = now, self._fastest, took_s
        self._fastest = min(self._fastest, took_s)
        self._mean = took_s if not self._mean else (1 - _NEWEST) * self._mean + _NEWEST * took_s
        usual = min(self._fastest, self._fastest_before)
        if self._mean > max(_TIMES * usual, usual + _SLOWER_S):
            if now - self._changed > max(_SETTLE_S, 2 * self._mean):
                self._changed = now
                self._limit = max(min(self._limit, self._ceiling * _SHARE), 0.75 * self._limit, 1.0)
        elif in_flight >= self.limit:
            self._limit = min(self._ceiling, self._limit + 1 / self._limit)
