"""Progress in a notebook: one block that is redrawn, and whose last state stays in the saved file."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from typing import Any

from conv_analytics.errors import duration
from conv_analytics.exporter.progress.snapshot import NOTHING, Progress, describe

#: Minimum time between two drawings, to spare the browser. [s]
EVERY_S = 0.2


def in_kernel() -> bool:
    """Whether this runs in a notebook's kernel; imports nothing to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


class NotebookBlock:
    """A block of HTML below the cell, with plain text for front ends without HTML.

    It may be called from any thread: all output to the notebook goes through one socket.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._handle: Any = None
        self._last = 0.0

    def open(self) -> None:
        """Create the block below the cell that is running now, before there is anything to show."""
        self(NOTHING)

    def __call__(self, progress: Progress) -> None:
        """Draw the block when a drawing is due, and at the end."""
        now = self._clock()
        if self._handle is not None and not progress.finished and now - self._last < EVERY_S:
            return
        self._last = now
        shown = {"text/html": as_html(progress), "text/plain": as_text(progress)}
        if self._handle is None:
            from IPython.display import display  # noqa: PLC0415  only a kernel has it for sure

            self._handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(shown, raw=True)


def as_text(progress: Progress) -> str:
    """The block without HTML.

    >>> as_text(Progress(3, True, 3, 40, 10, 0, 0.0, 75.0, finished=True))
    '3 of 3 conversations, 40 events, 10 requests, in 1 min 15 s'
    """
    return describe(progress) + (f", in {duration(progress.elapsed_s)}" if progress.finished else "")


def as_html(progress: Progress) -> str:
    """The block.

    >>> as_html(Progress(120, True, 30, 900, 80, 0, 12.0, 1.0))  # doctest: +ELLIPSIS
    '<progress max="120" value="30"></progress> 30 of 120 conversations, 900 events, 80 requests, waiting ...'
    """
    known = progress.listing_done or progress.finished
    # Without a value the bar is indeterminate: the total is not known yet.
    value = f' max="{max(progress.listed, 1)}" value="{progress.done}"' if known else ""
    return f"<progress{value}></progress> {html.escape(as_text(progress))}"
