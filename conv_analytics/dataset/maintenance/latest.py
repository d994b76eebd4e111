"""Which rows of a table are the latest of their keys, for tables that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from conv_analytics.dataset.maintenance.keys import hashes
from conv_analytics.tables.column import Table

#: Maximum number of rows that a pass compares; a larger table takes more passes.
PASS_ROWS = 2_000_000

_ROW, _SOURCE, _RUN = "row", "source", "run"


class Rows(NamedTuple):
    """Rows of one run."""

    run: int
    """The number of its commit."""
    batches: Iterable[pa.Table]
    """May be gone through several times."""


def latest_rows(table: Table, sources: Sequence[Rows], rows: int) -> list[Any]:
    """Per source, which of its rows are the latest of their keys.

    What a later run saw is later, whatever the clock said; of one run, the later instant wins, and then the last row.

    Parameters
    ----------
    table
        One with a column `latest`.
    sources
        The rows, by run.
    rows
        How many rows the sources have.

    Examples
    --------
    >>> from conv_analytics.tables import TABLES
    >>> made = [{"user_id": "USR-1", "name": name} for name in ("earlier", "later")]
    >>> batches = [[pa.Table.from_pylist([row], schema=TABLES["users"].schema)] for row in made]
    >>> [mask.tolist() for mask in latest_rows(TABLES["users"], [Rows(2, batches[1]), Rows(1, batches[0])], 2)]
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
        found = pa.concat_tables(parts).to_pandas().sort_values([_RUN, table.latest], kind="stable")
        winners = found.drop_duplicates(key, keep="last")
        for source, mine in winners.groupby(_SOURCE)[_ROW]:
            masks[int(str(source))][mine.to_numpy()] = True
    return masks


def _part(sources: Sequence[Rows], columns: list[str], key: list[str], turn: int, passes: int) -> Iterator[pa.Table]:
    """Keys whose turn it is, with their places."""
    for number, source in enumerate(sources):
        first = 0
        for batch in source.batches:
            rows = batch.select(columns)
            places = np.arange(first, first + len(batch))
            first += len(batch)
            if passes > 1:
                mine = hashes(rows.select(key)) % np.uint64(passes) == turn
                rows, places = rows.filter(pa.array(mine)), places[mine]
            for name, value in ((_SOURCE, number), (_RUN, source.run)):
                rows = rows.append_column(name, pa.repeat(pa.scalar(value), len(places)))
            yield rows.append_column(_ROW, pa.array(places))
