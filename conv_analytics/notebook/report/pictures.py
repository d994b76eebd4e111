"""The charts of a report, each with its title, picture and table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from conv_analytics.analysis.audio.profiles import LEVELS
from conv_analytics.analysis.entities.cases import CASES, Case
from conv_analytics.glossary import term
from conv_analytics.notebook import charts
from conv_analytics.notebook.charts import Bar, Point
from conv_analytics.notebook.html import safe
from conv_analytics.notebook.report.formatting import DASH, amount, count, percent
from conv_analytics.notebook.report.numbers import Cell, Finding, Grouping, Histogram, Numbers, Rate, Slot
from conv_analytics.notebook.report.sentences import TARGET


@dataclass(frozen=True)
class Chart:
    """A picture with its title, note and numbers."""

    title: str
    note: str
    picture: Markup
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Section:
    """Charts under one heading."""

    title: str
    note: str
    charts: tuple[Chart, ...]


_RATE = ("share", "from", "to", "cases", "of")
#: A slot that the period covers less of has no rate per hour: a single leg would decide it.
_LEAST_COVERED = 0.1


def sections(numbers: Numbers) -> tuple[Section, ...]:
    """All sections with charts; those without data have none."""
    return (
        Section(f"Trend by {numbers.unit}", _trend_note(numbers), _trend(numbers)),
        Section("Distributions", "Dashed lines are the limits of the profile.",
                tuple(_histogram(each) for each in numbers.histograms if each.n)),
        Section("Hours of the week", f"Legs started per hour, by weekday and hour ({numbers.tz}).",
                _week(numbers)),
        Section("By country, network, channel and direction",
                "Largest groups first. Whiskers are 95 % intervals; grey and dashed: fewer than 30 cases.",
                tuple(chart for each in numbers.groupings for chart in _grouping(each))),
    )  # fmt: skip


def finding(one: Finding) -> Chart:
    """A problem: its rate by hour, day or week if it began or ended, else beside the expected rate."""
    title = f"{one.title}, {one.where}"
    if one.trend:
        points = [
            Point(slot.label, slot.rate.rate, slot.rate.lo, slot.rate.hi, _of(slot.rate), slot.rate.enough)
            for slot in one.trend
        ]
        marks = [_slot_of(at, [slot.label for slot in one.trend]) for at in (one.since, one.until) if at]
        picture = charts.trend(points, title=title, kind="bad", limit=one.expected, marks=marks)
        rows = tuple((slot.label, *_cells(slot.rate)) for slot in one.trend)
        note = "dashed: expected, and since or until when"
        return Chart("Rate over time", note, safe(picture), ("start", *_RATE), rows)
    rate = one.rate
    bars = [
        Bar(one.where, rate.rate, rate.lo, rate.hi, _of(rate)),
        Bar("expected", one.expected, None, None, percent(one.expected), kind="b"),
    ]
    table = (("here", *_cells(rate)), ("expected", percent(one.expected), "", "", "", ""))
    picture = charts.bars(bars, title=title, kind="bad")
    return Chart("Rate and what is expected", "with its 95 % interval", safe(picture), ("", *_RATE), table)


def _slot_of(at: str, labels: Sequence[str]) -> int:
    """The hour, day or week of an instant; both are on the clock of the report's zone.

    Hours are compared as instants: one that comes twice has the same text twice, but for its offset.
    """
    instant, day = datetime.fromisoformat(at), at[: len("2026-11-23")]
    begun = (label <= day if len(label) == len(day) else datetime.fromisoformat(label) <= instant for label in labels)
    return max((place for place, has in enumerate(begun) if has), default=0)


def codes(numbers: Numbers) -> Chart:
    """How attempts without an answer ended."""
    rows = [
        Bar(f"{code.code or DASH} {code.outcome.replace('_', ' ')}", code.share.rate, code.share.lo, code.share.hi,
            f"{code.n:,} of {code.share.n:,}", code.share.enough)
        for code in numbers.codes
    ]  # fmt: skip
    title = "Unanswered attempts by SIP code"
    table = tuple((code.code or DASH, code.meaning, *_cells(code.share)) for code in numbers.codes)
    note = f"without {count(numbers.open_attempts, 'attempt')} whose end is not known" if numbers.open_attempts else ""
    return Chart(title, note, safe(charts.bars(rows, title=title, kind="mid")), ("code", "meaning", *_RATE), table)


def _trend_note(numbers: Numbers) -> str:
    unusual = sorted({slot.hours for slot in numbers.trend if numbers.unit == "day" and slot.hours != 24.0})  # noqa: PLR2004
    note = "Bands are 95 % intervals; hollow points have fewer than 30 cases."
    return f"{note} Clocks change: a day of {' and '.join(f'{each:g}' for each in unusual)} hours." if unusual else note


def _trend(numbers: Numbers) -> tuple[Chart, ...]:
    slots = numbers.trend
    if not slots:
        return ()
    drawn = []
    for case in (CASES["answered"], CASES["poor"]):
        rates = [getattr(slot, case.name) for slot in slots]
        if not any(rate.n for rate in rates):
            continue
        points = [
            Point(slot.label, rate.rate, rate.lo, rate.hi, f"{rate.k:,} of {rate.n:,}", rate.enough)
            for slot, rate in zip(slots, rates, strict=True)
        ]
        note = "of seizures" if case.name == "answered" else f"of measured legs; dashed: {percent(TARGET, 0)}"
        title = _title(case)
        picture = charts.trend(points, title=f"{title} by {numbers.unit}", kind=case.colour,
                               limit=TARGET if case.colour else None, top=None if case.colour else 1.0)  # fmt: skip
        rows = tuple((slot.label, *_cells(rate)) for slot, rate in zip(slots, rates, strict=True))
        drawn.append(Chart(title, note, safe(picture), (numbers.unit, *_RATE), rows))
    if any(slot.mos.n for slot in slots):
        points = [
            Point(slot.label, slot.mos.p50, slot.mos.p5, slot.mos.p95, f"n = {slot.mos.n:,}", slot.mos.p5 is not None)
            for slot in slots
        ]
        picture = charts.trend(points, title=f"{term('mos').title} by {numbers.unit}", format_value=lambda v: f"{v:g}",
                               floor=1.0, top=4.5)  # fmt: skip
        rows = tuple((slot.label, *(amount(each) for each in (slot.mos.p5, slot.mos.p50, slot.mos.p95)),
                      f"{slot.mos.n:,}") for slot in slots)  # fmt: skip
        head = (numbers.unit, "p5", "median", "p95", "n")
        drawn.append(Chart(term("mos").title, "median, band from p5 to p95", safe(picture), head, rows))
    starts = [_per_hour(slot) for slot in slots]
    most = max((each for each in starts if each is not None), default=0) or 1
    points = [
        Point(slot.label, each, None, None, f"{slot.legs:,} legs") for slot, each in zip(slots, starts, strict=True)
    ]
    picture = charts.trend(points, title=f"Legs per hour by {numbers.unit}", format_value=lambda v: f"{v:,.3g}",
                           top=charts.nice(most))  # fmt: skip
    rows = tuple((slot.label, f"{slot.covered_hours:g}", f"{slot.legs:,}") for slot in slots)
    drawn.append(Chart("Legs per hour", "started", safe(picture), (numbers.unit, "hours", "legs"), rows))
    return tuple(drawn)


def _per_hour(slot: Slot) -> float | None:
    """How many legs started per hour of the period; None if too little of the slot lies in it for a rate."""
    return slot.legs / slot.covered_hours if slot.covered_hours > _LEAST_COVERED * slot.hours else None


def _histogram(histogram: Histogram) -> Chart:
    low_is_bad = histogram.name == "mos"
    bins = [(f"{each.low:g}", each.n, _kind(each.low, histogram, low_is_bad=low_is_bad)) for each in histogram.bins]
    lows = [each.low for each in histogram.bins]
    limits = [(_place(at, lows), f"{words}: {at:g}" if words in LEVELS else words)
              for words, at in histogram.limits]  # fmt: skip
    title = histogram.title
    picture = charts.histogram(bins, title=title, limits=limits, unit=histogram.unit)
    rows = tuple(
        (f"{each.low:g}", "" if each.high is None else f"{each.high:g}", f"{each.n:,}",
         percent(each.n / histogram.n if histogram.n else None))
        for each in histogram.bins
    )  # fmt: skip
    note = f"[{histogram.unit}]; known for {histogram.n:,} of {count(histogram.of, 'leg')}"
    return Chart(title, note, safe(picture), (f"from [{histogram.unit}]", "to", "legs", "share"), rows)


def _kind(low: float | None, histogram: Histogram, *, low_is_bad: bool) -> str:
    """The class of a bin: the limit that it is beyond."""
    at = low or 0.0
    limits = dict(histogram.limits)
    poor, fair = (limits.get(level) for level in LEVELS)

    def exceeds(limit: float) -> bool:
        return at + 1e-9 < limit if low_is_bad else at >= limit

    return "bad" if poor is not None and exceeds(poor) else "mid" if fair is not None and exceeds(fair) else "b"


def _place(at: float, lows: list[float | None]) -> float:
    """The position of a limit, in columns from the left."""
    edges = [low or 0.0 for low in lows]
    for place, low in enumerate(edges):
        high = edges[place + 1] if place + 1 < len(edges) else low + 1
        if low <= at < high:
            return place + (at - low) / (high - low)
    return float(len(edges))


def _week(numbers: Numbers) -> tuple[Chart, ...]:
    if not numbers.week:
        return ()
    cells = [(cell.weekday, cell.hour, cell.per_hour, _hour_words(cell)) for cell in numbers.week]
    title = "When calls start"
    rows = tuple((charts.DAYS[day], *(_of_hour(numbers, day, hour) for hour in range(24))) for day in range(7))
    head = ("", *(f"{hour:02}" for hour in range(24)))
    note = "darker: more legs per hour; framed: no such hour in the period"
    return (Chart(title, note, safe(charts.heat(cells, title=title)), head, rows),)


def _hour_words(cell: Cell) -> str:
    if cell.per_hour is None:
        return "no such hour"
    return f"{amount(cell.per_hour)} per hour: {count(cell.legs, 'leg')} in {cell.hours:g} h"


def _of_hour(numbers: Numbers, day: int, hour: int) -> str:
    cell = numbers.week[day * 24 + hour]
    return DASH if cell.per_hour is None else f"{cell.per_hour:.3g}"


def _grouping(grouping: Grouping) -> tuple[Chart, ...]:
    note = ""
    if grouping.others:
        note = f"{count(grouping.others, 'smaller group')} with {count(grouping.others_legs, 'leg')} not shown"
    drawn = []
    for case in (CASES["poor"], CASES["answered"]):
        rates: list[tuple[str, Rate]] = [(group.key, getattr(group, case.name)) for group in grouping.groups]
        if not any(rate.n for _, rate in rates):
            continue
        rows = [Bar(key, rate.rate, rate.lo, rate.hi, _of(rate), rate.enough) for key, rate in rates]
        title = f"{grouping.title}: {_title(case)}"
        picture = charts.bars(rows, title=title, kind=case.colour or "b", limit=TARGET if case.colour else None)
        cells: list[tuple[Any, ...]] = [
            (
                group.key,
                f"{group.legs:,}",
                *_cells(getattr(group, case.name)),
                amount(group.mos.p50),
                amount(group.loss.p95, "%"),
            )
            for group in grouping.groups
        ]
        head = (grouping.name, "legs", *_RATE, "MOS (median)", "packet loss (p95)")
        drawn.append(Chart(title, note, safe(picture), head, tuple(cells)))
    return tuple(drawn)


def _title(case: Case) -> str:
    """The name of a case's rate in this report; for answered calls, ASR."""
    return term("asr").title if case.name == "answered" else case.title


def _of(rate: Rate) -> str:
    return f"{rate.k:,} of {rate.n:,}" if rate.n else "no cases"


def _cells(rate: Rate) -> tuple[str, ...]:
    return percent(rate.rate), percent(rate.lo), percent(rate.hi), f"{rate.k:,}", f"{rate.n:,}"


__all__ = ["Chart", "Section", "codes", "finding", "sections"]
