"""The timeline as a widget: Python can read what is selected in the browser."""

from __future__ import annotations

from typing import Any, Protocol

import anywidget
import pandas as pd
import traitlets

from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.notebook.html import module
from conv_analytics.notebook.timeline.layout import Layout
from conv_analytics.notebook.timeline.page import PARTS, fragment, packed, static_fragment


class DrawnTimeline(Protocol):
    """The part of `conv_analytics.notebook.Timeline` that the widget needs; a protocol, to avoid an import cycle."""

    frame: pd.DataFrame
    tz: str
    theme: str

    @property
    def layout(self) -> Layout:
        """Everything that is drawn, placed."""


class TimelineWidget(anywidget.AnyWidget):
    """A timeline whose selection is in `selected`; made by `Timeline.widget`.

    A front end without widgets shows the output of `show_timeline`.
    """

    _esm = module(*PARTS, "timeline/widget.js")
    payload = traitlets.Unicode().tag(sync=True)
    frame_html = traitlets.Unicode().tag(sync=True)
    rows = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, timeline: DrawnTimeline) -> None:
        self._timeline = timeline
        super().__init__(**_traits(timeline))

    def show(self, timeline: DrawnTimeline) -> None:
        """Show another timeline in the same place, with nothing selected."""
        self._timeline = timeline
        with self.hold_sync():
            for name, value in _traits(timeline).items():
                self.set_trait(name, value)

    @property
    def selected(self) -> pd.DataFrame:
        """The selected rows of the timeline's frame: the one that was clicked, or all that were measured."""
        frame = self._timeline.frame
        return frame.iloc[[row for row in self.rows if 0 <= row < len(frame)]]

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            zone = zone_info(self._timeline.tz)
            data["text/html"] = fragment(self._timeline.layout, zone, theme=self._timeline.theme)
            data["text/plain"] = repr(self._timeline)
        return bundle


def _traits(timeline: DrawnTimeline) -> dict[str, Any]:
    zone = zone_info(timeline.tz)
    html = static_fragment(timeline.layout, zone, theme=timeline.theme)
    return {"frame_html": html, "payload": packed(timeline.layout, zone), "rows": []}


__all__ = ["TimelineWidget"]
