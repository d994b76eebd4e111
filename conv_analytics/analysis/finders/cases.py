"""What finders count: legs of which a case is known, and the cases among them, per group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.audio.measures import KEYS
from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.quality import judged_legs
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.options import one_of
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.cases import CASES, LEG_COLUMNS, Case
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

#: Columns of `quality` that cases look at.
_JUDGED = ("verdict", "flow", "silent_directions")


def counted(
    data: Any, by: Sequence[str], name: str, *, scope: str | None = None, tz: str = "UTC",
    profile: str | Profile = "recommended", units: Units | None = None, at: bool = False,
) -> Rows:  # fmt: skip
    """Legs of which a case is known: the keys, ``_k`` (1 for a case, else 0) and ``_n`` (1); `at`: ``started_at`` too.

    Parameters
    ----------
    name
        One of `CASES`, or a column of true and false in a frame of your own: true is a case, null is not known.

    Raises
    ------
    ConfigError
        If there is no such case, and no frame whose column it could be.
    ColumnNotFound
        If a column that is needed is missing.
    """
    source = Source.of(data)
    own = _own(source, name)
    if own is None and name not in CASES:
        known = ", ".join(CASES)
        raise ConfigError(f"{name!r} is none of {known}, and no column of true and false in a frame that was given.")
    case = own or CASES[name]
    scope = scope or case.scope
    one_of("scope", scope, scopes.SCOPES)
    zones.zone_info(tz)
    timed = at or bool(set(by) & set(zones.KEYS))
    columns = {key for key in by if key not in zones.KEYS} | ({"started_at"} if timed else set())
    if own is not None:
        rows = _own_rows(source, case, columns, scope)
    elif case.judged and not set(_JUDGED) <= set(source.columns() if source.single else ()):
        rows = _judged_rows(source, by, case, scope, columns, partial(judged_legs, source, profile, units))
    else:
        rows = scopes.attempts(source, scope=scope, unit="leg", needs={*case.needs, *columns}, by=by)
    rows = rows.with_time_keys(by, tz).with_columns(_k=one_if(case.holds), _n=one_if(case.known))
    return rows.filter(nw.col("_n") == 1).select(*by, *(["started_at"] if at else []), "_k", "_n")


def _own(source: Source, name: str) -> Case | None:
    """The case of a column of the caller's frame; a column that every frame of legs has is none."""
    if not source.single or name not in source.columns():
        return None
    if name in LEG_COLUMNS and "leg_id" in source.columns():
        return None
    return Case(name, name, "", (name,), is_true(nw.col(name)), ~nw.col(name).is_null())


def _own_rows(source: Source, case: Case, columns: Collection[str], scope: str) -> Rows:
    kinds: dict[str, Any] = {name: datetime if name == "started_at" else str for name in columns}
    kinds |= {"direction": str} if scope != "all" else {}
    kinds |= {case.name: bool}
    declared = [Column(name, kind, "") for name, kind in kinds.items()]
    rows = Rows.read_single(source, declared, needed=[*kinds], maker="yours")
    return rows if scope == "all" else rows.filter(nw.col("direction") == scope)


def _judged_rows(  # noqa: PLR0917 - a step of its own, for the length of `counted`
    source: Source, by: Sequence[str], case: Case, scope: str, columns: Collection[str], judged: Callable[..., Any]
) -> Rows:
    """Legs with their verdicts: made from the tables at once, or joined to the frame, which may have more columns."""
    if not source.single:
        rows: Rows = judged({*columns, *(("direction",) if scope != "all" else ())})[0]
        return rows if scope == "all" else rows.filter(nw.col("direction") == scope)
    needs = {*KEYS, *columns, *case.needs} - set(_JUDGED)
    rows = scopes.attempts(source, scope=scope, unit="leg", needs=needs, by=by)
    return rows.join(judged()[0].select(*KEYS, *_JUDGED), on=[*KEYS], how="inner")


def totals(rows: Rows, by: Sequence[str]) -> pd.DataFrame:
    """Cases, and legs of which that is known, per group: the keys, ``k``, ``n``."""
    done = rows.grouped(by, [nw.col("_k").sum().alias("k"), nw.col("_n").sum().alias("n")])
    return done.assign(**{name: done[name].fillna(0).astype("Int64") for name in ("k", "n")})


__all__ = ["counted", "totals"]
