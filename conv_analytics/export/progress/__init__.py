"""Progress of an export: a stream of frozen snapshots, and listeners that show it."""

from __future__ import annotations

from conv_analytics.export.progress.choice import Choice, listener, listener_for
from conv_analytics.export.progress.notebook import Block
from conv_analytics.export.progress.snapshot import Listener, Progress, describe, silent
from conv_analytics.export.progress.terminal import Bar, Lines

__all__ = ["Bar", "Block", "Choice", "Lines", "Listener", "Progress", "describe", "listener", "listener_for", "silent"]
