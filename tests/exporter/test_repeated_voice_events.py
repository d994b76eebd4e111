"""Voice events that come again in a later run, with bytes or ids that nobody should send, are stored once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from conv_analytics import ingest, open_dataset
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import conversations_of_calls, flatten_voice_events
from conv_analytics.tables.webhooks import Received

_COMPLETED = (
    b'"uuid": "9f2c", "status": "completed", "timestamp": "2026-11-20T10:00:05.610Z", "price": "0.5", "duration": "60"'
)
_BUSY = "uuid=9f2c&status=busy&conversation_uuid=CON-1&timestamp=2026-11-20T10:00:05.610Z"


@pytest.mark.parametrize(
    ("more", "conversation"),
    [
        (b'"conversation_uuid": "CON-1"', "CON-1"),
        (b'"conversation_uuid": "CON-1", "detail": "\\ud83d"', "CON-1"),
        (b'"conversation_uuid": "CON-1", "detail": "\xff"', "CON-1"),
        (b'"conversation_uuid": "CON-1", "detail": ' + b"[" * 2000 + b"]" * 2000, "CON-1"),
        (b'"conversation_uuid": "CON-\xff"', None),
        (b'"conversation_uuid": 5', "5"),
        (b'"conversation_uuid": {"id": "CON-1"}', ""),
        (b'"conversation_uuid": "", "conversation_uuid_to": "CON-2"', "CON-2"),
        (b'"conversation_uuid": "  ", "conversation_uuid_to": "CON-2"', "CON-2"),
        (b'"conversation_uuid": "  "', ""),
        (b'"conversation_uuid": null', ""),
    ],
)
def test_a_repeated_event_is_stored_once(more: bytes, conversation: str | None, tmp_path: Path) -> None:
    event = b"{" + _COMPLETED + b", " + more + b"}"
    file = tmp_path / "events.json"
    file.write_bytes(event)
    first, second = (ingest(tmp_path / "exports", file) for _ in range(2))
    assert first.tables["voice_events"] == first.tables["call_records"] == 1
    assert not second.tables
    assert second.duplicates == 1
    dataset = open_dataset(tmp_path / "exports")
    assert float(dataset["call_records"]["price"].sum()) == 0.5
    # Whoever looks up what the folder has asks for the conversation that the table names.
    table = flatten_voice_events([Received(event, None)], SeenEvents()).tables["voice_events"]
    named = table["conversation_id"][0].as_py() or ""
    assert conversations_of_calls([event]) == {named}
    if conversation is not None:
        assert named == conversation


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status": "answered"}'])
def test_the_event_of_a_get_request_is_in_its_query(body: bytes, tmp_path: Path) -> None:
    writer = InboxWriter(Layout(tmp_path / "exports"))
    writer.append([Receipt("voice", datetime.now(UTC), "ok", None, "GET", _BUSY, "application/json", body)])
    writer.close()
    ingest(tmp_path / "exports")
    rows = open_dataset(tmp_path / "exports")["leg_statuses"]
    assert rows[["leg_id", "status"]].to_numpy().tolist() == [["9f2c", "busy"]]
