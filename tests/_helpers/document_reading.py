"""Documents through the tables, one at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents

FIXTURES = Path(__file__).parents[1] / "fixtures"
CON = "CON-16ede6ae-148a-5950-8881-9d6d7e94ed2b"
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def page(events: Sequence[object], name: str = "events") -> bytes:
    items = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return b'{"_embedded": {"%b": [%b]}}' % (name.encode(), b",".join(items))


def flatten(*events: object, seen: SeenEvents | None = None, conversation: str = CON) -> Rows:
    return flatten_events([Page(conversation, page(events))], seen or SeenEvents())


def message(number: int, body: object, kind: str = "message") -> dict[str, Any]:
    return {"id": number, "type": kind, "timestamp": "2026-11-19T10:00:00Z", "body": body}


def table(rows: Rows, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.tables[name].to_pylist() if name in rows.tables else []
    return found


def filled(row: dict[str, Any]) -> dict[str, Any]:
    """The cells with a value; that a row of events came from a list is checked here."""
    assert row.get("source", "list") == "list"
    return {name: value for name, value in row.items() if value is not None and name != "source"}


__all__ = ["CON", "NOW", "Page", "Rows", "fixture", "flatten_conversations", "flatten_events", "flatten_records"]
