"""Which listener shows an export's progress."""

from __future__ import annotations

import os
import sys
from typing import Literal, TextIO

from conv_analytics.errors import ConfigError
from conv_analytics.exporter.progress.notebook import Block, in_kernel
from conv_analytics.exporter.progress.snapshot import Listener, silent
from conv_analytics.exporter.progress.terminal import Bar, Lines

#: Decides where the caller leaves it open.
VARIABLE = "CONV_ANALYTICS_PROGRESS"

Choice = Listener | Literal["auto"] | bool | None


def listener_for(progress: Choice) -> Listener:
    """The listener for the argument ``progress=``: "auto" or True for what fits, False or None for none, or a callable.

    >>> listener_for(None) is silent, listener_for(print) is print
    (True, True)
    """
    if callable(progress):
        return progress
    if progress is None or progress is False:
        return silent
    if progress is True or progress == "auto":
        return listener()
    raise ConfigError(f"progress is {progress!r}; it must be 'auto', False, None, or something that can be called.")


def listener(stream: TextIO | None = None) -> Listener:
    """The listener that fits: a block in a notebook, a bar on a terminal, plain lines elsewhere.

    Never writes to the standard output. ``CONV_ANALYTICS_PROGRESS`` says otherwise: ``plain``, ``rich`` or ``none``;
    ``NO_COLOR`` takes the colours out of the bar.

    Parameters
    ----------
    stream
        Where bar and lines go; default is the standard error. A process that has none is shown nothing.
    """
    wanted = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if wanted not in {"auto", "plain", "rich", "none"}:
        raise ConfigError(f"{VARIABLE} is {wanted[:40]!r}; it must be auto, plain, rich or none.")
    if wanted == "auto" and stream is None and in_kernel():
        return Block()
    stream = stream or sys.stderr
    if stream is None or wanted == "none":
        return silent
    if wanted == "auto":
        wanted = "rich" if stream.isatty() else "plain"
    return Bar(stream) if wanted == "rich" else Lines(stream)
