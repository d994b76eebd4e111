"""The types of the data that a question takes, and of the frame that it returns.

pandas in, pandas out; relations, and tables of other libraries, come back as the same kind. `question` returns the
function unchanged: all of this is for type checkers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, cast, overload

import pandas as pd

from conv_analytics.analysis.engine.dimensions import EnrichedData
from conv_analytics.analysis.engine.source import Source

P = ParamSpec("P")


class Frame(Protocol):
    """A DataFrame of pandas, Polars or Spark, a pyarrow Table, or a DuckDB relation."""

    @property
    def columns(self) -> Any:
        """Its columns."""


FrameT = TypeVar("FrameT", bound=Frame)
FrameT_co = TypeVar("FrameT_co", bound=Frame, covariant=True)


class DatasetLike(Protocol):
    """An export folder, as `conv_analytics.open_dataset` opens it: DuckDB reads it, and answers are pandas frames."""

    @property
    def tables(self) -> Sequence[str]:
        """Names of its tables."""

    def duckdb(self) -> Any:
        """A connection with a view of each table."""


class Connection(Protocol[FrameT_co]):
    """A DuckDB connection with the tables of an export: answers are relations of it."""

    def table(self, table_name: str, /) -> FrameT_co:
        """One of its tables."""


#: Input of a question: a `Dataset`, `Frames`, a mapping of table name to frame, one frame (of pandas, Polars, Spark,
#: pyarrow, a DuckDB relation), a DuckDB connection, or the result of `enrich` for tables.
Data: TypeAlias = DatasetLike | Mapping[str, Frame] | Frame | Connection[Frame] | EnrichedData


class Question(Protocol[P]):
    """A function that takes data first, and returns a frame of the same kind."""

    __name__: str

    @overload
    def __call__(self, data: Source | EnrichedData, /, *args: P.args, **options: P.kwargs) -> Any: ...
    @overload
    def __call__(
        self, data: pd.DataFrame | Mapping[str, pd.DataFrame] | DatasetLike, /, *args: P.args, **options: P.kwargs
    ) -> pd.DataFrame: ...
    @overload
    def __call__(
        self, data: Mapping[str, FrameT] | Connection[FrameT], /, *args: P.args, **options: P.kwargs
    ) -> FrameT: ...
    @overload
    def __call__(self, data: FrameT, /, *args: P.args, **options: P.kwargs) -> FrameT: ...


def question(function: Callable[Concatenate[Any, P], Any]) -> Question[P]:
    """Declare that a function returns a frame of the same kind as its data.

    >>> question(len) is len
    True
    """
    return cast("Question[P]", function)


__all__ = ["Data", "DatasetLike", "Frame", "Question", "question"]
