"""The interface of an engine to questions: it reads the tables as they were passed, and works on frames.

A table is what a caller passed under a name; a frame is a query so far: a `MemoryFrame`, or a lazy frame of narwhals.
Steps that both have under the same name (``select``, ``with_columns``, ``filter``, ``join``, ``unique``, ``rename``,
``drop``) are called on the frame itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.expressions import Value
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from conv_analytics.analysis.engine.stored_tables import StoredTable

T = TypeVar("T")
Frame = nw.LazyFrame[Any] | MemoryFrame


class Part(NamedTuple):
    """The rows of one table, to be merged with those of others.

    Attributes
    ----------
    frame
        The keys, and columns that no other part has.
    unique
        Whether no key occurs on two rows: nothing has to be grouped then.
    """

    frame: Any
    unique: bool = False


class Engine(Protocol):
    """Tables of one kind, and the engine that works on them."""

    @property
    def name(self) -> str:
        """``pandas``, ``duckdb`` or ``spark``."""

    @property
    def in_memory(self) -> bool:
        """Whether frames are `MemoryFrame`, and answers sorted."""

    @property
    def tables(self) -> Mapping[str, Any]:
        """The tables by name."""

    # Tables.

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of an existing table."""

    def has_rows(self, table: str) -> bool:
        """Whether an existing table has rows."""

    def has_null(self, table: str, column: str) -> bool:
        """Whether a column of a table has a null, or is missing though there are rows."""

    def read(self, table: str, kinds: Mapping[str, Any], counting: Any = None) -> Any:
        """Some columns of a table as their kinds, null where it lacks one; read from `counting` instead, if given."""

    def of_conversation(self, conversation_id: str) -> dict[str, StoredTable]:
        """The rows of one conversation, in memory, of each table with conversation ids."""

    def has_voice_rows(self, table: str) -> bool:
        """Whether a table that has a column ``source`` has rows of Voice events."""

    def counting_rows(self, table: str, about: Sequence[str], legs: Sequence[str]) -> Any:
        """A table without the rows of Voice events that do not count; see `voice_rows`."""

    # Frames: in, and out.

    def frame(self, native: Any) -> Any:
        """A native frame (of pandas, a relation, a Spark frame) in the form that the steps below take."""

    def native(self, frame: Any) -> Any:
        """The native frame."""

    def answer(self, frame: Any, kinds: Mapping[str, Any]) -> Any:
        """The native frame, with whole numbers of the declared type; `kinds` are those of its columns."""

    def of_pandas(self, frame: pd.DataFrame) -> Any:
        """A small pandas frame as a native one, to be joined with others or returned as an answer."""

    def collected(self, frame: Any) -> pd.DataFrame:
        """A frame as pandas."""

    def memory_frame(self, frame: Any) -> MemoryFrame:
        """A frame in memory."""

    def batches(self, frame: Any, size: int) -> Iterator[pd.DataFrame]:
        """A frame as pandas, whole conversations at a time, each batch of about `size` rows or less; at least one."""

    def distinct(self, frame: Any, column: str) -> list[Any]:
        """The distinct values of a column without null, in no order."""

    def repeats(self, frame: Any, by: Sequence[str]) -> bool:
        """Whether some keys occur on more than one row; may be wrong, but only when true."""

    def any_with_several(self, frames: Sequence[Any], key: str, of: str) -> bool:
        """Whether a key that is not null occurs with several values of another column, in all frames together."""

    # Frames: steps.

    def group(self, frame: Any, by: Sequence[str], aggregates: Sequence[nw.Expr]) -> Any:
        """One row per group, with its aggregates."""

    def sort(self, frame: Any, by: Sequence[str]) -> Any:
        """The rows sorted, nulls last."""

    def concat(self, frames: Sequence[Any]) -> Any:
        """The rows of frames with the same columns."""

    def column_names(self, frame: Any) -> list[str]:
        """Names of the columns."""

    def with_micros(self, frame: Any, names: Mapping[str, str]) -> Any:
        """The rows with microseconds since 1970 of some instants, each under a new name or in place."""

    def with_instants(self, frame: Any, names: Sequence[str]) -> Any:
        """The rows with some columns of microseconds since 1970 as instants."""

    def with_nulls(self, frame: Any, kinds: Mapping[str, Any]) -> Any:
        """The rows with further columns of nulls."""

    def with_values(self, frame: Any, columns: Sequence[str], values: Mapping[str, Value]) -> Any:
        """Some columns of the rows, and computed ones."""

    def merge_by_key(
        self, parts: Sequence[Part], by: Sequence[str], kinds: Mapping[str, Any], *, with_keys: bool
    ) -> Any:
        """One row per key that any part has: see `merge_by_key.merge_by_key`."""

    def materialized(self, frame: Any) -> Any:
        """The rows, computed once where that is allowed and worth it, because they are read more than once."""

    def checkpointed(self, frame: Any) -> Any:
        """The rows without the query that makes them, where an engine then plans later steps much faster."""

    # The cache between questions.

    @property
    def has_cache(self) -> bool:
        """Whether there is a folder for a cache."""

    def cached(self, kind: str, about: Mapping[str, Any], columns: Collection[str], make: Callable[[], Any]) -> Any:
        """A native frame from the cache, computed and stored first if need be; None without a cache."""

    def columns_to_cache(
        self, kind: str, about: Mapping[str, Any], columns: Collection[str], everything: Collection[str]
    ) -> Collection[str]:
        """The columns that `cached` should compute for those wanted: more of them where they are often requested."""

    def cached_frame(self, kind: str, about: Mapping[str, Any], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A pandas frame from the cache, computed and stored first if need be; computed every time without a cache."""


class NoCache:
    """An engine without a cache, because it has no folder."""

    @property
    def has_cache(self) -> bool:
        """Always false: there is no folder."""
        return False

    def cached(self, kind: str, about: Mapping[str, Any], columns: Collection[str], make: Callable[[], Any]) -> Any:
        """None: nothing is cached."""
        del kind, about, columns, make

    def columns_to_cache(
        self, kind: str, about: Mapping[str, Any], columns: Collection[str], everything: Collection[str]
    ) -> Collection[str]:
        """The columns wanted."""
        del kind, about, everything
        return columns

    def cached_frame(self, kind: str, about: Mapping[str, Any], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The frame, computed every time."""
        del kind, about
        return make()


__all__ = ["Engine", "Frame", "NoCache", "Part"]
