"""Answers that were swept in memory, back in the caller's kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.source import SINGLE, Source
from conv_analytics.tables.column import Column


def give_rows(source: Source, parts: Iterable[pd.DataFrame], columns: Sequence[Column], by: Sequence[str]) -> Any:
    """Parts of an answer as one, its columns as declared, in the caller's kind."""
    kinds = {column.name: column.kind for column in columns}
    # One by one: of a part that was swept, only the columns of the answer stay in memory.
    typed = [coerce.pandas_columns("the answer", part, kinds) for part in parts]
    whole = pd.concat(typed, ignore_index=True) if typed else coerce.pandas_columns("", pd.DataFrame(), kinds)
    typed.clear()
    whole = whole.sort_values(list(by), kind="stable", ignore_index=True)
    if source.gives == "duckdb":
        tables = source.tables or (SINGLE,)
        return nw.to_native(source.lazy(whole, source.any(tables[0])))
    return whole if source.gives == "pandas" else coerce.from_pandas(whole, source.gives)


__all__ = ["give_rows"]
