"""The stored events of conversations, looked up while all conversations are read again.

The files of a run hold its conversations in the order of their arrival, so a look-up of a few of them has to read the
whole file. That is done once per run: the keys go into a temporary database, ordered by conversation, with 16 bytes per
event. It spills to disk when it is large, and is deleted when it is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conv_analytics.dataset.memory.scratch import Scratch
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.batches import first_line, read_batches
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.stored_object import StoredFile, parquet_source
from conv_analytics.errors import CorruptFile
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import EVENT_KEY, EventSource
from conv_analytics.tables.event_content import CONTENT, content_digests
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.explode import comparable
from conv_analytics.tables.seen_events import digest, digest_without_id

#: Rows read at a time.
_ROWS = 65_536
#: Stands for the id of an event without one, and for a body that the tables do not hold.
_NONE = np.iinfo(np.int64).min
_EVENTS, _ITEMS, _DELIVERED, _BOTH, _KEYS = range(5)
_ABOUT_EVENTS = ("event_id", "body", "type", "at")
VOICE_EVENTS = "voice_events"
#: Sources of events that came from no list of the API.
DELIVERED = pa.array([EventSource.LIVE, EventSource.FILE], pa.string())


@dataclass
class StoredEvents:
    """The stored events of one conversation."""

    bodies: dict[int, int | None] = field(default_factory=dict)
    """Per event id, `digest` of its body; None where the dataset has no table ``events``."""
    without_id: set[int | None] = field(default_factory=set)
    """The digest of each event that has no id; None stands for any such event."""
    items: set[Hashable] = field(default_factory=set)
    """Keys of rows that later events repeat: statuses of legs; and of webhooks' events that have no id."""
    delivered: dict[int, int] = field(default_factory=dict)
    """Per id of an event from a webhook or a file, `content_digests` of it. The list may contain it, too."""
    both: dict[int, bool] = field(default_factory=dict)
    """Events that came both ways, and whether they differed."""
    first_run: int | None = None
    """The number of the first commit that has any of them."""


class EventIndex:
    """An index of the event ids, bodies and repeated items in a dataset, filled on demand.

    Parameters
    ----------
    root
        The dataset folder.
    commits
        Its commits. The files of a commit are read once, when a conversation that it met is requested.
    watermarks
        Which conversations each commit met.
    content
        The requested conversations, when `StoredEvents.bodies` has to have the `content_digests` of events, which do
        not depend on the formatting.
    """

    def __init__(
        self,
        root: Path,
        commits: Iterable[Commit],
        watermarks: WatermarkIndex,
        *,
        content: Collection[str] | None = None,
    ) -> None:
        self._root, self._watermarks = root, watermarks
        # Events without a conversation are requested as "", and have null in the tables.
        self._content = None if content is None else pa.array([name or None for name in sorted(content)], pa.string())
        self._unread = list(commits)
        self._run = 0
        names = {file.table for commit in self._unread for file in commit.files}
        # An event is in every table that it belongs to, or in none: the tables of one run are committed together.
        self._with_ids = ["events"] if "events" in names else [name for name in names if _has_ids(TABLES[name])]
        self._with_items = [name for name in names if TABLES[name].repeats_items]
        self._database = Scratch(
            "create table stored (conversation text, kind integer, data blob, run integer)",
            "create index by_conversation on stored (conversation)",
        )

    def of(self, conversations: Collection[str]) -> dict[str, StoredEvents]:
        """The stored events of some conversations; those without any are left out."""
        runs = self._watermarks.runs(conversations)
        for commit in [commit for commit in self._unread if commit.number in runs]:
            self._read(commit)
            self._unread.remove(commit)
        result: dict[str, StoredEvents] = {}
        query = "select kind, data, run from stored where conversation = ?"
        for name in conversations:
            for kind, data, run in self._database.all(query, (name,)):
                stored = result.setdefault(name, StoredEvents())
                stored.first_run = min(run, stored.first_run or run)
                _add(stored, kind, data)
        return result

    def close(self) -> None:
        """Drop the index."""
        self._database.close()

    def _read(self, commit: Commit) -> None:
        self._run = commit.number
        for file in commit.files:
            path = Layout(self._root).file(file.path)
            if file.table == "events":
                self._read_events(path)
            elif file.table in self._with_ids:
                self._insert(_EVENTS, path, ["event_id"], _packed_events)
            if file.table in self._with_items:
                self._read_items(path, TABLES[file.table].key)
            if file.table == EVENT_SOURCES.name:
                self._insert(_BOTH, path, ["event_id", "differs"], _packed_pairs)
            if file.table == VOICE_EVENTS:
                self._insert(_KEYS, path, ["event_key"], _packed_items)

    def _read_events(self, path: StoredFile) -> None:
        delivered = may_have_delivered(path)
        if not delivered and self._content is None:
            self._insert(_EVENTS, path, _ABOUT_EVENTS, _packed_events)
            return
        more = ["source", "event_key"] if delivered else []
        for batch in read_batches(path, [*EVENT_KEY, *CONTENT, *more], _ROWS):
            rows = batch if self._content is None else batch.filter(pc.is_in(batch["conversation_id"], self._content))
            others = rows
            if delivered:
                others = rows.filter(pc.invert(_of_webhook(rows)))
                self._add_delivered(rows.filter(_of_webhook(rows)))
            content = None if self._content is None else pa.array(content_digests(others), pa.int64())
            self._add_rows(_EVENTS, others, _ABOUT_EVENTS, partial(_packed_events, content=content))

    def _read_items(self, path: StoredFile, key: Sequence[str]) -> None:
        if not may_have_delivered(path):
            self._insert(_ITEMS, path, key, _packed_items)
            return
        for rows in read_batches(path, dict.fromkeys(["conversation_id", *key, "source"]), _ROWS):
            # Voice events only repeat what the rows of RTC events say about legs.
            of_voice = pc.equal(rows["source"].cast(pa.string()), EventSource.VOICE)
            self._add_rows(_ITEMS, rows.filter(pc.invert(of_voice)), key, _packed_items)

    def _add_delivered(self, rows: pa.RecordBatch) -> None:
        """Add events from a webhook or a file."""
        content = rows.append_column("content", pa.array(content_digests(rows), pa.int64()))
        self._add_rows(_DELIVERED, content.filter(rows["event_id"].is_valid()), ["event_id", "content"], _packed_pairs)
        self._add_rows(_KEYS, rows.filter(rows["event_key"].is_valid()), ["event_key"], _packed_items)

    def _insert(self, kind: int, path: StoredFile, columns: Sequence[str], pack: Any) -> None:
        for rows in read_batches(path, dict.fromkeys(["conversation_id", *columns]), _ROWS):
            self._add_rows(kind, rows, columns, pack)

    def _add_rows(self, kind: int, rows: pa.RecordBatch, columns: Sequence[str], pack: Any) -> None:
        if not len(rows):
            return
        starts = _starts(rows["conversation_id"])
        owners = rows["conversation_id"].take(pa.array(starts)).to_pylist()
        packed = pack([rows[name] for name in columns], starts)
        inserted = ((owner or "", kind, data, self._run) for owner, data in zip(owners, packed, strict=True))
        self._database.fill("insert into stored values (?, ?, ?, ?)", inserted)


def _of_webhook(rows: pa.RecordBatch) -> pa.Array:
    return pc.is_in(rows["source"].cast(pa.string()), DELIVERED)


def _has_ids(table: Table) -> bool:
    return bool(table.types) and not table.repeats_items


def _starts(owners: pa.Array) -> Any:
    """Where another conversation begins: the rows of a conversation mostly follow one another."""
    codes = owners.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.diff(codes, prepend=-2))


def may_have_delivered(path: StoredFile) -> bool:
    """Whether a file of ``events`` may hold events from no list, by the statistics of its column ``source``."""
    try:
        with pq.ParquetFile(parquet_source(path)) as file:
            place = file.schema_arrow.get_field_index("source")
            if place < 0:
                return False
            groups = [file.metadata.row_group(number).column(place).statistics for number in range(file.num_row_groups)]
    except (OSError, pa.ArrowException) as error:
        raise CorruptFile(path, first_line(error)) from error
    only_list = [each is not None and each.has_min_max and each.min == each.max == EventSource.LIST for each in groups]
    return not all(only_list)


def _packed_pairs(columns: list[pa.Array], starts: Any) -> Iterator[bytes]:
    pairs = np.stack([column.cast(pa.int64()).to_numpy(zero_copy_only=False) for column in columns], axis=1)
    return (part.tobytes() for part in np.split(pairs, starts[1:]))


def _packed_events(columns: list[pa.Array], starts: Any, content: pa.Array | None = None) -> Iterator[bytes]:
    pairs = np.full((len(columns[0]), 2), _NONE, np.int64)
    pairs[:, 0] = columns[0].fill_null(_NONE).to_numpy(zero_copy_only=False)
    if len(columns) > 1:
        bodies = map(digest, columns[1].to_pylist()) if content is None else content.to_pylist()
        pairs[:, 1] = list(bodies)
        for row in np.flatnonzero(columns[0].is_null().to_numpy(zero_copy_only=False)).tolist():
            body, event_type, at = (column[row].as_py() for column in columns[1:])
            pairs[row, 1] = digest_without_id(event_type, at, body)
    return (part.tobytes() for part in np.split(pairs, starts[1:]))


def _packed_items(columns: list[pa.Array], starts: Any) -> Iterator[bytes]:
    keys = list(zip(*map(comparable, columns), strict=True))
    ends = [*starts[1:].tolist(), len(keys)]
    return (msgspec.msgpack.encode(keys[start:end]) for start, end in zip(starts.tolist(), ends, strict=True))


def _add(stored: StoredEvents, kind: int, data: bytes) -> None:
    if kind == _ITEMS:
        stored.items.update(map(tuple, msgspec.msgpack.decode(data)))
        return
    if kind == _KEYS:
        stored.items.update(key for (key,) in msgspec.msgpack.decode(data))
        return
    pairs = [(event_id, number) for event_id, number in np.frombuffer(data, np.int64).reshape(-1, 2).tolist()]
    if kind == _DELIVERED:
        stored.delivered.update(pairs)
        return
    if kind == _BOTH:
        stored.both.update((event_id, bool(differs)) for event_id, differs in pairs)
        return
    for event_id, number in pairs:
        body = None if number == _NONE else number
        if event_id == _NONE:
            stored.without_id.add(body)
        else:
            stored.bodies[event_id] = body
