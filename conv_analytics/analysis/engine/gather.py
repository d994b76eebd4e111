"""One row per key out of several tables, and instants as whole numbers: what each engine does best in its own way.

Instants are counted in microseconds while they are worked on: differences are exact then, on every engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.source import Source

Rows = nw.LazyFrame[Any]


class Part(NamedTuple):
    """Rows of one table.

    Attributes
    ----------
    rows
        The keys, and columns that no other part has.
    once
        Whether no key stands on two rows: nothing has to be grouped then.
    """

    rows: Rows
    once: bool = False


def least(
    source: Source, parts: Sequence[Part], by: Sequence[str], kinds: Mapping[str, Any], *, texts: bool = True
) -> Rows:
    """One row per key that any part has, with the least value of every column; null where no part has one.

    The least value is the same whatever the order of the rows, and however often they are repeated. Keys are not null.

    Without `texts` the keys themselves are not given: DuckDB then joins by their hashes, 64 bits of each. That takes
    half of the memory and of the time; two of the keys that services give at random would have to agree in all bits.
    """
    keys = dict.fromkeys(by, str)
    if source.engine == "pandas":
        frames = [nw.to_native(part.rows.collect()) for part in parts]
        return _lazy(_least_of_frames(frames, keys, kinds))
    using = ", ".join(coerce.quote(name if texts else f"hash of {name}") for name in keys)
    whole: Any = None
    for place, part in enumerate(sorted(parts, key=lambda part: not part.once)):
        rows, names = _typed(part.rows, keys, kinds)
        if not texts:
            hashes = [f"hash({coerce.quote(name)}) as {coerce.quote(f'hash of {name}')}" for name in keys]
            rows = rows.project(", ".join([*hashes, *map(coerce.quote, names)]))
        if not part.once:
            values = [f"min({coerce.quote(name)}) as {coerce.quote(name)}" for name in names]
            # Grouped on its own: while tables are joined, the groups would take as much memory once more.
            grouped = _lazy(rows.aggregate(", ".join([using, *values]), using))
            rows = nw.to_native(source.settled(grouped))
        rows = rows.set_alias(f"part_{place}")
        # Tables with a row per leg are joined as they are: a union of all tables, grouped, would carry every column of
        # every table through a hash table of long texts.
        whole = rows if whole is None else whole.join(rows, using, how="outer").set_alias(f"until_{place}")
    return source.with_nulls(_lazy(whole), kinds).select(*(keys if texts else ()), *kinds)


def _typed(rows: Rows, keys: Mapping[str, Any], kinds: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Rows as a relation with the types declared, and the names of its values."""
    names = [name for name in rows.collect_schema().names() if name not in keys]
    return coerce.relation_columns("", nw.to_native(rows), {**keys, **{name: kinds[name] for name in names}}), names


def _least_of_frames(frames: Sequence[pd.DataFrame], keys: Mapping[str, Any], kinds: Mapping[str, Any]) -> pd.DataFrame:
    of_keys = pd.concat([coerce.pandas_columns("", frame, keys) for frame in frames], ignore_index=True)
    numbers = of_keys.groupby(list(keys), sort=False).ngroup().to_numpy()
    whole = of_keys[~of_keys.duplicated()].reset_index(drop=True)
    done: dict[str, pd.Series[Any]] = {}
    begin = 0
    for frame in frames:
        own = {str(name): kinds[str(name)] for name in frame.columns if name in kinds}
        rows, begin = numbers[begin : begin + len(frame)], begin + len(frame)
        part = coerce.pandas_columns("", frame, own)
        if len(np.unique(rows)) < len(rows):
            part, rows = _least_rows(part, rows)
        place = np.full(len(whole), -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        for name in own:
            done[name] = pd.Series(part[name].array.take(place, allow_fill=True), index=whole.index)
    rest = coerce.pandas_columns("", whole[[]], {name: kind for name, kind in kinds.items() if name not in done})
    return pd.concat([whole, pd.DataFrame(done, index=whole.index), rest], axis=1)


def _least_rows(part: pd.DataFrame, numbers: Any) -> tuple[pd.DataFrame, Any]:
    """The least values per number. Texts are compared by their places in the alphabet: pandas does that much faster."""
    words: dict[str, Any] = {}
    plain = dict(part.items())
    for name, column in part.items():
        if column.dtype == "str":
            codes, words[str(name)] = pd.factorize(column, sort=True)
            plain[name] = pd.Series(codes, index=part.index, dtype="Int64").mask(codes < 0)
    found = pd.DataFrame(plain, index=part.index).groupby(numbers).min()
    rows = found.index.to_numpy()
    for name, texts in words.items():
        places = found[name].to_numpy("int64", na_value=-1)
        found[name] = texts.array.take(places, allow_fill=True)
    return found.reset_index(drop=True), rows


def words(source: Source, table: str, column: str) -> pd.DataFrame:
    """The different words of a column, null left out."""
    rows = source.table(table, [column], needed=())
    if source.engine == "duckdb":
        # Grouped: narwhals would number the rows of each word.
        native: Any = nw.to_native(rows)
        rows = _lazy(native.aggregate(coerce.quote(column), coerce.quote(column)))
    return source.collect(rows).drop_duplicates().dropna().reset_index(drop=True)


def once(source: Source, table: str) -> bool:
    """Whether every row of a table names a leg, and no two name the same; asked once."""
    question = ("once", table)
    if question not in source.known:
        key = ("conversation_id", "leg_id")
        told = not source.has_null(table, "leg_id")
        source.known[question] = told and not repeated(source, source.table(table, key, needed=()), key)
    return bool(source.known[question])


def repeated(source: Source, rows: Rows, by: Sequence[str]) -> bool:
    """Whether some keys stand on more than one row; now and then it says so of keys that do not."""
    native: Any = nw.to_native(rows.collect() if source.engine == "pandas" else rows)
    if source.engine == "pandas":
        return bool(native.duplicated(list(by)).any())
    # Hashes of keys take a tenth of the memory of the keys. The last key alone nearly always tells enough.
    return _same_hashes(source, native, by[-1:]) and (len(by) == 1 or _same_hashes(source, native, by))


def _same_hashes(source: Source, native: Any, names: Sequence[str]) -> bool:
    hashed = f"hash({', '.join(map(coerce.quote, names))})"
    counted = native.aggregate(f"count(*), count(distinct {hashed})")
    total, different = source.in_memory(counted.fetchall)[0]
    return bool(total > different)


def micros(source: Source, rows: Rows, names: Iterable[str]) -> Rows:
    """The rows with some instants as microseconds since 1970."""
    names = list(names)
    if not names:
        return rows
    if source.engine == "duckdb":
        native: Any = nw.to_native(rows)
        parts = (f"epoch_us({coerce.quote(name)}) as {coerce.quote(name)}" for name in names)
        return _lazy(native.project(f"* replace ({', '.join(parts)})"))
    frame = nw.to_native(rows.collect())
    counted = {}
    for name in names:
        values = frame[name].dt.tz_localize(None).to_numpy("datetime64[us]")
        counted[name] = pd.arrays.IntegerArray(values.view("int64").copy(), np.isnat(values))
    return _lazy(frame.assign(**counted))


def instants(source: Source, rows: Rows, names: Iterable[str]) -> Rows:
    """The rows with some counts of microseconds since 1970 as instants."""
    names = list(names)
    if not names:
        return rows
    if source.engine == "duckdb":
        native: Any = nw.to_native(rows)
        parts = (f"make_timestamptz({coerce.quote(name)}) as {coerce.quote(name)}" for name in names)
        return _lazy(native.project(f"* replace ({', '.join(parts)})"))
    frame = nw.to_native(rows.collect())
    never = np.iinfo("int64").min
    told = {}
    for name in names:
        values = frame[name].to_numpy("int64", na_value=never).view("datetime64[us]")
        told[name] = pd.DatetimeIndex(values).tz_localize("UTC").array
    return _lazy(frame.assign(**told))


def _lazy(native: Any) -> Rows:
    rows: Rows = nw.from_native(native).lazy()
    return rows


__all__ = ["Part", "instants", "least", "micros", "once", "repeated", "words"]
