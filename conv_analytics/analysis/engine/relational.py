"""Steps that most questions share: keys of local time, instants as numbers, groups, and the way back to the caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine import coerce, zones
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from conv_analytics.tables.column import Column

Rows = nw.LazyFrame[Any]


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


__all__ = ["answer", "grouped", "keyed", "keys_of", "one_of", "seconds", "span", "time_keys", "with_micros", "yes"]
