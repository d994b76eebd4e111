"""A checked map: every key occurs once, or once at a time, so that a join never multiplies rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.dimensions import numbers
from conv_analytics.analysis.dimensions.keys import FROM, LEG_TEXTS, NUMBERS, TO, Key, key_of
from conv_analytics.analysis.dimensions.map_files import MAP_NAME, read_map
from conv_analytics.analysis.dimensions.prefixes import PrefixIndex
from conv_analytics.analysis.dimensions.validity import ALWAYS, FOR_EVER, Validity, instants_of
from conv_analytics.analysis.engine.engines.lazy import LazyEngine
from conv_analytics.analysis.engine.source import SINGLE, Source
from conv_analytics.errors import ConfigError


@dataclass(frozen=True, eq=False)
class MapTable:
    """Keys and the values that they stand for.

    Attributes
    ----------
    name
        Its name in messages: its file, or "The map".
    key
        Its key column, the column of the rows, and how they are compared.
    keys
        One per row: digits, where they are numbers.
    values
        The columns that it adds, all of text.
    as_numbers
        Whether keys are numbers that are spelled in many ways.
    index
        The index in which keys are looked up; None for equality.
    """

    name: str
    key: Key
    keys: pa.Array
    values: Mapping[str, pa.Array]
    as_numbers: bool
    index: PrefixIndex | Validity | None = field(repr=False, default=None)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of its keys and values."""
        whole: dict[str, Any] = {" ".join(self.key): self.keys, **self.values}
        if isinstance(self.index, Validity):
            whole |= {f"{FROM} ": pa.array(self.index.since), f"{TO} ": pa.array(self.index.until)}
        table, sink = pa.table(whole), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return hashlib.sha256(sink.getvalue()).hexdigest()

    def __str__(self) -> str:
        return f"{', '.join(self.values)} by {self.key.on} ({self.key.how}, {self.name})"


def map_table(
    table: Any, on: str | Mapping[str, str] | None, how: str | None, *, rows: Sequence[str],
    columns: Sequence[str] | None, tz: str,
) -> MapTable:  # fmt: skip
    """Check a map: a path, or a frame of any kind. Parameters are those of `enrich`.

    Parameters
    ----------
    rows
        The columns of the rows that it can be joined on.
    """
    raw = _arrow(table)
    name = _name_of(raw)
    raw = _named(raw, name)
    key = key_of(raw.column_names, on, how, rows=rows, map_name=name)
    raw = raw.filter(_not_empty(raw))
    if not len(raw):
        raise ConfigError(f"{name} has no rows. It needs a row per {key.column} below the names of its columns.")
    what = f"{name}: column {key.column!r}"
    keys = _without_text_marks(_texts(raw[key.column], what, exact=True))
    if keys.null_count:
        row = pc.index(keys.is_null(), True).as_py()
        raise ConfigError(f"{what} is empty in row {row + 1}: it would mean nothing. Fill it in, or delete the row.")
    as_numbers = key.how != "longest_prefix" and key.on in NUMBERS
    written = keys
    if key.how == "longest_prefix":
        keys = numbers.prefixes_of(keys, what)
    elif as_numbers:
        numbers.check_not_scientific(keys, what)
        keys = numbers.spelled_alike(keys)
    elif key.on == "network_code":
        keys = pc.replace_substring_regex(keys, r"^([0-9]{3})[ \-/]([0-9]{2,3})$", r"\1\2")
    values = {column: _texts(raw[column], f"{name}: column {column!r}") for column in _added(raw, key, columns, name)}
    if key.how == "valid_at":
        since, until = (_ends(raw, end, name, missing, tz) for end, missing in ((FROM, ALWAYS), (TO, FOR_EVER)))
        return MapTable(name, key, keys, values, as_numbers, Validity(keys, since, until, name))
    _check_different(keys, written, what, how=key.how)
    index = PrefixIndex(keys) if key.how == "longest_prefix" else None
    return MapTable(name, key, keys, values, as_numbers, index)


def columns_of(table: pa.Table, on: str | Mapping[str, str] | None, *, own: Sequence[str]) -> list[str]:
    """The columns that a map would add to legs with other custom columns; nothing else is checked."""
    raw = _named(table, _name_of(table))
    key = key_of(raw.column_names, on, None, rows=(*LEG_TEXTS, *own), map_name=_name_of(table))
    return [name for name in raw.column_names if name not in {key.column, FROM, TO}]


def _name_of(table: pa.Table) -> str:
    name: bytes = (table.schema.metadata or {}).get(MAP_NAME, b"The map")
    return name.decode()


def _arrow(table: Any) -> pa.Table:
    """A map of any kind as Arrow."""
    if isinstance(table, str | PathLike):
        return read_map(Path(table))
    source = Source.of(table if not isinstance(table, Mapping) else pd.DataFrame(table))
    if not source.single:
        raise ConfigError("The map has to be one frame, or the path of a file: it was given several tables.")
    table = nw.to_native(table, pass_through=True)
    if isinstance(source.engine, LazyEngine):
        return source.engine.arrow(source.engine.tables[SINGLE])
    if source.kind != "pandas":
        frame = table.collect() if hasattr(table, "collect") else table
        return pa.table(frame) if source.kind == "pyarrow" else frame.to_arrow()
    frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
    if frame.columns.has_duplicates:
        raise ConfigError(f"The map has several columns with the same name: {', '.join(map(str, frame.columns))}.")
    return pa.table({str(name): _of_pandas(series, str(name)) for name, series in frame.items()})


def _of_pandas(series: pd.Series[Any], name: str) -> Any:
    try:
        return pa.array(series.array, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        pass
    # Texts and numbers in one column, as spreadsheets have them.
    plain = series.astype("object").where(series.notna(), None)
    texts = [None if value is None else str(int(value)) if isinstance(value, float) and value.is_integer()
             else str(value) for value in plain]  # fmt: skip
    del name
    return pa.array(texts, pa.string())


def _named(table: pa.Table, name: str) -> pa.Table:
    names = [column.strip() for column in table.column_names]
    # Names that differ in case only are one name in DuckDB.
    alike = [column.casefold() for column in names]
    if len(set(alike)) < len(alike):
        twice = next(column for column in alike if alike.count(column) > 1)
        pair = dict.fromkeys(column for column in names if column.casefold() == twice)
        raise ConfigError(
            f"{name} has two columns {' and '.join(map(repr, pair))}. Rename one of them, or leave it out."
        )
    return table.rename_columns(names)


def _not_empty(table: pa.Table) -> Any:
    """Rows that are not empty: spreadsheets write empty ones below the last."""
    filled = None
    for column in table.columns:
        valid = column.is_valid()
        if pa.types.is_string(column.type):
            valid = pc.and_(valid, pc.not_equal(pc.fill_null(pc.utf8_trim_whitespace(column), ""), ""))
        filled = valid if filled is None else pc.or_(filled, valid)
    return filled


def _texts(column: Any, what: str, *, exact: bool = False) -> pa.Array:
    """A column as text, without spaces around it; empty is null. Whole numbers have no decimal point.

    Parameters
    ----------
    exact
        Whether numbers have to be whole ones: keys are compared digit by digit.
    """
    plain = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(plain.type):
        plain = plain.dictionary_decode()
    if pa.types.is_nested(plain.type) or pa.types.is_binary(plain.type):
        raise ConfigError(f"{what} holds {plain.type}, which is not text.")
    if pa.types.is_floating(plain.type) or pa.types.is_decimal(plain.type):
        floats = plain.cast(pa.float64())
        whole = pc.fill_null(pc.and_(pc.equal(pc.floor(floats), floats), pc.less(pc.abs(floats), 2.0**53)), True)  # noqa: FBT003
        if whole.false_count and exact:
            raise ConfigError(f"{what} holds {floats.filter(pc.invert(whole))[0]}, which is not a whole number.")
        plain = pc.if_else(
            whole, pc.if_else(whole, floats, 0.0).cast(pa.int64()).cast(pa.string()), plain.cast(pa.string())
        )
    texts = pc.utf8_trim_whitespace(plain.cast(pa.string()))
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _without_text_marks(texts: pa.Array) -> pa.Array:
    """Keys without the marks by which spreadsheets keep them as text: ="0044", '+44."""
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, '^="?([^"]*)"?$', r"\1"), "^'", "")


def _added(raw: pa.Table, key: Key, columns: Sequence[str] | None, name: str) -> list[str]:
    """The columns that a map adds."""
    there = [column for column in raw.column_names if column not in {key.column, FROM, TO}]
    if columns is not None:
        for column in columns:
            if column not in there:
                raise ConfigError(f"{name} has no column {column!r} to add; it has {', '.join(there) or 'none'}.")
        there = list(dict.fromkeys(columns))
    if not there:
        raise ConfigError(f"{name} has only {', '.join(raw.column_names)}: no column to look up by {key.column}.")
    for column in there:
        if not column or column.startswith(("_", "conv_analytics", "prefix")) or column.endswith("_at_us"):
            raise ConfigError(f"{name} has a column {column!r}, which is reserved for internal use. Rename it.")
    return there


def _ends(raw: pa.Table, end: str, name: str, missing: int, tz: str) -> Any:
    column = raw[end] if end in raw.column_names else pa.nulls(len(raw), pa.string())
    return instants_of(column, end, name, missing=missing, tz=tz)


def _check_different(keys: pa.Array, written: pa.Array, what: str, *, how: str) -> None:
    counts = pc.value_counts(keys)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(repeated):
        return
    first = repeated[0]
    rows = pc.indices_nonzero(pc.equal(keys, first))
    spelled = written.take(rows).to_pylist()
    places = ", ".join(f"{row + 1:,}" for row in rows[:3].to_pylist())
    alike = f", written {numbers.examples(spelled)}" if len(set(spelled)) > 1 else ""
    dated = f" If each holds for a time, add the columns {FROM} and {TO}." if how == "equal" else ""
    raise ConfigError(
        f"{what} has {len(repeated):,} keys more than once, such as {first.as_py()!r}{alike} (rows {places}). "
        f"Each may occur once, or rows would be multiplied: delete the others.{dated}"
    )


__all__ = ["MapTable", "columns_of", "map_table"]
