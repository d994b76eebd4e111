"""Rules such as ``poor>3%`` or ``mos_p5<3.5`` for a report: those of `check`, applied to the report's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conv_analytics.analysis.finders.thresholds import SAME, Threshold
from conv_analytics.errors import ConfigError
from conv_analytics.notebook.report.formatting import count
from conv_analytics.notebook.report.numbers import Figure, Numbers, Rate

#: The quantiles that a report has, and the attribute of each.
_PARTS: Mapping[float, str] = {0.05: "p5", 0.5: "p50", 0.95: "p95", 0.0: "low", 1.0: "high"}


@dataclass(frozen=True)
class Judgement:
    """The result of a rule: `broken` is None if there are too few cases to tell."""

    rule: Threshold
    value: float | None
    n: int
    broken: bool | None

    def __str__(self) -> str:
        text = self.rule.text or str(self.rule)
        if self.broken is None:
            return f"{text}: not judged, only {count(self.n, 'case')}"
        value = 0.0 if self.value is None else self.value
        shown = f"{100 * value:.2f} %" if self.rule.share else f"{value:.4g}"
        return f"{text}: {'BROKEN' if self.broken else 'kept'}, it is {shown} of {self.n:,} cases"


def judge(numbers: Numbers, rules: list[str]) -> list[Judgement]:
    """Judge some rules.

    A rule is not judged, and not broken, with fewer cases than its ``min_n`` (30), or if there are too few values for
    its quantile.

    Raises
    ------
    ConfigError
        If one is not a rule, or names a number that a report does not have.
    """
    by_name = {_metric(figure.name): figure for figure in numbers.figures}
    return [_judged(Threshold.parse(text), by_name) for text in rules]


def _metric(figure: str) -> str:
    return SAME.get(figure, figure)


def _judged(rule: Threshold, figures: Mapping[str, Figure]) -> Judgement:
    if rule.by:
        raise ConfigError(f"{rule.text!r}: a report judges all legs together; `conv-analytics check` judges by group.")
    quantile = rule.quantile
    figure = figures.get(quantile[1] if quantile else rule.metric)
    if figure is None or (quantile and quantile[0] not in _PARTS):
        rates = [each.name for each in figures.values() if isinstance(each.now, Rate)]
        others = [f"{each.name}_p5, _p50 or _p95" for each in figures.values() if each.name not in rates]
        raise ConfigError(
            f"{rule.text!r}: a report does not contain {rule.metric}, but {', '.join([*rates, *others])};"
            " `conv-analytics check` has more."
        )
    now = figure.now
    value = now.rate if isinstance(now, Rate) else getattr(now, _PARTS[quantile[0]]) if quantile else None
    if now.n < rule.min_n:
        value = None
    return Judgement(rule, value, now.n, None if value is None else rule.is_broken_by(value))


__all__ = ["Judgement", "judge"]
