"""Which of several rows for one key counts: the latest and, for events, the one from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import EVENT_KEY, EventSource
from conv_analytics.tables.events import EVENTS

if TYPE_CHECKING:
    import pandas as pd


def latest_places(rows: pd.DataFrame, table: Table, runs: npt.NDArray[np.int_]) -> npt.NDArray[np.intp]:
    """The places of the latest row of each key, in their order.

    A later run saw the later state, whatever its clock said.

    Parameters
    ----------
    rows
        Rows with the key of the table, and the column that says when it changed.
    table
        The table.
    runs
        The number of the run that wrote each row.
    """
    order = np.lexsort((rows[table.latest].to_numpy(), runs))
    repeated = rows[list(table.key)].iloc[order].duplicated(keep="last").to_numpy()
    return np.sort(order[~repeated])


def event_texts(rows: pa.Table | pa.RecordBatch) -> pa.ChunkedArray:
    """A text per row, equal for rows of one event."""
    return pc.binary_join_element_wise(rows["conversation_id"], rows["event_id"].cast(pa.string()), "/")


def without_replaced(table: Table, frame: pd.DataFrame, event_sources: pd.DataFrame) -> pd.DataFrame:
    """A table of events without the rows that a list's version replaces; events from both sources are marked."""
    also = event_sources[[*EVENT_KEY, "differs"]].dropna().drop_duplicates(list(EVENT_KEY), keep="last")
    twice = frame[list(EVENT_KEY)].merge(also, "left", list(EVENT_KEY))["differs"].set_axis(frame.index)
    replaced = twice.fillna(value=False) & frame["source"].isin([EventSource.LIVE, EventSource.FILE])
    if table is EVENTS:
        frame["source"] = frame["source"].mask(twice.notna(), EventSource.BOTH)
    return frame[~replaced].reset_index(drop=True) if replaced.any() else frame


__all__ = ["event_texts", "latest_places", "without_replaced"]
