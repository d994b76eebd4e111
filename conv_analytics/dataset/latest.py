"""Which rows of a table are the latest of their keys, for tables that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from conv_analytics.dataset.keys import hashes
from conv_analytics.tables.column import Table

#: A pass compares so many rows at a time; a larger table takes more passes.
PASS_ROWS = 2_000_000

_ROW, _SOURCE = "row", "source"


def latest_rows(table: Table, sources: Sequence[Iterable[pa.Table]], rows: int) -> list[Any]:
    """Per source, which of its rows are the latest of their keys: of equally late ones the last.

    Parameters
    ----------
    table
        One with a column `latest`.
    sources
        The rows, each source as batches that can be gone through several times. Oldest first.
    rows
        How many rows the sources have.

    Examples
    --------
    >>> from conv_analytics.tables import TABLES
    >>> made = [{"user_id": "USR-1", "name": name} for name in ("earlier", "later")]
    >>> sources = [[pa.Table.from_pylist([row], schema=TABLES["users"].schema)] for row in made]
    >>> [mask.tolist() for mask in latest_rows(TABLES["users"], sources, 2)]
    [[False], [True]]
    """
    assert table.latest is not None
    key = list(table.key)
    masks = [np.zeros(sum(len(batch) for batch in source), dtype=bool) for source in sources]
    passes = max(1, -(-rows // PASS_ROWS))
    for turn in range(passes):
        parts = list(_part(sources, [*key, table.latest], key, turn, passes))
        if not parts:
            continue
        # Compared in full, not by their hashes: a row that loses is dropped.
        found = pa.concat_tables(parts).to_pandas().sort_values(table.latest, kind="stable")
        winners = found.drop_duplicates(key, keep="last")
        for source, mine in winners.groupby(_SOURCE)[_ROW]:
            masks[int(str(source))][mine.to_numpy()] = True
    return masks


def _part(
    sources: Sequence[Iterable[pa.Table]], columns: list[str], key: list[str], turn: int, passes: int
) -> Iterator[pa.Table]:
    """Keys whose turn it is, with their places."""
    for number, source in enumerate(sources):
        first = 0
        for batch in source:
            rows = batch.select(columns)
            places = np.arange(first, first + len(batch))
            first += len(batch)
            if passes > 1:
                mine = hashes(rows.select(key)) % np.uint64(passes) == turn
                rows, places = rows.filter(pa.array(mine)), places[mine]
            yield rows.append_column(_ROW, pa.array(places)).append_column(
                _SOURCE, pa.repeat(pa.scalar(number), len(places))
            )
