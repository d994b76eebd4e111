"""Find the latest row of each key, in tables that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from conv_analytics.dataset.maintenance.key_scan import hashes
from conv_analytics.tables.column import Table

#: Maximum number of rows that a pass compares; a larger table takes more passes.
PASS_ROWS = 2_000_000

_ROW, _SOURCE, _RUN = "row", "source", "run"


class RunRows(NamedTuple):
    """Rows of one run."""

    run: int
    """The number of its commit."""
    batches: Iterable[pa.Table]
    """May be iterated several times."""


def latest_rows(table: Table, sources: Sequence[RunRows], rows: int) -> list[Any]:
    """For each source, which of its rows are the latest of their keys.

    A later run saw the later state, whatever its clock said; within a run the later instant wins, then the last row.

    Parameters
    ----------
    table
        A table with a column `latest`.
    sources
        The rows, by run.
    rows
        Total number of rows of the sources.

    Examples
    --------
    >>> from conv_analytics.tables import TABLES
    >>> made = [{"user_id": "USR-1", "name": name} for name in ("earlier", "later")]
    >>> batches = [[pa.Table.from_pylist([row], schema=TABLES["users"].schema)] for row in made]
    >>> [mask.tolist() for mask in latest_rows(TABLES["users"], [RunRows(2, batches[1]), RunRows(1, batches[0])], 2)]
    [[True], [False]]
    """
    assert table.latest is not None
    key = list(table.key)
    masks = [np.zeros(sum(len(batch) for batch in source.batches), dtype=bool) for source in sources]
    passes = max(1, -(-rows // PASS_ROWS))
    for turn in range(passes):
        parts = list(_part(sources, [*key, table.latest], key, turn, passes))
        if not parts:
            continue
        # Compared in full, not by their hashes: a row that loses is dropped.
        ordered = pa.concat_tables(parts).to_pandas().sort_values([_RUN, table.latest], kind="stable")
        winners = ordered.drop_duplicates(key, keep="last")
        for source, mine in winners.groupby(_SOURCE)[_ROW]:
            masks[int(str(source))][mine.to_numpy()] = True
    return masks


def _part(sources: Sequence[RunRows], columns: list[str], key: list[str], turn: int, passes: int) -> Iterator[pa.Table]:
    """The keys that this pass compares, with source, run and row."""
    for number, source in enumerate(sources):
        first = 0
        for batch in source.batches:
            rows = batch.select(columns)
            numbers = np.arange(first, first + len(batch))
            first += len(batch)
            if passes > 1:
                mine = hashes(rows.select(key)) % np.uint64(passes) == turn
                rows, numbers = rows.filter(pa.array(mine)), numbers[mine]
            for name, value in ((_SOURCE, number), (_RUN, source.run)):
                rows = rows.append_column(name, pa.repeat(pa.scalar(value), len(numbers)))
            yield rows.append_column(_ROW, pa.array(numbers))
