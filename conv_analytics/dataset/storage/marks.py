"""How far a run came with each conversation, as its commit keeps it for the next runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.errors import CorruptFile

#: The largest id of an event that a table can hold.
LARGEST = 2**63 - 1
#: Marks that are read and written at a time.
_ROWS = 8192
_SCHEMA = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("last_event", pa.int64()),
        ("settled", pa.string()),
        ("sequence_number", pa.int64()),
        ("pending_since", pa.string()),
        ("unread", pa.bool_()),
    ]
)
#: The columns that files of older formats lack, with what they mean.
_LATER: dict[str, Any] = {"sequence_number": None, "pending_since": None, "unread": False}


class Unfinished(TypedDict, total=False):
    """What is or was missing of a conversation, as a record of a commit has it: see `Mark`."""

    sequence_number: int
    pending_since: str
    unread: bool


class Mark(NamedTuple):
    """What a dataset knows of a conversation."""

    conversation_id: str
    last_event: int | None
    """Its watermark: the highest event id in hand, all that the API listed before it included. Later runs ask for what
    comes after it. None in a commit that did not move it."""
    settled: str | None = None
    """Of one that was read to its end: the instant of the last change known (UTC, ISO 8601, seconds; nothing where it
    is not) and, after a space, a mark of what the list said of it. Otherwise None."""
    sequence_number: int | None = None
    """Its last event as the API told it, where that is beyond the watermark; None where nothing is missing.
    Of an unread one, the highest event that the dataset holds beyond its watermark: the next run looks them up."""
    pending_since: str | None = None
    """Since when the events up to `sequence_number` are waited for (UTC, ISO 8601, seconds). None when they are not any
    more: nothing changed for so long that they must be of those that the API never lists (contract 2.7)."""
    unread: bool = False
    """Whether a list of it was not read to its end: members and events are asked for again, whatever the API tells."""

    @property
    def unfinished(self) -> Unfinished:
        """What is or was missing, without what is as usual."""
        found = {name: value for name in _LATER if (value := getattr(self, name)) not in (None, False)}
        return cast("Unfinished", found)


def of(
    watermarks: Mapping[str, int],
    settled: Mapping[str, str] | None = None,
    unfinished: Mapping[str, Unfinished] | None = None,
) -> Iterator[Mark]:
    """Marks from maps by conversation.

    >>> for mark in of({"CON-1": 41}, {"CON-2": " 0f0f0f0f"}):
    ...     print(*mark[:3])
    CON-1 41 None
    CON-2 None  0f0f0f0f
    """
    known, lacking = settled or {}, unfinished or {}
    for name in dict.fromkeys((*watermarks, *known)):
        last = watermarks.get(name)
        yield Mark(name, None if last is None else min(last, LARGEST), known.get(name), **lacking.get(name, {}))


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
            present = [name for name in _SCHEMA.names if name not in _LATER or name in file.schema_arrow.names]
            for batch in file.iter_batches(_ROWS, columns=present):
                older = [[value] * len(batch) for name, value in _LATER.items() if name not in present]
                yield from map(Mark, *(batch[name].to_pylist() for name in present), *older)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CorruptFile(path, (str(error).splitlines() or [type(error).__name__])[0]) from error
