"""The timeline of one conversation: it shows itself in a notebook, prints itself, and can be saved as a file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from conv_analytics.analysis import timeline
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook.conversation import leg_verdicts
from conv_analytics.notebook.files import write
from conv_analytics.notebook.html import line
from conv_analytics.notebook.timeline.layout import Layout, layout
from conv_analytics.notebook.timeline.page import HEAD, cells, document, fragment
from conv_analytics.notebook.timeline.picture import headline, picture, summary
from conv_analytics.paths import expand_user
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
        A `Dataset`, `Frames`, or a mapping of table name to frame; see `conv_analytics.analysis.timeline`.
    conversation_id
        The conversation.
    tz
        IANA name of the time zone that is shown first.
    mask
        False shows numbers, names, pressed keys and texts unmasked. Masking happens before anything is drawn: a masked
        file does not contain them.
    theme
        ``light``, ``dark``, or ``auto``, which follows the page around it or the reader's system.
    quality
        Verdicts on legs, as `conv_analytics.analysis.quality` returns them; computed when absent.
    units
        Units as `conv_analytics.analysis.detect_units` returns them; detected on all data when absent, because one
        conversation is not enough.

    Returns
    -------
    Timeline
        Shows itself in a notebook; ``print`` writes a table, ``save`` writes a page, ``widget`` returns a widget whose
        selection Python can read.

    Raises
    ------
    ConfigError
        If the zone or the theme is unknown, or the data has nothing about the conversation.
    TableNotFound
        If no table has events.

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
        raise ConfigError(f"{theme!r} is not a theme: use one of {', '.join(_THEMES)}.")
    zone_info(tz)
    source = Source.of(data)
    if quality is None:
        quality = leg_verdicts(source.of_conversation(conversation_id), source, units)
    frame = timeline(source, conversation_id, quality=quality)
    return Timeline(frame, conversation_id, tz=tz, mask=mask, theme=theme, data=data)


class Timeline:
    """One conversation, drawn; made by `show_timeline`.

    Attributes
    ----------
    frame
        The drawn rows, as `conv_analytics.analysis.timeline` returns them; not masked.
    conversation_id, tz, mask, theme
        As passed to `show_timeline`.
    """

    def __init__(
        self, frame: pd.DataFrame, conversation_id: str, *, tz: str, mask: bool, theme: str, data: Any = None
    ) -> None:
        self.frame, self.conversation_id = frame, conversation_id
        self.tz, self.mask, self.theme = tz, mask, theme
        self._data = data

    @cached_property
    def layout(self) -> Layout:
        """The layout of everything that is drawn; masked already."""
        return layout(self.frame, self.conversation_id, Display(on=self.mask))

    def svg(self, theme: str | None = None) -> str:
        """The picture."""
        return picture(self.layout, zone_info(self.tz), theme=theme or self.theme, tips=True)

    def html(self) -> str:
        """A whole page: one file that loads nothing from elsewhere."""
        return document(self.layout, zone_info(self.tz), theme=self.theme)

    def save(self, path: str | Path) -> Path:
        """Write the page, or with the suffix ``.svg`` the picture; unmasked, only its owner may read it (0600)."""
        path = expand_user(path)
        return write(path, self.svg() if path.suffix == ".svg" else self.html(), private=not self.mask)

    def save_with(self, ladder: Ladder | None, path: Path) -> Path:
        """Write the page with a ladder below; a picture shows the timeline alone."""
        if path.suffix == ".svg" or ladder is None:
            return self.save(path)
        more = f"<h2>Who signalled what to whom</h2>{ladder.fragment()}"
        return write(
            path, document(self.layout, zone_info(self.tz), theme=self.theme, more=more), private=not self.mask
        )

    def widget(self) -> TimelineWidget:
        """The timeline as a widget: the frame ``selected`` has the rows that are clicked or measured in it."""
        from conv_analytics.notebook.timeline.widget import TimelineWidget  # noqa: PLC0415 - widgets load slowly

        return TimelineWidget(self)

    def table(self) -> pd.DataFrame:
        """The rows of the table as a frame of texts, masked where the timeline is."""
        zone = zone_info(self.tz)
        rows = [cells(self.layout, item, zone) for item in self.layout.items]
        return pd.DataFrame(rows, columns=pd.Index(HEAD)).astype("str")

    def text(self) -> str:
        """The rows of the table as lines of text."""
        zone = zone_info(self.tz)
        lines = [line(headline(self.layout, zone)), summary(self.layout), ""]
        for item in self.layout.items:
            event, at, _, lasts, who, what, words, _, order = map(line, cells(self.layout, item, zone))
            tail = ", ".join(filter(None, [words if words != what else "", lasts, order]))
            lines.append(f"{at}  {event:>6}  {who:<28.28}  {what}{f': {tail}' if tail else ''}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        zone = zone_info(self.tz)
        return {"text/plain": repr(self), "text/html": fragment(self.layout, zone, theme=self.theme)}

    def _display_(self) -> TimelineWidget:
        """The form for marimo, where scripts in HTML do not run."""
        return self.widget()

    def __str__(self) -> str:
        return self.text()

    @safe_repr
    def __repr__(self) -> str:
        return f"<Timeline {line(self.layout.conversation_id)}: {summary(self.layout)}>"


__all__ = ["Timeline", "show_timeline"]
