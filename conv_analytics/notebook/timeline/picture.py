"""A timeline as SVG: the picture that every front end shows, with or without a script."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from zoneinfo import ZoneInfo

from conv_analytics.analysis.entities.verdicts import MEASURED
from conv_analytics.notebook.html import mask_label
from conv_analytics.notebook.palette import DARK, LIGHT, Theme
from conv_analytics.notebook.svg import Drawing, fitted, text_width
from conv_analytics.notebook.timeline.axis import duration, stamp, ticks
from conv_analytics.notebook.timeline.layout import OVERLAYS, Item, Layout, Line, clusters, mark_of, short

WIDTH, GUTTER, AXIS, PAD = 1100, 232, 30, 10
#: Patterns that bands are filled with: name, size and path.
PATTERNS = (
    ("dots", 5, "M1 2.5h1.6"),
    ("hatch", 7, "M-1 8L8-1M-1 1L1-1M6 8L8 6"),
    ("cross", 6, "M0 6L6 0M0 0L6 6"),
)
#: The pattern of each kind of band.
FILLS = {"invited": "hatch", "ringing": "dots", "muted": "cross", "earmuffed": "hatch", "dead_air": "hatch"}
_STATES = {"unknown": "invited", "left": "invited", "earmuffed": "muted"}
#: Above this number, arrows between lanes would hide their targets, and none is drawn.
_ARROWS = 12
#: A tooltip lists at most this many items of a cluster.
_TIP_LINES = 8
#: A narrower span is drawn as a stroke. [px]
_NARROW_PX = 4
#: A line with more than one mark in this many pixels is drawn as bars.
DENSE_PX = 8


def picture(drawn: Layout, zone: ZoneInfo, *, width: int = WIDTH, theme: str = "auto", tips: bool = False) -> str:
    """The whole conversation as SVG.

    Parameters
    ----------
    drawn
        The layout to draw.
    zone
        The clock of the axis.
    width
        In pixels.
    theme
        ``light``, ``dark``, or ``auto``: what the reader's system prefers.
    tips
        Whether items have tooltips; browsers show none where the picture is an image of a page.
    """
    return _Picture(drawn, zone, width, theme, tips=tips).svg()


class _Picture:
    def __init__(self, drawn: Layout, zone: ZoneInfo, width: int, theme: str, *, tips: bool) -> None:
        self.drawn, self.zone, self.width, self.tips = drawn, zone, width, tips
        self.plot = width - GUTTER - PAD - 60
        self.span = max(drawn.end - drawn.start, 1)
        self.drawing = Drawing(
            width, drawn.height + AXIS + PAD, title=headline(drawn, zone), description=summary(drawn)
        )
        self.drawing.add("style", style(theme))
        for name, size, path in PATTERNS:
            self.drawing.open("pattern", id=name, width=size, height=size, patternUnits="userSpaceOnUse")
            self.drawing.add("path", d=path, class_="ink")
            self.drawing.close("pattern")
        for what in sorted({item.what for item in drawn.items if item.mark}):
            self.drawing.open("defs")
            self.drawing.add("path", id=f"m-{what}", d=mark_of(what).shape)
            self.drawing.close("defs")
        self.drawing.add("rect", width=width, height=self.drawing.height, class_="g")

    def svg(self) -> str:
        by_line = {line: list(items) for line, items in groupby(
            sorted(self.drawn.items, key=lambda item: item.line), key=lambda item: item.line)}  # fmt: skip
        self._lanes()
        self._axis()
        for number, line in enumerate(self.drawn.lines):
            items = by_line.get(number, [])
            if line.role == "marks":
                self._marks(line, items)
            elif line.role == "quality":
                self._quality(line, by_line.get(number - 1, []))
            else:
                self._bands(line, items)
        arrows = [item for item in self.drawn.items if item.to_lane is not None and item.line >= 0]
        for item in arrows if len(arrows) <= _ARROWS else ():
            self._arrow(item)
        return self.drawing.svg()

    def x(self, at: int) -> float:
        return GUTTER + at / self.span * self.plot

    def _lanes(self) -> None:
        for place, lane in enumerate(self.drawn.lanes):
            y = lane.y + AXIS
            if lane.kind != "leg":
                self.drawing.add("path", d=f"M0 {y - 5}H{self.width}", class_="rule")
            indent = 26 if lane.kind == "leg" else 12
            name, bold = short(lane.name), lane.kind == "member"
            if lane.kind == "conversation":
                name = f"conversation {name}".removesuffix(" conversation")
            name = fitted(name, GUTTER - indent - 8, 12.5 if bold else 12)
            self.drawing.text(
                indent, y + 14, name, 12, class_="t" if bold else "q", font_weight="600" if bold else None
            )
            if place % 2:
                self.drawing.add(
                    "rect", x=GUTTER, y=y - 3, width=self.width - GUTTER, height=lane.height + 4, class_="raised"
                )

    def _axis(self) -> None:
        start, bottom = self.drawn.start, self.drawn.height + AXIS
        for at, label in ticks(start, self.drawn.end, self.plot, self.zone):
            x = self.x(at - start)
            self.drawing.add("path", d=f"M{x:.1f} {AXIS - 8}V{bottom}", class_="rule")
            self.drawing.text(x, AXIS - 13, label, 11, class_="q", text_anchor="middle")
        self.drawing.text(12, AXIS - 13, str(self.zone), 11, class_="q")

    def _bands(self, line: Line, items: Iterable[Item]) -> None:
        """The bands of a line; those too narrow for a text become strokes of one path."""
        strokes, last, y = [], -1.0, line.y + AXIS
        for item in items:
            x, end = self.x(item.start), self.x(item.end)
            if line.role == "main" or end - x >= _NARROW_PX or self.tips:
                self._band(line, item)
            elif x >= last + 1:
                strokes.append(f"M{x:.0f} {y}v{line.height}")
                last = x
        if strokes:
            self.drawing.add("path", d="".join(strokes), class_="l-media")

    def _band(self, line: Line, item: Item) -> None:
        x, end, y = self.x(item.start), self.x(item.end), line.y + AXIS
        width, height = max(end - x, 1.5), line.height
        tip = self._tip([item])
        if item.what == "left":
            reason = fitted(item.text.partition(": ")[2] or "left", self.width - x - 8, 11)
            # The dotted line continues after the text.
            after = x + 9 + text_width(reason, 11)
            tail = f"M{after:.1f} {y + height / 2}H{end:.1f}" if end > after else ""
            self.drawing.add("path", d=f"M{x:.1f} {y}V{y + height}{tail}", class_="s-left", tip=tip)
            self._text(x + 5, y + 14, reason, room=self.width - x - 8, kind="q")
            return
        kinds = [f"b s-{state_of(item.what) or 'span'}"]
        kinds += [name for name, on in (("u", item.what == "unknown"), ("o", item.open_start or item.open_end)) if on]
        self.drawing.add("rect", x=x, y=y, width=width, height=height, rx=3, class_=" ".join(kinds), tip=tip)
        pattern = FILLS.get(item.what)
        if pattern:
            self.drawing.add("rect", x=x, y=y, width=width, height=height, rx=3, fill=f"url(#{pattern})", class_="p")
        if item.what not in OVERLAYS:
            words = f"{item.text} \u00b7 {item.level}" if item.level else item.text
            words += " \u2026" if item.open_end else ""
            size = 11 if line.role == "main" else 9.5
            self._text(x + 5, y + height / 2 + size * 0.36, words, room=width - 8, kind="t", size=size)

    def _quality(self, line: Line, items: Iterable[Item]) -> None:
        y = line.y + AXIS
        for item in items:
            if item.what == "answered":
                x, width = self.x(item.start), max(self.x(item.end) - self.x(item.start), 2)
                level = item.level if item.level in MEASURED else ""
                tip = (f"quality: {level}" if level else "quality: not measured") if self.tips else None
                if level:
                    self.drawing.add("rect", x=x, y=y, width=width, height=5, class_=f"q-{level}", tip=tip)
                else:
                    self.drawing.add("path", d=f"M{x:.1f} {y + 2.5}h{width:.1f}", class_="q-none", tip=tip)

    def _marks(self, line: Line, items: list[Item]) -> None:
        y = line.y + AXIS + line.height / 2
        items = sorted(items, key=lambda item: item.start)
        if len(items) > self.plot / DENSE_PX:
            self._density(line, items)
            return
        for first, last in clusters([self.x(item.start) for item in items]):
            group = items[first:last]
            item = max(group, key=lambda each: mark_of(each.what).weight)
            kind = mark_of(item.what).kind
            x = self.x(group[0].start + (group[-1].start - group[0].start) // 2)
            tip = self._tip(group)
            if len(group) > 1:
                label = str(len(group))
                w = 14 + 6.2 * len(label)
                self.drawing.open(transform=f"translate({x - w / 2:.1f} {y:.1f})")
                self.drawing.add("rect", x=0, y=-8, width=w + 2, height=16, rx=8, class_=f"c k-{kind}", tip=tip)
                self.drawing.add(
                    "use", href=f"#m-{item.what}", transform="translate(9 0) scale(.8)", class_=f"k-{kind}"
                )
                self.drawing.text(16, 3.6, label, 10, class_="t")
                self.drawing.close()
            else:
                self.drawing.add("use", href=f"#m-{item.what}", x=round(x, 1), y=y, class_=f"m k-{kind}", tip=tip)
            if item.order != "ok":
                self.drawing.add("path", d=f"M{x + 4:.1f} {y - 8:.1f}h5l-2.5 4z", class_="k-end")

    def _density(self, line: Line, items: Iterable[Item]) -> None:
        """Too many events for marks: a bar every three pixels, its height by the number of events."""
        bins = Counter(int(self.x(item.start) / 3) for item in items)
        most, bottom = math.log1p(max(bins.values())), line.y + AXIS + line.height
        bars = (f"M{place * 3 + 1} {bottom}v-{4 + math.log1p(count) / most * (line.height - 4):.0f}"
                for place, count in sorted(bins.items()))  # fmt: skip
        self.drawing.add("path", d="".join(bars), class_="l-message d")

    def _arrow(self, item: Item) -> None:
        assert item.to_lane is not None
        to, line = self.drawn.lanes[item.to_lane], self.drawn.lines[item.line]
        x, y, end = self.x(item.start), line.y + AXIS + line.height / 2, to.y + AXIS + 10
        bend = x + 18
        self.drawing.add(
            "path", d=f"M{x:.1f} {y:.1f}C{bend:.1f} {y:.1f} {bend:.1f} {end} {x + 3:.1f} {end}", class_="arrow"
        )
        self.drawing.add("path", d=f"M{x + 2:.1f} {end}l7-4v8z", class_="arrowhead")

    def _text(self, x: float, y: float, text: str, *, room: float, kind: str, size: float = 11) -> None:
        shown = fitted(text, room, size)
        if shown:
            self.drawing.text(x, y, shown, size, class_=kind)

    def _tip(self, items: Sequence[Item]) -> str | None:
        """The tooltip of some items, which lists the first of them."""
        if not self.tips:
            return None
        lines = []
        for item in items[:_TIP_LINES]:
            lasted = "" if item.mark else f", {duration(item.end - item.start)}"
            flag = "" if item.order == "ok" else f" ({item.order})"
            lines.append(f"{stamp(item.start + self.drawn.start, self.zone)} {item.text or item.what}{lasted}{flag}")
        more = len(items) - _TIP_LINES
        return "\n".join([*lines, f"{more} more"] if more > 0 else lines)


def headline(drawn: Layout, zone: ZoneInfo) -> str:
    """One line with the id of the conversation and its time."""
    return f"{drawn.conversation_id}: {span(drawn, zone)}"


def span(drawn: Layout, zone: ZoneInfo) -> str:
    """Its beginning, end and duration."""
    if not drawn.items:
        return "no events"
    return f"{stamp(drawn.start, zone)} to {stamp(drawn.end, zone)} ({zone}), {duration(drawn.end - drawn.start)}"


def summary(drawn: Layout) -> str:
    """The number of events, with those that are open, late or duplicated, and whether people are masked."""
    plural = {
        "open band": "open bands",
        "member": "members",
        "leg": "legs",
        "event": "events",
        "duplicate": "duplicates",
    }
    counts = [
        f"{count:,} {name if count == 1 else plural.get(name, name)}"
        for name, count in drawn.counts().items()
        if count or name in {"member", "leg", "event"}
    ]
    return f"{', '.join(counts)}; {mask_label(masked=drawn.masked)}"


def state_of(what: str) -> str:
    """The state whose colours a band has; empty for one that is not a state of a member or leg."""
    state = _STATES.get(what, what)
    return state if state in LIGHT.states else ""


def style(theme: str) -> str:
    """The style sheet of the picture."""
    if theme == "auto":
        return f"{_rules(LIGHT)}@media(prefers-color-scheme:dark){{{_rules(DARK)}}}"
    return _rules(DARK if theme == "dark" else LIGHT)


def _rules(theme: Theme) -> str:
    states = "".join(
        f".s-{name}{{fill:{colour};stroke:{theme.edges[name]};color:{colour}}}" for name, colour in theme.states.items()
    )
    kinds = "".join(
        f".k-{name}{{fill:{colour}}}.l-{name}{{stroke:{colour};stroke-width:1.6;fill:none}}"
        for name, colour in theme.kinds.items()
    )
    levels = "".join(f".q-{name}{{fill:{colour};stroke:{theme.edges[name]}}}" for name, colour in theme.quality.items())
    kind, quiet = theme.kinds, theme.quiet
    return "".join((
        f".g{{fill:{theme.ground}}}.raised{{fill:{theme.raised};fill-opacity:.55}}",
        f".t{{fill:{theme.text}}}.q{{fill:{quiet}}}.rule{{stroke:{theme.line};fill:none}}",
        states, kinds, levels,
        f".s-span{{fill:{kind['media']};stroke:{kind['media']}}}.b.s-span{{fill-opacity:.45}}",
        f".s-left{{stroke:{quiet};fill:none;stroke-dasharray:1 3}}",
        f".b{{fill-opacity:.26;stroke-width:1.2}}.u{{fill:none;stroke:{quiet};stroke-dasharray:4 3}}",
        f".p{{stroke:none}}.ink{{stroke:{theme.text};stroke-opacity:.5;fill:none}}.o{{stroke-dasharray:6 3}}",
        f".m{{stroke:{theme.ground};stroke-width:.8}}.c{{fill:{theme.ground};stroke:{quiet}}}",
        f".q-none{{stroke:{theme.quality['unmeasured']};stroke-width:2;stroke-dasharray:1.5 4}}",
        f".arrow{{fill:none;stroke:{kind['control']};stroke-width:1.3;stroke-dasharray:5 3}}",
        f".arrowhead{{fill:{kind['control']}}}.d{{stroke-width:2.4}}",
    ))  # fmt: skip


__all__ = ["AXIS", "DENSE_PX", "FILLS", "GUTTER", "PATTERNS", "WIDTH", "headline", "picture", "span", "state_of",
           "style", "summary"]  # fmt: skip
