"""What happened in one conversation: its events in order, each with what its table and its body tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError, TableNotFound
from conv_analytics.tables import TABLES

#: Tables with one row per event; `events` has all of them.
EVENT_TABLES = (
    "events", "hangups", "call_events", "call_records", "messages", "message_statuses", "member_events", "audio_events",
)  # fmt: skip
#: Tables that tell what an event says beside them.
_ALSO = ("leg_statuses", "transcripts")


@dataclass(slots=True)
class Happening:
    """One event.

    Attributes
    ----------
    event_id, type
        Number within the conversation, and type; None where the event has none.
    at
        When, in microseconds since 1970; None where that is not known.
    sender
        Member that caused it.
    detail
        Its body, verbatim.
    order
        `ok`; `late` when an event with a smaller number is younger; `duplicate` when it tells what was known.
    """

    event_id: int | None
    type: str
    at: int | None
    sender: str | None
    detail: str | None
    order: str = "ok"
    told: Mapping[str, Any] = field(default_factory=dict)
    """What its table holds, without nulls."""
    body: Any = None

    def get(self, name: str) -> Any:
        """A column of its table: from the table, or else from the body; None where neither has it."""
        if name in self.told:
            return self.told[name]
        return _found(self.body, _paths(self.type).get(name, ())) if self.body else None

    def text(self, name: str) -> str | None:
        """The same as text; empty is None."""
        value = self.get(name)
        return None if value is None or value == "" or isinstance(value, dict | list) else str(value)

    def number(self, name: str) -> float | None:
        """The same as a number; None where it is none."""
        try:
            return float(self.get(name))
        except (TypeError, ValueError):
            return None

    @property
    def family(self) -> str:
        """First word of the type."""
        return self.type.partition(":")[0]


def conversation(data: Any, conversation_id: str) -> Source:
    """The tables of one conversation, in memory.

    Raises
    ------
    TableNotFound
        If no table holds events.
    ConfigError
        If there are events, but none of this conversation.
    """
    source = Source.of(data)
    if not any(name in source.tables for name in (*EVENT_TABLES, *_ALSO)):
        raise TableNotFound("events", source.tables, where="the data")
    one = source.of_conversation(conversation_id)
    if not any(map(one.has_rows, one.tables)) and any(map(source.has_rows, source.tables)):
        raise ConfigError(
            f"The data has nothing of conversation {conversation_id!r}. "
            "Look for its id in the column conversation_id of events or conversations."
        )
    return one


def happenings(source: Source) -> list[Happening]:
    """The events of a conversation by number; those that are repeated in the data stand once."""
    told: dict[int, dict[str, Any]] = {}
    loose: list[dict[str, Any]] = []
    for name in (*EVENT_TABLES, *_ALSO):
        for row in records(source, name):
            if row.get("event_id") is None:
                loose += [] if name in _ALSO else [row]
            elif name not in _ALSO:
                told.setdefault(row["event_id"], {}).update(row)
            elif row["event_id"] in told or "events" not in source.tables:
                _also(told.setdefault(row["event_id"], {"event_id": row["event_id"]}), name, row)
    found = [_happening(row) for _, row in sorted(told.items())]
    found += [_happening(row) for row in {json.dumps(row, default=str, sort_keys=True): row for row in loose}.values()]
    latest = None
    for one in found:
        if one.at is not None and one.event_id is not None:
            if latest is not None and one.at < latest:
                one.order = "late"
            latest = one.at if latest is None else max(latest, one.at)
    return found


def records(source: Source, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a table as plain values, without nulls; instants are microseconds."""
    if name not in source.tables:
        return
    frame = Rows.read(source, name, needed=()).collect()
    columns: dict[str, list[Any]] = {}
    for column in frame:
        series = frame[column]
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            series = coerce.micros(series)
        columns[str(column)] = series.astype("object").where(series.notna(), None).tolist()
    for values in zip(*columns.values(), strict=True):
        yield {name: value for name, value in zip(columns, values, strict=True) if value is not None}


def _also(row: dict[str, Any], name: str, more: dict[str, Any]) -> None:
    if name == "transcripts":
        row["heard"] = row.get("heard", 0) + 1
        if more.get("alternative", 1) == 1:
            row.update(confidence=more.get("confidence"), leg_id=more.get("leg_id"))
        base = {"type": "audio:asr:done"}
    else:
        # Each history repeats the former statuses: the last one is the news of the event.
        if row.get("status_at", more.get("at", 0)) <= more.get("at", 0):
            row.update({key: more[key] for key in ("status", "reason") if key in more}, status_at=more.get("at", 0))
        row.setdefault("leg_id", more.get("leg_id"))
        row.setdefault("member_id", more.get("member_id"))
        base = {"type": "leg:status:update"}
    for key in ("at", "from_member_id"):
        if key in more:
            row.setdefault(key, more[key])
    row.setdefault("type", base["type"])


def _happening(row: dict[str, Any]) -> Happening:
    kind = str(row.get("type", ""))
    detail = row.get("body")
    return Happening(
        row.get("event_id"), kind, row.get("at"), row.get("from_member_id"), detail, told=row, body=_parsed(detail)
    )


def _parsed(detail: Any) -> Any:
    try:
        return json.loads(detail) if isinstance(detail, str) else None
    except ValueError:
        return None


@cache
def _paths(kind: str) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """Where the columns of the table of a type stand in its bodies."""
    tables = [table for table in TABLES.values() if kind in table.types and table.name != "transcripts"]
    return {column.name: column.paths for table in tables for column in table.columns if column.paths}


def _found(body: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    for path in paths:
        value = body
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None and value != "":
            return value[0] if isinstance(value, list) and len(value) == 1 else value
    return None


__all__ = ["EVENT_TABLES", "Happening", "conversation", "happenings", "records"]
