"""Which listener shows an export's progress."""

from __future__ import annotations

import os
import sys
from typing import Literal, TextIO

from conv_analytics.errors import ConfigError
from conv_analytics.exporter.progress.notebook import NotebookBlock, in_kernel
from conv_analytics.exporter.progress.snapshot import Listener, silent
from conv_analytics.exporter.progress.terminal import TerminalBar, TextLines

#: The environment variable that decides where the caller does not.
VARIABLE = "CONV_ANALYTICS_PROGRESS"

ProgressChoice = Listener | Literal["auto"] | bool | None


def listener_for(progress: ProgressChoice) -> Listener:
    """The listener for ``progress=``: "auto" or True for the default one, False or None for none, or a callable.

    >>> listener_for(None) is silent, listener_for(print) is print
    (True, True)
    """
    if callable(progress):
        return progress
    if progress is None or progress is False:
        return silent
    if progress is True or progress == "auto":
        return default_listener()
    raise ConfigError(f"progress is {progress!r}; it must be 'auto', False, None, or something that can be called.")


def default_listener(stream: TextIO | None = None) -> Listener:
    """The default listener: a block in a notebook, a bar on a terminal, plain lines elsewhere.

    It never writes to standard output. ``CONV_ANALYTICS_PROGRESS`` set to ``plain``, ``rich`` or ``none`` overrides the
    choice; ``NO_COLOR`` removes the colours of the bar.

    Parameters
    ----------
    stream
        Where bar and lines are written; by default standard error. A process without one shows nothing.
    """
    kind = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if kind not in {"auto", "plain", "rich", "none"}:
        raise ConfigError(f"{VARIABLE} is {kind[:40]!r}; it must be auto, plain, rich or none.")
    if kind == "auto" and stream is None and in_kernel():
        return NotebookBlock()
    stream = stream or sys.stderr
    if stream is None or kind == "none":
        return silent
    if kind == "auto":
        kind = "rich" if stream.isatty() else "plain"
    return TerminalBar(stream) if kind == "rich" else TextLines(stream)
