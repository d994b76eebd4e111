"""Progress of an export: a stream of frozen snapshots, and two listeners that show it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an export stands."""

    listed: int
    """Conversations listed so far."""
    listing_done: bool
    """Whether there are more to list."""
    done: int
    """Conversations read to their end."""
    events: int
    requests: int
    retries: int
    waiting_s: float
    """The API asked to wait this long; 0 when it did not. [s]"""
    elapsed_s: float
    finished: bool = False
    rate: float | None = None
    """Requests per second so far. [1/s]"""
    limit: float | None = None
    """The rate that the server turned out to take, else the one set as the most; None for none. [1/s]"""


Listener = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Show nothing."""


def listener(stream: TextIO | None = None) -> Listener:
    """The listener that fits a stream: a bar on a terminal, plain lines elsewhere. Default is the standard error."""
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


class Lines:
    """A line every half a minute, and one at the end."""

    def __init__(self, stream: TextIO, every_s: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._every, self._clock = stream, every_s, clock
        self._last = clock()

    def __call__(self, progress: Progress) -> None:
        """Print a line when it is time for one."""
        now = self._clock()
        if progress.finished or now - self._last >= self._every:
            self._last = now
            print(describe(progress), file=self._stream, flush=True)


class Bar:
    """A progress bar."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415  slow to import
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        columns = (BarColumn(bar_width=30), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar: RichProgress = Progress(*columns, console=Console(file=stream), transient=False)
        self._task: TaskID = self._bar.add_task("connecting", total=None)
        self._bar.start()

    def __call__(self, progress: Progress) -> None:
        """Move the bar."""
        total = progress.listed if progress.listing_done else None
        self._bar.update(self._task, total=total, completed=progress.done, description=describe(progress))
        if progress.finished:
            self._bar.stop()


def describe(progress: Progress) -> str:
    """One line of text.

    >>> describe(Progress(120, False, 80, 5600, 214, 0, 0.0, 12.0))
    '80 of 120+ conversations, 5,600 events, 214 requests'
    """
    more = "" if progress.listing_done else "+"
    parts = [f"{progress.done:,} of {progress.listed:,}{more} conversations", f"{progress.events:,} events"]
    parts.append(f"{progress.requests:,} requests" + (f" ({progress.retries:,} repeated)" if progress.retries else ""))
    if progress.rate is not None:
        most = f" of {progress.limit:,.1f}" if progress.limit else ""
        parts.append(f"{progress.rate:,.1f}{most} requests/s")
    if progress.waiting_s >= 1:
        parts.append(f"waiting {progress.waiting_s:,.0f} s as the API asked")
    return ", ".join(parts)
