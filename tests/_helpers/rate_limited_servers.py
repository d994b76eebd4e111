"""Servers with a limit, and a client that asks them, on a clock that is only counted: hours take seconds."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from dataclasses import dataclass, field

from conv_analytics.exporter.pacing.rate_limit import RateLimit
from conv_analytics.sandbox.throttle import KINDS


@dataclass(frozen=True)
class Ran:
    """What came of a run."""

    seconds: float
    possible: float
    """Requests that the limit allowed."""
    good: int
    refused: int
    rate: RateLimit

    @property
    def used(self) -> float:
        return self.good / self.possible

    @property
    def share_refused(self) -> float:
        return self.refused / (self.good + self.refused)


@dataclass(frozen=True)
class Line:
    """A server with its limit, and the way there and back.

    Attributes
    ----------
    kind, limit
        How requests are counted, and how many per second are taken.
    latency_s
        What an answer takes at least.
    jitter_s
        How much longer, on average; each way its share at random, so that requests arrive in bunches.
    stalls
        Client and server each stop at random: about how often, and for how long on average. [s]
    later
        From a time on [s], another limit.
    """

    kind: str
    limit: float = 30.0
    latency_s: float = 0.05
    jitter_s: float = 0.004
    stalls: tuple[float, float] | None = None
    later: tuple[float, float] | None = None

    def possible(self, seconds: float) -> float:
        """Requests that are taken in so long a time."""
        if self.later is None:
            return self.limit * seconds
        return self.limit * min(seconds, self.later[0]) + self.later[1] * max(0.0, seconds - self.later[0])


@dataclass
class _Stalls:
    """Times when a machine does nothing."""

    dice: random.Random
    every_s: float
    for_s: float
    until: float = 0.0
    following: float = field(default=0.0)

    def over(self, now: float) -> float:
        """When the machine goes on that may stand still now."""
        while self.following <= now:
            self.until = max(self.until, self.following + self.dice.expovariate(1 / self.for_s))
            self.following += self.dice.expovariate(1 / self.every_s)
        return max(self.until, now)


def ran(  # noqa: C901  a loop over what may happen
    line: Line, seconds: float, *, slots: int = 20, seed: int = 0, learned: float | None = None
) -> Ran:
    """Ask for so long, and repeat what was refused after the pause that was named."""
    dice = random.Random(seed)
    begin = now = 1000 + dice.random()
    rate = RateLimit(0, learned=learned, clock=lambda: now)
    meter, changes = KINDS[line.kind](line.limit, now), line.later
    client, server = (_Stalls(dice, *(line.stalls or (math.inf, 1.0)), following=now) for _ in range(2))
    good = refused = flying = 0
    number = itertools.count()
    events: list[tuple[float, int, str, float]] = []

    def at(moment: float, what: str, sent: float = 0.0) -> None:
        heapq.heappush(events, (moment, next(number), what, sent))

    def late() -> float:
        return dice.expovariate(2 / line.jitter_s)

    at(now, "try")
    asking = True
    while events[0][0] < begin + seconds:
        now, _, what, sent = heapq.heappop(events)
        if changes and now > begin + changes[0]:
            meter, changes = KINDS[line.kind](changes[1], now), None
        if line.stalls and (on := (server if what == "arrives" else client).over(now)) > now:
            at(on, what, sent)
            continue
        if what == "arrives":
            taken = meter.take(now) is None
            at(now + line.latency_s * 0.6 + late(), "accepted" if taken else "refused", sent)
            continue
        if what == "try":
            asking = False
        elif what == "accepted":
            good, flying = good + 1, flying - 1
            rate.accepted(sent)
        else:
            refused, flying = refused + 1, flying - 1
            rate.refuse(sent)
            rate.pause(max(1, math.ceil(1 / line.limit)))
        if not asking and flying < slots:
            wait_s, asking = rate.wait(), True
            if wait_s > 0:
                at(now + wait_s + late() / 2, "try")
            else:
                rate.take()
                flying += 1
                at(now + line.latency_s * 0.4 + late(), "arrives", now)
                at(now, "try")
    return Ran(seconds, line.possible(seconds), good, refused, rate)
