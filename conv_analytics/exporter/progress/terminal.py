"""Progress on a terminal: as a bar, or as plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from conv_analytics.exporter.progress.snapshot import Listener, Progress, describe

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


class TextLines:
    """A line every half minute, and one at the end."""

    def __init__(
        self, stream: TextIO, every_s: float = 30.0, clock: Callable[[], float] = time.monotonic, *, label: str = ""
    ) -> None:
        self._stream, self._every, self._clock, self._label = stream, every_s, clock, label
        self._last = clock()

    def __call__(self, progress: Progress) -> None:
        """Print a line when one is due."""
        now = self._clock()
        if progress.finished or now - self._last >= self._every:
            self._last = now
            print(f"{self._label}{describe(progress)}", file=self._stream, flush=True)


class TerminalBar:
    """A progress bar. It appears with the first snapshot, so that a run that never starts leaves none behind."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._show: Listener | None = None

    def __call__(self, progress: Progress) -> None:
        """Move the bar."""
        if self._show is None:
            self._show = _started(self._stream)
        self._show(progress)


def _started(stream: TextIO) -> Listener:
    from rich.console import Console  # noqa: PLC0415  slow to import
    from rich.errors import LiveError  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (BarColumn(bar_width=30), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(file=stream), transient=False)
    try:
        bar.start()
    except LiveError:
        # A console has one live display at a time, and the calling program has one already.
        return TextLines(stream)
    return _bar_listener(bar)


def _bar_listener(bar: RichProgress) -> Listener:
    task = bar.add_task("connecting", total=None)

    def move(progress: Progress) -> None:
        bar.update(task, total=progress.total, completed=progress.done, description=describe(progress))
        if progress.finished:
            bar.stop()

    return move
