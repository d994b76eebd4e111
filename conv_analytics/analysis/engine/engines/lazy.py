"""The base of engines that speak SQL: lazy frames of narwhals, and the few operations that narwhals lacks.

An engine provides its SQL (`SqlWords`) and the primitives of its native frames; everything that questions need is built
on them.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import narwhals as nw
import pandas as pd
import pyarrow as pa

from conv_analytics.analysis.engine import coerce, voice_rows
from conv_analytics.analysis.engine.engines.protocol import NoCache, Part
from conv_analytics.analysis.engine.engines.sql_values import SqlValue
from conv_analytics.analysis.engine.engines.sql_words import SqlWords
from conv_analytics.analysis.engine.expressions import Value
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from conv_analytics.analysis.engine.stored_tables import PandasTable, StoredTable

T = TypeVar("T")

_HASH = "conv_analytics_hash"
_CONVERSATION = "conversation_id"
_NUMBERS = (int, float, Decimal)
#: Prefixes of the types that can be cast to numbers on one engine or another, but are none.
_NO_NUMBERS = ("interval", "timestamp", "date", "time")


class LazyEngine(NoCache, ABC):
    """See `Engine`; `tables` are native frames."""

    name: str
    words: SqlWords
    in_memory = False

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables

    # Primitives of each engine.

    def run(self, step: Callable[[], T]) -> T:
        """Run a computation; errors become those of this package."""
        return step()

    @abstractmethod
    def project(self, native: Any, columns: Sequence[str]) -> Any:
        """Columns of a native frame, given as SQL expressions."""

    @abstractmethod
    def where(self, native: Any, condition: str) -> Any:
        """The rows of a native frame for which a condition in SQL holds."""

    @abstractmethod
    def types(self, native: Any) -> dict[str, str]:
        """The columns of a native frame, and their types as SQL names them."""

    @abstractmethod
    def arrow(self, native: Any) -> pa.Table:
        """A native frame as Arrow."""

    @abstractmethod
    def of_arrow(self, table: pa.Table) -> Any:
        """An Arrow table as a native frame, to be joined with others or returned as an answer."""

    @abstractmethod
    def arrow_batches(self, frame: Any, size: int) -> Iterator[pa.RecordBatch]:
        """A frame as Arrow, some rows at a time; at least one batch, which may have none."""

    @abstractmethod
    def outer_join(self, native: Any, other: Any, keys: Sequence[str]) -> Any:
        """The rows of both, joined where keys are the same."""

    @abstractmethod
    def joined_where(self, frame: Any, table: pa.Table, condition: str) -> Any:
        """The rows, ``r``, joined (left) with a small table, ``m``, by a condition in SQL; no column is in both."""

    @abstractmethod
    def materialized(self, frame: Any) -> Any:
        """See `Engine`."""

    def checkpointed(self, frame: Any) -> Any:
        """See `Engine`."""
        return frame

    def grouped_apart(self, frame: Any) -> Any:
        """Groups for a later join; computed now where that saves memory."""
        return frame

    def cast(self, value: str, actual: str, target: str) -> str:
        """A value as another type; raises if it cannot be converted."""
        del actual
        return f"cast({value} as {target})"

    # Tables.

    def columns(self, table: str) -> tuple[str, ...]:
        """See `Engine`."""
        return tuple(map(str, self.tables[table].columns))

    def has_rows(self, table: str) -> bool:
        """See `Engine`."""
        return self._any(self.frame(self.tables[table]))

    def has_null(self, table: str, column: str) -> bool:
        """See `Engine`."""
        # The statistics of a Parquet file may show that there is none: nothing is read then.
        frame = self.frame(self.tables[table])
        return self._any(frame.filter(nw.col(column).is_null()) if column in self.columns(table) else frame)

    def _any(self, frame: Any) -> bool:
        """Whether there is a row."""
        one = self.frame(self.project(self.native(frame), ["1 as one"])).head(1)
        return bool(self.arrow(self.native(one)).num_rows)

    def any_table(self) -> Any:
        """A table as it came, as the base for others."""
        return next(iter(self.tables.values()))

    def read(self, table: str, kinds: Mapping[str, Any], counting: Any = None) -> Any:
        """See `Engine`."""
        native = self.tables.get(table) if counting is None else counting
        if native is None:
            native = self.native(self.frame(self.any_table()).head(0))
        return self.typed(table, native, kinds, reading=True)

    def typed(self, table: str, native: Any, kinds: Mapping[str, Any], *, reading: bool = False) -> Any:
        """Some columns of a native frame, as their kinds; null where it lacks one."""
        there, words = self.types(native), self.words
        if reading:
            coerce.check_once(table, list(map(str, native.columns)), kinds)
        parts = []
        for name, kind in kinds.items():
            quoted, actual = words.quote(name), there.get(name)
            if actual is None:
                parts.append(words.null(name, kind))
                continue
            value = self._typed_value(table, name, actual, kind, reading=reading)
            parts.append(quoted if value == quoted else f"{value} as {quoted}")
        return self.project(native, parts)

    def with_typed(self, table: str, columns: Mapping[str, tuple[str, Any]]) -> Any:
        """A table as it came, with some of its columns once more: the name, kind and new name of each."""
        native, quote = self.tables[table], self.words.quote
        there = self.types(native)
        more = [
            f"{self._typed_value(table, name, there[name], kind, reading=True)} as {quote(new)}"
            for new, (name, kind) in columns.items()
        ]
        return self.project(native, ["*", *more])

    def _typed_value(self, table: str, name: str, actual: str, kind: Any, *, reading: bool) -> str:
        """A column as its kind; of a caller's column, NaN is null."""
        words = self.words
        wanted, value = words.type_of(kind), words.quote(name)
        if kind is datetime and actual not in {wanted, words.untyped}:
            raise coerce.no_instants(table, name, actual, naive=actual.startswith(words.instants))
        if kind in _NUMBERS and actual.lower().startswith(_NO_NUMBERS):
            raise coerce.no_numbers(table, name, actual, f"in SQL: {words.seconds.format(value)} as {value}")
        if actual == wanted == words.text:
            return value
        if wanted == words.text and (actual in words.floats or actual.upper().startswith("DECIMAL")):
            known = f"case when isnan({value}) then null else {value} end" if actual in words.floats else value
            return self._text_of_number(known if reading else value)
        if reading and kind is not datetime:
            return SqlValue(words, self.cast, f"Column {name!r} of {table}", value, actual).read(kind)
        if actual == wanted:
            return value
        return self.cast(value, actual, wanted)

    def _text_of_number(self, value: str) -> str:
        """A number as text; whole ones, such as phone numbers with gaps among them, without a decimal point."""
        whole = f"{value} = floor({value}) and abs({value}) < {2**53}"
        integer = f"try_cast({value} as {self.words.type_of(int)})"
        text = self.words.text
        return f"case when {whole} then cast({integer} as {text}) else cast({value} as {text}) end"

    def of_conversation(self, conversation_id: str) -> dict[str, StoredTable]:
        """See `Engine`."""
        return {
            name: PandasTable(name, coerce.to_pandas(self._rows_of(name, conversation_id)))
            for name in self.tables
            if _CONVERSATION in self.columns(name)
        }

    def _rows_of(self, table: str, conversation_id: str) -> pa.Table:
        coerce.check_once(table, self.columns(table), self.columns(table))
        rows = self.frame(self.tables[table]).filter(nw.col(_CONVERSATION) == nw.lit(conversation_id))
        return self.arrow(self.native(rows))

    def has_voice_rows(self, table: str) -> bool:
        """See `Engine`."""
        return self._any(self.frame(self.tables[table]).filter(voice_rows.is_of_voice()))

    def counting_rows(self, table: str, about: Sequence[str], legs: Sequence[str]) -> Any:
        """See `Engine`."""
        frame = self.frame(self.tables[table])
        mine = voice_rows.counting_lazy(frame, about, [self.frame(self.tables[name]) for name in legs])
        others = frame.filter(~voice_rows.is_of_voice())
        return self.native(nw.concat([others, self.grouped_apart(mine)], how="vertical"))

    # Frames: in, and out.

    def frame(self, native: Any) -> Any:
        """See `Engine`."""
        return nw.from_native(native).lazy()

    def native(self, frame: Any) -> Any:
        """See `Engine`."""
        return nw.to_native(frame)

    def answer(self, frame: Any, kinds: Mapping[str, Any]) -> Any:
        """See `Engine`: sums of DuckDB have 128 bits, which Arrow turns into decimals."""
        native, quote, whole = self.native(frame), self.words.quote, self.words.type_of(int)
        there = self.types(native)
        wrong = {name for name, actual in there.items() if kinds.get(name) is int and actual != whole}
        columns = [
            f"cast({quote(name)} as {whole}) as {quote(name)}" if name in wrong else quote(name) for name in there
        ]
        return self.project(native, columns) if wrong else native

    def of_pandas(self, frame: pd.DataFrame) -> Any:
        """See `Engine`."""
        return self.of_arrow(pa.Table.from_pandas(frame, preserve_index=False))

    def collected(self, frame: Any) -> pd.DataFrame:
        """See `Engine`."""
        return coerce.from_arrow(self.arrow(self.native(frame)))

    def memory_frame(self, frame: Any) -> MemoryFrame:
        """See `Engine`."""
        return MemoryFrame.of(self.collected(frame))

    def batches(self, frame: Any, size: int) -> Iterator[pd.DataFrame]:
        """See `Engine`."""
        for batch in self.parts(frame, size):
            yield coerce.with_answer_dtypes(self.collected(batch), {})

    def parts(self, frame: Any, size: int) -> Iterator[Any]:
        """The rows in parts that split no conversation, each of about `size` rows."""
        hashed = self.ordered_by_hash(self._hashed(frame, (_CONVERSATION,), _HASH), _HASH)
        count = int(self.arrow(self.native(hashed.select(nw.len().alias("rows"))))["rows"][0].as_py())
        parts = count // size + 1
        least, most = self.words.least_hash, self.words.most_hash + 1
        edges = [least + (most - least) * part // parts for part in range(parts + 1)]
        for low, high in itertools.pairwise(edges):
            part = self.native(hashed)
            part = self.where(part, f"{_HASH} between {low} and {high - 1}") if parts > 1 else part
            yield self.frame(part).drop(_HASH)

    def ordered_by_hash(self, frame: Any, column: str) -> Any:
        """The rows, arranged for fast reading of a range of hashes."""
        del column
        return frame

    def distinct(self, frame: Any, column: str) -> list[Any]:
        """See `Engine`."""
        # Grouped: narwhals would number the rows of each value.
        rows = frame.group_by(column).agg(nw.len().alias("conv_analytics_rows")).select(column)
        return self.collected(rows)[column].drop_duplicates().dropna().to_list()

    def repeats(self, frame: Any, by: Sequence[str]) -> bool:
        """See `Engine`."""
        # Hashes take a tenth of the memory of the keys. The last key alone is nearly always enough.
        return self._same_hashes(frame, by[-1:]) and (len(by) == 1 or self._same_hashes(frame, by))

    def _same_hashes(self, frame: Any, names: Sequence[str]) -> bool:
        hashed = self._hashed(frame.select(*names), names, _HASH)
        counted = hashed.select(nw.len().alias("rows"), nw.col(_HASH).n_unique().alias("different"))
        numbers = self.arrow(self.native(counted)).to_pylist()[0]
        # Without rows, DuckDB's number of distinct keys is null.
        return bool(numbers["rows"] > (numbers["different"] or 0))

    def any_with_several(self, frames: Sequence[Any], key: str, of: str) -> bool:
        """See `Engine`."""
        # Hashes of ids: the ids themselves would take ten times the memory.
        parts = [
            self.project(self.native(frame), [f"{self._hash_of((name,))} as {name}" for name in (key, of)])
            for frame in frames
        ]
        values = nw.concat([self.frame(part) for part in parts], how="vertical").group_by(key)
        ends = values.agg(nw.col(of).min().alias("least"), nw.col(of).max().alias("most"))
        return self._any(ends.filter(nw.col("least") != nw.col("most")))

    def _hash_of(self, names: Sequence[str]) -> str:
        return self.words.hashed.format(", ".join(map(self.words.quote, names)))

    def _hashed(self, frame: Any, names: Sequence[str], into: str) -> Any:
        """The rows with a hash of some columns."""
        return self.frame(
            self.project(self.native(frame), ["*", f"{self._hash_of(names)} as {self.words.quote(into)}"])
        )

    # Frames: steps.

    def group(self, frame: Any, by: Sequence[str], aggregates: Sequence[nw.Expr]) -> Any:
        """See `Engine`."""
        return frame.group_by(*by).agg(*aggregates)

    def sort(self, frame: Any, by: Sequence[str]) -> Any:
        """See `Engine`."""
        return frame.sort(*by, nulls_last=True)

    def concat(self, frames: Sequence[Any]) -> Any:
        """See `Engine`."""
        return nw.concat(list(frames), how="vertical")

    def column_names(self, frame: Any) -> list[str]:
        """See `Engine`."""
        names: list[str] = frame.columns
        return names

    def with_micros(self, frame: Any, names: Mapping[str, str]) -> Any:
        """See `Engine`.

        Not by subtraction: DuckDB subtracts instants in its session's local time, where clocks may change in between.
        Differences of microseconds are exact on every engine.
        """
        return self._computed(frame, names, self.words.micros)

    def with_instants(self, frame: Any, names: Sequence[str]) -> Any:
        """See `Engine`."""
        return self._computed(frame, {name: name for name in names}, self.words.instant)

    def _computed(self, frame: Any, names: Mapping[str, str], sql: str) -> Any:
        """The rows with converted columns, each under a new name or in place."""
        if not names:
            return frame
        quote = self.words.quote
        new = {target: f"{sql.format(quote(name))} as {quote(target)}" for name, target in names.items()}
        there = self.column_names(frame)
        columns = [new.pop(name, quote(name)) for name in there]
        return self.frame(self.project(self.native(frame), [*columns, *new.values()]))

    def with_nulls(self, frame: Any, kinds: Mapping[str, Any]) -> Any:
        """See `Engine`."""
        nulls = [self.words.null(name, kind) for name, kind in kinds.items()]
        return self.frame(self.project(self.native(frame), ["*", *nulls]))

    def with_values(self, frame: Any, columns: Sequence[str], values: Mapping[str, Value]) -> Any:
        """See `Engine`."""
        plain = {name: value for name, value in values.items() if isinstance(value, nw.Expr)}
        choices = {name: value.expr() for name, value in values.items() if not isinstance(value, nw.Expr)}
        return frame.select(*columns, *(value.alias(name) for name, value in (plain | choices).items()))

    def merge_by_key(
        self, parts: Sequence[Part], by: Sequence[str], kinds: Mapping[str, Any], *, with_keys: bool
    ) -> Any:
        """See `Engine`."""
        keys = dict.fromkeys(by, str)
        using = [name if with_keys else f"hash of {name}" for name in keys]
        whole: Any = None
        for part in sorted(parts, key=lambda part: not part.unique):
            names = [name for name in self.column_names(part.frame) if name not in keys]
            native = self.typed("", self.native(part.frame), keys | {name: kinds[name] for name in names})
            if not with_keys:
                hashes = [f"{self._hash_of((name,))} as {self.words.quote(f'hash of {name}')}" for name in keys]
                native = self.project(native, [*hashes, *map(self.words.quote, names)])
            if not part.unique:
                # Grouped separately: while tables are joined, the groups would take as much memory once more.
                least = self.group(self.frame(native), using, [nw.col(name).min() for name in names])
                native = self.native(self.grouped_apart(least))
            # Tables with a row per leg are joined as they are: a union of all tables, grouped, would carry every
            # column of every table through a hash table of long texts.
            whole = native if whole is None else self.outer_join(whole, native, using)
        frame = self.frame(whole)
        missing = {name: kind for name, kind in kinds.items() if name not in self.column_names(frame)}
        frame = self.with_nulls(frame, missing) if missing else frame
        return frame.select(*(keys if with_keys else ()), *kinds)


__all__ = ["LazyEngine"]
