"""Find out how many requests per second a server takes. Pure: no waiting, and the clock comes in as an argument.

Nothing is known at first, so requests go out ever faster until one is refused. What was accepted in the second before
is then the limit of a server that counts requests per second. A server with a token bucket had saved tokens, so there
it is too high; but between two refusals its bucket goes from empty to empty, and what it accepted in between, over the
time, is its limit exactly. The rate stays a little below, and is tried higher rarely, because each refusal costs a
pause of a second or more.

The refusals of one burst are one event: those sent before the client knew of the first say nothing new. This is how
TCP treats the losses of one window; growing back to the last good value first and beyond it later is its CUBIC's idea.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from time import monotonic

#: The rate of a client that knows nothing: so much at once, and so much more for each accepted request. [1/s]
_FIRST, _MORE = 800.0, 40.0
#: The rate kept is this share of the limit found.
_BELOW = 0.985
#: A pause where the server names none: the usual window of a limit. [s]
PAUSE_S = 1.0
#: After a late start so much of what was missed is caught up. [s]
_CATCH_UP_S = 0.1
#: A rate that was not refused for so long holds for servers that count per second. [s]
_PROVEN_S = 3.0
#: A higher rate is tried after so long, and each step of the trial takes so long. [s]
_PROBE_S, _STEP_S = 120.0, 4.0
#: What an earlier run learned is tried sooner. [s]
_SOON_S = 20.0
#: The first step of a trial; each next one is twice as large, up to a doubling of the rate.
_STEP = 0.02
#: So many refusals in one burst are a limit for sure; one alone may be a whim.
_SURE = 3
_LEAST = 0.2
_REMEMBERED = 1000


class Rate:
    """When the next request may go.

    Parameters
    ----------
    ceiling
        Requests per second at most; 0 for no ceiling. [1/s]
    learned
        The rate that an earlier run settled on, if one did. [1/s]
    clock
        Seconds that only grow.

    >>> rate = Rate(10, clock=lambda: 0.0)
    >>> [round(rate.reserve(), 1) for _ in range(4)]
    [0.0, 0.1, 0.2, 0.3]
    """

    def __init__(self, ceiling: float, *, learned: float | None = None, clock: Callable[[], float] = monotonic) -> None:
        self.refused = 0
        self._clock, self._ceiling = clock, ceiling or math.inf
        now = clock()
        self._limit = None if learned is None else max(_LEAST, learned)
        self._ramp = 0
        self._next = self._since = self._paused_until = now
        self._accepted: deque[float] = deque(maxlen=20_000)
        self._sent: deque[float] = deque(maxlen=_REMEMBERED)
        self._event: tuple[float, float, int] | None = None
        self._before: float | None = None
        self._previous: int | None = None
        self._probe_at, self._hold = now + (_PROBE_S if learned is None else _SOON_S), _PROBE_S
        self._proven: float | None = None
        self._base, self._step = 0.0, _STEP

    @property
    def limit(self) -> float | None:
        """The rate that refusals taught; None while there were none [1/s]."""
        return self._limit if self._proven is None else self._base

    @property
    def now(self) -> float:
        """The rate in force; infinite when nothing holds requests back [1/s]."""
        start = _FIRST + _MORE * self._ramp
        learned = self._limit if self._limit is not None else (start if start < 20 * _FIRST else math.inf)
        return min(self._ceiling, learned)

    @property
    def paused_s(self) -> float:
        """How long no request goes at all [s]."""
        return max(0.0, self._paused_until - self._clock())

    def wait(self) -> float:
        """Seconds until the next request may go; 0 for at once."""
        now = self._clock()
        if now < self._paused_until:
            return self._paused_until - now
        if self._event is not None:
            self._learn(now)
        self._probe(now)
        return max(0.0, self._next - now, self._crowded(now))

    def take(self) -> None:
        """A request goes."""
        now, rate = self._clock(), self.now
        self._sent.append(now)
        if rate < math.inf:
            saved = min(1.0, 5 / rate) if self._limit is None else _CATCH_UP_S
            self._next = max(self._next, now - saved) + 1 / rate

    def reserve(self) -> float:
        """Take the next place, and give the time until it comes [s]."""
        wait = self.wait()
        self.take()
        return wait

    def accepted(self, sent_at: float) -> None:
        """The server did not refuse a request that was sent then."""
        self._accepted.append(sent_at)
        self._ramp += 1

    def refuse(self, sent_at: float) -> None:
        """The server refused a request that was sent then, for there were too many (429)."""
        self.refused += 1
        now = self._clock()
        if self._event is not None:
            first, took, count = self._event
            self._event = (min(first, sent_at), took, count + 1)
        elif sent_at >= self._since:
            self._event = (sent_at, now - sent_at, 1)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _crowded(self, now: float) -> float:
        """Time until one more request in the last second is no more than the limit: catching up may bring too many."""
        if self._limit is None or self.now > _REMEMBERED:
            return 0.0
        most = max(1, math.ceil(self.now))
        if self._limit < 1 or len(self._sent) < most:
            return 0.0
        return max(0.0, self._sent[-most] + 1.0 - now)

    def _learn(self, now: float) -> None:
        """What a burst of refusals says, once the answers to all that was under way are in."""
        assert self._event is not None
        at, took, count = self._event
        self._event = None
        end = at + took
        ran = at - self._since
        second = sum(at - 1 < sent <= end for sent in self._accepted)
        run = sum(self._since - 0.05 <= sent <= end for sent in self._accepted)
        old, before = self._limit, self._before
        if self._proven is not None:
            # A trial went too far: back, and longer until the next one. A few percent can pass for seconds unnoticed;
            # only much more shows that the limit has grown.
            self._limit = self._proven if self._proven > 1.2 * self._base else self._base
            self._proven, self._step = None, _STEP
            self._hold = min(4 * self._hold, 3600.0)
        elif old is None:
            agrees = self._previous is not None and abs(run - self._previous) <= 0.25 * max(run, self._previous)
            self._previous = run
            if count >= _SURE or (agrees and run > 1):
                self._limit = second * _BELOW
            else:
                self._ramp //= 2
        elif before is not None and ran >= _PROVEN_S:
            # Long after the last refusal: a bucket went from empty to empty, or it was a whim.
            # It saves about a second's worth; what flowed in during a longer pause was lost.
            exact = run / min(at - before, ran + PAUSE_S)
            self._limit = max(exact * _BELOW, 0.8 * old)
        else:
            # Refused at once: above the limit of a server that counts per second, or far above that of a bucket.
            counted = 0 < second < 0.95 * old
            self._limit = second * _BELOW if counted else math.sqrt(max(second / 2, 0.75 * old) * old)
        if self._limit is not None:
            self._limit = max(_LEAST, self._limit)
        self._before = at
        self._since = self._next = max(now, self._paused_until)
        self._probe_at = self._since + self._hold
        self._accepted.clear()
        self._sent.clear()

    def _probe(self, now: float) -> None:
        """Try a little more after a long while, and ever more as long as nothing is refused."""
        if self._limit is None or now < self._probe_at:
            return
        if self._limit >= self._ceiling:
            return
        if self._proven is None:
            self._base = self._limit
        self._proven = self._limit
        self._limit *= 1 + self._step
        self._step = min(1.0, 2 * self._step)
        self._probe_at = now + _STEP_S
