"""The layout of a timeline: lanes, lines, and the bands and marks on them, for the picture and the canvas alike.

It decides the vertical positions. Horizontal positions follow from the visible part of the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from conv_analytics.privacy.display import Display

#: Heights of lines, and the gaps below them. [px]
HEIGHTS: Mapping[str, int] = MappingProxyType({"main": 20, "quality": 7, "span": 13, "marks": 19})
GAP, LANE_GAP = 2, 8
#: Marks closer than this are drawn as a cluster with their number, and how wide a cluster may be. [px]
NEAR_PX, WIDEST_PX = 10.0, 45.0
#: Maximum number of lines of spans per lane; further simultaneous spans share the last line.
TRACKS = 6
#: Shorter texts of a body are not searched for in the text of a mark. [characters]
_SHORTEST = 3

#: Bands of the main line, and those that are drawn over them.
_STATES = ("invited", "joined", "left", "unknown", "ringing", "answered")
OVERLAYS = ("muted", "earmuffed")
#: The kinds of marks on each line of marks.
_MARK_LINES = (
    ("message", "message_status"),
    ("ringing", "answered", "hangup", "status", "machine", "transfer", "dtmf", "media"),
    ("asr", "barge_in", "event"),
)


class Mark(NamedTuple):
    """How an event is drawn: its kind decides the colour, the shape is a path around 0, 0.

    A cluster shows the mark with the greatest weight.
    """

    kind: str
    shape: str
    weight: int


MARKS: Mapping[str, Mark] = MappingProxyType({what: Mark(*mark) for what, mark in {
    "message": ("message", "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z", 5),
    "message_status": ("message", "M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0ZM2 0A2 2 0 1 0-2 0A2 2 0 1 0 2 0Z", 2),
    "dtmf": ("control", "M-4.5-4.5H4.5V4.5H-4.5Z", 6),
    "transfer": ("control", "M-6-2H0V-6L6 0L0 6V2H-6Z", 8),
    "ringing": ("control", "M0-5.5L5.5 4.5H-5.5Z", 3),
    "answered": ("control", "M0 5.5L5.5-4.5H-5.5Z", 4),
    "hangup": ("end", "M-5-3L-3-5L0-2L3-5L5-3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z", 9),
    "status": ("control", "M0-4.5L4.5 0L0 4.5L-4.5 0Z", 1),
    "machine": ("media", "M-3-5H3L6 0L3 5H-3L-6 0Z", 7),
    "media": ("media", "M-2-5H2V5H-2Z", 2),
    "asr": ("media", "M-5-4H5V3H1L-2 6V3H-5Z", 5),
    "barge_in": ("control", "M-6-4.5L0 0L-6 4.5ZM0-4.5L6 0L0 4.5Z", 6),
    "event": ("other", "M-1.5-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z", 1),
}.items()})  # fmt: skip
_CHANNELS = frozenset({
    "app", "phone", "pstn", "sip", "rtc", "websocket", "ws", "vbc", "leg", "sms", "mms", "whatsapp", "viber",
    "messenger",
})  # fmt: skip
_DIRECTIONS = frozenset({"inbound", "outbound"})


@dataclass(frozen=True, slots=True)
class Lane:
    """A member, a leg or the conversation, with its displayed name."""

    name: str
    kind: str
    id: str
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a lane, for bands or marks of one role."""

    y: int
    height: int
    lane: int
    role: str


@dataclass(frozen=True, slots=True)
class Item:
    """A band or a mark; instants are microseconds since the start.

    Attributes
    ----------
    row
        Its row of the frame.
    line
        Index of its line; -1 without an instant.
    level
        The verdict on the quality of an answered band.
    """

    row: int
    line: int
    what: str
    start: int
    end: int
    text: str
    level: str
    mark: bool
    open_start: bool
    open_end: bool
    order: str
    type: str
    event_id: int | None
    to_lane: int | None
    lane: int


@dataclass(frozen=True)
class Layout:
    """Everything that is drawn; `start` and `end` are microseconds since 1970."""

    conversation_id: str
    name: str
    start: int
    end: int
    masked: bool
    lanes: Sequence[Lane]
    lines: Sequence[Line]
    items: Sequence[Item]
    details: Sequence[str] = field(repr=False)
    height: int = 0
    events: int = 0

    def counts(self) -> dict[str, int]:
        """The counts in the header."""
        counts = {kind: sum(lane.kind == kind for lane in self.lanes) for kind in ("member", "leg")}
        counts["event"] = self.events
        counts["open band"] = sum((item.open_start or item.open_end) and item.what != "left" for item in self.items)
        counts["late"] = sum(item.order == "late" for item in self.items)
        counts["duplicate"] = sum(item.order == "duplicate" for item in self.items)
        counts["without an instant"] = sum(item.line < 0 for item in self.items)
        return counts


def layout(frame: pd.DataFrame, conversation_id: str, display: Display) -> Layout:
    """Lay out the frame that `timeline` returns; `display` masks people in it."""
    rows = _plain(frame)
    lanes = _lanes(rows, display)
    instants = [at for row in rows for at in (row["start_at"], row["end_at"]) if at is not None]
    start = min(instants, default=0)
    places, lines, tops = _lines(rows, sorted(lanes))
    texts = _DisplayedTexts(display)
    numbers = {number: place for place, number in enumerate(sorted(lanes))}
    drawn = [Lane(*lanes[number], *tops[number]) for number in sorted(lanes)]
    name = next((lane.name for lane in drawn if lane.kind == "conversation"), "conversation")
    bodies = [display.body(str(row["type"] or ""), row["detail"]) for row in rows]
    items = [
        _item(place, row, bodies[place], line=places[place], start=start, texts=texts, numbers=numbers)
        for place, row in enumerate(rows)
    ]
    details = [_detail(body) for body in bodies]
    height, end = max((lane.y + lane.height for lane in drawn), default=0), max(instants, default=0)
    masked, count = display.on, _events(rows)
    return Layout(
        display.identifier(conversation_id), name, start, end, masked, drawn, lines, items, details, height, count
    )


def mark_of(what: str) -> Mark:
    """How an event of some kind is drawn; unknown kinds are drawn as plain events."""
    return MARKS.get(what, MARKS["event"])


def clusters(places: Iterable[float]) -> list[tuple[int, int]]:
    """Groups of marks that would overlap, as first and one past last; positions are sorted.

    A cluster is wider than a mark, since it has a number, but never wider than `WIDEST_PX`.

    >>> clusters([0, 5, 12, 50, 52, 80])
    [(0, 3), (3, 5), (5, 6)]
    """
    groups: list[tuple[int, int]] = []
    first, count, begin, last = 0, 0, 0.0, 0.0
    for place in places:
        half = NEAR_PX / 2 if count == 1 else 1.5 * NEAR_PX
        apart = place - last >= NEAR_PX and place - (begin + last) / 2 >= half + NEAR_PX / 2
        if count == 0 or apart or place - begin > WIDEST_PX:
            if count:
                groups.append((first, first + count))
            first, begin, count = first + count, place, 0
        last, count = place, count + 1
    if count:
        groups.append((first, first + count))
    return groups


def _events(rows: Iterable[Mapping[str, Any]]) -> int:
    """The number of events: each begins a band, ends one, or is a mark."""
    return len({row[name] for row in rows for name in ("event_id", "end_event_id")} - {None})


class _DisplayedTexts:
    """Texts as they are displayed: masked, each once."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._texts: dict[tuple[str, str], str] = {}

    def __call__(self, what: str, text: str, detail: str | None = None, body: Any = None) -> str:
        """The text of a mark; parts that are masked in the body of its event are masked in the same way."""
        if self._display.on and detail is not None and text and what != "dtmf":
            for plain, masked in _masked_texts(json_of(detail), body):
                text = text.replace(plain, masked)
        key = ("dtmf" if what == "dtmf" else "", text)
        if key not in self._texts:
            self._texts[key] = self._displayed(what, text)
        return self._texts[key]

    def _displayed(self, what: str, text: str) -> str:
        if what == "dtmf" and self._display.on:
            word, _, digits = text.partition(" ")
            return f"{word} {digits if digits == 'unknown' else self._display.digits(digits)}"
        return self._display.text(text)

    def type(self, text: str) -> str:
        return self._display.type(text)


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for name in frame:
        series = frame[name]
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            known = series.notna()
            series = series.astype("datetime64[us, UTC]").astype("int64").astype("Int64").where(known)
        columns[str(name)] = series.astype("object").where(series.notna(), None).tolist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _lanes(rows: Iterable[Mapping[str, Any]], display: Display) -> dict[int, tuple[str, str, str]]:
    lanes: dict[int, tuple[str, str, str]] = {}
    first_rows = {row["lane"]: row for row in rows}
    display.add_names(str(row["lane_name"]) for row in first_rows.values() if row["lane_kind"] == "member")
    for number, row in first_rows.items():
        name, kind, one = (str(row[key] or "") for key in ("lane_name", "lane_kind", "lane_id"))
        if kind == "leg":
            shown = _leg_name(name, display)
        elif name == "conversation":
            shown = name
        else:
            shown = display.identifier(name) if name == one else display.party(name)
        lanes[number] = (shown, kind, display.identifier(one))
    return lanes


def _leg_name(name: str, display: Display) -> str:
    """Channel and direction stay as they are; the far end is masked as a party."""
    words = name.split(" ")
    known = 0
    while known < len(words) and (words[known] in _CHANNELS or words[known] in _DIRECTIONS):
        known += 1
    rest = " ".join(words[known:])
    return " ".join(filter(None, [*words[:known], display.party(rest) if rest else ""]))


def _role(row: Mapping[str, Any]) -> tuple[str, int]:
    what = row["what"]
    if row["shape"] == "band":
        return ("main", 0) if what in _STATES or what in OVERLAYS else ("span", 0)
    return "marks", next((n for n, whats in enumerate(_MARK_LINES) if what in whats), len(_MARK_LINES) - 1)


def _lines(
    rows: Sequence[Mapping[str, Any]], numbers: Sequence[int]
) -> tuple[list[int], list[Line], dict[int, tuple[int, int]]]:
    """The line of each row, all lines, and top and height of each lane."""
    by_lane: dict[int, list[int]] = {number: [] for number in numbers}
    for place, row in enumerate(rows):
        if row["start_at"] is not None:
            by_lane[row["lane"]].append(place)
    line_of, lines, tops, y = [-1] * len(rows), list[Line](), dict[int, tuple[int, int]](), 0
    for lane, number in enumerate(numbers):
        top = y
        for role, places in _lines_of_lane(rows, by_lane[number]) or [("main", [])]:
            for place in places:
                line_of[place] = len(lines)
            lines.append(Line(y, HEIGHTS[role], lane, role))
            y += HEIGHTS[role] + GAP
        tops[number] = (top, y - top)
        y += LANE_GAP
    return line_of, lines, tops


def _lines_of_lane(rows: Sequence[Mapping[str, Any]], places: Iterable[int]) -> list[tuple[str, list[int]]]:
    """The lines of a lane from the top: role, and the rows on it."""
    main: list[int] = []
    spans: list[list[int]] = []
    marks: list[list[int]] = [[] for _ in _MARK_LINES]
    ends: list[int] = []
    for place in places:
        role, line = _role(rows[place])
        if role == "main":
            main.append(place)
        elif role == "marks":
            marks[line].append(place)
        else:
            start, end = rows[place]["start_at"], rows[place]["end_at"]
            track = next((each for each, last in enumerate(ends) if last <= start), len(ends))
            track = min(track, TRACKS - 1)
            if track == len(ends):
                ends.append(end)
                spans.append([])
            ends[track] = max(ends[track], end)
            spans[track].append(place)
    measured = any(rows[place]["what"] == "answered" for place in main)
    return [
        *([("main", main)] if main else []), *([("quality", list[int]())] if measured else []),
        *(("span", track) for track in spans), *(("marks", line) for line in marks if line),
    ]  # fmt: skip


def _item(
    place: int, row: Mapping[str, Any], body: Any, *, line: int, start: int, texts: _DisplayedTexts,
    numbers: Mapping[int, int],
) -> Item:  # fmt: skip
    begin = row["start_at"] if row["start_at"] is not None else start
    end = row["end_at"] if row["end_at"] is not None else begin
    what, to = str(row["what"]), row["to_lane"]
    return Item(
        place, line, what, begin - start, max(end, begin) - start,
        texts(what, str(row["text"] or ""), row["detail"], body),
        str(row["level"] or ""), row["shape"] == "mark", bool(row["open_start"]), bool(row["open_end"]),
        str(row["order_flag"]), texts.type(str(row["type"] or "")), row["event_id"],
        None if to is None else numbers.get(to), numbers[row["lane"]],
    )  # fmt: skip


def json_of(text: str) -> Any:
    """The value of a JSON text; None if it is invalid."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _masked_texts(plain: Any, masked: Any) -> Iterable[tuple[str, str]]:
    """The texts of a body that differ in its masked copy, each with its masked form."""
    if isinstance(plain, str) and len(plain) >= _SHORTEST and plain != masked:
        yield plain, masked if isinstance(masked, str) else "..."
    elif isinstance(plain, dict) and isinstance(masked, dict):
        # Keys may be masked as well; they come in the same order.
        for one, other in zip(plain.values(), masked.values(), strict=False):
            yield from _masked_texts(one, other)
    elif isinstance(plain, list) and isinstance(masked, list):
        for one, other in zip(plain, masked, strict=False):
            yield from _masked_texts(one, other)


def _detail(body: Any) -> str:
    return "" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def short(identifier: str) -> str:
    """An id shortened to its end, which is where ids differ.

    >>> short("CON-0fc163c9-f7b5-4311-af98-e1b9af5468cd")
    'CON-…af5468cd'
    """
    parts = re.fullmatch(r"([A-Z]+-).{20,}(.{8})", identifier)
    return f"{parts[1]}…{parts[2]}" if parts else identifier


__all__ = ["GAP", "HEIGHTS", "MARKS", "NEAR_PX", "OVERLAYS", "WIDEST_PX", "Item", "Lane", "Layout", "Line", "Mark",
           "clusters", "layout", "mark_of", "short"]  # fmt: skip
