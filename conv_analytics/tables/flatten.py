"""From the API's JSON to the rows of every table: pure, in bulk, and lossless.

A record that cannot be read as declared does not affect others: its row stays with that cell null, and the record goes
to the quarantine as received, with the reason. Anything that is not a record only goes to the quarantine.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import EventType
from conv_analytics.tables import TABLES
from conv_analytics.tables.broken_records import BrokenRecord, ProblemLog
from conv_analytics.tables.column import Table
from conv_analytics.tables.column_decoder import Cell, ColumnDecoder, Reading
from conv_analytics.tables.envelope import KNOCKER, EventFamily, EventSource
from conv_analytics.tables.explode import explode
from conv_analytics.tables.kinds import INSTANT, nulls, recode
from conv_analytics.tables.memberships import without_member_states
from conv_analytics.tables.pages import Page, records
from conv_analytics.tables.read_bodies import read_bodies
from conv_analytics.tables.read_events import Events, missing_id_cells, read_events
from conv_analytics.tables.redact import redact_column
from conv_analytics.tables.seen_events import SeenEvents

#: Only the keys are needed; their values are skipped unread.
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CALLS = "voice_calls"
#: A longer key is not a name, but an attempt to fill the report.
_KEY_LENGTH = 100


@dataclass
class Rows:
    """The rows of some records."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    broken: list[BrokenRecord] = field(default_factory=list)
    duplicates: int = 0
    """Records left out because this page or an earlier one had them already."""
    repeated: pa.Table | None = None
    """The rows of ``events`` that the duplicates would have been."""
    unknown_types: Counter[str] = field(default_factory=Counter)
    """Event types that no table but ``events`` has, except ``custom:*``, with their number."""
    unknown_fields: Counter[str] = field(default_factory=Counter)
    """Keys of events without a column, with their number."""


def flatten_events(pages: Sequence[Page], seen: SeenEvents) -> Rows:
    """Turn pages of events into rows of all tables of events.

    Parameters
    ----------
    pages
        Pages of one or several conversations, those of one conversation in their order.
    seen
        The events flattened before; a repeated event is left out and counted.
    """
    read = read_events([page.body for page in pages])
    ids = read.arrays["event_id"]
    read.arrays["conversation_id"] = conversation_ids(pages, read.page_lengths)
    read.arrays.update(_listed(len(ids)))
    new = _without_stored(new_rows(pages, read.page_lengths, ids, seen), read.arrays, seen)
    return tabulate(read, new, missing_id_cells(ids, "event_id"), _Documents(pages, read.page_lengths, "events"), seen)


def tabulate(
    read: Events, new: Sequence[int], without: Sequence[Cell], document: Callable[[int], bytes], seen: SeenEvents
) -> Rows:
    """The rows of some events in all tables of events.

    Parameters
    ----------
    read
        The events, with the conversation of each among their arrays.
    new
        The rows that are new.
    without
        Those that lack what identifies an event.
    document
        Returns an event as received.
    seen
        Repeated items that were flattened before.
    """
    arrays, cells = read.arrays, read.cells
    unreadable = {cell.row for cell in cells if not cell.column}
    keep = np.array([row for row in new if row not in unreadable], np.int64)
    height = len(arrays["event_id"])
    rows = Rows(duplicates=height - len(new))
    ledger = ProblemLog("events")
    events = assemble(TABLES["events"], arrays)
    if rows.duplicates:
        # Their problems were reported at their first occurrence.
        duplicates = set(range(height)).difference(new)
        rows.repeated = events.take(pa.array(sorted(duplicates), pa.int64()))
        cells, without = ([cell for cell in problems if cell.row not in duplicates] for problems in (cells, without))
    ledger.add("events", cells)
    ledger.add("events", [cell for cell in without if cell.row not in ledger])
    rows.tables["events"] = events if len(keep) == height else events.take(keep)
    for name, wanted in _rows_by_table(arrays["type"], keep, rows.unknown_types).items():
        rows.tables[name], cells = _typed(TABLES[name], wanted, arrays, read.bodies.take(pa.array(wanted)), seen)
        ledger.add(name, cells)
    rows.broken = ledger.broken(document, arrays, lost=unreadable)
    rows.unknown_fields = keys_with_number(rows.tables["events"]["extra"])
    return rows


def flatten_records(name: str, pages: Sequence[Page], exported_at: datetime) -> Rows:
    """Turn pages of members, users or sessions into rows of their table."""
    reading, page_lengths = _shape(name).read_pages([page.body for page in pages], name)
    return _records(
        name,
        reading,
        conversation_ids(pages, page_lengths),
        _Documents(pages, page_lengths, name),
        exported_at,
        gone=False,
    )


def flatten_conversations(documents: Sequence[bytes], exported_at: datetime | pa.Array, *, gone: bool = False) -> Rows:
    """Turn conversations, each a JSON object, into rows of their table; `exported_at` is of all, or one for each."""
    reading = _shape("conversations").read(documents)
    rows = _records("conversations", reading, None, lambda row: documents[row], exported_at, gone=gone)
    rows.tables["conversations"] = without_member_states(rows.tables["conversations"])
    return rows


def flatten_calls(pages: Sequence[bytes], checked_at: datetime, *, host: str | None = None, key: str = "calls") -> Rows:
    """Turn pages of the Voice API's call list, or records of its table, into rows without a class."""
    reading, page_lengths = _shape(_CALLS).read_pages(pages, key)
    arrays = reading.arrays
    height = len(arrays["leg_id"])
    arrays["at"] = arrays["started_at"]
    arrays["coverage_class"] = nulls(TABLES[_CALLS]["coverage_class"].kind, height)
    arrays["host"] = pa.repeat(pa.scalar(host, pa.string()), height)
    arrays["checked_at"] = pa.repeat(pa.scalar(checked_at, INSTANT), height)
    documents = _Documents([Page(None, page) for page in pages], page_lengths, key)
    return _whole_records(_CALLS, reading, documents)


def _records(
    name: str,
    reading: Reading,
    owners: pa.Array | None,
    document: Callable[[int], bytes],
    exported_at: datetime | pa.Array,
    *,
    gone: bool,
) -> Rows:
    # A record without an id cannot be kept apart from others: it goes to the quarantine only (contract 6.2).
    arrays = reading.arrays
    if owners is not None:
        arrays["conversation_id"] = owners
    height = len(arrays[TABLES[name].key[-1]])
    if isinstance(exported_at, datetime):
        exported_at = pa.repeat(pa.scalar(exported_at, INSTANT), height)
    arrays["exported_at"] = exported_at
    arrays["gone"] = pa.repeat(pa.scalar(gone), height)
    for column in {"extra", "numbers", "channels"} & arrays.keys():
        arrays[column] = redact_column(arrays[column], at="" if column == "extra" else column)
    return _whole_records(name, reading, document)


def _whole_records(name: str, reading: Reading, document: Callable[[int], bytes]) -> Rows:
    """Rows of records other than events; those without an id only go to the broken records."""
    table, arrays = TABLES[name], reading.arrays
    identity = arrays[table.key[-1]]
    if pa.types.is_string(identity.type):
        identity = pc.if_else(pc.equal(identity, ""), pa.scalar(None, identity.type), identity)
    without = missing_id_cells(identity, table.key[-1])
    lost = {cell.row for cell in without}
    ledger = ProblemLog(name)
    ledger.add(name, reading.cells)
    ledger.add(name, [cell for cell in without if cell.row not in ledger])
    rows = Rows(broken=ledger.broken(document, arrays, lost=lost))
    whole = assemble(table, arrays)
    rows.tables[name] = whole.filter(identity.is_valid()) if lost else whole
    return rows


def _listed(height: int) -> dict[str, pa.Array]:
    """The columns about the source of events, for events of a list."""
    return {
        "source": sources(EventSource.LIST, height),
        "received_at": nulls(datetime, height),
        "event_key": nulls(str, height),
        "verification": nulls(str, height),
    }


def sources(source: EventSource, height: int) -> pa.Array:
    """The column ``source`` of rows from a single source."""
    return recode(EventSource, [source], pa.repeat(pa.scalar(0, pa.int32()), height))


class _Documents:
    """Records as received, cut from their pages on demand."""

    def __init__(self, pages: Sequence[Page], page_lengths: Sequence[int], name: str) -> None:
        self._pages, self._name = pages, name
        self._starts = list(itertools.accumulate(page_lengths, initial=0))

    def __call__(self, row: int) -> bytes:
        page = bisect.bisect_right(self._starts, row) - 1
        return bytes(records(self._pages[page].body, self._name)[row - self._starts[page]])


def new_rows(pages: Sequence[Page], page_lengths: Sequence[int], event_ids: pa.Array, seen: SeenEvents) -> list[int]:
    """The rows of events that are new."""
    ids = event_ids.to_pylist()
    rows: list[int] = []
    start = 0
    for page, height in zip(pages, page_lengths, strict=True):
        new = seen.new_indexes(page.conversation_id or "", ids[start : start + height])
        rows += range(start, start + height) if new is None else (start + index for index in new)
        start += height
    return rows


def _without_stored(rows: list[int], arrays: Mapping[str, pa.Array], seen: SeenEvents) -> list[int]:
    """Leave out the events without an id that an earlier run wrote."""
    ids = arrays["event_id"]
    if not ids.null_count:
        return rows
    owners, about = arrays["conversation_id"], [arrays[name] for name in ("type", "at", "body")]
    stored = {
        row
        for row in rows
        if not ids[row].is_valid
        and seen.has_without_id(owners[row].as_py() or "", *(column[row].as_py() for column in about))
    }
    return [row for row in rows if row not in stored]


def _typed(
    table: Table, row_indexes: Any, arrays: Mapping[str, pa.Array], bodies: pa.Array, seen: SeenEvents
) -> tuple[pa.Table, list[Cell]]:
    """The rows of one table of events, from the bodies of these rows."""
    events = pa.array(row_indexes)
    if table.item_list:
        conversations = arrays["conversation_id"].take(events).to_pylist()
        fallbacks = _fallbacks(table, arrays, events)
        exploded = explode(table.name, bodies, [seen.items(owner or "") for owner in conversations], fallbacks)
        own, cells, events = exploded.arrays, exploded.cells, pa.array(row_indexes[exploded.parents])
    else:
        own, cells = read_bodies(table, arrays["type"].take(events), bodies)
        for name, fallback in _fallbacks(table, arrays, events).items():
            own[name] = pc.coalesce(own[name], fallback)
    for column in table.columns:
        if column.name not in own:
            own[column.name] = arrays[column.name].take(events)
    return assemble(table, own), [Cell(int(row_indexes[cell.row]), cell.column, cell.reason) for cell in cells]


def _fallbacks(table: Table, arrays: Mapping[str, pa.Array], events: pa.Array) -> dict[str, pa.Array]:
    """The values that events have for columns which their bodies may leave empty."""
    result = {}
    types = arrays["type"].take(events).cast(pa.string())
    for column in table.columns:
        if column.fallback is None:
            continue
        values = arrays[column.fallback.column].take(events)
        wanted = pc.is_in(types, pa.array(column.fallback.types))
        if pa.types.is_string(values.type):
            # Somebody who knocks is not a member.
            wanted = pc.and_(wanted, pc.invert(pc.fill_null(pc.starts_with(values, KNOCKER), fill_value=False)))
        result[column.name] = pc.if_else(wanted, values, pa.scalar(None, values.type))
    return result


def _rows_by_table(types: pa.DictionaryArray, keep: Any, unknown: Counter[str]) -> dict[str, Any]:
    """The rows of each table of events, by their type; unknown types are counted."""
    indices = types.indices.fill_null(-1).to_numpy()[keep]
    result: dict[str, list[Any]] = {}
    for code in np.unique(indices[indices >= 0]).tolist():
        event_type = types.dictionary[code].as_py()
        tables, rows = _tables_of(event_type), keep[indices == code]
        if tables is None:
            unknown[event_type] += len(rows)
        for name in tables or ():
            result.setdefault(name, []).append(rows)
    return {name: np.sort(np.concatenate(parts)) for name, parts in result.items()}


def keys_with_number(extras: pa.ChunkedArray) -> Counter[str]:
    """The keys in the column ``extra``, with their number; long ones are truncated."""
    if extras.null_count == len(extras):
        return Counter()
    return Counter(key[:_KEY_LENGTH] for text in extras.drop_null().to_pylist() for key in _keys_of(text))


def _keys_of(text: str) -> Iterable[str]:
    try:
        return _object.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        # Damaged JSON is in ``extra`` as received; it has no keys that could be counted.
        return ()


@cache
def _tables_of(event_type: str) -> tuple[str, ...] | None:
    """The tables that a type fills in addition to ``events``; None for an unknown type."""
    tables = tuple(table.name for table in TABLES.values() if event_type in table.types)
    known = event_type in set(EventType) or event_type.partition(":")[0] == EventFamily.CUSTOM
    return tables if tables or known else None


@cache
def _shape(name: str) -> ColumnDecoder:
    """The shape of a table that is filled from whole records."""
    table = TABLES[name]
    return ColumnDecoder([column for column in table.columns if column.paths or column.name == "extra"])


def conversation_ids(pages: Sequence[Page], page_lengths: Sequence[int]) -> pa.Array:
    """The conversation of each record of some pages."""
    parts = [
        pa.repeat(pa.scalar(page.conversation_id, pa.string()), height)
        for page, height in zip(pages, page_lengths, strict=True)
    ]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def assemble(table: Table, arrays: Mapping[str, pa.Array]) -> pa.Table:
    """The rows of a table, from its columns by name; other arrays are left out."""
    return pa.Table.from_arrays([arrays[column.name] for column in table.columns], schema=table.schema)
