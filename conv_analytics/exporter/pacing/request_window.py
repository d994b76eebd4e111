"""The requests that a server may have counted within the last second. Pure: times are arguments.

A server with a limit per second counts requests when they arrive, which the client does not see. Networks and busy
machines delay some, so requests that are sent evenly still arrive in bunches, and one too many may fall into a second.
All the client knows is that a request arrived before its response did: no later than that moment minus the fastest
round trip so far.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque

#: Time for which a request counts. [s]
SECOND_S = 1.0
#: Allowance, because a round trip is seldom as short as the fastest one. [s]
_SPARE_S = 0.005
#: The fastest round trip is forgotten slowly, because the route to the server may change.
_FORGET = 1.0002


class RequestWindow:
    """The requests of the last second.

    Attributes
    ----------
    conservative
        Whether a request counts from its latest possible arrival rather than from when it was sent.

    Examples
    --------
    >>> window = RequestWindow()
    >>> for sent_at in (0.0, 0.1):
    ...     window.take(sent_at)
    >>> window.wait(2, now=0.25), window.wait(3, now=0.25)
    (0.75, 0.0)
    """

    def __init__(self) -> None:
        self.conservative = False
        self._fastest = math.inf
        self._in_flight: deque[float] = deque()
        self._counted: deque[float] = deque()

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        self._expire(now)
        self._in_flight.append(now)

    def answered(self, sent_at: float, now: float, *, accepted: bool) -> None:
        """Record the response to a request sent at this time; refused requests do not count."""
        position = bisect_right(self._in_flight, sent_at) - 1
        if position >= 0:
            del self._in_flight[position]
        if accepted:
            self._fastest = min(self._fastest * _FORGET, now - sent_at)
            self._counted.append(now - self._fastest + _SPARE_S if self.conservative else sent_at)

    def wait(self, most: int, now: float) -> float:
        """Time until one more request keeps to at most `most` within a second [s]."""
        self._expire(now)
        over = len(self._in_flight) + len(self._counted) - most
        if over < 0:
            return 0.0
        # Requests in flight were sent after most of the others; this is asked again when one arrives.
        first = self._counted[over] if over < len(self._counted) else self._in_flight[0]
        return max(0.0, first + SECOND_S - now)

    def clear(self) -> None:
        """Forget all requests, after a pause that let them expire."""
        self._in_flight.clear()
        self._counted.clear()

    def _expire(self, now: float) -> None:
        # A request without a response for this long arrived long ago, or never will.
        for moments in (self._in_flight, self._counted):
            while moments and moments[0] <= now - SECOND_S:
                moments.popleft()
