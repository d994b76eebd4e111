"""Tables in memory, or in the files of a small folder: columns are converted when first needed, and cached.

>>> frame = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"]})
>>> table = PandasTable("hangups", frame)
>>> table.of_conversation("CON-2").read({"leg_id": str, "sip_code": int}).native
  leg_id  sip_code
0      b      <NA>
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.evaluate import TEXT
from conv_analytics.analysis.engine.memory_frame import MemoryFrame, arrow_type
from conv_analytics.tables import TABLES

CONVERSATION = "conversation_id"
_OFTEN = (CONVERSATION, "leg_id", "source", "at", "event_id")


class StoredTable(Protocol):
    """A table whose rows are, or fit, in memory."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it has."""

    def __len__(self) -> int:
        """Its rows."""

    def read(self, kinds: Mapping[str, Any]) -> MemoryFrame:
        """Some columns as their kinds; null where it lacks one."""

    def of_conversation(self, conversation_id: str) -> StoredTable:
        """The rows of one conversation."""

    def frame(self) -> pd.DataFrame:
        """All of it as a pandas frame."""


class PandasTable:
    """A table that is a pandas frame."""

    def __init__(self, name: str, frame: pd.DataFrame) -> None:
        self._name, self._frame = name, frame
        self._typed: dict[tuple[str, Any], Any] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it has."""
        return tuple(map(str, self._frame.columns))

    def __len__(self) -> int:
        return len(self._frame)

    def read(self, kinds: Mapping[str, Any]) -> MemoryFrame:
        """Some columns as their kinds; null where it lacks one."""
        for name, kind in kinds.items():
            if (name, kind) not in self._typed:
                self._typed[name, kind] = self._column(name, kind)
        return MemoryFrame({name: self._typed[name, kind] for name, kind in kinds.items()}, len(self))

    def _column(self, name: str, kind: Any) -> Any:
        if name not in self._frame.columns:
            return pa.nulls(len(self), arrow_type(kind))
        coerce.check_once(self._name, self.columns, (name,))
        try:
            plain = pa.array(self._frame[name].array, from_pandas=True)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            plain = None
        done = None if plain is None else as_it_is(plain, kind)
        # Anything beyond a cast of the same values, or invalid values, is left to pandas.
        return coerce.pandas_columns(self._name, self._frame, {name: kind})[name].array if done is None else done

    def of_conversation(self, conversation_id: str) -> PandasTable:
        """The rows of one conversation."""
        coerce.check_once(self._name, self.columns, (CONVERSATION,))
        return PandasTable(self._name, self._frame[_equal(self._frame[CONVERSATION], conversation_id)])

    def frame(self) -> pd.DataFrame:
        """All of it as a pandas frame."""
        return self._frame


def _equal(column: pd.Series[Any], value: str) -> Any:
    return (column == value).fillna(value=False).to_numpy(dtype=bool)


def as_it_is(column: Any, kind: Any) -> pa.Array | None:
    """A column that already has its kind, perhaps in another representation; None otherwise."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    wanted = arrow_type(kind)
    if pa.types.is_floating(wanted) and column.type in {pa.float32(), pa.float64()}:
        return _finite(column.cast(wanted))
    if column.type == wanted:
        return column
    values = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if wanted == TEXT and (pa.types.is_string(values) or pa.types.is_large_string(values)):
        return column.cast(TEXT)
    if not (pa.types.is_integer(column.type) and pa.types.is_int64(wanted)):
        return None
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:  # Unsigned, and above the range of int64.
        return None


def _finite(column: pa.Array) -> pa.Array:
    """NaN and infinity are null, as in tables of an export."""
    finite = pc.is_finite(column)
    return column if pc.all(finite).as_py() is not False else pc.if_else(finite, column, pa.scalar(None, column.type))


class FolderTable:
    """A table of a dataset; only the columns that are needed are read from its files."""

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset, self._name = dataset, name
        self._kinds = {column.name: column.kind for column in TABLES[name].columns}
        self._typed: dict[str, Any] = {}
        self._rows: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it has."""
        return tuple(self._kinds)

    def __len__(self) -> int:
        if self._rows is None:
            self.read({next(iter(self._kinds)): None})
        return self._rows or 0

    def read(self, kinds: Mapping[str, Any]) -> MemoryFrame:
        """Some columns as their kinds; null where it lacks one."""
        missing = [name for name in kinds if name in self._kinds and name not in self._typed]
        if missing:
            # Columns that most questions need are read as well: opening the files again takes longer.
            often = [name for name in _OFTEN if name in self._kinds and name not in (*self._typed, *missing)]
            missing += often
            rows = self._dataset.selected(self._name, missing)
            self._rows = len(rows)
            self._typed |= _typed(rows, self._kinds)
        done = {name: self._typed[name] if name in self._kinds else pa.nulls(len(self), arrow_type(kind))
                for name, kind in kinds.items()}  # fmt: skip
        return MemoryFrame(done, len(self))

    def of_conversation(self, conversation_id: str) -> ArrowTable:
        """The rows of one conversation."""
        return ArrowTable(self._name, self._dataset.of_conversation(self._name, conversation_id))

    def frame(self) -> pd.DataFrame:
        """All of it as a pandas frame."""
        frame: pd.DataFrame = self._dataset[self._name]
        return frame


class ArrowTable:
    """Some rows of a table of a dataset, as its files have them."""

    def __init__(self, name: str, rows: pa.Table) -> None:
        self._rows = rows
        self._kinds = {column.name: column.kind for column in TABLES[name].columns}
        self._typed = _typed(rows, self._kinds)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it has."""
        return tuple(self._typed)

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, kinds: Mapping[str, Any]) -> MemoryFrame:
        """Some columns as their kinds; null where it lacks one."""
        done = {name: self._typed[name] if name in self._typed else pa.nulls(len(self), arrow_type(kind))
                for name, kind in kinds.items()}  # fmt: skip
        return MemoryFrame(done, len(self))

    def of_conversation(self, conversation_id: str) -> ArrowTable:
        """The rows of one conversation: there are no others."""
        del conversation_id
        return self

    def frame(self) -> pd.DataFrame:
        """All of it as a pandas frame."""
        return self.read(self._kinds).native


def _typed(rows: pa.Table, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a dataset as their kinds; the day of the partition is left out."""
    typed: dict[str, Any] = {}
    for name in rows.column_names:
        if name in kinds:
            column = rows.column(name)
            if pa.types.is_decimal(column.type):
                # The nearest float, as Python converts it.
                values = [None if value is None else float(value) for value in column.to_pylist()]
                typed[name] = pa.array(values, pa.float64())
            else:
                plain = as_it_is(column, kinds[name])
                typed[name] = pc.cast(column, arrow_type(kinds[name])).combine_chunks() if plain is None else plain
    return typed


__all__ = ["CONVERSATION", "ArrowTable", "FolderTable", "PandasTable", "StoredTable", "as_it_is"]
