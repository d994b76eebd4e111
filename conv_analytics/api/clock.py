"""The API's clock, estimated from its responses: tokens are signed by it, and a wrong local clock is reported.

The Date header of a response was written between the sending of the request and the arrival of the response, and has
no fraction of a second. So one response gives a range for the offset between the clocks. If the range contains zero,
the sample is zero, otherwise its middle; the offset is the median of the last samples.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median

from conv_analytics.api.notices import ClockSkewed, Listener
from conv_analytics.errors.skew import SKEW_LIMIT_S

#: Samples in the median: a single wrong response changes nothing, and a clock that was set is noticed in seconds.
SAMPLES = 5
#: Minimum time between samples, once there are that many. [s]
EVERY_S = 1.0
#: Plausible instants of a Date header, up to the year 2200: an absurd one must not become the time of tokens. [s]
_PLAUSIBLE = range(7_258_118_400)
#: Minimum samples before a skew is reported.
MIN_SAMPLES = 3
#: The last second of a datetime, as Unix time. [s]
LATEST_S = datetime.max.replace(tzinfo=UTC).timestamp() - 1.0


class ServerClock:
    """The time at the API: this machine's, corrected by the responses. One per application's credentials.

    Parameters
    ----------
    local
        This machine's clock, Unix time. [s]
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self.offset_s = 0.0
        """The API's clock minus this machine's; 0 until a response says otherwise. [s]"""
        self._local = local
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._next_s = 0.0

    def now(self) -> float:
        """Unix time at the API [s]."""
        return self._local() + self.offset_s

    def utc(self) -> datetime:
        """The time at the API as a datetime, for comparison with a date in Retry-After."""
        # A response may claim to be from the last second of the calendar, or from before the first.
        return datetime.fromtimestamp(min(max(self.now(), 0.0), LATEST_S), UTC)

    @property
    def reliable(self) -> bool:
        """Whether there are enough samples to report a skew."""
        return len(self._samples) >= MIN_SAMPLES

    def answered(self, headers: Mapping[str, str], elapsed_s: float) -> None:
        """Take a sample from a response with this round trip [s]; most are skipped once there are enough."""
        if len(self._samples) == SAMPLES and time.monotonic() < self._next_s:
            return
        # A cached response has the Date of the day on which it was cached.
        if "age" in headers or (sample := clock_offset(headers.get("date"), self._local(), elapsed_s)) is None:
            return
        self._next_s = time.monotonic() + EVERY_S
        self._samples.append(sample)
        self.offset_s = median(self._samples)

    def corrected(self, date: str | None) -> None:
        """Use this Date alone: a token was refused, so the earlier samples are wrong."""
        sample = clock_offset(date, self._local(), 0.0)
        if sample is not None:
            self._samples.clear()
            self._samples.append(sample)
            self.offset_s = sample


class SkewWatch:
    """Reports once to a client's listener that this machine's clock is wrong."""

    def __init__(self, clock: ServerClock, notify: Listener) -> None:
        self._clock, self._notify, self._reported = clock, notify, False

    def answered(self, headers: Mapping[str, str], elapsed_s: float) -> None:
        """Take a sample from a response."""
        self._clock.answered(headers, elapsed_s)
        if not self._reported and abs(self._clock.offset_s) >= SKEW_LIMIT_S and self._clock.reliable:
            self._reported = True
            self._notify(ClockSkewed(round(self._clock.offset_s, 1)))


def clock_offset(date: str | None, received: float, elapsed_s: float) -> float | None:
    """The API's clock minus ours [s], from a Date header, our Unix time [s] and the round trip [s].

    0 when one response is consistent with equal clocks; None without a readable, plausible Date.

    >>> noon = 1_795_262_400.0
    >>> clock_offset("Sat, 21 Nov 2026 12:00:00 GMT", noon + 0.7, 0.2)
    0.0
    >>> clock_offset("Sat, 21 Nov 2026 12:05:00 GMT", noon, 2.0)
    301.5
    >>> clock_offset("yesterday", noon, 0.1), clock_offset("Fri, 31 Dec 9999 23:59:59 -2359", noon, 0.1)
    (None, None)
    """
    server = http_date(date)
    if server is None or int(server) not in _PLAUSIBLE:
        return None
    earliest, latest = server - received, server + 1.0 - (received - elapsed_s)
    return 0.0 if earliest <= 0.0 <= latest else (earliest + latest) / 2


def http_date(text: str | None) -> float | None:
    """The Unix time of a date header [s]; None where it is unreadable or in no calendar.

    >>> http_date("Sat, 21 Nov 2026 12:00:00 GMT"), http_date("Fri, 31 Dec 9999 23:59:59 -2359"), http_date("soon")
    (1795262400.0, None, None)
    """
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() if _in_calendar(moment) else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _in_calendar(moment: datetime) -> bool:
    """Whether the instant has a year in UTC; it may also raise `OverflowError`."""
    return moment.tzinfo is None or moment.astimezone(UTC).year > 0
