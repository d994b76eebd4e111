"""What rates count: legs or calls in scope, the keys that they are grouped by, and the way back to the caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis import coerce, zones
from conv_analytics.analysis.calls import call_rows
from conv_analytics.analysis.columns import CALLS, LEGS
from conv_analytics.analysis.frames import Source
from conv_analytics.analysis.legs import leg_rows
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.tables.column import Column

Rows = nw.LazyFrame[Any]

SCOPES = ("outbound", "inbound", "all")
UNITS = ("leg", "call")
#: What rates ask of legs and is not known of calls.
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

    Of legs that have to be made only these columns are made; frames and calls may have more.

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
    rows = _single(source, unit, wanted) if source.single else _tables(source, unit, extra, wanted | set(reads))
    return rows if scope == "all" else rows.filter(nw.col("direction") == scope)


def _single(source: Source, unit: str, wanted: set[str]) -> Rows:
    there = source.columns()
    if "call" not in there:
        if unit == "call":
            return _of_calls(source, call_rows(source))
        return _typed(source, wanted, LEGS, "legs()")
    if unit == "leg":
        raise ConfigError("unit='leg' does not fit a frame with one row per call: give legs(data), or unit='call'.")
    wanted = {"outcome", *wanted} - {"answered", *_ONLY_LEGS}
    return _of_calls(source, _typed(source, wanted, CALLS, "calls()"))


def _typed(source: Source, wanted: set[str], columns: Sequence[Column], maker: str) -> Rows:
    declared = {column.name for column in columns}
    more = [Column(name, str, "") for name in sorted(wanted) if name not in declared]
    return source.frame((*columns, *more), needed=sorted(wanted), maker=maker)


def _of_calls(source: Source, rows: Rows) -> Rows:
    """Calls with the columns of legs. A call is answered when the party that was wanted answered."""
    rows = rows.with_columns((nw.col("outcome") == "answered").alias("answered"))
    return source.with_nulls(rows, _ONLY_LEGS)


def _tables(source: Source, unit: str, extra: Sequence[str], reads: Collection[str]) -> Rows:
    declared, maker = (CALLS, "calls()") if unit == "call" else (LEGS, "legs()")
    names = [column.name for column in declared]
    for name in extra:
        if name not in names:
            raise ColumnNotFound(f"of {maker}", name, (*names, *zones.KEYS))
    # Only what is asked for: the keys of legs are long, and rows may be computed into a table.
    return _of_calls(source, call_rows(source)) if unit == "call" else leg_rows(source, reads).select(*sorted(reads))


def keyed(source: Source, rows: Rows, by: Sequence[str], tz: str, at: str = "started_at") -> Rows:
    """The rows with the keys of local time that are asked for, as numbers."""
    zones.zone_info(tz)
    asked = [name for name in by if name in zones.KEYS]
    if not asked:
        return rows
    rows = source.settled(rows)
    zone = zones.Zone.over(tz, *span(source, rows, at))
    rows = with_micros(source, rows, at)
    return rows.with_columns(zone.key(name, nw.col(f"{at}_us")).alias(name) for name in asked)


def time_keys(frame: pd.DataFrame, by: Sequence[str], tz: str, at: str = "started_at") -> pd.DataFrame:
    """The keys of local time of rows in memory, as they are shown; with the index of the rows.

    >>> rows = pd.DataFrame({"started_at": pd.to_datetime(["2026-10-26T00:30Z", "2026-03-29T22:30Z"], utc=True)})
    >>> time_keys(rows, ["week", "hour"], "Europe/London").values.tolist()
    [['2026-10-26', 0], ['2026-03-23', 23]]
    """
    if not by:
        return frame[[]]
    source = Source.of(frame[[at]].reset_index(drop=True))
    rows = source.frame([Column(at, datetime, "")], needed=(at,), maker="legs()")
    found = source.collect(keyed(source, rows, by, tz, at).select(*by))
    return pd.DataFrame({name: zones.shown(name, found[name]) for name in by}).set_axis(frame.index)


def with_micros(source: Source, rows: Rows, *names: str) -> Rows:
    """The rows with microseconds since 1970 of some instants, named like them with ``_us``.

    Not by subtraction: DuckDB subtracts instants on the clock of its session, so that a change of clocks lies between.
    """
    if source.engine == "pandas":
        return rows.with_columns(nw.col(name).dt.timestamp("us").alias(f"{name}_us") for name in names)
    native: Any = nw.to_native(rows)
    micros = (f'epoch_us("{name}") as "{name}_us"' for name in names)
    done: Rows = nw.from_native(native.project(", ".join(["*", *micros]))).lazy()
    return done


def seconds(later: str, earlier: str) -> nw.Expr:
    """The time between two instants `with_micros`; null when it would be negative."""
    span = nw.col(f"{later}_us") - nw.col(f"{earlier}_us")
    return nw.when(span >= 0).then(span / 1_000_000)


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


__all__ = ["answer", "attempts", "grouped", "keyed", "keys_of", "one_of", "seconds", "span", "time_keys",
           "with_micros", "yes"]  # fmt: skip
