"""The ids of events in pages and tables: their range, and whether they are in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from conv_analytics.exporter.summaries import summary_of
from conv_analytics.instants import from_micros
from conv_analytics.resources.cells import natural_number
from conv_analytics.tables.pages import decode, records


class _Numbered(msgspec.Struct):
    id: Any = None


def may_repeat_events(page: bytes, start: int) -> bool:
    """Whether a page may have events that an earlier run stored: with an id below the first requested one, or none.

    >>> [may_repeat_events(b'{"_embedded": [{"id": 7}, %b]}' % each, 7) for each in (b'{"id": 8}', b'{"id": 6}', b"{}")]
    [False, True, True]
    """
    events: Iterable[Any] | None = decode(page, "events", _Numbered)
    if events is None:
        events = map(summary_of, records(page, "events"))
    numbers = (natural_number(event.id) for event in events)
    return any(number is None or number < start for number in numbers)


def id_ranges(events: pa.Table) -> Mapping[str, tuple[int | None, int, datetime | None]]:
    """Lowest id, highest id (0 where no event has one) and latest instant of each conversation."""
    times = events["at"].cast(pa.int64())
    ids = events.select(["conversation_id", "event_id"]).append_column("at", times)
    grouped = ids.group_by("conversation_id").aggregate([("event_id", "min"), ("event_id", "max"), ("at", "max")])
    names = ("conversation_id", "event_id_min", "event_id_max", "at_max")
    rows: Any = zip(*(grouped[name].to_pylist() for name in names), strict=True)
    return {name: (first, last or 0, None if at is None else from_micros(at)) for name, first, last, at in rows}


def out_of_order(events: pa.Table) -> set[str]:
    """The conversations whose events do not come in the order of their ids."""
    named = events.filter(events["event_id"].is_valid())
    owners = named["conversation_id"].combine_chunks().dictionary_encode()
    codes = owners.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    codes, ids = codes[order], named["event_id"].to_numpy()[order]
    back = (ids[1:] < ids[:-1]) & (codes[1:] == codes[:-1])
    return {owners.dictionary[code].as_py() for code in np.unique(codes[1:][back]).tolist()}
