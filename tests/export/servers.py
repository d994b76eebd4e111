"""Servers with a limit, and a client that asks them, on a clock that is only counted: hours take seconds."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from dataclasses import dataclass

from conv_analytics.export.rates import PAUSE_S, Rate
from conv_analytics.sandbox.throttle import KINDS


@dataclass
class Ran:
    """What came of a run."""

    seconds: float
    good: int
    refused: int
    rate: Rate

    @property
    def share_refused(self) -> float:
        return self.refused / (self.good + self.refused)


def ran(  # noqa: PLR0917  a world has many sides
    kind: str,
    limit: float,
    requests: int,
    latency_s: float = 0.05,
    slots: int = 20,
    jitter_s: float = 0.004,
    learned: float | None = None,
    named: bool = True,  # noqa: FBT002
) -> Ran:
    """Ask until so many requests were answered; the refused ones again after the pause that was named."""
    dice = random.Random(f"{kind}{limit}{latency_s}")
    time = 1000.37
    rate = Rate(0, learned=learned, clock=lambda: time)
    meter = KINDS[kind](limit, time)
    begin, good, refused, flying, number = time, 0, 0, 0, itertools.count()
    events: list[tuple[float, int, str, float]] = []

    def at(moment: float, what: str, sent: float = 0.0) -> None:
        heapq.heappush(events, (moment, next(number), what, sent))

    at(time, "try")
    trying = True
    while good < requests:
        time, _, what, sent = heapq.heappop(events)
        if what == "arrive":
            wait = meter.take(time)
            at(time + latency_s * 0.6, "no" if wait is not None else "yes", sent)
        elif what in {"yes", "no"}:
            flying -= 1
            if what == "yes":
                good += 1
                rate.accepted(sent)
            else:
                refused += 1
                rate.refuse(sent)
                rate.pause(math.ceil(0.01) if named else PAUSE_S)
        else:
            trying = False
        if not trying and flying < slots:
            wait_s = rate.wait()
            if wait_s > 0:
                at(time + wait_s + dice.random() * jitter_s / 2, "try")
                trying = True
            else:
                rate.take()
                flying += 1
                at(time + latency_s * 0.4 + dice.random() * jitter_s / 2, "arrive", time)
                at(time, "try")
                trying = True
    return Ran(time - begin, good, refused, rate)
