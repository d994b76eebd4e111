"""Keys and event ids of tables that may be larger than memory: only key columns are read, a batch at a time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.maintenance.replaced_events import ReplacedEvents
from conv_analytics.dataset.store.stored_object import StoredFile
from conv_analytics.tables.column import Table

_BATCH_ROWS = 2**17
#: Hashes that a pass over a table keeps in memory, eight bytes each; a larger table takes more passes.
PASS_ROWS = 8_000_000
#: Maximum repeated keys and missing ids that are named.
SHOWN = 5


class EventIdSpan(NamedTuple):
    """The event ids of one conversation."""

    last: int
    events: int

    @property
    def missing(self) -> int:
        """How many ids from 1 to the last one belong to no event."""
        return self.last - self.events


def unique_key(table: Table) -> list[str]:
    """The columns that no two rows of a run share.

    Repeated items are left out per conversation: a leg that moves to another conversation repeats its history there.
    """
    return list(dict.fromkeys([*(["conversation_id"] if table.repeats_items else []), *table.key]))


def duplicate_keys(
    paths: Sequence[StoredFile], key: list[str], rows: int, replaced: ReplacedEvents
) -> tuple[int, list[tuple[Any, ...]]]:
    """How many rows have the key of an earlier row, and some of these keys. Rows without a full key do not count.

    Parameters
    ----------
    paths
        The files.
    key
        Names of the columns.
    rows
        Number of rows in the files.
    replaced
        Rows that do not count.
    """
    count, suspects = 0, np.array([], np.uint64)
    passes = max(1, -(-rows // PASS_ROWS))
    for turn in range(passes):
        parts = [
            hashes(rows) for rows in _joined(batch for path in paths for batch in key_batches(path, key, replaced))
        ]
        mine = [part[part % np.uint64(passes) == turn] for part in parts]
        ordered = np.sort(np.concatenate(mine)) if mine else suspects
        repeats = ordered[1:][ordered[1:] == ordered[:-1]]
        count += len(repeats)
        suspects = np.concatenate([suspects, np.unique(repeats)[:SHOWN]])
    if not count:
        return 0, []
    # Two keys may share a hash, so the keys that are named are compared in full.
    keys: Counter[tuple[Any, ...]] = Counter()
    for path in paths:
        for batch in key_batches(path, key, replaced):
            wanted = batch.filter(pa.array(np.isin(hashes(batch), suspects[:SHOWN])))
            keys.update(zip(*(column.to_pylist() for column in wanted.columns), strict=True))
    named = [values for values, times in keys.items() if times > 1]
    return (count, named) if named else (0, [])


def event_id_spans(paths: Iterable[StoredFile], replaced: ReplacedEvents) -> dict[str, EventIdSpan]:
    """The last event id of each conversation in some files, and how many ids it has."""
    result: dict[str, EventIdSpan] = {}
    for path in paths:
        for batch in key_batches(path, ["conversation_id", "event_id"], replaced):
            grouped = batch.group_by("conversation_id").aggregate([("event_id", "max"), ("event_id", "count")])
            columns = (grouped[name].to_pylist() for name in ("conversation_id", "event_id_max", "event_id_count"))
            for conversation, last, count in zip(*columns, strict=True):
                before = result.get(conversation, EventIdSpan(0, 0))
                result[conversation] = EventIdSpan(max(before.last, last), before.events + count)
    return result


def missing_ids(paths: Iterable[StoredFile], last: Mapping[str, int]) -> dict[str, list[int]]:
    """Per conversation, the first ids between 1 and the last one that belong to no event."""
    conversations = list(last)
    wanted = pa.array(conversations, pa.string())
    present: dict[str, set[int]] = {conversation: set() for conversation in conversations}
    for path in paths:
        for batch in key_batches(path, ["conversation_id", "event_id"]):
            rows = batch.filter(pc.is_in(batch["conversation_id"], wanted))
            for conversation, event in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                present[conversation].add(event)
    # Not all of them: the API may return any id, and the last one may be astronomical.
    return {
        name: list(itertools.islice((each for each in range(1, last[name] + 1) if each not in ids), SHOWN))
        for name, ids in present.items()
    }


def key_batches(path: StoredFile, columns: list[str], replaced: ReplacedEvents | None = None) -> Iterator[pa.Table]:
    """Rows of a file that have a value in each of some columns; raise `CorruptFile` where they cannot be read."""
    for batch in (replaced or ReplacedEvents()).batches(path, columns, _BATCH_ROWS):
        yield batch.drop_null()


def hashes(rows: pa.Table) -> Any:
    """A number per row, equal for equal rows."""
    import pandas as pd  # noqa: PLC0415  slow to import, and whoever only reads a dataset needs no hashes

    return pd.util.hash_pandas_object(_comparable_rows(rows).to_pandas(), index=False).to_numpy(np.uint64)


def _joined(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Comparable rows, many small batches in one: a file a night has few rows, and hashing has a fixed cost."""
    waiting: list[pa.Table] = []
    for batch in map(_comparable_rows, batches):
        if waiting and (batch.schema != waiting[0].schema or sum(map(len, waiting)) + len(batch) > _BATCH_ROWS):
            yield pa.concat_tables(waiting)
            waiting = []
        waiting.append(batch)
    if waiting:
        yield pa.concat_tables(waiting)


def _comparable_rows(rows: pa.Table) -> pa.Table:
    return pa.table({name: _comparable(rows[name]) for name in rows.column_names})


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Words and instants as text and numbers: files encode the same word differently."""
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
