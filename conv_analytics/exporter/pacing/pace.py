"""How hard a run asks: the rate and the requests in flight, both as the server takes them. The thin part that waits.

The decisions are in `rates` and `slots`, which know no event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any

from conv_analytics.api.notices import Notice, ResponseReceived, Retried
from conv_analytics.exporter.pacing.rates import PAUSE_S, Rate
from conv_analytics.exporter.pacing.slots import Slots

#: What was learned longer ago says nothing about today.
_FRESH = timedelta(days=30)
#: No timer takes a thousand years.
_LONGEST_S = 86_400.0


class Pace:
    """What a client awaits before each request, and what it tells of each answer.

    Parameters
    ----------
    rate
        Requests per second at most; 0 for no limit but the server's. [1/s]
    concurrency
        Requests in flight at most. [requests]
    learned
        Rate to begin with. [1/s]
    clock
        Seconds that only grow.
    """

    def __init__(
        self,
        rate: float,
        concurrency: int,
        learned: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.rate = Rate(rate, learned=learned, clock=clock)
        self.slots = Slots(concurrency, clock=clock)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._busy = 0
        self._refused_at, self._refused = clock(), 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def __call__(self) -> None:
        """Wait for the next place, one after the other: so nobody comes in a burst at the end of a pause."""
        async with self._turn:
            while (wait := self.rate.wait()) > 0:  # noqa: ASYNC110  a pause may have grown meanwhile
                await asyncio.sleep(min(wait, _LONGEST_S))
            self.rate.take()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the places for requests in flight."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def sleep(self, seconds: float) -> None:
        """Wait before a repetition; the place in flight is another's meanwhile."""
        self._leave()
        try:
            await asyncio.sleep(seconds)
            await self._enter()
        except BaseException:
            # Whoever is interrupted here still leaves the place on the way out.
            self._busy += 1
            raise

    def noticed(self, notice: Notice) -> None:
        """Learn from what the client reports."""
        now = self._clock()
        match notice:
            case ResponseReceived(status=HTTPStatus.TOO_MANY_REQUESTS, elapsed_s=took):
                self._refused_at, self._refused = now - took, self._refused + 1
            case ResponseReceived(status=HTTPStatus.SERVICE_UNAVAILABLE, elapsed_s=took):
                self.slots.failed(now - took)
            case ResponseReceived(elapsed_s=took):
                self.rate.accepted(now - took)
                self.slots.answered(took, self._busy)
            case Retried(status=HTTPStatus.TOO_MANY_REQUESTS, asked=asked, wait_s=wait):
                if asked:
                    # A server that counts says how long; a refusal without that tells nothing of the rate.
                    self.rate.refuse(self._refused_at)
                self.rate.pause(wait if asked else min(wait, PAUSE_S))
            case Retried(status=HTTPStatus.SERVICE_UNAVAILABLE, asked=True, wait_s=wait):
                self.rate.pause(wait)
            case Retried(status=None, reason=reason) if reason in {"TransportError", "ProxyError"}:
                self.slots.failed(now)
        self._wake()

    def learned(self) -> dict[str, Any]:
        """What the next run can begin with, as JSON values."""
        limit = self.rate.limit
        return {
            "rate": None if limit is None else round(limit, 3),
            "concurrency": self.slots.limit,
            "limited": self._refused,
        }

    async def _enter(self) -> None:
        if self._busy < self.slots.limit and not self._queue:
            self._busy += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._busy -= 1
        self._wake()

    def _wake(self) -> None:
        while self._queue and self._busy < self.slots.limit:
            place = self._queue.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)


def learned_rate(reports: Iterable[Mapping[str, Any]], now: datetime) -> float | None:
    """The rate to begin with, from the reports of earlier runs, oldest first; None where they do not tell.

    What the last one learned, which is a little below the limit; nothing of what is old.

    >>> at = datetime(2026, 11, 23, tzinfo=UTC)
    >>> learned_rate([{"started_at": "2026-11-22T03:00:00Z", "pace": {"rate": 30.0}}], at)
    30.0
    >>> learned_rate([{"started_at": "2025-11-22T03:00:00Z", "pace": {"rate": 30.0}}, {}], at)
    """
    for report in reversed(list(reports)):
        pace = report.get("pace")
        if not isinstance(pace, Mapping) or not isinstance(report.get("started_at"), str):
            continue
        rate = pace.get("rate")
        if not isinstance(rate, int | float) or not rate > 0:
            return None
        at = datetime.fromisoformat(report["started_at"])
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return float(rate) if now - at < _FRESH else None
    return None
