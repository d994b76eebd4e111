"""How far a run came with each conversation, as its commit keeps it for the next runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.errors import CorruptFile

#: The largest id of an event that a table can hold.
LARGEST = 2**63 - 1
#: Marks that are read and written at a time.
_ROWS = 8192
_SCHEMA = pa.schema([("conversation_id", pa.string()), ("last_event", pa.int64()), ("settled", pa.string())])


class Mark(NamedTuple):
    """What a dataset knows of a conversation."""

    conversation_id: str
    last_event: int | None
    """Its watermark: the id of the last event that the dataset holds. None in a commit that did not move it."""
    settled: str | None = None
    """Of one that was read to its end: the instant of the last change known (UTC, ISO 8601, seconds; nothing where it
    is not) and, after a space, a mark of what the list said of it. Otherwise None."""


def of(watermarks: Mapping[str, int], settled: Mapping[str, str] | None = None) -> Iterator[Mark]:
    """Marks from two maps by conversation.

    >>> for mark in of({"CON-1": 41}, {"CON-2": " 0f0f0f0f"}):
    ...     print(*mark)
    CON-1 41 None
    CON-2 None  0f0f0f0f
    """
    told = settled or {}
    for name in dict.fromkeys((*watermarks, *told)):
        last = watermarks.get(name)
        yield Mark(name, None if last is None else min(last, LARGEST), told.get(name))


def write(path: Path, marks: Iterable[Mark]) -> int:
    """Write marks to a Parquet file; give their number. However many there are, few are in memory at a time."""
    rows, waiting = 0, iter(marks)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as file:
        while some := list(islice(waiting, _ROWS)):
            columns = zip(*some, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
            file.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
            rows += len(some)
    return rows


def read(path: Path) -> Iterator[Mark]:
    """The marks of a file; raise `CorruptFile` where they cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=_SCHEMA.names):
                yield from map(Mark, *(batch[name].to_pylist() for name in _SCHEMA.names))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CorruptFile(path, (str(error).splitlines() or [type(error).__name__])[0]) from error
