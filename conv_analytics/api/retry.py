"""When to repeat a request, and how long to wait before. Pure: randomness and clocks are arguments.

* If the API says how long to wait, wait exactly that long. Such a wait does not count as a failed attempt. If it is
  longer than `max_retry_after_s`, or would end after `deadline_s`, the error is raised at once instead.
* Otherwise wait a random time up to ``base_s * 2**n``, at most ``cap_s`` ("full jitter"), and give up after `repeats`.
* A GET can be repeated after any transient failure. A change (POST, PUT, PATCH, DELETE) may have been carried out
  although its response was lost; repeating it could create a second conversation, or report a successful deletion as
  "not found". So it is repeated only when the server says that it did nothing (429, 503 with Retry-After), or when the
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

#: Transient refusals: 408 and 425 ask for the same request again, 429 for fewer requests.
TRANSIENT_STATUSES = frozenset({408, 425, 429})
#: Server errors (5xx, including those of gateways, such as 520) are transient, except the permanent ones.
SERVER_ERRORS = 500, 599
PERMANENT_STATUSES = frozenset({501, 505, 506, 508, 510, 511})

_SECONDS = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*", re.ASCII)


@dataclass(frozen=True)
class Retry:
    """A retry policy.

    Attributes
    ----------
    repeats
        How often a request is repeated after failures without a waiting time from the API; 0 for never.
    base_s, cap_s
        Longest first wait, and longest wait. [s]
    max_retry_after_s
        Longest wait that the API may ask for (Retry-After); a longer one fails the request at once. None for any. [s]
    deadline_s
        Time from the first attempt after which a request is no longer repeated; None for no limit. [s]
    random
        Returns a number in 0..1.
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
        """Start counting the attempts of a request."""
        return Attempts(self, self.clock())


@dataclass
class Attempts:
    """The attempts of one request."""

    policy: Retry
    started_s: float
    failed: int = field(default=0)

    def wait_after(self, error: APIError) -> float | None:
        """Time to wait before the next attempt [s]; None to give up."""
        if not is_transient(error) or not is_safe_to_repeat(error):
            return None
        retry_after_s = error.retry_after if isinstance(error, StatusError) else None
        if retry_after_s is not None and retry_after_s > 0:
            if self.policy.max_retry_after_s is not None and retry_after_s > self.policy.max_retry_after_s:
                return None
            wait = retry_after_s
        elif self.failed >= self.policy.repeats:
            return None
        else:
            # Without a waiting time, or with one in the past, repeating at once would overload a failing server.
            wait = self.policy.random() * min(self.policy.cap_s, self.policy.base_s * 2.0 ** min(self.failed, 60))
            self.failed += 1
        limit = self.policy.deadline_s
        if limit is not None and self.policy.clock() + wait > self.started_s + limit:
            return None
        return wait


def is_transient(error: APIError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, StatusError):
        return is_transient_status(error.status)
    if isinstance(error, ProxyError):
        return error.status is None or is_transient_status(error.status)
    # A wrong certificate will still be wrong in a minute.
    return isinstance(error, TransportError | UnexpectedPayload) and not isinstance(error, CertificateError)


def is_transient_status(status: int) -> bool:
    """Whether the condition behind a status may pass within a minute.

    >>> [status for status in (301, 403, 404, 408, 429, 500, 501, 520) if is_transient_status(status)]
    [408, 429, 500, 520]
    """
    return status in TRANSIENT_STATUSES or (
        SERVER_ERRORS[0] <= status <= SERVER_ERRORS[1] and status not in PERMANENT_STATUSES
    )


def is_safe_to_repeat(error: APIError) -> bool:
    """Whether sending the request again is harmless."""
    if error.method in {"GET", "HEAD", "OPTIONS"}:
        return True
    if isinstance(error, StatusError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or (
            error.status == HTTPStatus.SERVICE_UNAVAILABLE and error.retry_after is not None
        )
    return isinstance(error, TransportError) and error.before_send


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, a number of seconds or an HTTP date, as seconds from now.

    Negative when the date is in the past; None when the header is absent or unreadable. Of several numbers, as where
    a proxy has added one, the largest.

    >>> retry_after("120"), retry_after("-5"), retry_after("soon"), retry_after(None)
    (120.0, -5.0, None, None)
    >>> retry_after("Sat, 21 Nov 2026 09:30:10 GMT", datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
    10.0
    >>> retry_after("7, 30")
    30.0
    """
    if value is None:
        return None
    matches = [_SECONDS.fullmatch(part) for part in value.split(",")]
    instant = None if all(matches) else http_date(value)
    if instant is not None:
        return instant - (now or datetime.now(UTC)).timestamp()
    return max((float(match[1]) for match in matches if match), default=None)
