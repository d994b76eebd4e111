"""Events that come from a list and from a webhook or a file: one row each, and the list's where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.storage.views import replaces_rows
from conv_analytics.tables import TABLES
from conv_analytics.tables.envelope import EVENT_KEY
from conv_analytics.tables.event_content import content_digests
from conv_analytics.tables.event_sources import EVENT_SOURCES

#: Per conversation and event id, the digest of the stored content.
Contents = Mapping[str, Mapping[int, int | None]]


class Merged(NamedTuple):
    """How many events came a second time, from the other source."""

    confirmed: int = 0
    """With the same content."""
    corrected: int = 0
    """With different content."""
    uncompared: int = 0
    """With unknown content: the folder has no table ``events``."""


def merge_listed(tables: dict[str, pa.Table], delivered: Contents) -> Merged:
    """Remove listed events from their tables where the same ones came from a webhook or a file.

    Adds the table ``event_sources``, with a row for each event that came both ways.

    Parameters
    ----------
    tables
        The rows of listed events, by table.
    delivered
        Events that the folder has from webhooks and files.
    """
    twice = stored_before(tables["events"], delivered)
    if not len(twice):
        return Merged()
    sources, merged = both_sources(twice, delivered)
    same = _keys(sources.filter(pc.invert(sources["differs"])))
    for name, rows in tables.items():
        if replaces_rows(TABLES[name]):
            tables[name] = rows.filter(pc.invert(pc.is_in(_keys(rows), same)))
    tables[EVENT_SOURCES.name] = sources
    return merged


def both_sources(events: pa.Table, stored: Contents) -> tuple[pa.Table, Merged]:
    """The rows of ``event_sources`` for events that the folder has from the other source, with their number."""
    owners, ids = (events[name].to_pylist() for name in ("conversation_id", "event_id"))
    before = [stored[owner][number] for owner, number in zip(owners, ids, strict=True)]
    later = content_digests(events)
    differs = [one is not None and one != other for one, other in zip(before, later, strict=True)]
    columns = [events[name] for name in ("conversation_id", "event_id", "type", "at")]
    rows = pa.table([*columns, pa.array(differs, pa.bool_())], schema=EVENT_SOURCES.schema)
    uncompared = before.count(None)
    return rows, Merged(differs.count(False) - uncompared, differs.count(True), uncompared)


def stored_before(events: pa.Table, stored: Contents) -> pa.Table:
    """The events that the folder has from the other source."""
    near = events.filter(pc.is_in(events["conversation_id"], pa.array(list(stored), pa.string())))
    owners, ids = (near[name].to_pylist() for name in ("conversation_id", "event_id"))
    return near.filter(pa.array([number in stored[name] for name, number in zip(owners, ids, strict=True)], pa.bool_()))


def first_of_each(events: pa.Table) -> pa.Table:
    """The first row of each event."""
    seen: dict[tuple[str, int], int] = {}
    for row, key in enumerate(zip(*(events[name].to_pylist() for name in EVENT_KEY), strict=True)):
        seen.setdefault(key, row)
    return events.take(pa.array(list(seen.values()), pa.int64()))


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    """A text per row, equal for rows of one event; null where a row names none."""
    return pc.binary_join_element_wise(rows["conversation_id"], rows["event_id"].cast(pa.string()), "/")
