"""The timeline that is open below the calls of an explorer."""

from __future__ import annotations

from typing import Any

import pandas as pd

from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook.timeline.page import packed
from conv_analytics.notebook.timeline.picture import span, summary
from conv_analytics.notebook.timeline.timeline import Timeline


class OpenTimeline:
    """The timeline below the calls, `Explorer.timeline`. It stays the same object when another call is opened.

    Attributes
    ----------
    rows
        Positions in `frame` of the rows selected in the browser.

    Examples
    --------
    >>> from conv_analytics import show_timeline
    >>> events = pd.DataFrame({
    ...     "conversation_id": "CON-1", "event_id": [1, 2], "from_member_id": "MEM-1",
    ...     "type": ["member:joined", "message"],
    ...     "at": pd.to_datetime(["2026-05-04 09:00", "2026-05-04 09:01"], utc=True),
    ...     "body": ["{}", '{"message_type": "text", "text": "Hello!"}'],
    ... })
    >>> timeline = OpenTimeline(show_timeline({"events": events}, "CON-1"))
    >>> timeline.rows = [1]  # as a click on the message does
    >>> timeline.selected["what"].to_list()
    ['message']
    """

    def __init__(self, timeline: Timeline) -> None:
        self.show(timeline)

    def show(self, timeline: Timeline) -> None:
        """Show another conversation, with nothing selected."""
        self._timeline = timeline
        self.rows: list[int] = []

    @property
    def conversation_id(self) -> str:
        """The conversation that is shown."""
        return self._timeline.conversation_id

    @property
    def frame(self) -> pd.DataFrame:
        """The rows that are drawn, as `conv_analytics.analysis.timeline` returns them; not masked."""
        return self._timeline.frame

    @property
    def selected(self) -> pd.DataFrame:
        """The selected rows of `frame`: the clicked one, or all in the measured range."""
        return self.frame.iloc[[row for row in self.rows if 0 <= row < len(self.frame)]]

    def drawn(self) -> dict[str, Any]:
        """The data for the browser: texts and a compressed payload, masked like the timeline."""
        layout, zone = self._timeline.layout, zone_info(self._timeline.tz)
        named = layout.name not in {"conversation", layout.conversation_id}
        return {
            "id": layout.conversation_id, "title": layout.name if named else "Conversation", "span": span(layout, zone),
            "summary": summary(layout), "payload": packed(layout, zone),
        }  # fmt: skip

    def _repr_mimebundle_(self, **options: object) -> dict[str, str]:
        return self._timeline._repr_mimebundle_(**options)

    def _display_(self) -> Timeline:
        """The representation that marimo shows."""
        return self._timeline

    @safe_repr
    def __repr__(self) -> str:
        return f"<OpenTimeline: {self._timeline!r}>"


__all__ = ["OpenTimeline"]
