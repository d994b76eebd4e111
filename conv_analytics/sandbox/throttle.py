"""How servers limit requests: the three ways in use. Pure: the time comes in as an argument."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

RateWindow = Literal["bucket", "fixed", "sliding"]


class Bucket:
    """A token bucket: `rate` tokens per second, of which one second's worth is saved.

    >>> bucket = Bucket(2, now=0.0)
    >>> [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)]
    [None, None, 0.5, None]
    """

    def __init__(self, rate: float, now: float) -> None:
        """Start with a full bucket."""
        self._rate, self._most = rate, max(1.0, rate)
        self._left, self._at = self._most, now

    def take(self, now: float) -> float | None:
        """Count a request; None if it may pass, else the seconds until one may."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return None
        return (1 - self._left) / self._rate


class Fixed:
    """A number of requests in each second of the clock; below one per second, one in each longer stretch.

    >>> fixed = Fixed(1, now=0.0)
    >>> [fixed.take(0.5), fixed.take(0.75), fixed.take(1.0)]
    [None, 0.25, None]
    """

    def __init__(self, rate: float, now: float) -> None:
        """Start with an unused second."""
        self._most, self._span = max(1, int(rate)), max(1.0, 1 / rate)
        self._window, self._used = now // self._span, 0

    def take(self, now: float) -> float | None:
        """Count a request; None if it may pass, else the seconds until one may."""
        window = now // self._span
        if window != self._window:
            self._window, self._used = window, 0
        if self._used < self._most:
            self._used += 1
            return None
        return (window + 1) * self._span - now


class Sliding:
    """A number of requests in any second.

    >>> sliding = Sliding(1, now=0.0)
    >>> [sliding.take(0.5), sliding.take(1.25), sliding.take(1.5)]
    [None, 0.25, None]
    """

    def __init__(self, rate: float, now: float) -> None:
        """Start without any request."""
        self._span = max(1.0, 1 / rate)
        self._times: deque[float] = deque([-math.inf] * max(1, int(rate)), maxlen=max(1, int(rate)))
        del now

    def take(self, now: float) -> float | None:
        """Count a request; None if it may pass, else the seconds until one may."""
        wait = self._times[0] + self._span - now
        if wait > 0:
            return wait
        self._times.append(now)
        return None


KINDS: dict[RateWindow, type[Bucket | Fixed | Sliding]] = {"bucket": Bucket, "fixed": Fixed, "sliding": Sliding}
