"""How fast requests may go out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

#: So many requests may follow a pause without waiting.
_BURST = 5


class TokenBucket:
    """At most ``rate`` requests per second, evenly; after a pause a few at once.

    Parameters
    ----------
    rate
        Requests per second; 0 sets no limit. [1/s]
    clock
        Seconds that only grow.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / rate if rate > 0 else 0.0
        self._saved = min(1.0, _BURST * self._interval)
        self._clock = clock
        self._next = clock()

    def reserve(self) -> float:
        """Take the next place in the queue, and give the time to wait until it comes.

        In seconds.

        >>> bucket = TokenBucket(10, clock=lambda: 0.0)
        >>> [round(bucket.reserve(), 1) for _ in range(4)]
        [0.0, 0.1, 0.2, 0.3]
        """
        now = self._clock()
        self._next = max(self._next, now - self._saved)
        wait = max(0.0, self._next - now)
        self._next += self._interval
        return wait

    async def __call__(self) -> None:
        """Wait for the next place: what a client awaits before each request."""
        if self._interval and (wait := self.reserve()):
            await asyncio.sleep(wait)
