"""The syntax of limits, for `check` and for reports: one grammar, one vocabulary, the same errors."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from conv_analytics.analysis.entities.cases import CASES, Case
from conv_analytics.analysis.maths.stats import MIN_N
from conv_analytics.analysis.rates.metrics import BY_NAME as RATES
from conv_analytics.errors import ConfigError

EXAMPLE = "poor > 3% by network_code min_n 30"

#: Shares of legs, and the case that each counts. For attempts there are the rates of `kpi`.
SHARES: Mapping[str, Case] = {f"{name}_ratio": case for name, case in CASES.items() if case.scope == "all"}
COUNTS: Mapping[str, Case] = {f"{case.name}_count": case for case in SHARES.values()}
#: Measures of legs with a short name, and their column. The first three are of measured legs.
NUMBERS: Mapping[str, str] = {
    "mos": "mos_emodel", "loss": "loss_pct", "jitter": "jitter_sd_max_ms", "pdd": "pdd_s", "talk": "talk_s",
}  # fmt: skip
MEASURED = ("mos", "loss", "jitter")
#: Columns that depend on a detected unit.
_OF_AUDIO = ("loss_pct", "jitter_sd_min_ms", "jitter_sd_max_ms", "mos_reported", "mos_emodel", "mos_emodel_low")
#: Synonyms.
SAME: Mapping[str, str] = {
    "answered": "asr", "effective": "ner", "dropped": "drop_failure",
    **{case.name: name for name, case in SHARES.items()},
}  # fmt: skip

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_RULE = re.compile(
    r"\s*(?P<metric>[a-z]\w*(?:\(\s*\w+\s*\))?)\s*(?P<op>[<>]=?)\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<percent>%?)"
    r"(?:\s+by\s+(?P<by>\w+(?:\s*,\s*\w+)*))?(?:\s+min_n\s+(?P<min_n>\d+))?\s*",
    re.IGNORECASE,
)
_OF = re.compile(r"(?:p(?P<percent>\d{1,2})|(?P<word>median|min|max))\((?P<column>\w+)\)")
_SHORT = re.compile(rf"(?P<name>{'|'.join(NUMBERS)})_(?P<of>p\d{{1,2}}|median|min|max)")
_QUANTILES = {"median": 0.5, "min": 0.0, "max": 1.0}


@dataclass(frozen=True)
class Threshold:
    """One rule.

    Attributes
    ----------
    metric
        A rate of `kpi`, ``poor_ratio`` and the like (of `quality`), ``poor_count``, or ``p95(column)``,
        ``median(column)``, ``min(column)``, ``max(column)`` of a number of legs.
    op, limit
        The rule is broken where ``value op limit`` holds. Shares are compared as 0..1, however they were written.
    by
        Columns to group by; none for all together.
    min_n
        Minimum number of cases to judge the rule.
    text
        The text as written; rules with the same meaning are equal.
    """

    metric: str
    op: str
    limit: float
    by: tuple[str, ...] = ()
    min_n: int = MIN_N
    text: str = field(default="", compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Parse a rule: ``METRIC OP LIMIT [by COLUMN,...] [min_n N]``.

        A share is written as 3% or as 0.03. ``poor`` is short for ``poor_ratio``, ``answered`` for ``asr``,
        ``effective`` for ``ner``, ``dropped`` for ``drop_failure``, and ``mos_p5`` for ``p5(mos)``.

        >>> Threshold.parse("poor_ratio > 3% by network_code min_n 50")
        Threshold(metric='poor_ratio', op='>', limit=0.03, by=('network_code',), min_n=50)
        >>> Threshold.parse("poor>3%") == Threshold.parse("poor_ratio > 0.03")
        True
        >>> str(Threshold.parse("mos_p5<3.5"))
        'p5(mos) < 3.5 min_n 30'

        Raises
        ------
        ConfigError
            If it is not a rule, its metric is unknown, or its limit does not fit the metric.
        """
        match = _RULE.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"{text!r} is not a rule. Write METRIC OP LIMIT [by COLUMN,...] [min_n N], as in {EXAMPLE!r}."
            )
        metric = named(match["metric"])
        keys = tuple(re.split(r"\s*,\s*", match["by"])) if match["by"] else ()
        limit = _limit(text, match["metric"], metric, match["op"], match["limit"], percent=bool(match["percent"]))
        return cls(metric, match["op"], limit, keys, int(match["min_n"] or MIN_N), text.strip())

    @property
    def quantile(self) -> tuple[float, str] | None:
        """The quantile (0 and 1 are the extremes) and the measure; None for rates, shares and counts."""
        return quantile_of(self.metric)

    @property
    def share(self) -> bool:
        """Whether it limits a share, from 0 to 1."""
        return self.metric in RATES or self.metric in SHARES

    @property
    def of_verdicts(self) -> bool:
        """Whether it needs verdicts on the audio, or measured values, which depend on units.

        >>> [Threshold.parse(text).of_verdicts for text in ("poor > 3%", "loss_p95 > 5", "pdd_p95 > 8", "asr < 40%")]
        [True, True, False, False]
        """
        if self.quantile:
            return self.quantile[1] in {*MEASURED, *_OF_AUDIO}
        case = case_of(self.metric)
        return case is not None and case.of_verdicts

    def is_broken_by(self, value: float) -> bool:
        """Whether a value breaks the rule."""
        return _COMPARE[self.op](value, self.limit)

    def __str__(self) -> str:
        grouped = f" by {', '.join(self.by)}" if self.by else ""
        return f"{self.metric} {self.op} {self.limit:g}{grouped} min_n {self.min_n}"


def named(word: str) -> str:
    """The name of a metric from any of its synonyms.

    >>> named("Poor"), named("loss_p95"), named("p95( pdd_s )"), named("poor_count")
    ('poor_ratio', 'p95(loss)', 'p95(pdd_s)', 'poor_count')

    Raises
    ------
    ConfigError
        If there is no such metric; the message lists the known ones.
    """
    plain = re.sub(r"\s", "", word.lower())
    metric = SAME.get(plain, plain)
    if short := _SHORT.fullmatch(metric):
        metric = f"{short['of']}({short['name']})"
    if metric in RATES or metric in SHARES or metric in COUNTS or quantile_of(metric):
        return metric
    words = (*(case.name for case in SHARES.values()), "answered", "effective", "dropped")
    known = ", ".join((*words, *COUNTS, *RATES))
    quantiles = f"mos_p5, loss_p95 and the like of {', '.join(NUMBERS)}, p95(COLUMN), median(COLUMN), max(COLUMN)"
    raise ConfigError(f"There is no metric {plain!r} to set a limit to. There are {known}; {quantiles}.")


def case_of(metric: str) -> Case | None:
    """The case of a share or a count; None for rates and quantiles.

    >>> [case and case.name for case in map(case_of, ("poor_ratio", "short_count", "asr"))]
    ['poor', 'short', None]
    """
    return SHARES.get(metric) or COUNTS.get(metric)


def quantile_of(metric: str) -> tuple[float, str] | None:
    """The quantile, and the measure, of a metric.

    >>> quantile_of("p95(pdd_s)"), quantile_of("max(loss)"), quantile_of("asr")
    ((0.95, 'pdd_s'), (1.0, 'loss'), None)
    """
    match = _OF.fullmatch(metric)
    if match is None:
        return None
    return int(match["percent"]) / 100 if match["percent"] else _QUANTILES[match["word"]], match["column"]


def _limit(text: str, word: str, metric: str, op: str, number: str, *, percent: bool) -> float:
    """The limit as a number; an ambiguous limit is refused."""
    value = float(number)
    if metric not in RATES and metric not in SHARES:
        if percent:
            raise ConfigError(f"{text!r}: {word} is not a share; leave % out.")
        return value
    # A share is never 3: whoever writes that means 3 %, and would wait for an alarm that never comes.
    if not percent and value >= 1:
        raise ConfigError(f"{text!r}: {word} is a share; write it like {word} {op} {number}%.")
    if percent and value > 100:  # noqa: PLR2004 - per cent
        raise ConfigError(f"{text!r}: {word} is a share; it is never above 100 %.")
    return value / 100 if percent else value


__all__ = ["COUNTS", "EXAMPLE", "MEASURED", "NUMBERS", "SAME", "SHARES", "Threshold", "case_of", "named", "quantile_of"]
