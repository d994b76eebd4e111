"""The API's clock, as its answers tell it: tokens are signed by it, and a clock that is off here is noticed.

An answer's Date header was written between the sending of the request and the arrival of the answer, and leaves out
the fraction of the second. So one answer only tells a range for the distance of the two clocks. Where the range holds
zero there is nothing to notice; else its middle is a sample, and the median of the last samples counts.
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

#: So many samples make the median: a single odd answer moves nothing, and a clock that was set is noticed in seconds.
SAMPLES = 5
#: Once there are that many, a Date is read at most this often. [s]
EVERY_S = 1.0
#: The instants of a Date that is believed, until the year 2200: an absurd one must not become the time of tokens. [s]
_BELIEVED = range(7_258_118_400)
#: A skew is told when so many samples agree on it.
MIN_SAMPLES = 3
#: The last second that a datetime can tell, as Unix time. [s]
LATEST_S = datetime.max.replace(tzinfo=UTC).timestamp() - 1.0


class ServerClock:
    """The time at the API: this machine's, corrected by what the answers told. One per application's credentials.

    Parameters
    ----------
    local
        This machine's clock, Unix time. [s]
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self.offset_s = 0.0
        """The API's clock minus this machine's; 0 until an answer told otherwise. [s]"""
        self._local = local
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._next_s = 0.0

    def now(self) -> float:
        """Give the Unix time at the API [s]."""
        return self._local() + self.offset_s

    def utc(self) -> datetime:
        """The same as a datetime: what a date in Retry-After is compared with."""
        # An answer may claim to come from the last second of the calendar, or from before the first.
        return datetime.fromtimestamp(min(max(self.now(), 0.0), LATEST_S), UTC)

    @property
    def sure(self) -> bool:
        """Whether several answers were looked at."""
        return len(self._samples) >= MIN_SAMPLES

    def answered(self, headers: Mapping[str, str], elapsed_s: float) -> None:
        """Look at an answer that took so long [s]; most are passed over when enough are known."""
        if len(self._samples) == SAMPLES and time.monotonic() < self._next_s:
            return
        # An answer out of a cache has the Date of the day on which it was put there.
        if "age" in headers or (sample := clock_offset(headers.get("date"), self._local(), elapsed_s)) is None:
            return
        self._next_s = time.monotonic() + EVERY_S
        self._samples.append(sample)
        self.offset_s = median(self._samples)

    def corrected(self, date: str | None) -> None:
        """Believe this one Date: a token was refused, so what was known before is of no use."""
        sample = clock_offset(date, self._local(), 0.0)
        if sample is not None:
            self._samples.clear()
            self._samples.append(sample)
            self.offset_s = sample


class SkewWatch:
    """Tells a client's listener once that this machine's clock is off."""

    def __init__(self, clock: ServerClock, notify: Listener) -> None:
        self._clock, self._notify, self._told = clock, notify, False

    def answered(self, headers: Mapping[str, str], elapsed_s: float) -> None:
        """Look at an answer."""
        self._clock.answered(headers, elapsed_s)
        if not self._told and abs(self._clock.offset_s) >= SKEW_LIMIT_S and self._clock.sure:
            self._told = True
            self._notify(ClockSkewed(round(self._clock.offset_s, 1)))


def clock_offset(date: str | None, received: float, elapsed_s: float) -> float | None:
    """How far the API's clock is ahead of ours, given a Date header, our Unix time [s] and the round trip [s].

    0 when the two may be equal as far as one answer tells; None without a readable Date of a believable year.

    >>> noon = 1_795_262_400.0
    >>> clock_offset("Sat, 21 Nov 2026 12:00:00 GMT", noon + 0.7, 0.2)
    0.0
    >>> clock_offset("Sat, 21 Nov 2026 12:05:00 GMT", noon, 2.0)
    301.5
    >>> clock_offset("yesterday", noon, 0.1), clock_offset("Fri, 31 Dec 9999 23:59:59 -2359", noon, 0.1)
    (None, None)
    """
    told = http_date(date)
    if told is None or int(told) not in _BELIEVED:
        return None
    earliest, latest = told - received, told + 1.0 - (received - elapsed_s)
    return 0.0 if earliest <= 0.0 <= latest else (earliest + latest) / 2


def http_date(text: str | None) -> float | None:
    """The Unix time [s] that a header tells; None where it tells none, or one that no calendar has.

    >>> http_date("Sat, 21 Nov 2026 12:00:00 GMT"), http_date("Fri, 31 Dec 9999 23:59:59 -2359"), http_date("soon")
    (1795262400.0, None, None)
    """
    try:
        told = parsedate_to_datetime(text or "")
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() if _in_calendar(told) else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _in_calendar(told: datetime) -> bool:
    """Whether the instant has a year in UTC, too; raises `OverflowError` else."""
    return told.tzinfo is None or told.astimezone(UTC).year > 0
