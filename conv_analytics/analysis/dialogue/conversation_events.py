"""The events of one conversation in order, each with the values of its table and its body."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError, TableNotFound
from conv_analytics.tables import TABLES

#: Tables with one row per event; `events` has all of them.
EVENT_TABLES = (
    "events", "hangups", "call_events", "call_records", "messages", "message_statuses", "member_events", "audio_events",
)  # fmt: skip
#: Tables with further values of events that other tables have.
_MORE = ("leg_statuses", "transcripts")


@dataclass(slots=True)
class ConversationEvent:
    """One event.

    Attributes
    ----------
    event_id, type
        Number within the conversation, and type; None where the event has none.
    at
        Its instant, in microseconds since 1970; None where that is not known.
    sender
        Member that caused it.
    detail
        Its body, verbatim.
    order
        `ok`; `late` when an event with a smaller number is younger; `duplicate` when it repeats known data.
    """

    event_id: int | None
    type: str
    at: int | None
    sender: str | None
    detail: str | None
    order: str = "ok"
    values: Mapping[str, Any] = field(default_factory=dict)
    """The columns of its tables, without nulls."""
    body: Any = None

    def get(self, name: str) -> Any:
        """A column of its table: from the table, or else from the body; None where neither has it."""
        if name in self.values:
            return self.values[name]
        return _first_value(self.body, _paths(self.type).get(name, ())) if self.body else None

    def text(self, name: str) -> str | None:
        """The column as text; an empty text is None."""
        value = self.get(name)
        return None if value is None or value == "" or isinstance(value, dict | list) else str(value)

    def number(self, name: str) -> float | None:
        """The column as a finite number; None if it is not one."""
        return finite(self.get(name))

    @property
    def family(self) -> str:
        """First word of the type."""
        return self.type.partition(":")[0]


def one_conversation(data: Any, conversation_id: str) -> Source:
    """The tables of one conversation, in memory.

    Raises
    ------
    TableNotFound
        If no table holds events.
    ConfigError
        If there are events, but none of this conversation.
    """
    source = Source.of(data)
    if not any(name in source.tables for name in (*EVENT_TABLES, *_MORE)):
        raise TableNotFound("events", source.tables, where="the data")
    tables = source.of_conversation(conversation_id)
    if not any(map(tables.has_rows, tables.tables)) and any(map(source.has_rows, source.tables)):
        raise ConfigError(
            f"The data has nothing about conversation {conversation_id!r}. "
            "Look for its id in the column conversation_id of events or conversations."
        )
    return tables


def conversation_events(source: Source) -> list[ConversationEvent]:
    """The events of a conversation by number, each once even if the data repeats it."""
    by_id: dict[int, dict[str, Any]] = {}
    without_id: list[dict[str, Any]] = []
    for name in (*EVENT_TABLES, *_MORE):
        for row in records(source, name):
            if row.get("event_id") is None:
                without_id += [] if name in _MORE else [row]
            elif name not in _MORE:
                by_id.setdefault(row["event_id"], {}).update(row)
            elif row["event_id"] in by_id or "events" not in source.tables:
                _add_values(by_id.setdefault(row["event_id"], {"event_id": row["event_id"]}), name, row)
    events = [_event(row) for _, row in sorted(by_id.items())]
    distinct = {json.dumps(row, default=str, sort_keys=True): row for row in without_id}
    events += map(_event, distinct.values())
    latest = None
    for event in events:
        if event.at is not None and event.event_id is not None:
            if latest is not None and event.at < latest:
                event.order = "late"
            latest = event.at if latest is None else max(latest, event.at)
    return events


def records(source: Source, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a table as plain values, without nulls; instants are microseconds."""
    if name not in source.tables:
        return
    yield from Rows.read(source, name, needed=()).records()


def _add_values(row: dict[str, Any], name: str, more: dict[str, Any]) -> None:
    if name == "transcripts":
        row["heard"] = row.get("heard", 0) + 1
        if more.get("alternative", 1) == 1:
            row.update({key: more[key] for key in ("confidence", "leg_id") if key in more})
        base = {"type": "audio:asr:done"}
    else:
        # Each history repeats the earlier statuses: only the last one is new.
        if row.get("status_at", more.get("at", 0)) <= more.get("at", 0):
            row.update({key: more[key] for key in ("status", "reason") if key in more}, status_at=more.get("at", 0))
        row.setdefault("leg_id", more.get("leg_id"))
        row.setdefault("member_id", more.get("member_id"))
        base = {"type": "leg:status:update"}
    for key in ("at", "from_member_id"):
        if key in more:
            row.setdefault(key, more[key])
    row.setdefault("type", base["type"])


def _event(row: dict[str, Any]) -> ConversationEvent:
    kind = str(row.get("type", ""))
    detail = row.get("body")
    return ConversationEvent(
        row.get("event_id"), kind, row.get("at"), row.get("from_member_id"), detail, values=row, body=_parsed(detail)
    )


def finite(value: Any) -> float | None:
    """A value of a body as a finite number; None if it is not one.

    >>> finite("0.9"), finite("Infinity"), finite(10**400), finite(True)
    (0.9, None, None, None)
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _parsed(detail: Any) -> Any:
    try:
        return json.loads(detail) if isinstance(detail, str) else None
    except (ValueError, RecursionError):
        return None


@cache
def _paths(kind: str) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """The paths, in an event's body, of the columns of its type's table."""
    tables = [table for table in TABLES.values() if kind in table.types and table.name != "transcripts"]
    return {column.name: column.paths for table in tables for column in table.columns if column.paths}


def _first_value(body: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    for path in paths:
        value = body
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None and value != "":
            return value[0] if isinstance(value, list) and len(value) == 1 else value
    return None


__all__ = ["EVENT_TABLES", "ConversationEvent", "conversation_events", "finite", "one_conversation", "records"]
