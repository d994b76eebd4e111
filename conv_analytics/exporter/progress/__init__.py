"""Progress of an export: a stream of frozen snapshots, and listeners that show it."""

from __future__ import annotations

from conv_analytics.exporter.progress.choice import Choice, listener, listener_for
from conv_analytics.exporter.progress.notebook import Block
from conv_analytics.exporter.progress.snapshot import Listener, Progress, describe, silent
from conv_analytics.exporter.progress.terminal import Bar, Lines

__all__ = ["Bar", "Block", "Choice", "Lines", "Listener", "Progress", "describe", "listener", "listener_for", "silent"]
