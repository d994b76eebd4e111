"""From data to the numbers of a report, by `conv_analytics.analysis`, for a period and the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pandas as pd

import conv_analytics
from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.dimensions import EnrichedData
from conv_analytics.analysis.entities.cases import CASES
from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.glossary import Term, term
from conv_analytics.notebook.report import parts, sentences, statistics
from conv_analytics.notebook.report.findings import findings_of
from conv_analytics.notebook.report.ledger import ledger_of
from conv_analytics.notebook.report.legs import JudgedLegs, judged_legs, slots_of
from conv_analytics.notebook.report.numbers import Figure, Method, Numbers, Rate, Unit, Values
from conv_analytics.notebook.report.period import Period, period_of
from conv_analytics.notebook.report.turns import turns_of
from conv_analytics.privacy.display import Display
from conv_analytics.time_zones import on_clock


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
    # A wrong period or profile is reported before anything is read.
    rulebook, period = profile_of(profile), period_of(since, until, tz)
    judged, display = judged_legs(data, rulebook, units), Display(on=mask)
    starts = judged.legs["started_at"]
    if starts.notna().any():
        period = period_of(since, until, tz, first=starts.min().to_pydatetime(), last=starts.max().to_pydatetime())
    limited = since is not None or until is not None
    now, before = _legs_of(judged, period, limited=limited)
    masked = parts.masked(now, display, judged.own)
    slots = slots_of(now, period)
    codes, open_attempts = parts.codes(now, judged.scope)
    kpi = statistics.Kpi(masked.assign(**{parts.SLOT: slots.of}), [*parts.BY, parts.SLOT])
    figures = _figures(now, before, kpi, judged.scope)
    verdict, sentence = _verdict(len(now), figures, judged.units, rulebook)
    plain = data.data if isinstance(data, EnrichedData) else data
    ledger = ledger_of(plain, now, period, untimed=int(starts.isna().sum()), own=judged.own)
    findings = None
    if len(now):
        findings = findings_of(
            data, judged, period, display=display, profile=rulebook, limited=limited, compared=before is not None
        )
    numbers = Numbers(
        sentence=sentence,
        details=(),
        verdict=verdict,
        tz=period.zone.key,
        since=_text(period.since, period),
        until=_text(period.until, period),
        before=None if before is None else _text(period.before, period),
        legs=len(now),
        conversations=int(now["conversation_id"].nunique()),
        unit=period.unit,
        figures=figures,
        trend=parts.trend(now, slots, kpi, judged.scope),
        histograms=parts.histograms(now, rulebook),
        week=parts.week(now, period),
        groupings=parts.groupings(masked, kpi, judged.scope, judged.own),
        codes=codes,
        open_attempts=open_attempts,
        findings=findings,
        worst=parts.worst(masked, period, rulebook),
        poor_legs=int((now["verdict"] == Verdict.POOR).sum()),
        turns=turns_of(data, now),
        ledger=replace(ledger, warning=display.text(ledger.warning)),
        method=_method(judged, rulebook, masked=mask),
    )
    return replace(numbers, details=sentences.details(numbers))


def _legs_of(judged: JudgedLegs, period: Period, *, limited: bool) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The legs of a period, and those of the period before if there are any."""
    if not limited:
        # Legs without a start are in no period, only in all data.
        return judged.legs, None
    now = judged.legs.iloc[:0] if period.empty else judged.within(period.since, period.until)
    if period.before is None or now.empty:
        return now, None
    before = judged.within(period.before, period.since)
    return now, None if before.empty else before


def _verdict(legs: int, figures: tuple[Figure, ...], units: Units, rulebook: Profile) -> tuple[str, str]:
    rates = {figure.name: figure.now for figure in figures if isinstance(figure.now, Rate)}
    needed, unknown = ([units.missing(name) for name in names]
                       for names in (units.undecided_of(rulebook.required), units.undecided))  # fmt: skip
    return sentences.verdict(legs, rates["poor"], rates["measured"], needed, unknown)


def _method(judged: JudgedLegs, rulebook: Profile, *, masked: bool) -> Method:
    return Method(
        version=conv_analytics.__version__,
        profile=rulebook.name,
        rules=tuple(f"{rule.level}: {rule}" for rule in rulebook.rules),
        scope=judged.scope,
        units=tuple(
            Unit(each.what, each.decided, each.n, each.odd, each.assumed, each.why) for each in judged.units.evidence
        ),
        doubts=judged.units.doubts(),
        scores=judged.units.mos_model,
        masked=masked,
    )


@dataclass(frozen=True)
class _KeyFigure:
    """A number of the first row.

    Attributes
    ----------
    source
        The metric of `kpi`, the case or the column that it is computed from; the glossary explains it.
    good
        The direction of an improvement; "" where neither is better.
    of
        The cases that it is based on.
    """

    name: str
    source: str
    good: str
    of: str = ""

    @property
    def term(self) -> Term:
        """Its title, plain words and unit."""
        return term(self.source)

    @property
    def meaning(self) -> str:
        """Its meaning, in plain words."""
        return f"{self.of}; {self.term.words}" if self.of else self.term.words


_RATES = (
    _KeyFigure("answered", "asr", "up"),
    _KeyFigure("effective", "ner", "up"),
    _KeyFigure("poor", "poor", "down"),
    _KeyFigure("silent", "silent", "down"),
    _KeyFigure("dropped", "drop_failure", "down"),
    _KeyFigure("short", "short", "down"),
    # More measured legs do not mean better calls.
    _KeyFigure("measured", "measured", ""),
)
_VALUES = (
    _KeyFigure("mos", "mos_emodel", "up", "median of measured legs"),
    _KeyFigure("loss", "loss_pct", "down", "median of measured legs"),
    _KeyFigure("jitter", "jitter_sd_max_ms", "down", "median of measured legs"),
    _KeyFigure("pdd", "pdd_s", "down", "median of all attempts"),
    _KeyFigure("talk", "talk_s", "", "median of answered legs"),
)
#: Columns of a leg that do not depend on measured audio.
_NOT_AUDIO = {"pdd_s", "talk_s"}


def _figures(
    now: pd.DataFrame, before: pd.DataFrame | None, kpi: statistics.Kpi, scope: str
) -> tuple[Figure, ...]:  # fmt: skip
    """The first row of the report, now and before; `kpi` is the current one."""
    current = _key_numbers(now, kpi, scope)
    earlier = {} if before is None else _key_numbers(before, statistics.Kpi(before), scope)
    return tuple(
        Figure(
            key.name, key.term.name, key.term.title, key.meaning, key.term.unit, key.good,
            current[key.name], earlier.get(key.name), statistics.change(current[key.name], earlier.get(key.name)),
        )
        for key in (*_RATES, *_VALUES)
    )  # fmt: skip


def _key_numbers(legs: pd.DataFrame, kpi: statistics.Kpi, scope: str) -> dict[str, Rate | Values]:
    flags = {name: CASES[name].flags(legs) for name in parts.COUNTED}
    measured, answered = flags["measured"]
    numbers: dict[str, Rate | Values] = {}
    for key in _RATES:
        rates = statistics.flag_rates(*flags[key.source]) if key.source in flags else kpi.rates(key.source, scope)
        numbers[key.name] = rates[statistics.ALL]
    for key in _VALUES:
        column = legs[key.source] if key.source in _NOT_AUDIO else legs.loc[measured, key.source]
        numbers[key.name] = statistics.values(column, len(legs) if key.name == "pdd" else int(answered.sum()))
    return numbers


def _text(at: datetime | None, period: Period) -> str | None:
    return None if at is None else on_clock(at, period.zone).isoformat()


__all__ = ["gather"]
