"""Waits before requests: for the rate limit, and for a place among the requests in flight.

The decisions are in `rate_limit` and `concurrency_limit`, which know no event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeVar

from conv_analytics.api.notices import Notice, RequestSent, ResponseReceived, Retried
from conv_analytics.exporter.pacing.concurrency_limit import ConcurrencyLimit
from conv_analytics.exporter.pacing.rate_limit import DEFAULT_PAUSE_S, RateLimit

#: A rate learned longer ago is not used.
_FRESH = timedelta(days=30)
#: Longest single wait: timers do not take a thousand years.
_LONGEST_S = 86_400.0

T = TypeVar("T")


class Pacer:
    """The gate of a client: awaited before each request, and informed of each response.

    Parameters
    ----------
    rate
        Maximum requests per second; 0 for no limit but the server's. [1/s]
    concurrency
        Maximum requests in flight. [requests]
    learned
        The rate to begin with, from an earlier run. [1/s]
    clock
        A monotonic clock. [s]
    """

    def __init__(
        self,
        rate: float,
        concurrency: int,
        learned: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.rate_limit = RateLimit(rate, learned=learned, clock=clock)
        self.concurrency = ConcurrencyLimit(concurrency, clock=clock)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._busy = 0
        self._refused_at, self._refused = clock(), 0
        self._queue: deque[asyncio.Future[None]] = deque()
        #: When each request in flight was sent; those that fail for good stay, and are replaced when sent again.
        self._sent: dict[str, float] = {}

    async def __call__(self) -> None:
        """Wait until the next request may be sent, one after the other, so that a pause does not end in a burst."""
        async with self._turn:
            while (wait := self.rate_limit.wait()) > 0:  # noqa: ASYNC110  a pause may have grown meanwhile
                await asyncio.sleep(min(wait, _LONGEST_S))
            self.rate_limit.take()

    async def in_slot(self, request: Callable[[], Awaitable[T]]) -> T:
        """Run a request in one of the places for requests in flight, once there is one."""
        await self._enter()
        try:
            return await request()
        finally:
            self._leave()

    async def sleep(self, seconds: float) -> None:
        """Wait before a retry; another request may use the place meanwhile."""
        self._leave()
        try:
            await asyncio.sleep(seconds)
            await self._enter()
        except BaseException:
            # `in_slot` leaves the place on the way out, also after an interruption here.
            self._busy += 1
            raise

    def observe(self, notice: Notice) -> None:
        """Learn from a notice of the client."""
        now = self._clock()
        if isinstance(notice, ResponseReceived | Retried):
            sent_at = self._sent.pop(notice.url, now)
        match notice:
            case RequestSent(url=url):
                self._sent[url] = now
            case ResponseReceived(status=HTTPStatus.TOO_MANY_REQUESTS, elapsed_s=took):
                self._refused_at, self._refused = now - took, self._refused + 1
            case ResponseReceived(status=HTTPStatus.SERVICE_UNAVAILABLE, elapsed_s=took):
                self.concurrency.failed(now - took)
            case ResponseReceived(elapsed_s=took):
                self.rate_limit.accepted(now - took)
                self.concurrency.answered(took, self._busy)
            case Retried(status=HTTPStatus.TOO_MANY_REQUESTS, from_retry_after=from_retry_after, wait_s=wait):
                if from_retry_after:
                    # A server that counts says how long to wait; other refusals say nothing about the rate.
                    self.rate_limit.refuse(self._refused_at)
                self.rate_limit.pause(wait if from_retry_after else min(wait, DEFAULT_PAUSE_S))
            case Retried(status=HTTPStatus.SERVICE_UNAVAILABLE, from_retry_after=True, wait_s=wait):
                self.rate_limit.pause(wait)
            case Retried(status=None, reason=reason) if reason in {"TransportError", "ProxyError"}:
                # Connections are lost together: requests that were in flight at the last failure are the same burst.
                self.concurrency.failed(sent_at)
        self._wake()

    def learned(self) -> dict[str, Any]:
        """The starting point for the next run, as JSON values."""
        limit = self.rate_limit.limit
        return {
            "rate": None if limit is None else round(limit, 3),
            "concurrency": self.concurrency.limit,
            "limited": self._refused,
        }

    async def _enter(self) -> None:
        if self._busy < self.concurrency.limit and not self._queue:
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
        while self._queue and self._busy < self.concurrency.limit:
            place = self._queue.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)


def learned_rate(reports: Iterable[Mapping[str, Any]], now: datetime) -> float | None:
    """The rate that the last run learned, a little below the limit, from reports, oldest first; None if too old.

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
