"""From webhook events to the rows of every table (live contract 5).

Webhooks have the events of the lists, one by one, each with the ids of its conversation and its application; so they
are put into pages, conversation by conversation, and processed like lists. Values that lists lack are added: when an
event was received, and a key for those that have no id or no conversation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources.cells import natural_number
from conv_analytics.tables.broken_records import BrokenRecord, Problem
from conv_analytics.tables.envelope import EventSource
from conv_analytics.tables.flatten import (
    Rows,
    conversation_ids,
    flatten_conversations,
    new_rows,
    sources,
    tabulate,
)
from conv_analytics.tables.kinds import INSTANT
from conv_analytics.tables.pages import Page, records
from conv_analytics.tables.read_events import Events, read_events
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.webhook_bodies import Outline, decoded_outline, outline
from conv_analytics.tables.webhook_identity import conversation_of, key_of

#: Events of a conversation's own life, whose bodies are the conversation.
_OF_CONVERSATION = pa.array(["conversation:created", "conversation:deleted"])
#: The earliest instant at which a row of a conversation can have been seen, for when it is unknown.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = float("inf")
_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class Received(NamedTuple):
    """One JSON object that a webhook received."""

    body: bytes
    at: datetime | None
    """When it was received; None if unknown."""
    conversation_id: str | None = None
    """Its conversation, if known from elsewhere; an event that names one itself belongs to that one."""
    verification: str | None = None
    """The verdict on the signature of its request; None without a request."""
    application_id: str | None = None
    """The application that signed its request; None if unknown."""


@dataclass
class ReceivedRows(Rows):
    """The rows of events that webhooks received."""

    received: pa.Table = field(default_factory=lambda: pa.table({}))
    """Per row of ``events``: ``received_at``, ``application_id``, and ``event_key`` where it has no id or no
    conversation."""


def flatten_webhooks(
    received: Sequence[Received], seen: SeenEvents, *, source: EventSource = EventSource.LIVE
) -> ReceivedRows:
    """Turn events of webhooks into rows of all tables of events, and of ``conversations``.

    Parameters
    ----------
    received
        The events, in the order in which they came; rows are in the order of their ids.
    seen
        The events flattened before; a repeated event is left out and counted. The key of an event without an id
        is one of its `SeenEvents.items`, under its conversation, or under "" where it has none.
    source
        The value of the column ``source``.

    Examples
    --------
    >>> body = b'{"type": "sip:ringing", "id": 4, "conversation_id": "CON-1", "body": {"direction": "inbound"}}'
    >>> rows = flatten_webhooks([Received(body, None), Received(body, None)], SeenEvents())
    >>> rows.tables["call_events"]["event_id"].to_pylist(), rows.duplicates
    ([4], 1)
    """
    grouped = _Grouped.of(received)
    pages = grouped.pages(received)
    read = read_events([page.body for page in pages], delivered=True)
    arrays = read.arrays
    arrays["conversation_id"] = conversation_ids(pages, read.page_lengths)
    _without_foreign_ids(arrays)
    nameless = np.flatnonzero(arrays["event_id"].is_null().to_numpy(zero_copy_only=False)).tolist()
    keys = {row: key_of(grouped.outlines[row]) for row in nameless}
    order = grouped.order
    height = len(order)
    arrays["event_key"] = pa.array([keys.get(row) for row in range(height)] if keys else [None] * height, pa.string())
    arrays["received_at"] = pa.array([received[row].at for row in order], INSTANT)
    arrays["verification"] = pa.array([received[row].verification for row in order], pa.string())
    arrays["source"] = sources(source, height)
    fresh = new_rows(pages, read.page_lengths, arrays["event_id"], seen)
    if keys:
        owners = arrays["conversation_id"]
        fresh = [row for row in fresh if row not in keys or _is_new(keys[row], owners[row].as_py() or "", seen)]
    rows = tabulate(read, fresh, (), lambda row: received[order[row]].body, seen)
    readable = [row for row in fresh if row not in {cell.row for cell in read.cells if not cell.column}]
    result = ReceivedRows(**vars(rows))
    names = ("received_at", "event_key", "application_id")
    result.received = pa.table({name: arrays[name] for name in names}).take(pa.array(readable, pa.int64()))
    _add_conversations(result, read, readable)
    result.broken += [
        BrokenRecord("events", None, None, (Problem("events", "", "not a JSON object"),), has_row=False, raw=raw)
        for raw in grouped.unreadable
    ]
    return result


class _Grouped(NamedTuple):
    """Events by conversation, those of one conversation by their ids."""

    groups: list[tuple[str | None, list[int]]]
    """Per page, the conversation, and the number of each of its events as it was received."""
    outlines: list[Outline]
    """Of the events, in the order of the pages."""
    unreadable: list[bytes]

    @classmethod
    def of(cls, received: Sequence[Received]) -> _Grouped:
        conversations: dict[str | None, list[tuple[float, int, Outline, bool]]] = {}
        unreadable = []
        for number, event in enumerate(received):
            body = event.body
            fields = decoded_outline(body)
            alone = fields is None
            # A text that no decoder accepts may have an extra quotation mark, which would swallow the text after it.
            fields = fields or (outline(body) if _holds_one(_page(body)) else None)
            if fields is None:
                unreadable.append(body)
            else:
                events = conversations.setdefault(conversation_of(fields) or event.conversation_id, [])
                events.append((_id_of(fields), number, fields, alone))
        groups: list[tuple[str | None, list[int]]] = []
        outlines = []
        for name, events in conversations.items():
            events.sort(key=lambda event: event[:2])
            joined = False
            for _, number, fields, alone in events:
                outlines.append(fields)
                if joined and not alone:
                    groups[-1][1].append(number)
                else:
                    groups.append((name, [number]))
                joined = not alone
        return cls(groups, outlines, unreadable)

    @property
    def order(self) -> list[int]:
        """The number of each event, as it was received, in the order of the pages."""
        return [number for _, numbers in self.groups for number in numbers]

    def pages(self, received: Sequence[Received]) -> list[Page]:
        """The events as pages of lists; not a byte of an event is changed."""
        return [
            Page(name, _page(b",".join([received[number].body for number in numbers]))) for name, numbers in self.groups
        ]


def _page(events: bytes) -> bytes:
    return b'{"_embedded":{"events":[' + events + b"]}}"


def _holds_one(page: bytes) -> bool:
    try:
        return len(records(page, "events")) == 1
    except ValueError:
        return False


def _id_of(fields: Outline) -> float:
    """The id of an event, as a sort key; events without one come last, in their order."""
    if not fields.id:
        return _LAST
    try:
        number = natural_number(msgspec.json.decode(fields.id))
    except _REFUSED:
        return _LAST
    return _LAST if number is None else number


def _without_foreign_ids(arrays: dict[str, pa.Array]) -> None:
    """Move the ids of events without a conversation to ``extra``: alone they identify no event."""
    foreign = pc.and_(arrays["conversation_id"].is_null(), arrays["event_id"].is_valid())
    rows = np.flatnonzero(foreign.to_numpy(zero_copy_only=False)).tolist()
    if not rows:
        return
    extras = arrays["extra"].to_pylist()
    for row in rows:
        rest = [] if extras[row] is None else [extras[row][1:-1]]
        extras[row] = "{" + ",".join([f'"id":{json.dumps(arrays["event_id"][row].as_py())}', *rest]) + "}"
    arrays["extra"] = pa.array(extras, pa.string())
    arrays["event_id"] = pc.if_else(foreign, pa.scalar(None, pa.int64()), arrays["event_id"])


def _is_new(key: str, conversation_id: str, seen: SeenEvents) -> bool:
    known = seen.items(conversation_id)
    if key in known:
        return False
    known.add(key)
    return True


def _add_conversations(rows: ReceivedRows, read: Events, indexes: Sequence[int]) -> None:
    """Add the rows of conversations that were created or deleted: of transient ones there is no other record."""
    types = read.arrays["type"].take(pa.array(indexes, pa.int64())).cast(pa.string())
    chosen = pc.and_(pc.is_in(types, _OF_CONVERSATION), read.bodies.take(pa.array(indexes, pa.int64())).is_valid())
    places: Any = pa.array(indexes, pa.int64()).filter(pc.fill_null(chosen, fill_value=False))
    if not len(places):
        return
    times = pc.coalesce(read.arrays["received_at"], read.arrays["at"], pa.scalar(_LONG_AGO, INSTANT)).take(places)
    documents = [text.encode() for text in read.bodies.take(places).to_pylist()]
    conversations = flatten_conversations(documents, times)
    rows.tables |= conversations.tables
    rows.broken += conversations.broken


__all__ = ["Received", "ReceivedRows", "flatten_webhooks"]
