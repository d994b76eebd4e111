"""Rows of events from a webhook or a file that the list's version replaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.memory.event_index import DELIVERED, may_have_delivered
from conv_analytics.dataset.storage.batches import read_batches
from conv_analytics.dataset.storage.latest import event_texts
from conv_analytics.dataset.store.stored_object import StoredFile
from conv_analytics.tables.envelope import EVENT_KEY, SOURCE, EventSource

_ROWS = 2**16


class ReplacedEvents:
    """The events of which a dataset may have a row from a webhook or a file as well as the one from the list.

    Parameters
    ----------
    paths
        The files of ``event_sources``.
    """

    def __init__(self, paths: Sequence[StoredFile] = ()) -> None:
        batches = [batch for path in paths for batch in read_batches(path, [*EVENT_KEY, "differs"], _ROWS)]
        self._keys = pa.chunked_array([event_texts(batch.filter(batch["differs"])) for batch in batches], pa.string())

    def batches(self, path: StoredFile, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Some columns of a file, in batches, without the replaced rows.

        Rows of Voice events are left out, too: they have no id, and repeat what RTC events may say about legs.
        """
        if not may_have_delivered(path):
            yield from (pa.Table.from_batches([batch]) for batch in read_batches(path, columns, rows))
            return
        for batch in read_batches(path, dict.fromkeys([*columns, SOURCE.name]), rows):
            table = pa.Table.from_batches([batch])
            table = table.filter(pc.not_equal(table[SOURCE.name].cast(pa.string()), EventSource.VOICE))
            yield (self.without(table) if set(EVENT_KEY) <= set(columns) else table).select(list(columns))

    def without(self, rows: pa.Table) -> pa.Table:
        """Some rows, with their source and the key of their event, without the replaced ones."""
        if not len(self._keys):
            return rows
        delivered = pc.is_in(rows[SOURCE.name].cast(pa.string()), DELIVERED)
        return rows.filter(pc.invert(pc.and_(delivered, pc.is_in(event_texts(rows), self._keys))))
