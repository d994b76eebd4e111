"""A timeline as HTML: a picture that is always there, a table of the same, and a script that makes the picture live."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from conv_analytics.notebook.html import PLAIN, data_uri, escape, json_for_script, page, table
from conv_analytics.notebook.palette import DARK, LIGHT
from conv_analytics.notebook.timeline.axis import length, stamp
from conv_analytics.notebook.timeline.layout import MARKS, Item, Layout, short
from conv_analytics.notebook.timeline.picture import PATTERNS, headline, picture, summary

#: So many rows of the table are in the page itself; all of them where the script runs, or in the frame.
ROWS = 50
_ORDER = {"ok": 0, "late": 1, "duplicate": 2}

_COLOURS = ("ground", "raised", "line", "text", "quiet", "accent")
_STYLE = """\
.ca-timeline{background:var(--ca-ground);color:var(--ca-text);padding:10px 12px;border-radius:6px;
font:13px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.ca-timeline [hidden]{display:none!important}
.ca-timeline p{margin:2px 0}.ca-timeline .ca-quiet{color:var(--ca-quiet)}
.ca-timeline .ca-still{display:block;max-width:100%}
.ca-timeline .ca-bar{display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin:6px 0}
.ca-timeline .ca-chips{display:flex;flex-wrap:wrap;gap:4px;flex-basis:100%}
.ca-timeline button,.ca-timeline select,.ca-timeline input{font:inherit;font-size:12px;color:var(--ca-text);
background:var(--ca-raised);border:1px solid var(--ca-line);border-radius:5px;padding:2px 8px;min-height:24px}
.ca-timeline .ca-chip{border-radius:12px}
.ca-timeline .ca-chip[aria-pressed=false]{text-decoration:line-through;color:var(--ca-quiet);background:none}
.ca-timeline :focus-visible{outline:2px solid var(--ca-accent);outline-offset:1px}
.ca-timeline .ca-hold{position:relative}
.ca-timeline .ca-scroll{overflow-x:hidden;overflow-y:auto;max-height:640px;
border:1px solid var(--ca-line);border-radius:5px}
.ca-timeline canvas{display:block;position:sticky;top:0;touch-action:pan-y}
.ca-timeline .ca-tip{position:absolute;z-index:5;width:max-content;max-width:320px;padding:6px 9px;border-radius:5px;
white-space:pre-line;overflow-wrap:anywhere;pointer-events:none;font-size:12px;background:var(--ca-ground);
border:1px solid var(--ca-quiet);box-shadow:0 2px 8px #0004}
.ca-timeline .ca-voice{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.ca-timeline .ca-pane{border:1px solid var(--ca-line);border-radius:5px;padding:4px 10px;margin:8px 0}
.ca-timeline pre{margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;background:none;color:inherit}
.ca-timeline .ca-json{max-height:240px;overflow:auto}
.ca-timeline .ca-list{height:240px;overflow:auto;border:1px solid var(--ca-line);border-radius:5px}
.ca-timeline table{border-collapse:collapse;width:100%;font-size:12px;font-variant-numeric:tabular-nums;margin:0}
.ca-timeline td,.ca-timeline th{text-align:left;padding:2px 8px;white-space:nowrap;max-width:205px;overflow:hidden;
text-overflow:ellipsis;border:0;border-bottom:1px solid var(--ca-line);height:17px}
.ca-timeline thead th{position:sticky;top:0;background:var(--ca-raised)}
.ca-timeline tr[aria-selected]{background:var(--ca-raised);box-shadow:inset 3px 0 var(--ca-accent)}
.ca-timeline .ca-live tbody tr{cursor:pointer}
.ca-timeline svg{vertical-align:-1px}
.ca-message{fill:var(--ca-message)}.ca-control{fill:var(--ca-control)}.ca-media{fill:var(--ca-media)}
.ca-end{fill:var(--ca-end)}.ca-other{fill:var(--ca-other)}
"""
_PAPER = """\
.ca-timeline{padding:0;color-scheme:light!important}.ca-timeline .ca-live{display:none}
.ca-timeline .ca-still[hidden],.ca-timeline .ca-rows[hidden]{display:block!important}
.ca-timeline td,.ca-timeline th{white-space:normal;padding:2px 5px;font-size:9px;height:auto;max-width:160px}
.ca-timeline tr{break-inside:avoid}.ca-timeline thead th{position:static}
"""


@cache
def script() -> str:
    """The module that makes pictures live."""
    text = resources.files("conv_analytics.notebook.timeline").joinpath("timeline.js").read_text(encoding="utf-8")
    # Comments and indentation are for those who read the module.
    text = re.sub(r"^\s*(?://.*\n|/\*\*.*\*/\n)?", "", text, flags=re.MULTILINE)
    return re.sub(r"(?<=[;,{(])\n", "", text)


def style() -> str:
    """The style sheet; everything in it is below the class of the timeline."""

    def colours(theme: Any) -> str:
        return "".join(f"--ca-{name}:{getattr(theme, name)};" for name in _COLOURS)

    dark = f"@media(prefers-color-scheme:dark){{.ca-timeline{{{colours(DARK)}}}}}"
    # On paper the picture stands for the canvas, which is as wide as the screen was.
    paper = colours(LIGHT).replace(";", "!important;")
    return f".ca-timeline{{{colours(LIGHT)}}}{dark}\n{_STYLE}@media print{{.ca-timeline{{{paper}}}{_PAPER}}}\n"


def payload(drawn: Layout, zone: ZoneInfo) -> dict[str, Any]:
    """What the script draws, as plain values; lists of items have one entry for each."""
    words, types = _Places(("",)), [item.type for item in drawn.items]
    whats = _Places()
    items: dict[str, list[Any]] = {
        "line": [item.line for item in drawn.items],
        "lane": [item.lane for item in drawn.items],
        "what": [whats.of(item.what) for item in drawn.items],
        "start": [item.start for item in drawn.items],
        "lasts": [item.end - item.start for item in drawn.items],
        "text": [words.of(item.text) for item in drawn.items],
        "level": [words.of(item.level) for item in drawn.items],
        "type": [words.of(name) for name in types],
        "mark": [int(item.mark) for item in drawn.items],
        "flags": [int(item.open_start) + 2 * int(item.open_end) for item in drawn.items],
        "order": [_ORDER.get(item.order, 0) for item in drawn.items],
        "event": [item.event_id for item in drawn.items],
        "to": [item.to_lane for item in drawn.items],
    }
    marked = {item.what for item in drawn.items if item.mark}
    marks = [MARKS.get(what, MARKS["event"]) for what in whats.values]
    lanes = [{"name": lane.name, "shown": short(lane.name), "kind": lane.kind, "y": lane.y, "h": lane.height}
             for lane in drawn.lanes]  # fmt: skip
    lines = [{"y": line.y, "h": line.height, "lane": line.lane, "role": line.role} for line in drawn.lines]
    return {
        "id": drawn.conversation_id, "zone": str(zone), "start": drawn.start, "end": drawn.end, "height": drawn.height,
        "lanes": lanes, "lines": lines,
        "items": items, "words": words.values, "whats": whats.values, "details": list(drawn.details),
        "marked": [int(what in marked) for what in whats.values],
        "kinds": [kind for kind, _, _ in marks], "shapes": [shape for _, shape, _ in marks],
        "weights": [weight for _, _, weight in marks], "patterns": [list(pattern) for pattern in PATTERNS],
        "themes": {theme.name: theme.plain() for theme in (LIGHT, DARK)},
    }  # fmt: skip


def packed(drawn: Layout, zone: ZoneInfo) -> str:
    """The same as compressed JSON in base64: it cannot be taken for markup."""
    text = json.dumps(payload(drawn, zone), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def still(drawn: Layout, zone: ZoneInfo, *, theme: str = "auto", data: str = "") -> str:
    """The part of the page that needs no script: headline, picture, table."""
    head = f"{headline(drawn, zone)}; {summary(drawn)}"
    alt = f"Timeline. {head}. The table below has the events."
    forced = "" if theme == "auto" else f' data-theme="{escape(theme)}"'
    title = drawn.name if drawn.name not in {"conversation", drawn.conversation_id} else "Conversation"
    return (
        f'<div class="ca-timeline {PLAIN}" data-ca-timeline{forced}>\n<style>{style()}</style>\n'
        f'<p dir="auto"><strong>{escape(title)}</strong> <code>{escape(drawn.conversation_id)}</code></p>\n'
        f'<p class="ca-quiet">{escape(_span(drawn, zone))}</p>\n<p class="ca-quiet">{escape(summary(drawn))}</p>\n'
        f'<img class="ca-still" alt="{escape(alt)}" src="{data_uri(picture(drawn, zone, theme=theme))}">\n'
        f"{rows_html(drawn, zone)}\n{data}</div>\n"
    )


def fragment(drawn: Layout, zone: ZoneInfo, *, theme: str = "auto") -> str:
    """HTML for a notebook: several in one page do not disturb each other."""
    data = f'<script type="application/json">{json_for_script({"gz": packed(drawn, zone)})}</script>\n'
    return f'{still(drawn, zone, theme=theme, data=data)}<script type="module">{script()}</script>\n'


def document(drawn: Layout, zone: ZoneInfo, *, more: str = "", theme: str = "auto") -> str:
    """A page of its own; `more` is HTML that follows."""
    data = f'<script type="application/json">{json_for_script({"gz": packed(drawn, zone)})}</script>\n'
    body = f"<main>{still(drawn, zone, theme=theme, data=data)}{more}</main>"
    return page(f"Timeline of {drawn.conversation_id}", body, scripts=[script()])


def rows_html(drawn: Layout, zone: ZoneInfo, most: int = ROWS) -> str:
    """The first rows as a table, and how many there are."""
    count = len(drawn.items)
    said = f"{count:,} bands and events" if count <= most else f"the first {most:,} of {count:,} bands and events"
    rows = (cells(drawn, item, zone) for item in drawn.items[:most])
    return f'<details class="ca-rows"><summary>Table: {said}</summary>{table(HEAD, rows, said)}</details>'


HEAD = ("event", "time", "since start", "lasts", "who", "what", "words", "type", "order")


def cells(drawn: Layout, item: Item, zone: ZoneInfo) -> Sequence[object]:
    """One row of the table; see `HEAD`."""
    timed = item.line >= 0
    words = f"{item.text}{f' ({item.level})' if item.level else ''}"
    return (
        "" if item.event_id is None else item.event_id, stamp(item.start + drawn.start if timed else None, zone),
        length(item.start) if timed else "", "" if item.mark else length(item.end - item.start),
        drawn.lanes[item.lane].name, item.what.replace("_", " "), words,
        item.type, "" if item.order == "ok" else item.order,
    )  # fmt: skip


def _span(drawn: Layout, zone: ZoneInfo) -> str:
    return headline(drawn, zone).partition(": ")[2]


class _Places:
    """Values, each once, and where they stand."""

    def __init__(self, values: Sequence[str] = ()) -> None:
        self.values = list(values)
        self._places = {value: place for place, value in enumerate(self.values)}

    def of(self, value: str) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


__all__ = [
    "HEAD",
    "ROWS",
    "cells",
    "document",
    "fragment",
    "packed",
    "payload",
    "rows_html",
    "script",
    "still",
    "style",
]
