"""Rows in memory: pandas, Arrow, Polars, and the files of small folders.

>>> from conv_analytics.analysis.engine.stored_tables import PandasTable
>>> engine = MemoryEngine({"hangups": PandasTable("hangups", pd.DataFrame({"leg_id": ["a", "b"]}))})
>>> engine.collected(engine.sort(engine.read("hangups", {"leg_id": str}), ["leg_id"]))["leg_id"].to_list()
['a', 'b']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine import coerce, voice_rows
from conv_analytics.analysis.engine.engines.protocol import NoCache, Part
from conv_analytics.analysis.engine.expressions import Value
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from conv_analytics.analysis.engine.memory_merge import merged_frames
from conv_analytics.analysis.engine.stored_tables import PandasTable, StoredTable
from conv_analytics.tables import TABLES


class MemoryEngine(NoCache):
    """See `Engine`."""

    name = "pandas"
    in_memory = True

    def __init__(self, tables: Mapping[str, StoredTable]) -> None:
        self.tables = tables

    # Tables.

    def columns(self, table: str) -> tuple[str, ...]:
        """See `Engine`."""
        return tuple(map(str, self.tables[table].columns))

    def has_rows(self, table: str) -> bool:
        """See `Engine`."""
        return len(self.tables[table]) > 0

    def has_null(self, table: str, column: str) -> bool:
        """See `Engine`."""
        kinds = {each.name: each.kind for each in TABLES[table].columns}
        return bool(self.tables[table].read({column: kinds[column]}).arrow(column).null_count)

    def read(self, table: str, kinds: Mapping[str, Any], counting: Any = None) -> MemoryFrame:
        """See `Engine`."""
        stored = self.tables.get(table) if counting is None else PandasTable(table, counting)
        return (PandasTable(table, pd.DataFrame()) if stored is None else stored).read(kinds)

    def of_conversation(self, conversation_id: str) -> dict[str, StoredTable]:
        """See `Engine`."""
        return {
            name: table.of_conversation(conversation_id)
            for name, table in self.tables.items()
            if "conversation_id" in self.columns(name)
        }

    def has_voice_rows(self, table: str) -> bool:
        """See `Engine`."""
        return voice_rows.any_of_voice(self.tables[table].read({"source": str}).native)

    def counting_rows(self, table: str, about: Sequence[str], legs: Sequence[str]) -> pd.DataFrame:
        """See `Engine`."""
        of_legs = [self.tables[name].frame() for name in legs]
        return voice_rows.counting_frame(self.tables[table].frame(), about, of_legs)

    # Frames: in, and out.

    def frame(self, native: Any) -> MemoryFrame:
        """See `Engine`."""
        return native if isinstance(native, MemoryFrame) else MemoryFrame.of(native)

    def native(self, frame: MemoryFrame) -> pd.DataFrame:
        """See `Engine`."""
        return frame.native

    def answer(self, frame: MemoryFrame, kinds: Mapping[str, Any]) -> pd.DataFrame:
        """See `Engine`."""
        return coerce.with_answer_dtypes(self.collected(frame), kinds)

    def of_pandas(self, frame: pd.DataFrame) -> pd.DataFrame:
        """See `Engine`."""
        return frame

    def collected(self, frame: MemoryFrame) -> pd.DataFrame:
        """See `Engine`."""
        return frame.native.reset_index(drop=True)

    def memory_frame(self, frame: MemoryFrame) -> MemoryFrame:
        """See `Engine`."""
        return frame

    def batches(self, frame: MemoryFrame, size: int) -> Iterator[pd.DataFrame]:
        """See `Engine`."""
        del size
        yield coerce.with_answer_dtypes(self.collected(frame), {})

    def distinct(self, frame: MemoryFrame, column: str) -> list[Any]:
        """See `Engine`."""
        return frame.distinct(column)

    def repeats(self, frame: MemoryFrame, by: Sequence[str]) -> bool:
        """See `Engine`."""
        return frame.repeats(by)

    def any_with_several(self, frames: Sequence[MemoryFrame], key: str, of: str) -> bool:
        """See `Engine`."""
        pairs = self.concat([frame.select(key, of) for frame in frames])
        return pairs.unique(None, keep="any", order_by=None).repeats([key])

    # Frames: steps.

    def group(self, frame: MemoryFrame, by: Sequence[str], aggregates: Sequence[nw.Expr]) -> MemoryFrame:
        """See `Engine`."""
        return frame.group(by, aggregates)

    def sort(self, frame: MemoryFrame, by: Sequence[str]) -> MemoryFrame:
        """See `Engine`."""
        return frame.sort(by)

    def concat(self, frames: Sequence[MemoryFrame]) -> MemoryFrame:
        """See `Engine`."""
        return MemoryFrame.concat(frames)

    def column_names(self, frame: MemoryFrame) -> list[str]:
        """See `Engine`."""
        return frame.columns

    def with_micros(self, frame: MemoryFrame, names: Mapping[str, str]) -> MemoryFrame:
        """See `Engine`."""
        return frame.with_micros(names)

    def with_instants(self, frame: MemoryFrame, names: Sequence[str]) -> MemoryFrame:
        """See `Engine`."""
        return frame.with_instants(names)

    def with_nulls(self, frame: MemoryFrame, kinds: Mapping[str, Any]) -> MemoryFrame:
        """See `Engine`."""
        nothing = pd.DataFrame(index=pd.RangeIndex(len(frame)))
        nulls = coerce.pandas_columns("", nothing, kinds)
        return frame.assign({str(name): series.array for name, series in nulls.items()})

    def with_values(self, frame: MemoryFrame, columns: Sequence[str], values: Mapping[str, Value]) -> MemoryFrame:
        """See `Engine`."""
        plain = [value.alias(name) for name, value in values.items() if isinstance(value, nw.Expr)]
        # The choices read the rows before the computed columns.
        picked = {
            name: value.pick(frame.conditions_met(value.conditions)).array
            for name, value in values.items()
            if not isinstance(value, nw.Expr)
        }
        done = frame.select(*columns, *plain)
        return done.assign(picked) if picked else done

    def merge_by_key(
        self, parts: Sequence[Part], by: Sequence[str], kinds: Mapping[str, Any], *, with_keys: bool
    ) -> MemoryFrame:
        """See `Engine`."""
        del with_keys
        return merged_frames([part.frame for part in parts], by, kinds)

    def materialized(self, frame: MemoryFrame) -> MemoryFrame:
        """See `Engine`."""
        return frame

    def checkpointed(self, frame: MemoryFrame) -> MemoryFrame:
        """See `Engine`."""
        return frame


__all__ = ["MemoryEngine"]
