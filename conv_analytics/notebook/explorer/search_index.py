"""A search index of a text column: each distinct text is searched once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.notebook.explorer.facet import Rows


class SearchIndex:
    """The displayed texts of a column, in lower case.

    Parameters
    ----------
    column
        Texts, numbers or nulls.
    display
        Formats its distinct values; they are shown unchanged when absent.

    Examples
    --------
    >>> words = SearchIndex(pd.Series(["447700900123", None, "Anonymous"], dtype="str"))
    >>> words.containing("anon").tolist(), words.containing("0012").tolist()
    ([False, False, True], [True, False, False])
    """

    def __init__(self, column: pd.Series, display: Callable[[Iterable[str]], list[str]] | None = None) -> None:
        self._places, values = pd.factorize(column.astype("str"))
        texts = values if display is None else display(values.tolist())
        self._texts = pc.utf8_lower(pa.array(texts, type=pa.large_string()))

    def containing(self, part: str) -> Rows:
        """The rows whose text contains a part."""
        hits = pc.match_substring(self._texts, part).to_numpy(zero_copy_only=False)
        # A null has the position -1: the last.
        rows: Rows = np.append(hits, False)[self._places].astype(bool)
        return rows


__all__ = ["SearchIndex"]
