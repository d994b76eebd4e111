"""From the API's JSON to the rows of every table: pure, in bulk, and nothing is lost on the way.

A record that cannot be read as declared costs no other record: its row stays with that cell null, and the record goes to
the quarantine as it came, with the reason. What is not a record at all goes to the quarantine only.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import EventType
from conv_analytics.resources.record import Json
from conv_analytics.tables import TABLES
from conv_analytics.tables.bodies import read_bodies
from conv_analytics.tables.broken import Broken, Ledger
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.envelope import EventFamily, Technology
from conv_analytics.tables.explode import explode
from conv_analytics.tables.kinds import INSTANT, recode
from conv_analytics.tables.pages import records
from conv_analytics.tables.redact import redact_column
from conv_analytics.tables.seen import Seen
from conv_analytics.tables.shape import Cell, Reading, Shape


#: The key under which a record holds what belongs to it.
_EMBEDDED = "_embedded"


class Page(NamedTuple):
    """One page of a list, as the API sent it."""

    conversation_id: str | None
    """The conversation whose list it is; None for lists of the application."""
    body: bytes


@dataclass
class Rows:
    """What some records gave."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    duplicates: int = 0
    """Records left out because the same page or another had them already."""
    unknown_types: Counter[str] = field(default_factory=Counter)
    """Event types that no table but ``events`` knows, ``custom:*`` aside, with their number."""


def flatten_events(pages: Sequence[Page], seen: Seen) -> Rows:
    """Pages of events as rows of all tables of events.

    Parameters
    ----------
    pages
        Pages of one or several conversations, those of one conversation in their order.
    seen
        What was flattened before; an event that comes again is left out and counted.
    """
    reading, heights = _root().read_pages([page.body for page in pages], "events")
    arrays = reading.arrays
    bodies = arrays.pop("body")
    sender = _sender().read_texts(arrays.pop(_EMBEDDED))
    for name, array in sender.arrays.items():
        arrays[name] = pc.coalesce(array, arrays[name]) if name in arrays else array
    arrays["conversation_id"] = _owners(pages, heights)
    height = sum(heights)
    unreadable = {cell.row for cell in reading.cells if not cell.column}
    fresh = _fresh(pages, heights, arrays["event_id"], seen)
    keep = np.array([row for row in fresh if row not in unreadable], np.int64)
    rows = Rows(duplicates=height - len(fresh))
    ledger = Ledger("events")
    ledger.add("events", [*reading.cells, *sender.cells])
    nameless = np.flatnonzero(arrays["event_id"].is_null().to_numpy(zero_copy_only=False)).tolist()
    ledger.add("events", [Cell(row, "event_id", "there is no id") for row in nameless if row not in ledger])
    types = arrays["type"]
    arrays["body"] = redact_column(bodies, types)
    arrays["extra"] = redact_column(arrays["extra"])
    arrays["family"] = _first_words(types, EventFamily)
    arrays["technology"] = _first_words(types, Technology, others=False)
    events = _assemble(TABLES["events"], arrays)
    rows.tables["events"] = events if len(keep) == height else events.take(keep)
    for name, wanted in _rows_by_table(types, keep, rows.unknown_types).items():
        table, cells = _typed(TABLES[name], wanted, arrays, bodies.take(pa.array(wanted)), seen)
        rows.tables[name] = table
        ledger.add(name, cells)
    rows.broken = ledger.broken(_Documents(pages, heights, "events"), arrays, lost=unreadable)
    return rows


def flatten_records(name: str, pages: Sequence[Page], exported_at: datetime) -> Rows:
    """Pages of members, users or sessions as rows of their table."""
    reading, heights = _shape(name).read_pages([page.body for page in pages], name)
    return _records(name, reading, _owners(pages, heights), _Documents(pages, heights, name), exported_at, gone=False)


def flatten_conversations(documents: Sequence[bytes], exported_at: datetime, *, gone: bool = False) -> Rows:
    """Conversations, each a JSON object, as rows of their table."""
    reading = _shape("conversations").read(documents)
    return _records("conversations", reading, None, lambda row: documents[row], exported_at, gone=gone)


def _records(
    name: str,
    reading: Reading,
    owners: pa.Array | None,
    document: Callable[[int], bytes],
    exported_at: datetime,
    *,
    gone: bool,
) -> Rows:
    # A record without an id cannot be kept apart from others: it goes to the quarantine only (contract 6.2).
    table, arrays = TABLES[name], reading.arrays
    if owners is not None:
        arrays["conversation_id"] = owners
    identity = arrays[table.key[-1]]
    arrays["exported_at"] = pa.repeat(pa.scalar(exported_at, INSTANT), len(identity))
    arrays["gone"] = pa.repeat(pa.scalar(gone), len(identity))
    for column in {"extra", "numbers", "channels"} & arrays.keys():
        arrays[column] = redact_column(arrays[column])
    nameless = set(np.flatnonzero(identity.is_null().to_numpy(zero_copy_only=False)).tolist())
    ledger = Ledger(name)
    ledger.add(name, reading.cells)
    ledger.add(name, [Cell(row, table.key[-1], "there is no id") for row in sorted(nameless) if row not in ledger])
    rows = Rows(broken=ledger.broken(document, arrays, lost=nameless))
    whole = _assemble(table, arrays)
    rows.tables[name] = whole.filter(identity.is_valid()) if nameless else whole
    return rows


class _Documents:
    """Records as they came, cut out of their pages only when one is asked for."""

    def __init__(self, pages: Sequence[Page], heights: Sequence[int], name: str) -> None:
        self._pages, self._name = pages, name
        self._starts = list(itertools.accumulate(heights, initial=0))

    def __call__(self, row: int) -> bytes:
        page = bisect.bisect_right(self._starts, row) - 1
        return bytes(records(self._pages[page].body, self._name)[row - self._starts[page]])


def _fresh(pages: Sequence[Page], heights: Sequence[int], event_ids: pa.Array, seen: Seen) -> list[int]:
    """The rows of events that did not come before."""
    ids = event_ids.to_pylist()
    rows: list[int] = []
    start = 0
    for page, height in zip(pages, heights, strict=True):
        places = seen.fresh(page.conversation_id or "", ids[start : start + height])
        rows += range(start, start + height) if places is None else (start + place for place in places)
        start += height
    return rows


def _typed(
    table: Table, wanted: Any, arrays: Mapping[str, pa.Array], bodies: pa.Array, seen: Seen
) -> tuple[pa.Table, list[Cell]]:
    """The rows of one table of events, from the bodies of the rows wanted."""
    events = pa.array(wanted)
    if table.each:
        owners = arrays["conversation_id"].take(events).to_pylist()
        exploded = explode(table.name, bodies, [seen.items(owner) for owner in owners])
        own, cells, events = exploded.arrays, exploded.cells, pa.array(wanted[exploded.parents])
    else:
        own, cells = read_bodies(table, arrays["type"].take(events), bodies)
    for column in table.columns:
        if column.name not in own:
            own[column.name] = arrays[column.name].take(events)
    return _assemble(table, own), [Cell(int(wanted[cell.row]), cell.column, cell.reason) for cell in cells]


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


@cache
def _tables_of(event_type: str) -> tuple[str, ...] | None:
    """The tables that a type fills beside ``events``; None for a type that nobody knows."""
    tables = tuple(table.name for table in TABLES.values() if event_type in table.types)
    known = event_type in set(EventType) or event_type.partition(":")[0] == EventFamily.CUSTOM
    return tables if tables or known else None


@cache
def _shape(name: str) -> Shape:
    """The shape of a table that is filled from whole records."""
    table = TABLES[name]
    return Shape([column for column in table.columns if column.paths or column.name == "extra"])


@cache
def _root() -> Shape:
    """The keys of an event itself. What it embeds, its sender, is left as text: events of a member repeat it."""
    columns = [_outside(column) for column in TABLES["events"].columns]
    embedded = Column(_EMBEDDED, Json, "Who sent the event.", paths=((_EMBEDDED,),))
    return Shape([*(column for column in columns if column.paths or column.name == "extra"), embedded])


@cache
def _sender() -> Shape:
    """What an event embeds."""
    columns = (_inside(column) for column in TABLES["events"].columns)
    return Shape([column for column in columns if column.paths])


def _outside(column: Column) -> Column:
    return replace(column, paths=tuple(path for path in column.paths if path[0] != _EMBEDDED))


def _inside(column: Column) -> Column:
    return replace(column, paths=tuple(path[1:] for path in column.paths if path[0] == _EMBEDDED))


def _owners(pages: Sequence[Page], heights: Sequence[int]) -> pa.Array:
    parts = [
        pa.repeat(pa.scalar(page.conversation_id, pa.string()), height)
        for page, height in zip(pages, heights, strict=True)
    ]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def _first_words(types: pa.DictionaryArray, vocabulary: type[StrEnum], *, others: bool = True) -> pa.Array:
    """The part of each type before its colon, as a word of a vocabulary."""
    words = [str(word).partition(":")[0] for word in types.dictionary.to_pylist()]
    known = [word if others or word in set(vocabulary) else None for word in words]
    return recode(vocabulary, known, types.indices)


def _assemble(table: Table, arrays: dict[str, pa.Array]) -> pa.Table:
    return pa.Table.from_arrays([arrays[column.name] for column in table.columns], schema=table.schema)
