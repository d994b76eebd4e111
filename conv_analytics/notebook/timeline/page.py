"""A timeline as HTML: a static picture, a table of its events, and a script that makes the picture interactive."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from conv_analytics.analysis.entities.verdicts import MEASURED
from conv_analytics.notebook.html import data_uri, json_for_script, module, page, render, resource, safe
from conv_analytics.notebook.palette import DARK, LIGHT, THEMES, Theme
from conv_analytics.notebook.timeline.axis import LABEL_PX, STEPS, duration, stamp
from conv_analytics.notebook.timeline.layout import NEAR_PX, OVERLAYS, WIDEST_PX, Item, Layout, mark_of, short
from conv_analytics.notebook.timeline.picture import (
    AXIS,
    DENSE_PX,
    FILLS,
    GUTTER,
    PATTERNS,
    headline,
    picture,
    span,
    state_of,
    summary,
)  # fmt: skip

#: Maximum number of rows in the static table; the script and the frame have all of them.
ROWS = 50
HEAD = ("event", "time", "since start", "lasts", "who", "what", "words", "type", "order")
_ORDERS = ("", "late", "duplicate")
#: The modules that draw a timeline into an element.
PARTS = ("dom.js", "timeline/time.js", "timeline/painter.js", "timeline/input.js")


def script() -> str:
    """The module that makes pictures interactive."""
    return module(*PARTS, "timeline/page.js")


def style() -> str:
    """The style sheet; everything in it is below the class of the timeline."""

    def colours(theme: Theme) -> str:
        return "".join(f"--ca-{name}:{colour};" for name, colour in theme.surfaces.items())

    dark = f"@media(prefers-color-scheme:dark){{.ca-timeline{{{colours(DARK)}}}}}"
    # On paper the picture replaces the canvas, which is as wide as the screen was.
    paper = colours(LIGHT).replace(";", "!important;")
    return (
        f".ca-timeline{{{colours(LIGHT)}}}{dark}\n@media print{{.ca-timeline{{{paper}}}}}\n"
        f"{resource('timeline/timeline.css')}"
    )


def payload(drawn: Layout, zone: ZoneInfo) -> dict[str, Any]:
    """The input of the script, as plain values; lists of items have one entry per item, lists of whats one per what."""
    words, whats = _Index(("",)), _Index()
    items: dict[str, list[Any]] = {
        "line": [item.line for item in drawn.items],
        "lane": [item.lane for item in drawn.items],
        "what": [whats.of(item.what) for item in drawn.items],
        "start": [item.start for item in drawn.items],
        "lasts": [item.end - item.start for item in drawn.items],
        "text": [words.of(item.text) for item in drawn.items],
        "level": [words.of(item.level) for item in drawn.items],
        "type": [words.of(item.type) for item in drawn.items],
        "mark": [int(item.mark) for item in drawn.items],
        "flags": [int(item.open_start) + 2 * int(item.open_end) for item in drawn.items],
        "order": [_ORDERS.index(item.order) if item.order in _ORDERS else 0 for item in drawn.items],
        "event": [item.event_id for item in drawn.items],
        "to": [item.to_lane for item in drawn.items],
    }
    marked = {item.what for item in drawn.items if item.mark}
    marks = [mark_of(what) for what in whats.values]
    lanes = [{"name": lane.name, "shown": short(lane.name), "kind": lane.kind, "y": lane.y, "h": lane.height}
             for lane in drawn.lanes]  # fmt: skip
    lines = [{"y": line.y, "h": line.height, "lane": line.lane, "role": line.role} for line in drawn.lines]
    return {
        "id": drawn.conversation_id, "zone": str(zone), "start": drawn.start, "end": drawn.end, "height": drawn.height,
        "lanes": lanes, "lines": lines,
        "items": items, "words": words.values, "whats": whats.values, "details": list(drawn.details),
        "marked": [int(what in marked) for what in whats.values],
        "kinds": [mark.kind for mark in marks], "shapes": [mark.shape for mark in marks],
        "weights": [mark.weight for mark in marks], "states": [state_of(what) for what in whats.values],
        "fills": [FILLS.get(what, "") for what in whats.values],
        "overlays": [int(what in OVERLAYS) for what in whats.values],
        "orders": _ORDERS, "measured": MEASURED, "patterns": [list(pattern) for pattern in PATTERNS],
        "gutter": GUTTER, "axis": {"height": AXIS, "steps": STEPS, "label_px": LABEL_PX},
        "clusters": {"near_px": NEAR_PX, "widest_px": WIDEST_PX}, "dense_px": DENSE_PX,
        "themes": {name: theme.plain() for name, theme in THEMES.items()},
    }  # fmt: skip


def packed(drawn: Layout, zone: ZoneInfo) -> str:
    """The payload as compressed JSON in base64, which cannot be taken for markup."""
    text = json.dumps(payload(drawn, zone), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def static_fragment(drawn: Layout, zone: ZoneInfo, *, theme: str = "auto", live: bool = False) -> str:
    """Headline, picture and table, which need no script; if `live`, with the data for the script."""
    count = len(drawn.items)
    row_count = f"{count:,} bands and events" if count <= ROWS else f"the first {ROWS:,} of {count:,} bands and events"
    return render(
        "timeline/timeline.html.j2",
        theme=theme,
        style=safe(style()),
        title=drawn.name if drawn.name not in {"conversation", drawn.conversation_id} else "Conversation",
        id=drawn.conversation_id,
        span=span(drawn, zone),
        summary=summary(drawn),
        alt=f"Timeline. {headline(drawn, zone)}; {summary(drawn)}. The table below has the events.",
        picture=data_uri(picture(drawn, zone, theme=theme)),
        count=row_count,
        head=HEAD,
        rows=[cells(drawn, item, zone) for item in drawn.items[:ROWS]],
        payload=safe(json_for_script({"gz": packed(drawn, zone)})) if live else "",
    )


def fragment(drawn: Layout, zone: ZoneInfo, *, theme: str = "auto") -> str:
    """HTML for a notebook: several timelines on one page do not interfere with each other."""
    return f'{static_fragment(drawn, zone, theme=theme, live=True)}<script type="module">{script()}</script>\n'


def document(drawn: Layout, zone: ZoneInfo, *, more: str = "", theme: str = "auto") -> str:
    """A separate page; `more` is HTML that follows."""
    body = f"<main>{static_fragment(drawn, zone, theme=theme, live=True)}{more}</main>"
    return page(f"Timeline of {drawn.conversation_id}", body, scripts=[script()])


def cells(drawn: Layout, item: Item, zone: ZoneInfo) -> Sequence[object]:
    """One row of the table; see `HEAD`."""
    timed = item.line >= 0
    words = f"{item.text}{f' ({item.level})' if item.level else ''}"
    return (
        "" if item.event_id is None else item.event_id, stamp(item.start + drawn.start if timed else None, zone),
        duration(item.start) if timed else "", "" if item.mark else duration(item.end - item.start),
        drawn.lanes[item.lane].name, item.what.replace("_", " "), words,
        item.type, "" if item.order == "ok" else item.order,
    )  # fmt: skip


class _Index:
    """Distinct values in order of occurrence, and the position of each."""

    def __init__(self, values: Sequence[str] = ()) -> None:
        self._places = {value: place for place, value in enumerate(values)}

    @property
    def values(self) -> list[str]:
        return list(self._places)

    def of(self, value: str) -> int:
        return self._places.setdefault(value, len(self._places))


__all__ = ["HEAD", "PARTS", "ROWS", "cells", "document", "fragment", "packed", "payload", "script", "static_fragment",
           "style"]  # fmt: skip
