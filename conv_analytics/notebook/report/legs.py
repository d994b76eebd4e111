"""The legs of a report: read once, judged once, then cut to the period."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from conv_analytics.analysis import detect_units
from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.quality import with_verdicts
from conv_analytics.analysis.audio.quality_columns import OWN
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.legs import TABLES, leg_rows
from conv_analytics.notebook.report.period import Period

_KEYS = ["conversation_id", "leg_id"]
_JUDGED = ["loss_pct", "jitter_sd_max_ms", "mos_reported", "mos_emodel", "mos_trust", "flow", "silent_directions",
           "verdict", "rule", "value", "limit", "confidence"]  # fmt: skip


@dataclass(frozen=True)
class JudgedLegs:
    """Legs with their verdicts, one row each, and the units of their numbers.

    Attributes
    ----------
    legs
        The columns of `legs`, and those of `quality` that a report shows.
    scope
        Which legs are attempts: ``outbound`` ones, or ``all`` if there are no outbound ones.
    own
        The columns that the caller added to them.
    """

    legs: pd.DataFrame
    units: Units
    scope: str
    own: tuple[str, ...] = ()

    def within(self, since: Any, until: Any) -> pd.DataFrame:
        """The legs that started in a period, the end excluded."""
        at = self.legs["started_at"]
        started: pd.DataFrame = self.legs[(at >= since).fillna(value=False) & (at < until).fillna(value=False)]
        return started


def judged_legs(data: Any, profile: str | Profile, units: Units | None = None) -> JudgedLegs:
    """Read the legs of any data that an analysis takes, and judge them. Units are detected when absent.

    DuckDB computes the legs of a dataset from its files; then there is one row per leg in memory.
    """
    source = Source.of(data)
    names = [*(column.name for column in LEGS), *source.dimension_columns]
    if source.single or any(name in source.tables for name in TABLES):
        own = [OWN[name] for name in _JUDGED if name in source.columns()] if source.single else []
        rows = read_each_once(source, [*LEGS, *own], needed=_KEYS, maker="legs()") if own else leg_rows(source)
        legs = rows.select(*names, *(column.name for column in own)).collect()
    else:
        legs = pd.DataFrame(columns=names)
    legs = coerce.with_answer_dtypes(legs, {column.name: column.kind for column in LEGS})
    legs = legs.sort_values(_KEYS, kind="stable", ignore_index=True)
    units = units or detect_units(legs)
    legs = with_verdicts(legs, profile, _JUDGED, units=units, audio_events=source)
    scope = "outbound" if bool((legs["direction"] == "outbound").any()) else "all"
    return JudgedLegs(legs, units, scope, source.dimension_columns)


@dataclass(frozen=True)
class Slots:
    """The hours, days or weeks of a period.

    Attributes
    ----------
    of
        The label of each leg's slot; null outside the period.
    labels, hours
        Label and length of all slots. [h]
    covered
        How much of each slot lies in the period. [h]
    """

    of: pd.Series[Any]
    labels: list[str]
    hours: list[float]
    covered: list[float]


def slots_of(rows: pd.DataFrame, period: Period) -> Slots:
    """The hour, day or week in which each leg started."""
    starts = period.slots()
    labels = [period.label(at) for at in starts[:-1]]
    hours, covered = [], []
    for at, after in itertools.pairwise(starts):
        hours.append(_hours(at, after))
        covered.append(_hours(max(at, period.since or at), min(after, period.until or after)))
    timed = rows["started_at"].dropna()
    places = pd.DatetimeIndex(starts, tz="UTC").as_unit("us").searchsorted(timed, side="right") - 1
    label_of = [labels[place] if 0 <= place < len(labels) else None for place in places]
    return Slots(pd.Series(label_of, index=timed.index, dtype="str").reindex(rows.index), labels, hours, covered)


def _hours(at: datetime, after: datetime) -> float:
    return round((after - at).total_seconds() / 3600, 3)


__all__ = ["JudgedLegs", "Slots", "judged_legs", "slots_of"]
