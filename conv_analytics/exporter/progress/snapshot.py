"""The progress of an export: a frozen value, and a line of text about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conv_analytics.errors import duration

#: Minimum time and conversations before a rate is shown. [s], [conversations]
_MIN_S, _MIN_DONE = 2.0, 20


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an export."""

    listed: int
    """Conversations listed so far."""
    listing_done: bool
    """Whether all conversations are listed."""
    done: int
    """Conversations read to their end."""
    events: int
    requests: int
    retries: int
    waiting_s: float
    """Remaining wait that the API asked for; 0 without one. [s]"""
    elapsed_s: float
    finished: bool = False
    limit: float | None = None
    """The learned rate limit of the server, else the configured maximum rate; None for none. [1/s]"""

    @property
    def total(self) -> int | None:
        """Conversations to read; None while they are still being listed."""
        return self.listed if self.listing_done else None

    @property
    def rate(self) -> float | None:
        """Conversations read per second since the start; None while there are too few [1/s]."""
        return self.done / self.elapsed_s if self.done >= _MIN_DONE and self.elapsed_s >= _MIN_S else None

    @property
    def left_s(self) -> float | None:
        """Time to the end at this rate; None while conversations are being listed or without a rate [s]."""
        rate = self.rate
        return (self.listed - self.done) / rate if rate and self.listing_done and not self.finished else None


#: The progress before anything has happened.
NOTHING = Progress(listed=0, listing_done=False, done=0, events=0, requests=0, retries=0, waiting_s=0.0, elapsed_s=0.0)

Listener = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Show nothing."""


def describe(progress: Progress) -> str:
    """One line of text.

    >>> describe(Progress(120, False, 80, 5600, 214, 0, 0.0, 12.0))
    '80 of 120+ conversations, 5,600 events, 214 requests, 6.7 conversations/s'
    >>> describe(Progress(120, True, 80, 5600, 214, 3, 0.0, 12.0))
    '80 of 120 conversations, 5,600 events, 214 requests (3 repeated), 6.7 conversations/s, about 6 s left'
    """
    more = "" if progress.listing_done else "+"
    parts = [f"{progress.done:,} of {progress.listed:,}{more} conversations", f"{progress.events:,} events"]
    parts.append(f"{progress.requests:,} requests" + (f" ({progress.retries:,} repeated)" if progress.retries else ""))
    if progress.limit is not None:
        parts[-1] += f" (at most {progress.limit:,.1f}/s)"
    if progress.waiting_s >= 1:
        parts.append(f"waiting {progress.waiting_s:,.0f} s as the API asked")
    if (rate := progress.rate) is not None:
        parts.append(f"{rate:,.1f} conversations/s")
    if (left := progress.left_s) is not None and left >= 1:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)
