"""The rate limit of a server, learned from its refusals. Pure: nothing waits, and the clock is an argument.

At first nothing is known, so requests go out ever faster until some are refused. If the server counts requests per
second, its limit is what it accepted in the second before. If it counts per second of the clock, a long burst may have
fallen into two of them: a long burst is therefore followed by a second one, and the smaller number holds.

A later refusal has one of two reasons. Requests may have arrived in bunches: from then on a request counts until the
server must have forgotten it (`request_window`), and nothing else changes. If refusals go on, the server has a token
bucket. It had saved tokens, so the first number was too high; but between two refusals the bucket goes from empty to
empty, so what it accepted in between, divided by the time, is its limit exactly.

The rate stays a little below the limit and is rarely tried higher, because each refusal costs a pause of a second or
more. The refusals of one burst are one event: requests sent before the client knew of the first say nothing new.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from time import monotonic

from conv_analytics.exporter.pacing.request_window import RequestWindow

#: Start of the ramp while no limit is known, and the increase per accepted request. [1/s]
_RAMP_START, _RAMP_STEP = 800.0, 40.0
#: The rate is kept at this share of the limit.
_MARGIN = 0.99
#: Pause where the server asks for none: the usual window of a limit. [s]
DEFAULT_PAUSE_S = 1.0
#: How much of a delay is caught up at once; more when the request window prevents bursts. [s]
_CATCH_UP_S, _CATCH_UP_CONSERVATIVE_S = 0.1, 0.3
#: A first burst up to this long most likely fell into one second of the server's clock. [s]
_SHORT_S = 0.15
#: A server that counts per second refuses a rate above its limit within this time. [s]
_PROVEN_S = 2.1
#: Time until a higher rate is tried, and time per step of the trial. [s]
_PROBE_S, _STEP_S = 120.0, 4.0
#: Time until a rate is tried that an earlier run learned, or that may be too low. [s]
_SOON_S = 20.0
#: A refused trial makes the time to the next one this many times longer, up to an hour.
_BACKOFF, _MAX_PROBE_S = 4, 3600.0
#: First step of a trial; each next step is twice as large, up to a doubling of the rate.
_STEP = 0.02
#: A trial that got this far before its refusal shows that the limit is higher.
_CLEARLY = 1.05
#: This many refusals in one burst prove a limit; fewer do so when a second burst ends within this share of the first.
_SURE, _ALIKE = 3, 0.25
#: The second before a refusal was full when it had this share of the rate.
_FULL = 0.9
#: One refusal lowers the rate to this share at most: it may be a single error.
_MAX_DECREASE = 0.85
_MIN_RATE = 0.2
#: Requests sent within this time may overtake each other. [s]
_BUNCH_S = 0.05
#: Above this rate the request window is not used. [1/s]
_MAX_WINDOW_RATE = 1000


class RateLimit:
    """Tells when the next request may be sent.

    Parameters
    ----------
    ceiling
        Maximum requests per second; 0 for no maximum. [1/s]
    learned
        The rate that an earlier run learned, if any. [1/s]
    clock
        A monotonic clock. [s]

    >>> rate = RateLimit(10, clock=lambda: 0.0)
    >>> [round(rate.reserve(), 1) for _ in range(4)]
    [0.0, 0.1, 0.2, 0.3]
    """

    def __init__(self, ceiling: float, *, learned: float | None = None, clock: Callable[[], float] = monotonic) -> None:
        self.refused = 0
        self._clock, self._ceiling = clock, ceiling or math.inf
        now = clock()
        self._limit = None if learned is None else max(_MIN_RATE, learned)
        self._ramp = 0
        self._next = self._since = self._paused_until = now
        self._window = RequestWindow()
        self._accepted: deque[float] = deque(maxlen=20_000)
        self._burst: tuple[float, float, int] | None = None
        self._last_refusal: float | None = None
        self._first_count: int | None = None
        self._probe_at, self._probe_interval = now + (_PROBE_S if learned is None else _SOON_S), _PROBE_S
        self._proven: float | None = None
        self._base, self._step = 0.0, _STEP

    @property
    def limit(self) -> float | None:
        """The learned rate; None without refusals [1/s]."""
        return self._limit if self._proven is None else self._base

    @property
    def now(self) -> float:
        """The current rate; infinite when nothing limits requests [1/s]."""
        start = _RAMP_START + _RAMP_STEP * self._ramp
        learned = self._limit if self._limit is not None else (start if start < 20 * _RAMP_START else math.inf)
        return min(self._ceiling, learned)

    def wait(self) -> float:
        """Time until the next request may be sent [s]."""
        now = self._clock()
        if now < self._paused_until:
            return self._paused_until - now
        if self._burst is not None:
            self._adjust_limit(now)
        self._probe(now)
        return max(0.0, self._next - now, self._window_wait(now))

    def take(self) -> None:
        """Record that a request is sent."""
        now, rate = self._clock(), self.now
        self._window.take(now)
        if rate < math.inf:
            known = _CATCH_UP_CONSERVATIVE_S if self._window.conservative else _CATCH_UP_S
            saved = min(1.0, 5 / rate) if self._limit is None else known
            self._next = max(self._next, now - saved) + 1 / rate

    def reserve(self) -> float:
        """Reserve the next request, and return the time until it may be sent [s]."""
        wait = self.wait()
        self.take()
        return wait

    def accepted(self, sent_at: float) -> None:
        """Record that a request sent at this time was accepted."""
        self._window.answered(sent_at, self._clock(), accepted=True)
        self._accepted.append(sent_at)
        self._ramp += 1

    def refuse(self, sent_at: float) -> None:
        """Record that a request sent at this time was refused because there were too many (429)."""
        self.refused += 1
        now = self._clock()
        self._window.answered(sent_at, now, accepted=False)
        if self._burst is not None:
            first, seen, count = self._burst
            self._burst = (min(first, sent_at), seen, count + 1)
        elif sent_at >= self._since:
            self._burst = (sent_at, now, 1)

    def pause(self, seconds: float) -> None:
        """Send nothing for this time."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _window_wait(self, now: float) -> float:
        if self._limit is None or not 1 <= self._limit <= _MAX_WINDOW_RATE:
            return 0.0
        # The rate is kept a little below the limit; the window counts with the limit itself.
        most = max(math.ceil(self.now), round(self.now / _MARGIN))
        return self._window.wait(most, now)

    def _adjust_limit(self, now: float) -> None:
        """Adjust the limit after a burst of refusals, once all responses in flight have arrived."""
        assert self._burst is not None
        at, seen, count = self._burst
        self._burst = None
        # Requests sent soon after the first refused one may have arrived before it; later ones arrived after the pause.
        end = min(seen, at + _BUNCH_S)
        second = sum(at - 1 < sent <= end for sent in self._accepted)
        if self._proven is not None:
            # A trial went too far: go back, and wait longer before the next one. A rate slightly above the limit can
            # pass for seconds; only a step well above it shows that the limit is higher.
            self._limit = self._proven if self._proven > _CLEARLY * self._base else self._base
            self._proven, self._step = None, _STEP
            self._probe_interval = min(_BACKOFF * self._probe_interval, _MAX_PROBE_S)
        elif self._limit is None:
            self._limit = self._first(second, count, seen - self._since)
        elif second + 1 >= _FULL * self._limit and not self._window.conservative:
            self._window.conservative = True
        else:
            self._limit = self._lower(self._limit, second, at, end)
        if self._limit is not None:
            self._limit = max(_MIN_RATE, self._limit)
        self._last_refusal = at
        self._since = self._next = max(now, self._paused_until)
        self._probe_at = self._since + self._probe_interval
        self._accepted.clear()
        self._window.clear()

    def _first(self, second: int, count: int, took: float) -> float | None:
        """The limit after the first burst; None when a second burst is needed."""
        previous, self._first_count = self._first_count, second
        sure = count >= _SURE
        if sure and took <= _SHORT_S:
            return second * _MARGIN
        alike = previous is not None and abs(second - previous) <= _ALIKE * max(second, previous)
        if previous is not None and second > 1 and (sure or alike):
            return min(second, previous) * _MARGIN
        if not sure:
            self._ramp //= 2
        return None

    def _lower(self, old: float, second: int, at: float, end: float) -> float:
        """The limit of a token bucket that went from empty to empty."""
        self._window.conservative = False
        ran = at - self._since
        if ran < _PROVEN_S:
            self._probe_interval = _SOON_S
        run = sum(self._since - 0.05 <= sent <= end for sent in self._accepted)
        # A bucket saves about one second's tokens; those of a longer pause are lost.
        exact = run / (
            ran + DEFAULT_PAUSE_S if self._last_refusal is None else min(at - self._last_refusal, ran + DEFAULT_PAUSE_S)
        )
        return min(max(second, 1) * _MARGIN, max(exact * _MARGIN, _MAX_DECREASE * old))

    def _probe(self, now: float) -> None:
        """Try a higher rate after a long time, and ever more while nothing is refused."""
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
