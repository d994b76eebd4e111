"""What is unreadable in files is put in the quarantine once, however often the files are ingested."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conv_analytics import ingest, open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.privacy import Mask

APPLICATION, OTHER = "c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90", "c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a91"


def event(number: object, application: str = APPLICATION, at: str = "2026-11-20T09:17:41.512Z") -> dict[str, Any]:
    return {
        "type": "sip:hangup",
        "id": number,
        "conversation_id": "CON-1",
        "application_id": application,
        "timestamp": at,
        "body": {"channel": {"id": f"leg-{number}"}, "quality": {"mos_score": 4.0}},
    }


def written(folder: Path, *lines: object) -> Path:
    path = folder / "events.log"
    texts = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    path.write_bytes(b"\n".join(texts))
    return path


def quarantine(root: Path) -> list[str]:
    return [line for path in sorted((root / "_quarantine").iterdir()) for line in path.read_text().splitlines()]


NOISE = (
    b"09:15:00 INFO started by 447700900101",
    b'{"id": 7, "password": "secret", "sdp": "v=0',
    {"neither": "an event nor a page"},
    b'\xff\xfe\xfd "bytes" of no encoding',
    event(3, OTHER),
    b"x" * 10_000,
)


def test_a_second_ingest_makes_no_commit(tmp_path: Path) -> None:
    for mask in (None, Mask(b"a key for this test only")):
        root = tmp_path / ("masked" if mask else "exports")
        file = written(tmp_path, event(1), *NOISE, event(2))
        first = ingest(root, file, mask=mask)
        assert (first.tables["events"], first.quarantined, first.lost, first.commit) == (2, 6, 6, 1)
        stored = quarantine(root)
        for _ in range(2):
            again = ingest(root, file, mask=mask)
            assert (again.tables, again.quarantined, again.lost, again.duplicates, again.commit) == ({}, 0, 0, 8, None)
            assert "8 known before, 0 quarantined, 1 of other applications" in str(again)
        assert quarantine(root) == stored
        # Only what is new is added.
        more = ingest(root, written(tmp_path, *NOISE, event(4), b"another line"), mask=mask)
        assert (more.tables["events"], more.quarantined, more.duplicates, more.commit) == (1, 1, 6, 2)
        assert len(quarantine(root)) == len(stored) + 1
        assert not [each for each in open_dataset(root).verify() if each.level is Level.ERROR]


def test_a_record_with_a_row_is_known_by_its_event(tmp_path: Path) -> None:
    root, file = tmp_path / "exports", written(tmp_path, event(1, at="yesterday"))
    assert ingest(root, file).quarantined == 1
    again = ingest(root, file)
    assert (again.quarantined, again.duplicates, again.commit) == (0, 1, None)


def test_every_request_to_the_listener_counts(tmp_path: Path) -> None:
    """The inbox is read once: equal requests are different ones."""
    root, now = tmp_path / "exports", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    for number in (1, 2):
        with InboxWriter(Layout(root)) as writer:
            writer.append([Receipt("rtc", now, "unsigned", None, "POST", "", "", b"no JSON")])
        done = ingest(root)
        assert (done.quarantined, done.duplicates, done.commit) == (1, 0, number)
