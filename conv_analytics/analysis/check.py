"""Thresholds: is any group beyond its limit, and are there enough cases to say so."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from conv_analytics.analysis import zones
from conv_analytics.analysis.columns import LEGS
from conv_analytics.analysis.frames import Source
from conv_analytics.analysis.kpi import kpi
from conv_analytics.analysis.legs import legs
from conv_analytics.analysis.metrics import BY_NAME as RATES
from conv_analytics.analysis.profiles import Profile
from conv_analytics.analysis.quality import quality
from conv_analytics.analysis.stats import MIN_N, quantile, wilson
from conv_analytics.errors import ConfigError

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_RULE = re.compile(
    r"\s*(?P<metric>[a-z]\w*(?:\(\s*\w+\s*\))?)\s*(?P<op>[<>]=?)\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<percent>%?)"
    r"(?:\s+by\s+(?P<by>\w+(?:\s*,\s*\w+)*))?(?:\s+min_n\s+(?P<min_n>\d+))?\s*",
    re.IGNORECASE,
)
_OF = re.compile(r"(?:p(?P<percent>\d{1,2})|(?P<word>median|min|max))\((?P<column>\w+)\)")
_QUANTILES = {"median": 0.5, "min": 0.0, "max": 1.0}

#: Shares of legs by their verdict or by which way audio went: the column, the word, and what n is.
_SHARES = {
    **{f"{word}_ratio": ("verdict", word, ("good", "fair", "poor")) for word in ("good", "fair", "poor")},
    "unmeasured_ratio": ("verdict", "unmeasured", ("good", "fair", "poor", "unmeasured")),
    **{f"{word}_ratio": ("flow", word, ("both", "no_in", "no_out", "ghost")) for word in ("no_in", "no_out", "ghost")},
}
_COUNTS = {name.replace("_ratio", "_count"): name for name in _SHARES}

_COLUMNS = ("rule", "group", "metric", "k", "n", "value", "lo", "hi", "limit", "outcome", "sure")


@dataclass(frozen=True)
class Threshold:
    """One rule.

    Attributes
    ----------
    metric
        A rate of `kpi`, ``poor_ratio`` and its like (of `quality`), ``poor_count``, or ``p95(column)``,
        ``median(column)``, ``min(column)``, ``max(column)`` of a number of legs.
    op, limit
        The rule is broken where ``value op limit`` holds.
    by
        Columns to group by; none for all together.
    min_n
        Fewer cases are too few to say anything.
    """

    metric: str
    op: str
    limit: float
    by: tuple[str, ...] = ()
    min_n: int = MIN_N

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read a rule as it is written.

        >>> Threshold.parse("poor_ratio > 3% by network_code min_n 50")
        Threshold(metric='poor_ratio', op='>', limit=0.03, by=('network_code',), min_n=50)

        Raises
        ------
        ConfigError
            If it is none, or of a metric that is not known.
        """
        found = _RULE.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"{text!r} is no rule. Write METRIC OP LIMIT [by COLUMN,...] [min_n N], as in"
                " 'poor_ratio > 0.03 by network_code min_n 30'."
            )
        metric = re.sub(r"\s", "", found["metric"].lower())
        if not (metric in {*_SHARES, *_COUNTS, *RATES} or _OF.fullmatch(metric)):
            known = ", ".join((*_SHARES, *_COUNTS, "p95(COLUMN)", "median(COLUMN)", *RATES))
            raise ConfigError(f"There is no metric {metric!r} to set a limit to. There are {known}.")
        limit = float(found["limit"]) / (100 if found["percent"] else 1)
        keys = tuple(re.split(r"\s*,\s*", found["by"])) if found["by"] else ()
        return cls(metric, found["op"], limit, keys, int(found["min_n"] or MIN_N))

    def __str__(self) -> str:
        grouped = f" by {', '.join(self.by)}" if self.by else ""
        return f"{self.metric} {self.op} {self.limit:g}{grouped} min_n {self.min_n}"


def check(
    data: Any,
    rules: str | Threshold | Iterable[str | Threshold],
    *,
    profile: str | Profile = "recommended",
    scope: str = "outbound",
    tz: str = "UTC",
) -> pd.DataFrame:
    """Compare what was measured with limits, group by group.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, or the frame that `legs` gives.
    rules
        One rule or several, as text (see `Threshold.parse`) or as `Threshold`.
    profile
        The rulebook of verdicts, for ``poor_ratio`` and its like.
    scope
        Of rates of `kpi`: ``outbound``, ``inbound`` or ``all`` attempts. Verdicts are of all legs.
    tz
        Time zone of the keys ``hour``, ``weekday``, ``day`` and ``week``.

    Returns
    -------
    pandas.DataFrame
        A row per rule and group: ``rule``, ``group`` (text, empty for all), ``metric``, ``k``, ``n``, ``value``, ``lo``
        and ``hi`` (Wilson, 95 %, of rates), ``limit``, ``outcome`` and ``sure``. ``outcome`` is ``broken``, ``kept``,
        or ``too_few`` where n is below ``min_n`` or the value cannot be told: that is no pass. ``sure`` tells that
        the whole interval is beyond the limit. Broken ones come first.

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
        raise ConfigError("There is no rule to check: give one, such as 'poor_ratio > 0.03 by network_code'.")
    told = _Legs(data, profile, tz)
    rows = [row for rule in thresholds for row in _checked(rule, told, scope=scope, tz=tz)]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"k": "Int64", "n": "Int64"})
    worst = table["outcome"].map({"broken": 0, "too_few": 1, "kept": 2})
    return table.assign(_worst=worst).sort_values("_worst", kind="stable").drop(columns="_worst").reset_index(drop=True)


class _Legs:
    """The legs, and their verdicts when somebody asks for them: computed once for all rules."""

    def __init__(self, data: Any, profile: str | Profile, tz: str) -> None:
        source = Source.of(data)
        found = data if source.single else legs(data)
        opened = Source.of(found)
        needed = ("conversation_id", "leg_id")
        self.frame = opened.collect(opened.frame(LEGS, needed=needed, maker="legs()"))
        self._profile, self._tz = profile, tz
        self._judged: pd.DataFrame | None = None

    @property
    def judged(self) -> pd.DataFrame:
        """Legs with their verdicts."""
        if self._judged is None:
            verdicts = quality(self.frame, self._profile)
            more = [name for name in verdicts.columns if name not in self.frame.columns]
            keys = ["conversation_id", "leg_id"]
            self._judged = self.frame.merge(verdicts[[*keys, *more]], on=keys, how="left", validate="one_to_one")
        return self._judged

    def groups(self, by: Sequence[str]) -> Iterable[tuple[str, pd.DataFrame]]:
        """The judged legs by group, each with its name."""
        frame = self.judged
        if not by:
            return [("", frame)]
        frame = frame.assign(**{name: self._key(frame, name) for name in by})
        grouped = frame.groupby(list(by), dropna=False, observed=True, sort=True)
        return [(_name(by, key), part) for key, part in grouped]

    def _key(self, frame: pd.DataFrame, name: str) -> pd.Series[Any]:
        if name in frame.columns:
            return frame[name]
        if name not in zones.KEYS:
            raise ConfigError(f"Legs have no column {name!r} to group by; they have {', '.join(frame.columns)}.")
        local = frame["started_at"].dt.tz_convert(self._tz)
        made = {
            "hour": lambda: local.dt.hour,
            "weekday": lambda: local.dt.day_of_week,
            "day": lambda: local.dt.strftime("%Y-%m-%d"),
            "week": lambda: (local - pd.to_timedelta(local.dt.day_of_week, unit="D")).dt.strftime("%Y-%m-%d"),
        }
        key: pd.Series[Any] = made[name]()
        return key


def _checked(rule: Threshold, told: _Legs, *, scope: str, tz: str) -> Iterable[tuple[Any, ...]]:
    if rule.metric in RATES:
        by = list(rule.by)
        table = kpi(told.frame, by=by, metrics=[rule.metric], scope=scope, tz=tz, min_n=rule.min_n)
        for record in table.to_dict("records"):
            group = _name(by, tuple(record[name] for name in by))
            k, n, rate, lo, hi = (record[name] for name in ("k", "n", "rate", "lo", "hi"))
            yield _row(rule, group, (k, n, rate, lo, hi))
        return
    for group, part in told.groups(rule.by):
        yield _row(rule, group, _measured(rule.metric, part))


def _measured(metric: str, part: pd.DataFrame) -> tuple[Any, int, float, float, float]:
    """Count, cases, value and interval of a metric over some legs."""
    if (share := _SHARES.get(_COUNTS.get(metric, metric))) is not None:
        column, word, cases = share
        k, n = int((part[column] == word).sum()), int(part[column].isin(cases).sum())
        if metric in _COUNTS:
            return k, n, float(k), math.nan, math.nan
        lo, hi = wilson(k, n)
        return k, n, k / n if n else math.nan, float(lo), float(hi)
    of = _OF.fullmatch(metric)
    assert of is not None
    name = of["column"]
    if name not in part.columns or not pd.api.types.is_numeric_dtype(part[name]):
        numbers = ", ".join(part.select_dtypes("number").columns)
        raise ConfigError(f"{name!r} is no number of a leg; there are {numbers}.")
    values = part[name].astype("Float64").dropna().astype(float)
    q = int(of["percent"]) / 100 if of["percent"] else _QUANTILES[of["word"]]
    exact = q in {0.0, 1.0}
    value = (values.min() if q == 0 else values.max()) if exact and len(values) else quantile(values, q)
    return pd.NA, len(values), float(value), math.nan, math.nan


def _row(rule: Threshold, group: str, measured: tuple[Any, int, float, float, float]) -> tuple[Any, ...]:
    k, n, value, lo, hi = measured
    beyond = _COMPARE[rule.op]
    if pd.isna(value) or (n < rule.min_n and rule.metric not in _COUNTS):
        outcome, sure = "too_few", False
    else:
        broken = beyond(value, rule.limit)
        outcome = "broken" if broken else "kept"
        bound = lo if rule.op.startswith(">") else hi
        sure = bool(broken and not math.isnan(bound) and beyond(bound, rule.limit))
    return (str(rule), group, rule.metric, k, n, value, lo, hi, rule.limit, outcome, sure)


def _name(by: Sequence[str], key: Any) -> str:
    values = key if isinstance(key, tuple) else (key,)
    return ", ".join(f"{name}={'unknown' if pd.isna(value) else value}" for name, value in zip(by, values, strict=True))


__all__ = ["Threshold", "check"]
