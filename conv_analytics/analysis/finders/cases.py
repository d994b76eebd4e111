"""What finders count: which legs are at stake, and which of them are cases, by name or by a column of your own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.audio.measures import KEYS
from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.analysis.audio.quality import measured_legs, verdicts
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import relational, zones
from conv_analytics.analysis.engine.relational import yes
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

Rows = nw.LazyFrame[Any]

#: Calls this short are short. [s]
SHORT_S = 6.0
_JUDGED = ("verdict", "flow", "silent_directions")
_col = nw.col


@dataclass(frozen=True)
class Case:
    """Legs at stake, and the cases among them.

    Attributes
    ----------
    words
        What it says, for people.
    of, holds
        Conditions, both never null; a case is a leg of which both hold. Every leg is at stake where `of` is None.
    needs
        Columns of legs that it looks at.
    scope
        ``outbound`` for attempts, ``all`` for what happens on any leg.
    judged
        Whether it asks for the verdicts of `quality`.
    """

    words: str
    of: nw.Expr | None
    holds: nw.Expr
    needs: tuple[str, ...] = ()
    scope: str = "all"
    judged: bool = False


@dataclass(frozen=True)
class _Judge:
    """How verdicts are made: by which rulebook, in which units (detected when None)."""

    profile: str | Profile
    units: Units | None


# Not 3xx: a redirection says where the call goes on. RFC 6076 leaves it out of its rates, too.
_FAILED = yes(_col("outcome_class").is_in(["network", "signalling", "platform"]))
_TALKED = yes(_col("answered")) & ~_col("talk_s").is_null()

#: The cases that have a name.
CASES = {
    "answered": Case("outbound legs that were answered", None, yes(_col("answered")), ("answered",), "outbound"),
    "unanswered": Case("outbound legs without an answer", None, ~yes(_col("answered")), ("answered",), "outbound"),
    "failed": Case(
        "outbound legs that the network, the signalling or the platform failed", None, _FAILED, ("outcome_class",),
        "outbound",
    ),
    "short": Case(
        "answered legs of up to 6 s", _TALKED, yes(_col("talk_s") <= SHORT_S), ("answered", "talk_s"), "all"
    ),
    "poor": Case(
        "measured legs with the verdict poor", yes(_col("verdict") != "unmeasured"), yes(_col("verdict") == "poor"),
        judged=True,
    ),
    "silent": Case(
        "legs of at least 5 s without audio in one direction or both that nothing excuses", ~_col("flow").is_null(),
        yes(_col("silent_directions") > 0), judged=True,
    ),
}  # fmt: skip


def counted(
    data: Any, by: Sequence[str], what: str, *, scope: str | None = None, tz: str = "UTC",
    profile: str | Profile = "recommended", units: Units | None = None, at: bool = False,
) -> tuple[Source, Rows]:  # fmt: skip
    """Legs at stake with the keys, ``_k`` (1 for a case, else 0) and ``_n`` (1 each); with `at`, ``started_at`` too.

    Parameters
    ----------
    what
        One of `CASES`, or a column of true and false in a frame of your own: true is a case, null is not at stake.

    Raises
    ------
    ConfigError
        If there is no such case, and no frame whose column it could be.
    ColumnNotFound
        If a column that is needed is missing.
    """
    source = Source.of(data)
    case = CASES.get(what)
    # A frame that is not of legs may have a column with the name of a case: it is meant, then.
    own = source.single and what in source.columns() and (case is None or "leg_id" not in source.columns())
    if case is None and not own:
        known = ", ".join(CASES)
        raise ConfigError(f"{what!r} is none of {known}, and no column of true and false in a frame that was given.")
    zones.zone_info(tz)
    if own:
        rows, of, holds = _own(source, by, what, scope, at=at)
    else:
        assert case is not None
        # Legs that are made of tables have an id; it is not looked at.
        every = ~_col("leg_id").is_null() if source.single else nw.lit(value=True)
        timed = at or source.single or bool(set(by) & set(zones.KEYS))
        rows, holds = _named(source, by, case, scope, _Judge(profile, units), timed=timed), case.holds
        of = every if case.of is None else case.of
    rows = relational.keyed(source, rows, by, tz)
    one, zero = nw.lit(1), nw.lit(0)
    rows = rows.with_columns(
        _k=nw.when(of & holds).then(one).otherwise(zero), _n=nw.when(of).then(one).otherwise(zero)
    ).filter(_col("_n") == 1)
    return source, rows.select(*by, *(["started_at"] if at else []), "_k", "_n")


def _own(source: Source, by: Sequence[str], what: str, scope: str | None, *, at: bool) -> tuple[Rows, nw.Expr, nw.Expr]:
    timed = at or bool(set(by) & set(zones.KEYS))
    extra: dict[str, Any] = {"started_at": datetime} if timed else {}
    if scope not in {None, "all"}:
        extra |= {"direction": str}
        relational.one_of("scope", scope, scopes.SCOPES)
    kinds: dict[str, Any] = {name: str for name in by if name not in zones.KEYS} | extra | {what: bool}
    rows = source.frame([Column(name, kind, "") for name, kind in kinds.items()], needed=[*kinds], maker="yours")
    if "direction" in extra:
        rows = rows.filter(_col("direction") == scope)
    return rows, ~_col(what).is_null(), yes(_col(what))


def _named(source: Source, by: Sequence[str], case: Case, scope: str | None, judge: _Judge, *, timed: bool) -> Rows:
    instants = {"started_at"} if timed else set()
    if case.judged and not source.single:
        return _judged(source, {*by, *instants}, scope or case.scope, judge)
    needs = {*instants, *case.needs} | (set(KEYS) if source.single else set())
    judged = case.judged and set(_JUDGED) <= set(source.columns())
    extra = [name for name in _JUDGED if judged]
    rows = scopes.attempts(source, scope=scope or case.scope, unit="leg", needs={*needs, *extra}, by=by)
    if case.judged and not judged:
        _, measured, units = measured_legs(source, judge.units)
        verdict = verdicts(measured, profile_of(judge.profile), units).select(*KEYS, *_JUDGED)
        rows = rows.join(verdict, on=[*KEYS], how="inner")
    return rows


def _judged(source: Source, columns: Collection[str], scope: str, judge: _Judge) -> Rows:
    """Legs made from the tables, with some columns and their verdicts: made once."""
    relational.one_of("scope", scope, scopes.SCOPES)
    columns = {*columns} - set(zones.KEYS) | ({"direction"} if scope != "all" else set())
    _, measured, units = measured_legs(source, judge.units, columns)
    rows = verdicts(measured, profile_of(judge.profile), units)
    return rows if scope == "all" else rows.filter(_col("direction") == scope)


def totals(source: Source, rows: Rows, by: Sequence[str]) -> pd.DataFrame:
    """Cases and legs at stake per group: the keys, ``k``, ``n``."""
    done = relational.grouped(source, rows, by, [_col("_k").sum(), _col("_n").sum()])
    done = done.rename(columns={"_k": "k", "_n": "n"})
    for name in ("k", "n"):
        done[name] = done[name].fillna(0).astype("Int64")
    return done


__all__ = ["CASES", "Case", "counted", "totals"]
