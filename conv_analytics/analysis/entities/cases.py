"""Cases: conditions on legs that finders, limits and reports count, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.entities.verdicts import MEASURED, Verdict
from conv_analytics.glossary import is_term, term

#: Calls up to this length are short. [s]
SHORT_S = 6.0
#: Share of the legs in scope whose post-dial delay is not long.
LONG_PDD = 0.9
#: Columns that every frame of legs has.
LEG_COLUMNS = frozenset(column.name for column in LEGS)
#: Columns of `quality` that cases read, and their kinds.
JUDGED: Mapping[str, type] = {"verdict": str, "flow": str, "silent_directions": float}
_col = nw.col


@dataclass(frozen=True)
class Case:
    """A condition on legs; its terms are in `conv_analytics.glossary`.

    Attributes
    ----------
    name
        The name that functions, limits and the command line take.
    needs
        The columns that the conditions read.
    holds
        Whether a leg is a case. Never null, and to be read together with `known`.
    known
        Whether that is known of a leg: these legs are the denominator. Never null.
    scope
        The default scope: ``all`` legs, or ``outbound`` for outcomes of attempts.
    colour
        The colour in charts: ``bad`` for what should be rare, else that of other numbers.
    """

    name: str
    needs: tuple[str, ...]
    holds: nw.Expr
    known: nw.Expr
    scope: str = "all"
    colour: str = ""

    @property
    def title(self) -> str:
        """The standard term as a heading; for a custom column, its name."""
        return term(self.name).title if is_term(self.name) else self.name

    @property
    def judged(self) -> bool:
        """Whether it needs columns of `quality`."""
        return not JUDGED.keys().isdisjoint(self.needs)

    @property
    def attempt(self) -> bool:
        """Whether it is the outcome of an attempt: legs that ring in parallel count together."""
        return not {"answered", "outcome_class"}.isdisjoint(self.needs) and self.scope == "outbound"

    @property
    def of_verdicts(self) -> bool:
        """Whether it needs verdicts, which depend on units."""
        return "verdict" in self.needs

    def flags(self, legs: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
        """The conditions for legs in memory: which legs are cases, and for which that is known.

        >>> legs = pd.DataFrame({"verdict": ["poor", "good", "unmeasured"]})
        >>> [flag.to_list() for flag in CASES["poor"].flags(legs)]
        [[True, False, False], [True, True, False]]
        """
        flags = nw.from_native(legs[[*self.needs]]).select(cases=self.holds & self.known, known=self.known).to_native()
        return flags["cases"].astype(bool), flags["known"].astype(bool)


def short(seconds: float) -> nw.Expr:
    """Whether a leg was answered and lasted no longer than some seconds."""
    return is_true(_col("answered")) & is_true(_col("talk_s") <= seconds)


def _attempt(name: str, column: str, holds: nw.Expr) -> Case:
    return Case(name, (column,), holds, nw.lit(value=True), "outbound")


def _verdict(verdict: Verdict, colour: str = "") -> Case:
    among = is_true(_col("verdict").is_in(MEASURED))
    known = ~_col("verdict").is_null() if verdict == Verdict.UNMEASURED else among
    return Case(verdict.value, ("verdict",), is_true(_col("verdict") == verdict), known, colour=colour)


def _silence(name: str) -> Case:
    # An expected silence needs no attention.
    holds = is_true(_col("silent_directions") > 0)
    holds = holds if name == "silent" else holds & is_true(_col("flow") == name)
    return Case(name, ("flow", "silent_directions"), holds, ~_col("flow").is_null())


# Not 3xx: a redirection says where the call continues. RFC 6076 leaves it out of its rates, too.
_FAILED = is_true(_col("outcome_class").is_in(["network", "signalling", "platform"]))
_ANSWERED = is_true(_col("answered"))

#: Every case by its name; the glossary explains each.
CASES: Mapping[str, Case] = {case.name: case for case in (
    _attempt("answered", "answered", _ANSWERED),
    _attempt("unanswered", "answered", ~_ANSWERED),
    _attempt("failed", "outcome_class", _FAILED),
    Case("pdd", ("pdd_s",), is_true(_col("pdd_s") > _col("pdd_s").quantile(LONG_PDD, interpolation="linear")),
         ~_col("pdd_s").is_null(), "outbound"),
    _verdict(Verdict.GOOD),
    _verdict(Verdict.FAIR),
    _verdict(Verdict.POOR, "bad"),
    _verdict(Verdict.UNMEASURED),
    Case("measured", ("verdict", "answered"), is_true(_col("verdict").is_in(MEASURED)), _ANSWERED),
    *(_silence(name) for name in ("no_in", "no_out", "ghost", "silent")),
    Case("short", ("answered", "talk_s"), short(SHORT_S), _ANSWERED & ~_col("talk_s").is_null()),
)}  # fmt: skip

__all__ = ["CASES", "JUDGED", "LEG_COLUMNS", "SHORT_S", "Case", "short"]
