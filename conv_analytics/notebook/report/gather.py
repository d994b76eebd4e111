"""From data to the numbers of a report: what `conv_analytics.analysis` says, for a period and the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pandas as pd

import conv_analytics
from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.analysis.audio.units import Evidence, Units
from conv_analytics.analysis.entities.cases import CASES
from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.notebook.report import found, parts, tally, words
from conv_analytics.notebook.report.ledger import ledger_of
from conv_analytics.notebook.report.numbers import Figure, Method, Numbers, Rate, Unit, Values
from conv_analytics.notebook.report.period import Period, period_of
from conv_analytics.notebook.report.rows import Rows, read, slots_of
from conv_analytics.privacy.display import Display

#: What opens a timeline, with the id of the conversation in it.
#: The folder is not named: a page that is mailed around does not tell where it lies.
COMMAND = "conv-analytics timeline DEST {} -o timeline.html"


def gather(
    data: Any,
    *,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    tz: str = "UTC",
    profile: str | Profile = "recommended",
    mask: bool = True,
    units: Units | None = None,
) -> Numbers:
    """Every number of a report. Parameters and errors are those of `quality_report`."""
    book, asked = profile_of(profile), period_of(since, until, tz)
    rows = read(data, book, units)
    at = rows.legs["started_at"]
    first, last = (None if pd.isna(edge) else edge.to_pydatetime() for edge in (at.min(), at.max()))
    period = period_of(since, until, tz, first=first, last=last) if first is not None else asked
    if since is None and until is None:
        # Nothing limits it: legs without a start belong to it, too.
        now = rows.legs
    else:
        now = rows.legs.iloc[:0] if period.empty else rows.within(period.since, period.until)
    before = rows.within(period.before, period.since) if period.before is not None and not now.empty else None
    return _numbers(data, rows, now, before, period, book, Display(on=mask))


def _numbers(  # noqa: PLR0917 - a step of its own, for the length of `gather`
    data: Any, rows: Rows, now: pd.DataFrame, before: pd.DataFrame | None, period: Period, book: Profile,
    display: Display,
) -> Numbers:  # fmt: skip
    then = before if before is not None and len(before) else None
    slots = slots_of(now, period)
    masked = parts.masked(now, display)
    rates = tally.Kpi(masked.assign(**{parts.SLOT: slots.of}), [*parts.BY, parts.SLOT])
    shown = figures(now, then, rates, rows.scope)
    by_name = {figure.name: figure.now for figure in shown}
    poor, measured = by_name["poor"], by_name["measured"]
    assert isinstance(poor, Rate)
    assert isinstance(measured, Rate)
    verdict, sentence = words.verdict(len(now), poor, measured, _undecided(rows.units, book))
    if verdict != "empty":
        sentence = words.with_unknown(sentence, [rows.units.missing(name) for name in rows.units.undecided])
    ledger = ledger_of(data, now, untimed=int(rows.legs["started_at"].isna().sum()))
    numbers = Numbers(
        sentence=sentence,
        details=(),
        verdict=verdict,
        tz=period.zone.key,
        since=_text(period.since, period),
        until=_text(period.until, period),
        before=_text(period.before, period) if then is not None else None,
        legs=len(now),
        conversations=int(now["conversation_id"].nunique()),
        unit=period.unit,
        figures=shown,
        trend=parts.trend(now, slots, rates, rows.scope),
        histograms=parts.histograms(now, book),
        week=parts.week(now, period),
        groupings=parts.groupings(masked, rates, rows.scope),
        codes=parts.codes(now, rows.scope),
        offenders=found.offenders_of(masked, rows.scope),
        worst=parts.worst(masked, period, book, COMMAND),
        poor_legs=int((now["verdict"] == Verdict.POOR).sum()),
        ledger=replace(ledger, warning=display.text(ledger.warning)),
        method=Method(
            version=conv_analytics.__version__,
            profile=book.name,
            rules=tuple(f"{rule.level}: {rule}" for rule in book.rules),
            scope=rows.scope,
            units=tuple(_unit(each) for each in rows.units.evidence),
            doubts=rows.units.doubts(),
            scores=rows.units.mos_model,
            masked=display.on,
        ),
    )
    return replace(numbers, details=words.details(numbers, shown))


def _undecided(units: Units, book: Profile) -> tuple[str, ...]:
    """What there is to say about units that the data do not decide: those that verdicts cannot do without first."""
    required = units.undecided_of(book.required)
    return tuple(units.missing(name) for name in required)


def _unit(each: Evidence) -> Unit:
    return Unit(each.what, each.decided, each.n, each.odd, each.assumed, each.why)


@dataclass(frozen=True)
class _Asked:
    """A figure, and how it is computed from legs."""

    name: str
    title: str
    meaning: str
    unit: str
    good: str


_RATES = (
    _Asked("answered", "Answered", "of the attempts that reached the network (ASR)", "%", "up"),
    _Asked("effective", "Network did its part", "answered, busy, refused, not picked up, of the same (NER)", "%", "up"),
    _Asked("poor", CASES["poor"].title, "of the legs with enough packets to judge", "%", "down"),
    _Asked("silent", CASES["silent"].title, "of the answered legs of 5 s or more", "%", "down"),
    _Asked("dropped", "Broke off", "of the answered legs with media whose end is known", "%", "down"),
    _Asked("short", CASES["short"].title, "of the answered legs; carriers dislike many", "%", "down"),
    _Asked("measured", CASES["measured"].title, "of the answered legs; no verdict on the others", "%", "up"),
)
_VALUES = (
    _Asked("mos", "Score of the loss", "E-model, G.711 with concealment; median", "MOS", "up"),
    _Asked("loss", "Lost packets", "of what the platform received; median", "%", "down"),
    _Asked("jitter", "Spacing of packets", "largest standard deviation of a leg; median", "ms", "down"),
    _Asked("pdd", "Wait for ringing", "start to ringing (post-dial delay); median", "s", "down"),
    _Asked("talk", "Length of calls", "talk of answered legs; median", "s", ""),
)
_COLUMNS = {"mos": "mos_emodel", "loss": "loss_pct", "jitter": "jitter_sd_max_ms", "pdd": "pdd_s", "talk": "talk_s"}


def figures(now: pd.DataFrame, before: pd.DataFrame | None, rates: tally.Kpi, scope: str) -> tuple[Figure, ...]:
    """The first row of the report, then and now; `rates` are those of now."""
    current = _rates(now, rates, scope)
    earlier = None if before is None else _rates(before, tally.Kpi(before), scope)
    held, past = _values(now), None if before is None else _values(before)
    made = [_figure(asked, current[asked.name], None if earlier is None else earlier[asked.name]) for asked in _RATES]
    made += [_figure(asked, held[asked.name], None if past is None else past[asked.name]) for asked in _VALUES]
    return tuple(made)


def _figure(asked: _Asked, now: Rate | Values, before: Rate | Values | None) -> Figure:
    return Figure(
        asked.name, asked.title, asked.meaning, asked.unit, asked.good, now, before, tally.change(now, before)
    )


_METRICS = {"answered": "asr", "effective": "ner", "dropped": "drop_failure"}


def _rates(rows: pd.DataFrame, rates: tally.Kpi, scope: str) -> dict[str, Rate]:
    told = {name: rates.rates(metric, scope) for name, metric in _METRICS.items()}
    told |= {name: tally.flag_rates(*CASES[name].flags(rows)) for name in parts.COUNTED}
    return {name: found[tally.ALL] for name, found in told.items()}


def _values(rows: pd.DataFrame) -> dict[str, Values]:
    judged, up = parts.measured(rows), int(rows["answered"].fillna(value=False).sum())
    found_: dict[str, Values] = {}
    for name, column in _COLUMNS.items():
        of = len(rows) if name == "pdd" else up
        kept = rows[column] if name in {"pdd", "talk"} else rows.loc[judged, column]
        found_[name] = tally.values(kept, of)
    return found_


def _text(at: datetime | None, period: Period) -> str | None:
    return None if at is None else at.astimezone(period.zone).isoformat()


__all__ = ["figures", "gather"]
