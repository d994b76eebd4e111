"""Counts for finders: legs for which a case is known, and the cases among them, per group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.quality import judged_legs
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.options import one_of
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.cases import CASES, JUDGED, LEG_COLUMNS, Case
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.finders import ringing_sets
from conv_analytics.analysis.rates.scope import SCOPES, attempts, check_legs
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

#: Columns whose legs may be correlated: those of one conversation, of one calling or called number, of one user.
CLUSTERS = ("conversation_id", "from_address", "to_address", "user_id")


def case_counts(data: Any, by: Sequence[str], case: str, **options: Any) -> tuple[Source, pd.DataFrame]:
    """The opened data, and per group the cases, ``k``, among the legs for which that is known, ``n``.

    Options and errors are those of `case_rows`.
    """
    rows = case_rows(data, by, case, **options)
    return rows.source, counts_of(rows, by)


def counts_of(rows: Rows, by: Sequence[str]) -> pd.DataFrame:
    """Per group of `case_rows`: the keys, ``k``, ``n``."""
    counts = rows.grouped(by, [nw.col("_k").sum(), nw.col("_n").sum()]).rename(columns={"_k": "k", "_n": "n"})
    return counts.assign(**{name: counts[name].fillna(0).astype("Int64") for name in ("k", "n")})


def case_rows(
    data: Any, by: Sequence[str], case: str, *, scope: str | None = None, tz: str = "UTC",
    profile: str | Profile = "recommended", units: Units | None = None, timed: bool = False, clusters: bool = False,
) -> Rows:  # fmt: skip
    """Legs for which a case is known: the keys, ``_k`` (1 for a case, else 0) and ``_n`` (1).

    Legs that ring in parallel are one attempt, if the case is about attempts and the columns show it: see
    `ringing_sets`.

    Parameters
    ----------
    case
        One of `CASES`, or a boolean column of the caller's frame: true is a case, null is unknown.
    timed
        Whether to keep ``started_at``.
    clusters
        Whether to keep the existing columns of `CLUSTERS` that are not keys.

    Raises
    ------
    ConfigError
        If there is no such case, and no boolean column of this name.
    ColumnNotFound
        If a column that is needed is missing.
    """
    source = Source.of(data)
    own_columns = frozenset(source.columns()) if source.single else frozenset[str]()
    # A column that every frame of legs has is not a custom case.
    own = case in own_columns and not (case in LEG_COLUMNS and "leg_id" in own_columns)
    if not own and case not in CASES:
        known = ", ".join(CASES)
        raise ConfigError(f"{case!r} is not one of {known}, nor a boolean column of a given frame.")
    counted = _case_of_column(case) if own else CASES[case]
    scope = scope or counted.scope
    one_of("scope", scope, SCOPES)
    zones.zone_info(tz)
    there = own_columns if source.single else LEG_COLUMNS
    together = not own and counted.attempt and scope != "all" and there.issuperset(ringing_sets.NEEDED)
    cluster_columns = [name for name in CLUSTERS if clusters and name in there and name not in by]
    needs_start = timed or bool(set(by) & set(zones.KEYS))
    columns = {*by, *cluster_columns, *(("started_at",) if needs_start else ())} - set(zones.KEYS)
    columns |= set(ringing_sets.NEEDED) if together else set()
    if own:
        rows = _own_rows(source, case, columns, scope)
    elif own_columns or not counted.judged:
        needs = {*counted.needs, *columns}
        # What the frame itself says of a leg counts, whatever the profile.
        judged = [name for name in JUDGED if counted.judged and name in needs and name not in own_columns]
        if judged:
            rows = _in_scope(_judged_rows(source, needs.difference(judged), scope, profile, units), scope)
        else:
            rows = attempts(source, scope=scope, unit="leg", needs=needs, by=by)
    else:
        # Legs of tables are computed once, with every column that is needed.
        columns |= {"direction"} if scope != "all" else set()
        rows = _in_scope(judged_legs(source, profile, units, columns)[0], scope)
    rows = rows.with_time_keys(by, tz).with_columns(_k=one_if(counted.holds), _n=one_if(counted.known))
    rows = rows.filter(nw.col("_n") == 1)
    result_columns = [*by, *cluster_columns, *(["started_at"] if timed and "started_at" not in by else []), "_k", "_n"]
    if together:
        rows = rows.select(*dict.fromkeys([*result_columns, *ringing_sets.NEEDED]))
        rows = ringing_sets.one_per_ringing_set(rows, by, any_of=case == "answered")
    return rows.select(*result_columns)


def _judged_rows(
    source: Source, columns: Collection[str], scope: str, profile: str | Profile, units: Units | None
) -> Rows:
    """The legs of a frame with some of its columns, judged where it does not say itself what is known of them."""
    check_legs(source)
    kinds = {column.name: column.kind for column in LEGS} | dict(JUDGED)
    names = sorted({*columns, *(("direction",) if scope != "all" else ())})
    return judged_legs(source, profile, units, more=[Column(name, kinds.get(name, str), "") for name in names])[0]


def _case_of_column(name: str) -> Case:
    return Case(name, (name,), is_true(nw.col(name)), ~nw.col(name).is_null())


def _own_rows(source: Source, case: str, columns: Collection[str], scope: str) -> Rows:
    kinds: dict[str, Any] = {name: datetime if name == "started_at" else str for name in columns}
    kinds |= {"direction": str} if scope != "all" else {}
    kinds |= {case: bool}
    declared = [Column(name, kind, "") for name, kind in kinds.items()]
    # Other frames, such as that of `turns`, may have several rows of a leg.
    read = Rows.read_single if {"answered", "call"}.isdisjoint(source.columns()) else read_each_once
    return _in_scope(read(source, declared, needed=[*kinds], maker="yours"), scope)


def _in_scope(rows: Rows, scope: str) -> Rows:
    return rows if scope == "all" else rows.filter(nw.col("direction") == scope)


__all__ = ["CLUSTERS", "case_counts", "case_rows", "counts_of"]
