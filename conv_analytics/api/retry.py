"""When to repeat a request, and how long to wait first. Pure: randomness and clocks come in as arguments.

* If the API says how long to wait, obey exactly: not less, and not more. Such a wait is no failed try, so it
  does not
  count, unless it is longer than `max_retry_after_s`, or the `deadline_s` would be passed: then the error is raised
  at once instead of after a pointless wait.
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
from http import HTTPStatus

from conv_analytics.api.clock import http_date
from conv_analytics.defaults import MAX_RETRY_AFTER_S, RETRIES
from conv_analytics.errors import APIError, CertificateError, ProxyError, StatusError, TransportError, UnexpectedPayload

#: Refusals that pass: 408 and 425 ask for the same request once more, 429 for fewer.
PASSING = frozenset({408, 425, 429})
#: Failures of a server (5xx, also those that gateways made up, such as 520) pass, but for those that say: never.
SERVER_ERRORS = 500, 599
FINAL = frozenset({501, 505, 506, 508, 510, 511})

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
    max_retry_after_s
        Longest wait that the API may ask for (Retry-After); a request that would have to wait longer fails at once.
        None for any. [s]
    deadline_s
        Time after which a request is not repeated any more, counted from its first try; None for no limit.
        [s]
    random
        Gives a number in 0..1.
    clock
        A monotonic clock. [s]
    """

    repeats: int = RETRIES
    base_s: float = 0.5
    cap_s: float = 60.0
    max_retry_after_s: float | None = MAX_RETRY_AFTER_S
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
            if self.policy.max_retry_after_s is not None and asked > self.policy.max_retry_after_s:
                return None
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
        return passes(error.status)
    if isinstance(error, ProxyError):
        return error.status is None or passes(error.status)
    # A certificate that does not fit will not fit in a minute.
    return isinstance(error, TransportError | UnexpectedPayload) and not isinstance(error, CertificateError)


def passes(status: int) -> bool:
    """Whether what a status tells may be over in a minute.

    >>> [status for status in (301, 403, 404, 408, 429, 500, 501, 520) if passes(status)]
    [408, 429, 500, 520]
    """
    return status in PASSING or (SERVER_ERRORS[0] <= status <= SERVER_ERRORS[1] and status not in FINAL)


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
    instant = http_date(value)
    return None if instant is None else instant - (now or datetime.now(UTC)).timestamp()
