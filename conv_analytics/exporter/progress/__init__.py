"""Progress of an export: a stream of frozen snapshots, and listeners that show it."""

from __future__ import annotations

from conv_analytics.exporter.progress.choice import ProgressChoice, default_listener, listener_for
from conv_analytics.exporter.progress.notebook import NotebookBlock
from conv_analytics.exporter.progress.snapshot import Listener, Progress, describe, silent
from conv_analytics.exporter.progress.terminal import TerminalBar, TextLines

__all__ = [
    "Listener",
    "NotebookBlock",
    "Progress",
    "ProgressChoice",
    "TerminalBar",
    "TextLines",
    "default_listener",
    "describe",
    "listener_for",
    "silent",
]
