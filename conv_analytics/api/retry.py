"""When to repeat a request, and how long to wait first. Pure: randomness and clocks come in as arguments.

* If the API says how long to wait, obey exactly: not less, and not more. Such a wait is no failed try, so it
  does not
  count, unless the `deadline_s` would be passed: then the error is raised at once instead of after a
  pointless wait.
* Otherwise wait a random time up to ``base_s * 2**n``, at most ``cap_s`` ("full jitter"), and give up after
  `repeats`.
* A GET can be repeated after any passing failure. A change (POST, PUT, PATCH, DELETE) may have been carried
  out although its answer
  was lost; repeating it could create a second conversation, or report a deletion that worked as "not found".
  So it is repeated only when the server says that it did nothing (429, 503 with Retry-After), or when the
  connection was never made.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from conv_analytics.errors import APIError, StatusError, TransportError, UnexpectedPayload

PASSING = frozenset({429, 500, 502, 503, 504})

_SECONDS = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*", re.ASCII)


@dataclass(frozen=True)
class Retry:
    """The policy.

    Attributes
    ----------
    repeats
        How often a request is repeated after failures for which the API named no waiting time. 0 never
        repeats.
    base_s, cap_s
        Longest first wait, and longest wait of all. [s]
    deadline_s
        Time after which a request is not repeated any more, counted from its first try; None for no limit.
        [s]
    random
        Gives a number in 0..1.
    clock
        A monotonic clock. [s]
    """

    repeats: int = 6
    base_s: float = 0.5
    cap_s: float = 60.0
    deadline_s: float | None = None
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    def start(self) -> Attempts:
        """Begin a request."""
        return Attempts(self, self.clock())


@dataclass
class Attempts:
    """What happened so far to one request."""

    policy: Retry
    started_s: float
    failed: int = field(default=0)

    def wait_after(self, error: APIError) -> float | None:
        """Give the seconds to wait before the next try, or None to give up."""
        if not passing(error) or not repeatable(error):
            return None
        asked = error.retry_after if isinstance(error, StatusError) else None
        if asked is not None and asked > 0:
            wait = asked
        elif self.failed >= self.policy.repeats:
            return None
        else:
            # No waiting time, or one that is over ("now"): repeating at once would hammer a struggling
            # server.
            wait = self.policy.random() * min(self.policy.cap_s, self.policy.base_s * 2.0 ** min(self.failed, 60))
            self.failed += 1
        limit = self.policy.deadline_s
        if limit is not None and self.policy.clock() + wait > self.started_s + limit:
            return None
        return wait


def passing(error: APIError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, StatusError):
        return error.status in PASSING
    if isinstance(error, TransportError):
        # A certificate that does not fit will not fit in a minute.
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    return isinstance(error, UnexpectedPayload)


def repeatable(error: APIError) -> bool:
    """Whether sending the request again cannot do harm."""
    if error.method in {"GET", "HEAD", "OPTIONS"}:
        return True
    if isinstance(error, StatusError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or (
            error.status == HTTPStatus.SERVICE_UNAVAILABLE and error.retry_after is not None
        )
    return isinstance(error, TransportError) and error.before_send


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, a number of seconds or an HTTP date, as seconds from now.

    Negative when the date is over; None when the header says nothing.

    >>> retry_after("120"), retry_after("-5"), retry_after("soon"), retry_after(None)
    (120.0, -5.0, None, None)
    >>> retry_after("Sat, 21 Nov 2026 09:30:10 GMT", datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
    10.0
    """
    if value is None:
        return None
    match = _SECONDS.fullmatch(value)
    if match:
        return float(match[1])
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - (now or datetime.now(UTC))).total_seconds()
