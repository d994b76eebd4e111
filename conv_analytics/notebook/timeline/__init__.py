"""The timeline of one conversation, drawn: `show_timeline`."""

from __future__ import annotations

from conv_analytics.notebook.timeline.timeline import Timeline, show_timeline

__all__ = ["Timeline", "show_timeline"]
