"""Runs of `ingest` in processes of their own, which kill themselves at a chosen change of the disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from conv_analytics import ingest
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.privacy import Mask
from tests._helpers.disk_changes import changes_made, die_at
from tests._helpers.fork_server import fork_server

_RECEIVED = datetime(2026, 11, 20, 9, 18, tzinfo=UTC)


def receipts(interface: str, bodies: Sequence[bytes]) -> list[Receipt]:
    """Bodies as a listener takes them in, a second apart."""
    return [
        Receipt(interface, _RECEIVED + timedelta(seconds=number), "ok", None, "POST", "", "application/json", body)
        for number, body in enumerate(bodies)
    ]


def receive(dest: Path, bodies: Sequence[bytes], *, interface: str = "rtc", mask: Mask | None = None) -> Path:
    """Put bodies into the inbox of a folder, as a listener does; return the segment, which is sealed."""
    with InboxWriter(Layout(dest), mask.settings() if mask else None) as writer:
        writer.append(receipts(interface, [mask.page(body) for body in bodies] if mask else bodies))
        name = writer.segment
    return dest / "_inbox" / f"{name}.segment"


def _ingest(dest: Path, change: int, changes: Any) -> None:
    die_at(change, changes)
    ingest(dest)


def ingest_until(dest: Path, change: int) -> int:
    """Run, and die right before a change of the disk, counted from 1; return how many changes it came to.

    A run that makes fewer changes than that ends as usual.
    """
    changes = fork_server().Value("i", 0, lock=False)
    process = fork_server().Process(target=_ingest, args=(dest, change, changes), daemon=True)
    process.start()
    return changes_made(process, change, changes)
