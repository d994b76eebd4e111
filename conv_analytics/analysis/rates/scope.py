"""The denominators of rates: legs or calls in scope, with the columns that a question needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.columns import CALLS, LEGS
from conv_analytics.analysis.engine.options import one_of
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.calls import call_rows
from conv_analytics.analysis.entities.cases import JUDGED
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.tables.column import Column

SCOPES = ("outbound", "inbound", "all")
UNITS = ("leg", "call")
#: Columns that rates read from legs and that calls do not have.
_ONLY_LEGS: dict[str, Any] = {
    "ringing_at": datetime,
    **dict.fromkeys(("byte_in", "byte_out"), int),
    **dict.fromkeys(("reason", "reason_code", "status"), str),
    **dict.fromkeys(("pdd_s", "ring_s", "setup_s", "billed_s", "rate"), float),
}


def attempts(
    source: Source,
    *,
    scope: str,
    unit: str,
    needs: Collection[str],
    by: Sequence[str] = (),
    reads: Collection[str] = (),
) -> Rows:
    """Legs or calls in scope, with the columns needed, those of `by`, and those of `reads`: null where there are none.

    If legs have to be computed, they get only these columns; frames and calls may have more.

    Raises
    ------
    ConfigError
        If the scope or the unit is unknown, or calls are requested from a frame of legs.
    ColumnNotFound
        If a column that is needed is missing.
    """
    one_of("scope", scope, SCOPES)
    one_of("unit", unit, UNITS)
    extra = [name for name in by if name not in zones.KEYS]
    wanted = {*needs, *extra, *({"direction"} if scope != "all" else ())}
    wanted |= {"started_at"} if set(by) & set(zones.KEYS) else set()
    rows = _single(source, unit, wanted) if source.single else _tables(source, unit, extra, wanted | set(reads))
    return rows if scope == "all" else rows.filter(nw.col("direction") == scope)


def _single(source: Source, unit: str, needs: set[str]) -> Rows:
    columns = source.columns()
    if "call" not in columns:
        if unit == "call":
            _check_calls_have(needs)
            return _of_calls(call_rows(source, needs))
        return _typed(source, needs, LEGS, "legs()")
    check_legs(source, unit)
    needs = {"outcome", *needs} - {"answered", *_ONLY_LEGS}
    return _of_calls(_typed(source, needs, CALLS, "calls()"))


def check_legs(source: Source, unit: str = "leg") -> None:
    """Raise `ConfigError` if legs are to be counted in a frame of calls."""
    if unit == "leg" and "call" in source.columns():
        raise ConfigError("unit='leg' does not fit a frame with one row per call: give legs(data), or unit='call'.")


def _check_calls_have(names: Collection[str]) -> None:
    known = [column.name for column in CALLS]
    for name in sorted({*names}.difference(known, _ONLY_LEGS, ("answered",))):
        raise ColumnNotFound("of calls()", name, (*known, *zones.KEYS))


def _typed(source: Source, needs: set[str], columns: Sequence[Column], maker: str) -> Rows:
    declared = {column.name for column in columns}
    more = [Column(name, JUDGED.get(name, str), "") for name in sorted(needs) if name not in declared]
    return read_each_once(source, (*columns, *more), needed=sorted(needs), maker=maker)


def _of_calls(rows: Rows) -> Rows:
    """Calls with the columns of legs. A call is answered if the called party answered."""
    rows = rows.with_columns((nw.col("outcome") == "answered").alias("answered"))
    return rows.with_nulls(_ONLY_LEGS)


def _tables(source: Source, unit: str, extra: Sequence[str], reads: Collection[str]) -> Rows:
    declared, maker = (CALLS, "calls()") if unit == "call" else (LEGS, "legs()")
    names = [*(column.name for column in declared), *source.dimension_columns]
    for name in extra:
        if name not in names:
            raise ColumnNotFound(f"of {maker}", name, (*names, *zones.KEYS))
    # Only requested columns: the keys of legs are long, and rows may be computed into a table.
    return _of_calls(call_rows(source)) if unit == "call" else leg_rows(source, reads).select(*sorted(reads))


__all__ = ["SCOPES", "UNITS", "attempts", "check_legs"]
