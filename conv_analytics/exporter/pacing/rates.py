"""Find out how many requests per second a server takes. Pure: no waiting, and the clock comes in as an argument.

Nothing is known at first, so requests go out ever faster until some are refused. What was accepted in the second before
is then the limit of a server that counts requests per second; unless its seconds are those of a clock, and the burst
fell into two of them: a burst that took long is therefore looked at twice, and the smaller number holds.

A later refusal has one of two reasons. Requests may have arrived in bunches: from then on a place is free again only
when the server has forgotten its request for sure (`places`), and nothing else changes. If that does not help, the
server has a token bucket. It had saved tokens, so the first number was too high; but between two refusals its bucket
goes from empty to empty, and what it accepted in between, over the time, is its limit exactly.

The rate stays a little below, and is tried higher rarely, because each refusal costs a pause of a second or more. The
refusals of one burst are one event: those sent before the client knew of the first say nothing new.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from time import monotonic

from conv_analytics.exporter.pacing.window import Places

#: The rate of a client that knows nothing: so much at once, and so much more for each accepted request. [1/s]
_FIRST, _MORE = 800.0, 40.0
#: The rate kept is this share of the limit found.
_BELOW = 0.99
#: A pause where the server names none: the usual window of a limit. [s]
PAUSE_S = 1.0
#: After a late start so much of what was missed is caught up; more, where places keep it from being too much. [s]
_CATCH_UP_S, _CATCH_UP_CAREFUL_S = 0.1, 0.3
#: The first burst fell into one second of the server's clock, most likely, when it took no longer. [s]
_SHORT_S = 0.15
#: A rate above the limit of a server that counts per second is refused sooner. [s]
_PROVEN_S = 2.1
#: A higher rate is tried after so long, and each step of the trial takes so long. [s]
_PROBE_S, _STEP_S = 120.0, 4.0
#: What an earlier run learned is tried sooner, and so is what may be too low. [s]
_SOON_S = 20.0
#: After a trial that was refused, the next one is so many times later, up to an hour.
_RARER, _RAREST_S = 4, 3600.0
#: The first step of a trial; each next one is twice as large, up to a doubling of the rate.
_STEP = 0.02
_CLEARLY = 1.05
#: So many refusals in one burst are a limit for sure; fewer may be a whim, unless they come again.
_SURE, _ALIKE = 3, 0.25
#: The second before a refusal was full when it held this share of the rate.
_FULL = 0.9
#: One refusal lowers the rate to no less than this share: a whim must not cost much.
_AT_MOST = 0.85
_LEAST = 0.2
#: Requests that were sent within so long may change places on their way. [s]
_BUNCH_S = 0.05
#: Places are not counted at rates above. [1/s]
_COUNTED = 1000


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
        self._places = Places()
        self._accepted: deque[float] = deque(maxlen=20_000)
        self._event: tuple[float, float, int] | None = None
        self._before: float | None = None
        self._looked: int | None = None
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
        self._places.take(now)
        if rate < math.inf:
            known = _CATCH_UP_CAREFUL_S if self._places.careful else _CATCH_UP_S
            saved = min(1.0, 5 / rate) if self._limit is None else known
            self._next = max(self._next, now - saved) + 1 / rate

    def reserve(self) -> float:
        """Take the next place, and give the time until it comes [s]."""
        wait = self.wait()
        self.take()
        return wait

    def accepted(self, sent_at: float) -> None:
        """The server did not refuse a request that was sent then."""
        self._places.answered(sent_at, self._clock(), accepted=True)
        self._accepted.append(sent_at)
        self._ramp += 1

    def refuse(self, sent_at: float) -> None:
        """The server refused a request that was sent then, for there were too many (429)."""
        self.refused += 1
        now = self._clock()
        self._places.answered(sent_at, now, accepted=False)
        if self._event is not None:
            first, seen, count = self._event
            self._event = (min(first, sent_at), seen, count + 1)
        elif sent_at >= self._since:
            self._event = (sent_at, now, 1)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _crowded(self, now: float) -> float:
        if self._limit is None or not 1 <= self._limit <= _COUNTED:
            return 0.0
        # The rate is kept a little below the limit; the places are those of the limit itself.
        most = max(math.ceil(self.now), round(self.now / _BELOW))
        return self._places.wait(most, now)

    def _learn(self, now: float) -> None:
        """What a burst of refusals says, once the answers to all that was under way are in."""
        assert self._event is not None
        at, seen, count = self._event
        self._event = None
        # Sent soon after the first one that was refused, some may have arrived before it; later ones, after the pause.
        end = min(seen, at + _BUNCH_S)
        second = sum(at - 1 < sent <= end for sent in self._accepted)
        if self._proven is not None:
            # A trial went too far: back, and longer until the next one. A little more can pass for seconds unnoticed;
            # only a step well above shows that the limit is higher.
            self._limit = self._proven if self._proven > _CLEARLY * self._base else self._base
            self._proven, self._step = None, _STEP
            self._hold = min(_RARER * self._hold, _RAREST_S)
        elif self._limit is None:
            self._limit = self._first(second, count, seen - self._since)
        elif second + 1 >= _FULL * self._limit and not self._places.careful:
            self._places.careful = True
        else:
            self._limit = self._lower(self._limit, second, at, end)
        if self._limit is not None:
            self._limit = max(_LEAST, self._limit)
        self._before = at
        self._since = self._next = max(now, self._paused_until)
        self._probe_at = self._since + self._hold
        self._accepted.clear()
        self._places.clear()

    def _first(self, second: int, count: int, took: float) -> float | None:
        """The limit after the first burst; None when another one has to be looked at."""
        looked, self._looked = self._looked, second
        sure = count >= _SURE
        if sure and took <= _SHORT_S:
            return second * _BELOW
        alike = looked is not None and abs(second - looked) <= _ALIKE * max(second, looked)
        if looked is not None and second > 1 and (sure or alike):
            return min(second, looked) * _BELOW
        if not sure:
            self._ramp //= 2
        return None

    def _lower(self, old: float, second: int, at: float, end: float) -> float:
        """The limit of a bucket that went from empty to empty."""
        self._places.careful = False
        ran = at - self._since
        if ran < _PROVEN_S:
            self._hold = _SOON_S
        run = sum(self._since - 0.05 <= sent <= end for sent in self._accepted)
        # A bucket saves about a second's worth; what flowed in during a longer pause was lost.
        exact = run / (ran + PAUSE_S if self._before is None else min(at - self._before, ran + PAUSE_S))
        return min(max(second, 1) * _BELOW, max(exact * _BELOW, _AT_MOST * old))

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
