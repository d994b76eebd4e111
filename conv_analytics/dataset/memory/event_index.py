"""What a dataset has of some conversations, looked up again and again while all of them are read once more.

The files of a run hold its conversations in the order in which they came, so a look-up of a few of them has to read the
whole file. That is done once per run: the keys go into a temporary database, ordered by conversation, with 16 bytes per
event. It moves to the disk as soon as it is large, and is gone when it is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
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
from conv_analytics.errors import CorruptFile
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import EventSource
from conv_analytics.tables.event_content import CONTENT, content_digests
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.explode import comparable
from conv_analytics.tables.seen_events import digest, digest_nameless

#: Rows that are read at a time.
_ROWS = 65_536
#: In place of the id of an event that has none, and of a body that the tables do not hold.
_NONE = np.iinfo(np.int64).min
_EVENTS, _ITEMS, _DELIVERED, _BOTH = range(4)
#: Sources of events that no list of the API gave.
DELIVERED = pa.array([EventSource.LIVE, EventSource.FILE], pa.string())


@dataclass
class StoredEvents:
    """What a dataset has of one conversation."""

    bodies: dict[int, int | None] = field(default_factory=dict)
    """Per event id, `digest` of its body; None where the dataset has no table ``events``."""
    nameless: set[int | None] = field(default_factory=set)
    """The digest of each event that has no id; None stands for any such event."""
    items: set[tuple[Any, ...]] = field(default_factory=set)
    """Keys of rows that later events repeat: statuses of legs."""
    delivered: dict[int, int] = field(default_factory=dict)
    """Per id of an event that a webhook or a file gave, `content_digests` of it. The list may give it, too."""
    both: dict[int, bool] = field(default_factory=dict)
    """Events that came both ways, and whether they differed."""


class EventIndex:
    """An index of the event ids, bodies and repeated items in a dataset, filled as far as it is asked for.

    Parameters
    ----------
    root
        The dataset folder.
    commits
        Its commits. The files of a commit are read once, when a conversation that it met is asked for.
    watermarks
        Which conversations each commit met.
    content
        Whether `StoredEvents.bodies` has the `content_digests` of events instead, which do not depend on how they are
        written.
    """

    def __init__(
        self, root: Path, commits: Iterable[Commit], watermarks: WatermarkIndex, *, content: bool = False
    ) -> None:
        self._root, self._watermarks, self._content = root, watermarks, content
        self._unread = list(commits)
        names = {file.table for commit in self._unread for file in commit.files}
        # An event is in every table that it belongs to, or in none: the tables of one run are committed together.
        self._with_ids = ["events"] if "events" in names else [name for name in names if _has_ids(TABLES[name])]
        self._with_items = [name for name in names if TABLES[name].repeats_items]
        self._database = Scratch(
            "create table stored (conversation text, kind integer, data blob)",
            "create index by_conversation on stored (conversation)",
        )

    def of(self, conversations: Collection[str]) -> dict[str, StoredEvents]:
        """What the dataset has of some conversations; those without anything are left out."""
        runs = self._watermarks.runs(conversations)
        for commit in [commit for commit in self._unread if commit.number in runs]:
            self._read(commit)
            self._unread.remove(commit)
        result: dict[str, StoredEvents] = {}
        query = "select kind, data from stored where conversation = ?"
        for name in conversations:
            for kind, data in self._database.all(query, (name,)):
                _add(result.setdefault(name, StoredEvents()), kind, data)
        return result

    def close(self) -> None:
        """Drop the index."""
        self._database.close()

    def _read(self, commit: Commit) -> None:
        for file in commit.files:
            path = Layout(self._root).file(file.path)
            if file.table == "events":
                self._read_events(path)
            elif file.table in self._with_ids:
                self._insert(_EVENTS, path, ["event_id"], _packed_events)
            if file.table in self._with_items:
                self._insert(_ITEMS, path, list(TABLES[file.table].key), _packed_items)
            if file.table == EVENT_SOURCES.name:
                self._insert(_BOTH, path, ["event_id", "differs"], _packed_pairs)

    def _read_events(self, path: Path) -> None:
        delivered = may_have_delivered(path)
        if not delivered and not self._content:
            self._insert(_EVENTS, path, ["event_id", "body", "type", "at"], _packed_events)
            return
        source = ["source"] if delivered else []
        for rows in read_batches(path, ["conversation_id", "event_id", *CONTENT, *source], _ROWS):
            live = pc.is_in(rows["source"].cast(pa.string()), DELIVERED) if delivered else pa.repeat(False, len(rows))  # noqa: FBT003  a value
            identified = pc.and_(live, rows["event_id"].is_valid())
            content = pa.array(content_digests(rows), pa.int64())
            self._add_rows(_DELIVERED, [rows["conversation_id"], rows["event_id"], content], identified, _packed_pairs)
            others = pc.invert(identified)
            pack = partial(_packed_events, content=content.filter(others) if self._content else None)
            columns = [rows[name] for name in ("conversation_id", "event_id", "body", "type", "at")]
            self._add_rows(_EVENTS, columns, others, pack)

    def _insert(self, kind: int, path: Path, columns: list[str], pack: Any) -> None:
        for rows in read_batches(path, dict.fromkeys(["conversation_id", *columns]), _ROWS):
            self._add_rows(kind, [rows[name] for name in ("conversation_id", *columns)], None, pack)

    def _add_rows(self, kind: int, columns: list[pa.Array], wanted: pa.Array | None, pack: Any) -> None:
        """Add rows, the first column of which names their conversation."""
        owners, *columns = columns if wanted is None else [column.filter(wanted) for column in columns]
        starts = _starts(owners)
        names = owners.take(pa.array(starts)).to_pylist()
        packed = pack(columns, starts)
        inserted = ((name or "", kind, data) for name, data in zip(names, packed, strict=True))
        self._database.fill("insert into stored values (?, ?, ?)", inserted)


def _has_ids(table: Table) -> bool:
    return bool(table.types) and not table.repeats_items


def _starts(owners: pa.Array) -> Any:
    """Where another conversation begins: the rows of a conversation mostly follow one another."""
    codes = owners.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.diff(codes, prepend=-2))


def may_have_delivered(path: Path) -> bool:
    """Whether a file of ``events`` may hold some that no list gave, by the statistics of its column ``source``."""
    try:
        with pq.ParquetFile(path) as file:
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
            pairs[row, 1] = digest_nameless(event_type, at, body)
    return (part.tobytes() for part in np.split(pairs, starts[1:]))


def _packed_items(columns: list[pa.Array], starts: Any) -> Iterator[bytes]:
    keys = list(zip(*map(comparable, columns), strict=True))
    ends = [*starts[1:].tolist(), len(keys)]
    return (msgspec.msgpack.encode(keys[start:end]) for start, end in zip(starts.tolist(), ends, strict=True))


def _add(stored: StoredEvents, kind: int, data: bytes) -> None:
    if kind == _ITEMS:
        stored.items.update(map(tuple, msgspec.msgpack.decode(data)))
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
            stored.nameless.add(body)
        else:
            stored.bodies[event_id] = body
