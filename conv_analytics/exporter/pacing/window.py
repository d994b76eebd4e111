"""How many requests a server may have counted within the last second. Pure: the times come in as arguments.

A server that takes so many requests in any second counts them when they arrive, which the client does not see. Sent
evenly they still arrive in bunches, for networks and busy machines hold some of them up: then one more than allowed
falls into a second although it was sent in time. What the client does know is that a request arrived before its answer
came: no later than that moment less the fastest answer so far, which is what the ways there and back take at least.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque

#: What is counted is counted for so long. [s]
SECOND_S = 1.0
#: Two ways of two requests are seldom both as short as those of the fastest answer. [s]
_SPARE_S = 0.005
#: The fastest answer is forgotten slowly, for the way to the server may change.
_FORGET = 1.0002


class Places:
    """The requests of the last second.

    Attributes
    ----------
    careful
        Whether a request counts from the moment when the server has it for sure, rather than from when it was sent.

    Examples
    --------
    >>> places = Places()
    >>> for sent_at in (0.0, 0.1):
    ...     places.take(sent_at)
    >>> places.wait(2, now=0.25), places.wait(3, now=0.25)
    (0.75, 0.0)
    """

    def __init__(self) -> None:
        self.careful = False
        self._fastest = math.inf
        self._flying: deque[float] = deque()
        self._counted: deque[float] = deque()

    def take(self, now: float) -> None:
        """A request goes."""
        self._expire(now)
        self._flying.append(now)

    def answered(self, sent_at: float, now: float, *, accepted: bool) -> None:
        """An answer came to a request that was sent then; one that was refused did not count."""
        place = bisect_right(self._flying, sent_at) - 1
        if place >= 0:
            del self._flying[place]
        if accepted:
            self._fastest = min(self._fastest * _FORGET, now - sent_at)
            self._counted.append(now - self._fastest + _SPARE_S if self.careful else sent_at)

    def wait(self, most: int, now: float) -> float:
        """Seconds until one more request is one of at most so many within a second."""
        self._expire(now)
        over = len(self._flying) + len(self._counted) - most
        if over < 0:
            return 0.0
        # Those under way were sent after most of the others; when one has landed, this is asked again.
        first = self._counted[over] if over < len(self._counted) else self._flying[0]
        return max(0.0, first + SECOND_S - now)

    def clear(self) -> None:
        """Forget all requests: a pause has let them expire."""
        self._flying.clear()
        self._counted.clear()

    def _expire(self, now: float) -> None:
        # One without an answer for so long arrived long ago, or never will.
        for moments in (self._flying, self._counted):
            while moments and moments[0] <= now - SECOND_S:
                moments.popleft()
