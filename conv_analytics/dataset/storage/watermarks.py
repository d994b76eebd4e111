"""Watermarks: how far a run has read each conversation, stored in commits for later runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.storage.batches import first_line, read_batches
from conv_analytics.dataset.store.stored_object import StoredFile, parquet_source
from conv_analytics.errors import CorruptFile

#: The largest id of an event that a table can hold.
LARGEST_EVENT_ID = 2**63 - 1
#: Watermarks read and written at a time.
_ROWS = 8192
_SCHEMA = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("last_event", pa.int64()),
        ("settled", pa.string()),
        ("sequence_number", pa.int64()),
        ("pending_since", pa.string()),
        ("unread", pa.bool_()),
        ("live", pa.bool_()),
    ]
)
#: The columns that files of older formats lack, with the value that they imply.
_LATER: dict[str, Any] = {"sequence_number": None, "pending_since": None, "unread": False, "live": False}


class Unfinished(TypedDict, total=False):
    """The part of a conversation that is or was missing, as written to a commit record; see `Watermark`."""

    sequence_number: int
    pending_since: str
    unread: bool
    live: bool


class Watermark(NamedTuple):
    """How far a dataset has read one conversation."""

    conversation_id: str
    last_event: int | None
    """The highest event id stored; every event that the API listed before it is stored, too. Later runs request the
    events after it. None in a commit that did not move it."""
    settled: str | None = None
    """For a conversation that was read to its end: the instant of the last known change (UTC, ISO 8601, seconds; empty
    when unknown) and, after a space, a digest of its entry in the list. Otherwise None."""
    sequence_number: int | None = None
    """The last event that the API announced, where it is beyond the watermark; None where nothing is missing.
    For an unread conversation, the highest event that the dataset holds beyond its watermark: the next run looks those
    events up."""
    pending_since: str | None = None
    """Since when the events up to `sequence_number` are awaited (UTC, ISO 8601, seconds). None once they are no longer
    expected: nothing has changed for so long that they must be events that the API never lists (contract 2.7)."""
    unread: bool = False
    """Whether a list of the conversation was not read to its end: the next run requests its members and events again,
    whatever the API says about it."""
    live: bool = False
    """Whether the dataset has events of it from a webhook or a file, above the watermark or below."""

    @property
    def unfinished(self) -> Unfinished:
        """The missing part, now or before; fields with their usual value are left out."""
        values = {name: value for name in _LATER if (value := getattr(self, name)) not in (None, False)}
        return cast("Unfinished", values)


def watermarks_from(
    last_events: Mapping[str, int],
    settled: Mapping[str, str] | None = None,
    unfinished: Mapping[str, Unfinished] | None = None,
) -> Iterator[Watermark]:
    """Watermarks from maps by conversation, as a commit record has them.

    >>> for watermark in watermarks_from({"CON-1": 41}, {"CON-2": " 0f0f0f0f"}):
    ...     print(*watermark[:3])
    CON-1 41 None
    CON-2 None  0f0f0f0f
    """
    settled, unfinished = settled or {}, unfinished or {}
    for name in dict.fromkeys((*last_events, *settled, *unfinished)):
        last = last_events.get(name)
        last = None if last is None else min(last, LARGEST_EVENT_ID)
        yield Watermark(name, last, settled.get(name), **unfinished.get(name, {}))


def write_watermarks(path: Path, watermarks: Iterable[Watermark]) -> int:
    """Write watermarks to a Parquet file, a batch at a time, and return their number."""
    rows, waiting = 0, iter(watermarks)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as file:
        while batch := list(islice(waiting, _ROWS)):
            columns = zip(*batch, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
            file.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
            rows += len(batch)
    return rows


def read_watermarks(path: StoredFile) -> Iterator[Watermark]:
    """The watermarks in a file; raise `CorruptFile` where they cannot be read."""
    try:
        columns = pq.read_schema(parquet_source(path)).names
    except (OSError, pa.ArrowException) as error:
        raise CorruptFile(path, first_line(error)) from error
    present = [name for name in _SCHEMA.names if name not in _LATER or name in columns]
    for batch in read_batches(path, present, _ROWS):
        older = [[value] * len(batch) for name, value in _LATER.items() if name not in present]
        yield from map(Watermark, *(column.to_pylist() for column in batch.columns), *older)
