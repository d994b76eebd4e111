"""What rates count: legs or calls in scope, with the keys that they are grouped by, and their way back to the caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis import coerce, zones
from conv_analytics.analysis.columns import LEGS
from conv_analytics.analysis.frames import Source
from conv_analytics.analysis.legs import leg_rows
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.tables.column import Column

Rows = nw.LazyFrame[Any]

SCOPES = ("outbound", "inbound", "all")
UNITS = ("leg", "call")
_DECLARED = {column.name: column for column in LEGS}


def attempts(source: Source, *, scope: str, unit: str, needs: Collection[str], by: Sequence[str] = ()) -> Rows:
    """Legs or calls in scope, with every column of legs (null where calls lack one) and those of `by`.

    Raises
    ------
    ConfigError
        If scope or unit is none that is known, or a table of legs is asked for calls.
    ColumnNotFound
        If a column that is needed is missing.
    """
    one_of("scope", scope, SCOPES)
    one_of("unit", unit, UNITS)
    extra = [name for name in by if name not in zones.KEYS]
    wanted = {*needs, *extra, *({"direction"} if scope != "all" else ())}
    wanted |= {"started_at"} if set(by) & set(zones.KEYS) else set()
    rows = _single(source, unit, wanted) if source.single else _tables(source, unit, extra)
    return rows if scope == "all" else rows.filter(nw.col("direction") == scope)


def _single(source: Source, unit: str, wanted: set[str]) -> Rows:
    there = source.columns()
    calls = "call" in there
    if calls != (unit == "call"):
        raise ConfigError(
            f"unit={unit!r} does not fit the frame, which has one row per {'call' if calls else 'leg'}. "
            f"Give {unit}s(data), or unit={'call' if calls else 'leg'!r}."
        )
    # A call is answered when it has an answer; what only legs have is not known of it.
    own = {"answered", "ringing_at", "byte_in", "byte_out", "reason", "reason_code", "status", "open"} if calls else set()
    for name in sorted(wanted - own | ({"answered_at"} if calls else set())):
        if name not in there:
            raise ColumnNotFound(f"of {unit}s()", name, there)
    more = [Column(name, str, "") for name in sorted(wanted) if name not in _DECLARED]
    rows = source.frame((*LEGS, *more), needed=(), maker=f"{unit}s()")
    return rows.with_columns((~nw.col("answered_at").is_null()).alias("answered")) if calls else rows


def _tables(source: Source, unit: str, extra: Sequence[str]) -> Rows:
    if unit == "call":
        raise ConfigError("unit='call' needs a frame of calls: give calls(data).")
    for name in extra:
        if name not in _DECLARED:
            raise ColumnNotFound("of legs()", name, tuple(_DECLARED) + zones.KEYS)
    return leg_rows(source)


def keyed(source: Source, rows: Rows, by: Sequence[str], tz: str, at: str = "started_at") -> Rows:
    """The rows with the keys of local time that are asked for, as numbers."""
    zones.zone_info(tz)
    asked = [name for name in by if name in zones.KEYS]
    if not asked:
        return rows
    zone = zones.Zone.over(tz, *span(source, rows, at))
    return rows.with_columns(zone.key(name, nw.col(at)).alias(name) for name in asked)


def span(source: Source, rows: Rows, first: str, last: str | None = None) -> tuple[Any, Any]:
    """The first and the last instant of a column, or of two; None where there is none."""
    found = source.collect(rows.select(nw.col(first).min().alias("first"), nw.col(last or first).max().alias("last")))
    return tuple(None if pd.isna(value) else value.to_pydatetime() for value in found.iloc[0])  # type: ignore[return-value]


def grouped(source: Source, rows: Rows, by: Sequence[str], aggregates: Sequence[nw.Expr]) -> pd.DataFrame:
    """One row per group, keys as they are shown, sorted by them; a single row without keys."""
    if by:
        done = source.collect(rows.group_by(*by).agg(*aggregates))
        for name in by:
            if name in zones.KEYS:
                done[name] = zones.shown(name, done[name])
        return done.sort_values(list(by), na_position="last", kind="stable", ignore_index=True)
    return source.collect(rows.select(*aggregates))


def answer(source: Source, frame: pd.DataFrame, like: Rows) -> Any:
    """A small result in the caller's kind."""
    if source.gives == "duckdb":
        return nw.to_native(source.lazy(frame, like))
    return frame if source.gives == "pandas" else coerce.from_pandas(frame, source.gives)


def keys_of(by: str | Sequence[str]) -> list[str]:
    """The keys as a list: one name is one key."""
    names = [by] if isinstance(by, str) else list(by)
    if len(set(names)) < len(names):
        raise ConfigError(f"by={names} names a key twice.")
    return names


def one_of(option: str, value: object, known: Collection[str]) -> None:
    """Refuse a word that is not known."""
    if value not in known:
        raise ConfigError(f"{option}={value!r} is none of {', '.join(known)}.")


def yes(condition: nw.Expr) -> nw.Expr:
    """A condition that is false where it is not known."""
    return condition.fill_null(False)  # noqa: FBT003


__all__ = ["answer", "attempts", "grouped", "keyed", "keys_of", "one_of", "span", "yes"]
