"""Rules that a report can break: ``poor>3%``, ``mos_p5<3.5``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conv_analytics.errors import ConfigError
from conv_analytics.notebook.report.numbers import Figure, Numbers, Rate

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_RULE = re.compile(r"\s*([a-z0-9_]+)\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")
_PARTS = ("p5", "p50", "p95")


@dataclass(frozen=True)
class Rule:
    """A condition that must not hold.

    Attributes
    ----------
    text
        As it was written.
    name, comparison, limit
        A rate's name, or that of a distribution with ``_p5``, ``_p50`` or ``_p95``; the limit of a rate is a share.
    """

    text: str
    name: str
    comparison: str
    limit: float


@dataclass(frozen=True)
class Judgement:
    """What became of a rule: `broken` is None where too little is known to tell."""

    rule: Rule
    value: float | None
    n: int
    broken: bool | None

    def __str__(self) -> str:
        if self.broken is None:
            return f"{self.rule.text}: not judged, only {self.n:,} cases"
        value = 0.0 if self.value is None else self.value
        shown = f"{100 * value:.2f} %" if "%" in self.rule.text else f"{value:.4g}"
        return f"{self.rule.text}: {'BROKEN' if self.broken else 'kept'}, it is {shown} of {self.n:,} cases"


def names(figures: tuple[Figure, ...]) -> list[str]:
    """What rules may name."""
    return [
        name
        for figure in figures
        for name in ([figure.name] if isinstance(figure.now, Rate) else [f"{figure.name}_{part}" for part in _PARTS])
    ]


def rule_of(text: str, known: list[str], rates: frozenset[str]) -> Rule:
    """A rule from its text.

    Raises
    ------
    ConfigError
        If it is none, names nothing that is known, or compares a rate with a number that is no percentage.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{text!r} is no rule. Write one like 'poor>3%' or 'mos_p5<3.5': a name, a comparison and a number."
        )
    name, comparison, number, sign = found.groups()
    if name not in known:
        raise ConfigError(f"{text!r}: there is no number {name!r}. Known are {', '.join(known)}.")
    if (name in rates) != bool(sign):
        share = f"it is a share; write it like {name}{comparison}{number}%"
        more = share if name in rates else "it is no share; leave % out"
        raise ConfigError(f"{text!r}: {more}.")
    return Rule(text.strip(), name, comparison, float(number) / (100 if sign else 1))


def judge(numbers: Numbers, rules: list[str]) -> list[Judgement]:
    """Judge some rules.

    A rate of fewer than 30 cases, and a quantile that so few values do not tell, break nothing: they are not judged.
    """
    known, by_name = names(numbers.figures), {figure.name: figure for figure in numbers.figures}
    rates = frozenset(name for name, figure in by_name.items() if isinstance(figure.now, Rate))
    return [_judged(rule_of(text, known, rates), by_name) for text in rules]


def _judged(rule: Rule, figures: Mapping[str, Figure]) -> Judgement:
    if rule.name in figures:
        now = figures[rule.name].now
        assert isinstance(now, Rate)
        value, n = (now.rate if now.enough else None), now.n
    else:
        name, _, part = rule.name.rpartition("_")
        held = figures[name].now
        value, n = getattr(held, part), held.n
    broken = None if value is None else _COMPARE[rule.comparison](value, rule.limit)
    return Judgement(rule, value, n, broken)


__all__ = ["Judgement", "Rule", "judge", "names", "rule_of"]
