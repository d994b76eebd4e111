"""Thresholds: whether a group is beyond its limit, and whether there are enough cases to say so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.quality import with_verdicts
from conv_analytics.analysis.audio.quality_columns import OWN
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.rows import time_keys
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.cases import JUDGED
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.legs import legs
from conv_analytics.analysis.entities.verdicts import MEASURED as VERDICTS
from conv_analytics.analysis.finders.thresholds import (
    COUNTS,
    EXAMPLE,
    MEASURED,
    NUMBERS,
    Threshold,
    case_of,
    quantile_of,
)
from conv_analytics.analysis.maths.stats import quantile, quantile_interval, wilson
from conv_analytics.analysis.rates.kpi import kpi
from conv_analytics.analysis.rates.metrics import BY_NAME as RATES
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

#: Outcomes of a value beyond its limit: certainly, or possibly by chance.
BROKEN, MAYBE = "broken", "broken_may_be_chance"
_COLUMNS = ("rule", "group", "metric", "k", "n", "value", "lo", "hi", "limit", "outcome", "sure")


def check(
    data: Data,
    rules: str | Threshold | Iterable[str | Threshold],
    *,
    profile: str | Profile = "recommended",
    scope: str = "outbound",
    tz: str = "UTC",
    units: Units | None = None,
) -> pd.DataFrame:
    """Compare what was measured with limits, group by group.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, or the frame that `legs` gives; a leg that is twice in a frame
        counts once.
    rules
        One rule or several, as text (see `Threshold.parse`) or as `Threshold`.
    profile
        The rulebook of verdicts, for ``poor_ratio`` and its like. A column ``verdict`` of the frame itself counts
        instead: see `quality`.
    scope
        Attempts in the rates of `kpi`: ``outbound``, ``inbound`` or ``all``. Verdicts cover all legs.
    tz
        Time zone of the keys ``hour``, ``weekday``, ``day`` and ``week``.
    units
        What `detect_units` found; detected when absent. Where they are not known, no leg has a verdict.

    Returns
    -------
    pandas.DataFrame
        A row per rule and group: ``rule``, ``group`` (text, empty for all), ``metric``, ``k``, ``n``, ``value``, ``lo``
        and ``hi`` (95 %: Wilson's of rates, order statistics of quantiles), ``limit``, ``outcome`` and ``sure``.
        ``outcome`` is ``broken``: the whole interval is beyond the limit, or a count or an extreme is;
        ``broken_may_be_chance``: the value is beyond it, but not the whole interval; ``kept``; or ``too_few`` where n
        is below ``min_n`` or the value is not known: that is no pass. ``sure`` is true of ``broken``. Broken ones come
        first.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=40) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0, progress=False)
    >>> check(frames, "asr < 99%")[["rule", "outcome"]].values.tolist()
    [['asr < 0.99 min_n 30', 'broken']]
    """
    listed = [rules] if isinstance(rules, str | Threshold) else list(rules)
    thresholds = [rule if isinstance(rule, Threshold) else Threshold.parse(rule) for rule in listed]
    if not thresholds:
        raise ConfigError(f"There is no rule to check: give one, such as {EXAMPLE!r}.")
    all_legs = _Legs(data, [name for rule in thresholds for name in rule.by], profile, tz, units)
    rows = [row for rule in thresholds for row in _checked(rule, all_legs, scope=scope, tz=tz)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"k": "Int64", "n": "Int64"})
    worst = table["outcome"].map({BROKEN: 0, MAYBE: 1, "too_few": 2, "kept": 3})
    return table.assign(_worst=worst).sort_values("_worst", kind="stable").drop(columns="_worst").reset_index(drop=True)


class _Legs:
    """The legs, and their verdicts when needed: computed once for all rules."""

    def __init__(self, data: Any, by: Iterable[str], profile: str | Profile, tz: str, units: Units | None) -> None:
        self._source = source = Source.of(data)
        opened = Source.of(data if source.single else legs(source))
        needed = ["conversation_id", "leg_id"]
        # Legs may have columns that their tables do not: custom columns to group by.
        there, known = opened.columns(), {column.name for column in LEGS}
        # Keys of time are those of the start, as in every question, even if the legs have a column of that name.
        known |= set(zones.KEYS)
        own = [Column(name, JUDGED.get(name, str), "") for name in dict.fromkeys((*JUDGED, *by))
               if name in there and name not in known]  # fmt: skip
        self.frame = read_each_once(opened, (*LEGS, *own), needed=needed, maker="legs()").collect()
        self._profile, self._tz, self._units = profile, tz, units
        self._judged: pd.DataFrame | None = None

    @property
    def judged(self) -> pd.DataFrame:
        """Legs with their verdicts."""
        if self._judged is None:
            self._judged = with_verdicts(self.frame, self._profile, OWN, units=self._units, audio_events=self._source)
        return self._judged

    def groups(self, by: Sequence[str]) -> Iterable[tuple[str, pd.DataFrame]]:
        """The judged legs by group, each with its name."""
        frame = self.judged
        if not by:
            return [("", frame)]
        timed = [name for name in by if name in zones.KEYS]
        for name in by:
            if name not in frame.columns and name not in zones.KEYS:
                raise ConfigError(f"Legs have no column {name!r} to group by; they have {', '.join(frame.columns)}.")
        frame = frame.assign(**{str(name): key for name, key in time_keys(frame, timed, self._tz).items()})
        grouped = frame.groupby(list(by), dropna=False, observed=True, sort=True)
        return [(_name(by, key), part) for key, part in grouped]


def _checked(rule: Threshold, all_legs: _Legs, *, scope: str, tz: str) -> Iterable[tuple[Any, ...]]:
    if rule.metric in RATES:
        by = list(rule.by)
        table = kpi(all_legs.frame, by=by, metrics=[rule.metric], scope=scope, tz=tz, min_n=rule.min_n)
        for record in table.to_dict("records"):
            group = _name(by, tuple(record[name] for name in by))
            k, n, rate, lo, hi = (record[name] for name in ("k", "n", "rate", "lo", "hi"))
            yield _row(rule, group, (k, n, rate, lo, hi))
        return
    for group, part in all_legs.groups(rule.by):
        yield _row(rule, group, _measured(rule.metric, part))


def _measured(metric: str, part: pd.DataFrame) -> tuple[Any, int, float, float, float]:
    """Count, cases, value and interval of a metric over some legs."""
    parsed = quantile_of(metric)
    if parsed is None:
        case = case_of(metric)
        assert case is not None
        cases, known = case.flags(part)
        k, n = int(cases.sum()), int(known.sum())
        if metric in COUNTS:
            # Without any legs, the share of poor ones is unknown.
            value = float(k) if n else math.nan
            return k, n, value, value, value
        lo, hi = wilson(k, n)
        return k, n, k / n if n else math.nan, float(lo), float(hi)
    q, word = parsed
    name = word if word in part.columns else NUMBERS.get(word, word)
    if name not in part.columns or not pd.api.types.is_numeric_dtype(part[name]):
        numbers = ", ".join(part.select_dtypes("number").columns)
        raise ConfigError(f"{word!r} is not a number of a leg; there are {', '.join(NUMBERS)}, {numbers}.")
    column = part.loc[part["verdict"].isin(VERDICTS), name] if word in MEASURED else part[name]
    values = column.astype("Float64").dropna().astype(float)
    exact = q in {0.0, 1.0}
    value = (values.min() if q == 0 else values.max()) if exact and len(values) else quantile(values, q)
    ends = (value, value) if exact or math.isnan(value) else quantile_interval(values, q)
    low, high = (float(end) if math.isfinite(end) else math.nan for end in ends)
    return pd.NA, len(values), float(value), low, high


def _row(rule: Threshold, group: str, measured: tuple[Any, int, float, float, float]) -> tuple[Any, ...]:
    k, n, value, lo, hi = measured
    if pd.isna(value) or (n < rule.min_n and rule.metric not in COUNTS):
        outcome, sure = "too_few", False
    else:
        broken = rule.is_broken_by(value)
        bound = lo if rule.op.startswith(">") else hi
        sure = bool(broken and not math.isnan(bound) and rule.is_broken_by(bound))
        outcome = (BROKEN if sure else MAYBE) if broken else "kept"
    return (str(rule), group, rule.metric, k, n, value, lo, hi, rule.limit, outcome, sure)


def _name(by: Sequence[str], key: Any) -> str:
    values = key if isinstance(key, tuple) else (key,)
    return ", ".join(f"{name}={'unknown' if pd.isna(value) else value}" for name, value in zip(by, values, strict=True))


__all__ = ["BROKEN", "MAYBE", "Threshold", "check"]
