"""The number of requests that may be in flight. Pure: the clock is an argument.

Additive increase, multiplicative decrease, as in TCP: one more after each round in which all were used, half as many
when the server fails (503, lost connections), a quarter less when responses become far slower.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

#: The fastest response within this time shows how long an idle server takes. [s]
_MEMORY_S = 30.0
#: Responses are slow above this multiple of the fastest one, and this much above it: short queues do no harm. [s]
_SLOW_FACTOR, _SLOWER_S = 3.0, 0.5
#: Weight of the newest response in the moving mean. [1]
_NEWEST = 0.05
#: Slow responses alone lower the limit to this share at least: the number of requests may not be the reason.
_MIN_SHARE = 0.25
_SETTLE_S = 1.0


class ConcurrencyLimit:
    """The maximum number of requests in flight.

    Parameters
    ----------
    ceiling
        The highest limit, which is also the first. [requests]
    clock
        A monotonic clock. [s]

    >>> limit = ConcurrencyLimit(20, clock=lambda: 5.0)
    >>> limit.failed(sent_at=4.0), limit.failed(sent_at=4.5), limit.limit
    (None, None, 10)
    """

    def __init__(self, ceiling: int, clock: Callable[[], float] = monotonic) -> None:
        self._ceiling, self._clock = ceiling, clock
        self._limit = float(ceiling)
        self._changed = -1.0
        self._fastest = self._fastest_before = float("inf")
        self._memory_since, self._mean = clock(), 0.0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    def failed(self, sent_at: float) -> None:
        """Record that a request sent at this time failed; all failures of one burst count once."""
        if sent_at > self._changed:
            self._changed = self._clock()
            self._limit = max(1.0, self._limit / 2)

    def answered(self, took_s: float, in_flight: int) -> None:
        """Record the time of a response, and the requests in flight."""
        now = self._clock()
        if now - self._memory_since > _MEMORY_S:
            self._memory_since, self._fastest_before, self._fastest = now, self._fastest, took_s
        self._fastest = min(self._fastest, took_s)
        self._mean = took_s if not self._mean else (1 - _NEWEST) * self._mean + _NEWEST * took_s
        usual = min(self._fastest, self._fastest_before)
        if self._mean > max(_SLOW_FACTOR * usual, usual + _SLOWER_S):
            if now - self._changed > max(_SETTLE_S, 2 * self._mean):
                self._changed = now
                self._limit = max(min(self._limit, self._ceiling * _MIN_SHARE), 0.75 * self._limit, 1.0)
        elif in_flight >= self.limit:
            self._limit = min(self._ceiling, self._limit + 1 / self._limit)
