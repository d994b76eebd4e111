"""`show_timeline`: from data to something that shows itself in a notebook, prints itself, and can be kept as a file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from conv_analytics.analysis import quality as verdicts_of
from conv_analytics.analysis import timeline
from conv_analytics.analysis.audio.units import Units, units_of_all
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError, ConvAnalyticsError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook.files import write
from conv_analytics.notebook.html import line
from conv_analytics.notebook.timeline.axis import zone_of
from conv_analytics.notebook.timeline.layout import Layout, layout
from conv_analytics.notebook.timeline.page import HEAD, cells, document, fragment
from conv_analytics.notebook.timeline.picture import headline, picture, summary
from conv_analytics.privacy.display import Display

if TYPE_CHECKING:
    from conv_analytics.notebook.ladder import Ladder
    from conv_analytics.notebook.timeline.widget import TimelineWidget

_THEMES = ("auto", "light", "dark")


def show_timeline(
    data: Data,
    conversation_id: str,
    *,
    tz: str = "UTC",
    mask: bool = True,
    theme: str = "auto",
    quality: pd.DataFrame | None = None,
    units: Units | None = None,
) -> Timeline:
    """Draw the timeline of one conversation.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame; see `conv_analytics.analysis.dialogue.timeline`.
    conversation_id
        The conversation.
    tz
        IANA name of the time zone that is shown at first.
    mask
        False shows numbers, names, pressed keys and texts as they are. They are masked before anything is drawn: a
        file that was made with the mask does not hold them.
    theme
        ``light``, ``dark``, or ``auto``: as the page around it, or the reader's system.
    quality
        Verdicts on legs, as `conv_analytics.analysis.audio.quality` gives them; worked out when absent.
    units
        What `conv_analytics.analysis.detect_units` found; detected on all data when absent, for one conversation does
        not tell.

    Returns
    -------
    Timeline
        Shows itself in a notebook; ``print`` gives a table, ``save`` a page, ``widget`` a selection for Python.

    Raises
    ------
    ConfigError
        If the zone or the theme is unknown, or the data has nothing of the conversation.
    TableNotFound
        If no table holds events.

    Examples
    --------
    >>> events = pd.DataFrame({
    ...     "conversation_id": "CON-1", "event_id": [1, 2], "from_member_id": "MEM-1",
    ...     "type": ["member:joined", "message"],
    ...     "at": pd.to_datetime(["2026-05-04 09:00", "2026-05-04 09:01"], utc=True),
    ...     "body": ["{}", '{"message_type": "text", "text": "Hello!"}'],
    ... })
    >>> show_timeline({"events": events}, "CON-1")
    <Timeline CON-1: 1 member, 0 legs, 2 events, 1 open band; people masked>
    """
    if theme not in _THEMES:
        raise ConfigError(f"{theme!r} is no theme: use one of {', '.join(_THEMES)}.")
    zone_of(tz)
    verdicts = _verdicts(data, conversation_id, units) if quality is None else quality
    frame = timeline(data, conversation_id, quality=verdicts)
    return Timeline(frame, conversation_id, tz=tz, mask=mask, theme=theme, data=data)


class Timeline:
    """One conversation, drawn; made by `show_timeline`.

    Attributes
    ----------
    frame
        What is drawn, as `conv_analytics.analysis.dialogue.timeline` gives it. It is not masked.
    conversation_id, tz, mask, theme
        As they were given.
    """

    def __init__(
        self, frame: pd.DataFrame, conversation_id: str, *, tz: str, mask: bool, theme: str, data: Any = None
    ) -> None:
        self.frame, self.conversation_id = frame, conversation_id
        self.tz, self.mask, self.theme = tz, mask, theme
        self._data = data

    @cached_property
    def layout(self) -> Layout:
        """Where everything stands; masked already."""
        return layout(self.frame, self.conversation_id, Display(on=self.mask))

    def svg(self, theme: str | None = None) -> str:
        """The picture."""
        return picture(self.layout, zone_of(self.tz), theme=theme or self.theme, tips=True)

    def html(self) -> str:
        """A whole page: one file that asks nobody for anything."""
        return document(self.layout, zone_of(self.tz), theme=self.theme)

    def save(self, path: str | Path) -> Path:
        """Write the page, or with the suffix ``.svg`` the picture; without a mask it is for its user alone (0600)."""
        path = Path(path)
        return write(path, self.svg() if path.suffix == ".svg" else self.html(), private=not self.mask)

    def save_with(self, ladder: Ladder | None, path: Path) -> Path:
        """Write the page with a ladder below; a picture is that of the timeline alone."""
        if path.suffix == ".svg" or ladder is None:
            return self.save(path)
        more = f"<h2>Who signalled what to whom</h2>{ladder.fragment()}"
        return write(path, document(self.layout, zone_of(self.tz), theme=self.theme, more=more), private=not self.mask)

    def widget(self) -> TimelineWidget:
        """The same as a widget: what is clicked or measured is in its ``selected``, a frame."""
        from conv_analytics.notebook.timeline.widget import TimelineWidget  # noqa: PLC0415 - widgets load slowly

        return TimelineWidget(self)

    def shown(self) -> pd.DataFrame:
        """What is shown as a frame of texts, masked."""
        zone = zone_of(self.tz)
        rows = [cells(self.layout, item, zone) for item in self.layout.items]
        return pd.DataFrame(rows, columns=pd.Index(HEAD)).astype("str")

    def text(self) -> str:
        """The same as lines."""
        zone = zone_of(self.tz)
        lines = [line(headline(self.layout, zone)), summary(self.layout), ""]
        for item in self.layout.items:
            event, at, _, lasts, who, what, words, _, order = map(line, cells(self.layout, item, zone))
            tail = ", ".join(filter(None, [words if words != what else "", lasts, order]))
            lines.append(f"{at}  {event:>6}  {who:<28.28}  {what}{f': {tail}' if tail else ''}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        zone = zone_of(self.tz)
        return {"text/plain": repr(self), "text/html": fragment(self.layout, zone, theme=self.theme)}

    def __str__(self) -> str:
        return self.text()

    @safe_repr
    def __repr__(self) -> str:
        return f"<Timeline {line(self.layout.conversation_id)}: {summary(self.layout)}>"


def _verdicts(data: Any, conversation_id: str, units: Units | None) -> pd.DataFrame | None:
    """Verdicts on the legs of one conversation; none where the tables do not tell of legs."""
    source = Source.of(data).of_conversation(conversation_id)
    try:
        tables = {name: Rows.read(source, name, needed=()).collect() for name in source.tables}
        frame = verdicts_of(tables, units=units or units_of_all(data))
    except ConvAnalyticsError:
        return None
    return frame if isinstance(frame, pd.DataFrame) else None


__all__ = ["Timeline", "show_timeline", "write"]
