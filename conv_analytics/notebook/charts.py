"""Small charts as SVG for pages: bars with intervals, histograms with limits, lines with a band, hours of the week.

Colours are classes that `charts.css` defines for light, dark and paper. Everything is also said in words: the title
says what a chart shows, tooltips and a table have its numbers, and bars of few cases are dashed as well as grey.

>>> picture = bars([Bar("GB", 0.02, 0.01, 0.04, "2 of 100"), Bar("FR", None, None, None, "no cases")], title="Poor")
>>> picture.startswith("<svg"), "2 of 100" in picture
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conv_analytics.notebook.svg import Drawing, fitted, number

WIDTH = 560.0
_SMALL = 11
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Maximum number of bars with room for a label.
_LABELS = 12
#: The strongest shade of a heatmap; 0 is the weakest.
STEPS = 5


@dataclass(frozen=True)
class Bar:
    """A bar: its share with an interval, a note, whether it has enough cases, and a CSS class."""

    label: str
    value: float | None
    lo: float | None
    hi: float | None
    text: str
    enough: bool = True
    kind: str = ""


@dataclass(frozen=True)
class Point:
    """A point of a line: its value with an interval, a note, and whether it is based on enough cases."""

    label: str
    value: float | None
    lo: float | None
    hi: float | None
    text: str
    enough: bool = True


def bars(rows: Sequence[Bar], *, title: str, kind: str = "b", limit: float | None = None) -> str:
    """Horizontal bars of shares with their intervals.

    Parameters
    ----------
    rows
        Bars; the interval is a whisker, a bar of few cases is grey and dashed.
    title
        What the chart shows, for people who cannot see it.
    kind
        Class of the bars: ``b``, ``bad`` or ``mid``.
    limit
        A share to mark.
    """
    line, left, right, top = 22.0, 150.0, 116.0, 6.0
    wide = WIDTH - left - right
    most = nice(max([row.value or 0 for row in rows] + [min(row.hi or 0, 3 * (row.value or 0) + 0.02) for row in rows]
                    + [limit or 0, 0.01]))  # fmt: skip
    most = min(most, 1.0)
    drawing = Drawing(WIDTH, top + line * len(rows) + 22, title=title)

    def x(share: float) -> float:
        return left + wide * min(share, most) / most

    bottom = top + line * len(rows)
    for tick in ticks(most):
        drawing.add("path", d=f"M{number(x(tick))} {number(top)}V{number(bottom)}", class_="grid")
        drawing.text(x(tick), bottom + 15, f"{100 * tick:g} %", _SMALL, class_="q", text_anchor="middle")
    for place, row in enumerate(rows):
        y = top + line * place
        drawing.text(left - 8, y + 15, fitted(row.label, left - 10), text_anchor="end")
        drawing.text(WIDTH - right + 8, y + 15, fitted(row.text, right - 8, _SMALL), _SMALL, class_="q")
        if row.value is None:
            continue
        tip = f"{row.label}: {100 * row.value:.1f} %, {row.text}"
        shape = (row.kind or kind) if row.enough else "few"
        drawing.add("rect", tip=tip, x=left, y=y + 5, width=max(x(row.value) - left, 1), height=line - 9, class_=shape)
        if row.lo is not None and row.hi is not None:
            middle = y + line / 2 + 0.5
            ends = "".join(f"M{number(x(end))} {number(middle - 4)}v8" for end in (row.lo, row.hi) if end <= most)
            drawing.add("path", d=f"M{number(x(row.lo))} {number(middle)}H{number(x(row.hi))}{ends}", class_="whisker")
    if limit is not None:
        drawing.add("path", d=f"M{number(x(limit))} {number(top)}V{number(bottom)}", class_="limit")
    return _chart(drawing)


def histogram(
    bins: Sequence[tuple[str, int, str]], *, title: str, limits: Sequence[tuple[float, str]] = (), unit: str = ""
) -> str:
    """A histogram with limits.

    Parameters
    ----------
    bins
        Label of the start, count, and class (``b``, ``mid``, ``bad``) of each bin.
    limits
        The position of each limit, in bins from the left, and its label.
    """
    left, right, top, high = 40.0, 10.0, 22.0, 130.0
    drawing = Drawing(WIDTH, top + high + 34, title=title)
    most = max([n for _, n, _ in bins] + [1])
    step = (WIDTH - left - right) / max(len(bins), 1)
    for tick in (0, most):
        y = top + high - high * tick / most
        drawing.add("path", d=f"M{number(left)} {number(y)}H{number(WIDTH - right)}", class_="grid")
        drawing.text(left - 6, y + 4, f"{tick:,}", _SMALL, class_="q", text_anchor="end")
    for place, (label, n, kind) in enumerate(bins):
        x, tall = left + place * step, high * n / most
        if n:
            drawing.add("rect", tip=f"from {label} {unit}: {n:,}", x=x + 1.5, y=top + high - max(tall, 1.5),
                        width=step - 3, height=max(tall, 1.5), class_=kind)  # fmt: skip
            if tall < high - 4 or not limits:
                drawing.text(x + step / 2, top + high - max(tall, 1.5) - 4, f"{n:,}", 10, class_="q",
                             text_anchor="middle")  # fmt: skip
        drawing.text(x, top + high + 14, label, 10, class_="q", text_anchor="middle")
    drawing.text(WIDTH - right, top + high + 29, unit, _SMALL, class_="q", text_anchor="end")
    for place, (at, words) in enumerate(sorted(limits)):
        x = left + at * step
        drawing.add("path", d=f"M{number(x)} {number(top - 6)}V{number(top + high)}", class_="limit")
        drawing.text(x + (3 if x < WIDTH / 2 else -3), top - 8 if place % 2 == 0 else top + 3, words, 10,
                     class_="label", text_anchor="start" if x < WIDTH / 2 else "end")  # fmt: skip
    return _chart(drawing)


def trend(
    points: Sequence[Point], *, title: str, kind: str = "",
    format_value: Callable[[float], str] = lambda v: f"{100 * v:g} %", limit: float | None = None,
    floor: float = 0.0, top: float | None = None, marks: Sequence[int] = (),
) -> str:  # fmt: skip
    """A line with a band of intervals; gaps stay gaps, points of few cases are hollow.

    Parameters
    ----------
    kind
        ``bad`` for what should be low.
    format_value
        Formats a value of the axis.
    floor, top
        Ends of the axis; without a top it fits the values.
    marks
        Points before which something began.
    """
    left, right, up, high = 46.0, 12.0, 8.0, 120.0
    drawing = Drawing(WIDTH, up + high + 24, title=title)
    known = [value for point in points for value in (point.value, min(point.hi or 0, 3 * (point.value or 0) + 0.02))
             if value is not None]  # fmt: skip
    most = top if top is not None else nice(max([*known, limit or 0, floor + 0.01]))
    step = (WIDTH - left - right) / max(len(points), 1)

    def spot(place: int, value: float) -> str:
        return f"{number(left + (place + 0.5) * step)} {number(y(value))}"

    def y(value: float) -> float:
        return up + high - high * (min(max(value, floor), most) - floor) / (most - floor)

    for tick in (floor, floor + (most - floor) / 2, most):
        drawing.add("path", d=f"M{number(left)} {number(y(tick))}H{number(WIDTH - right)}", class_="grid")
        drawing.text(left - 6, y(tick) + 4, format_value(round(tick, 6)), _SMALL, class_="q", text_anchor="end")
    for run in runs(points):
        _run(drawing, run, spot, kind)
    for place, point in enumerate(points):
        if point.value is not None and (len(points) <= 62 or not point.enough):  # noqa: PLR2004 - more would touch
            shape = f"dot {kind}".strip() if point.enough else "dot few"
            x, at = spot(place, point.value).split()
            drawing.add("circle", tip=f"{point.label}: {format_value(point.value)}, {point.text}", cx=x, cy=at,
                        r=3.2, class_=shape)  # fmt: skip
    if limit is not None:
        drawing.add("path", d=f"M{number(left)} {number(y(limit))}H{number(WIDTH - right)}", class_="limit")
    for place in marks:
        drawing.add("path", d=f"M{number(left + place * step)} {number(up)}V{number(up + high)}", class_="limit")
    every = max(1, math.ceil(len(points) / _LABELS * 1.6))
    for place in range(0, len(points), every):
        label = points[place].label
        short = label[5:] if len(label) == len("2026-11-23") else label[8:16]
        drawing.text(left + (place + 0.5) * step, up + high + 16, short, 10, class_="q", text_anchor="middle")
    return _chart(drawing)


def heat(cells: Sequence[tuple[int, int, float | None, str]], *, title: str) -> str:
    """Hours of the week as weekday, hour, value and note: darker for more; framed if the hour did not exist."""
    left, top, wide, high = 40.0, 4.0, 21.0, 19.0
    drawing = Drawing(left + 24 * wide + 6, top + 7 * high + 40, title=title)
    most = max([value for _, _, value, _ in cells if value is not None] + [0.0])
    for day, name in enumerate(DAYS):
        drawing.text(left - 6, top + day * high + 14, name, _SMALL, class_="q", text_anchor="end")
    for hour in range(0, 24, 3):
        drawing.text(left + hour * wide + wide / 2, top + 7 * high + 13, f"{hour:02}", 10, class_="q",
                     text_anchor="middle")  # fmt: skip
    for day, hour, value, words in cells:
        shape = "none" if value is None else f"cell s{strength(value, most)}"
        drawing.add("rect", tip=f"{DAYS[day]} {hour:02}:00, {words}", x=left + hour * wide, y=top + day * high,
                    width=wide, height=high, class_=shape)  # fmt: skip
    y = top + 7 * high + 22
    drawing.text(left, y + 11, "none", 10, class_="q")
    for step in range(STEPS + 1):
        drawing.add("rect", x=left + 30 + step * 16, y=y + 1, width=16, height=12, class_=f"cell s{step}")
    drawing.text(left + 30 + 16 * (STEPS + 1) + 6, y + 11, f"{most:,.1f} an hour", 10, class_="q")
    return _chart(drawing)


def strength(value: float, most: float) -> int:
    """The shade of a cell: 0 for nothing, 5 for the most.

    >>> strength(0, 9), strength(0.1, 9), strength(9, 9), strength(0, 0)
    (0, 1, 5, 0)
    """
    return 0 if value <= 0 or most <= 0 else min(STEPS, max(1, math.ceil(STEPS * value / most)))


def nice(value: float) -> float:
    """The next round number, for the end of an axis.

    >>> nice(0.034), nice(0.51), nice(0.0)
    (0.04, 0.6, 1.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(round(step * power, 10) for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= value - 1e-12))


def ticks(most: float) -> list[float]:
    """Ticks of an axis: four equal steps from 0."""
    return [round(most * step / 4, 6) for step in range(5)]


def runs(points: Sequence[Point]) -> list[list[tuple[int, Point]]]:
    """The parts of a line between its gaps."""
    parts: list[list[tuple[int, Point]]] = [[]]
    for place, point in enumerate(points):
        if point.value is not None:
            parts[-1].append((place, point))
        elif parts[-1]:
            parts.append([])
    return [run for run in parts if run]


def _run(drawing: Drawing, run: list[tuple[int, Point]], spot: Callable[[int, float], str], kind: str) -> None:
    """A part of a line without gaps, and its band behind it."""
    if len(run) < 2:  # noqa: PLR2004 - one point is no line
        return
    lows = [(place, point.lo) for place, point in run if point.lo is not None]
    highs = [(place, point.hi) for place, point in run if point.hi is not None]
    if len(lows) == len(highs) == len(run):
        edge = [spot(place, value) for place, value in highs] + [spot(place, value) for place, value in lows[::-1]]
        drawing.add("path", d=f"M{'L'.join(edge)}Z", class_=f"band {kind}".strip())
    line = "L".join(spot(place, point.value) for place, point in run if point.value is not None)
    drawing.add("path", d=f"M{line}", class_=f"line {kind}".strip())


def _chart(drawing: Drawing) -> str:
    return drawing.svg().replace("<svg ", '<svg class="ca-chart" ', 1)


__all__ = ["Bar", "Point", "bars", "heat", "histogram", "nice", "runs", "strength", "ticks", "trend"]
