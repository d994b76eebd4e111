"""`read_events`: from files of events to typed DataFrames, without an account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.event_objects import EventFiles, Files, ObjectBatch
from conv_analytics.exporter.options import DEFAULT_TABLES, OPTIONAL
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.results import Frames
from conv_analytics.exporter.row_counts import RowCounts
from conv_analytics.exporter.sinks import MemorySink
from conv_analytics.instants import utc_text
from conv_analytics.privacy import Mask
from conv_analytics.tables import TABLES
from conv_analytics.tables.envelope import EventSource
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_records
from conv_analytics.tables.memberships import with_known_states
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import flatten_voice_events
from conv_analytics.tables.webhooks import flatten_webhooks

if TYPE_CHECKING:
    import pandas as pd


@dataclass(repr=False)
class FilesReport(Report):
    """The report of reading files of events.

    It is complete when every file was read to its end; otherwise ``incomplete`` has the reason for each path.
    """

    files: int = 0
    read_bytes: int = 0
    """Size of the files, decompressed. [B]"""

    def sentence(self) -> str:
        """The counts in one line."""
        return (
            f"{self.status}: {self._counts()}, from {self.files:,} {'file' if self.files == 1 else 'files'}"
            f" ({self.read_bytes / 1e6:,.1f} MB) in {self.seconds:,.1f} s"
        )

    def _counts(self) -> str:
        return f"{self.tables.get('events', 0):,} events, {self.tables.get('voice_events', 0):,} Voice events"


def read_events(files: Files, *, mask: Mask | None = None) -> Frames:
    r"""Read files of events into typed DataFrames: the same tables that an export gives, without an account.

    Parameters
    ----------
    files : str, Path or iterable of these
        Paths, or patterns such as ``"dumps/**/*.json.gz"``; a folder stands for all files in it. A file may be JSON,
        JSON Lines, or a log with JSON or queries of ``GET`` requests in it, plain or compressed (gzip, zstd, bz2, lz4).
        It may hold bodies of RTC and Voice webhooks, events as a list or the client SDK has them, pages as the API gave
        them, conversations and members, or any of these inside an envelope of your own, such as
        ``{"received_at": ..., "body": {...}}``, or inside a line of a log in one, as Docker writes it:
        ``{"log": "INFO {...}"}``.
    mask : Mask, default None
        Replaces phone numbers, names, texts and other personal data with tokens.

    Returns
    -------
    Frames
        DataFrames by table name; ``.report`` counts what was read, and ``.broken`` has what could not be.

    Raises
    ------
    ConfigError
        If a path or a pattern names no file.

    Notes
    -----
    A repeated event is one row: that of its first occurrence. An event of a list belongs to the conversation that its
    own link names, that of its page, or the id in the name of its file; without any of these, its conversation is null.
    A file that is cut off or damaged is read as far as possible: ``.report.incomplete`` names it. Files are read in
    pieces, whatever their size; the result is in memory.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> hangup = {
    ...     "type": "sip:hangup", "id": 10, "conversation_id": "CON-7d1f3c52", "application_id": "c0ffee00",
    ...     "body": {"channel": {"id": "4b7e1c90"}, "quality": {"mos_score": 4.37}, "reason": {"sip_code": 200}},
    ...     "timestamp": "2026-11-20T09:17:41.512Z",
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "webhook.log").write_text(f"INFO received {json.dumps(hangup)}\n")
    ...     frames = read_events(f"{folder}/*.log")
    >>> frames["hangups"][["conversation_id", "mos_score", "sip_code"]].values.tolist()
    [['CON-7d1f3c52', 4.37, 200]]
    >>> frames.report.quarantined
    1
    """
    begin, started = time.monotonic(), datetime.now(UTC)
    reading = EventFiles(files, mask=mask)
    report = FilesReport(
        started_at=utc_text(started, "seconds"), files=len(reading.paths), mask=mask.settings() if mask else None
    )
    seen = SeenEvents()
    sink = MemorySink([*DEFAULT_TABLES, "voice_events", *OPTIONAL], started.date())
    for batch in reading:
        for rows in flatten_objects(batch, seen, started):
            _put(rows, sink, report)
    report.read_bytes, report.incomplete = reading.read_bytes, reading.incomplete
    frames = sink.finish(report, ConversationStates(), lambda: None)
    latest = {name: _latest(name, frames) if TABLES[name].latest else frames[name] for name in frames}
    kept = {name: frame for name, frame in latest.items() if name not in OPTIONAL or len(frame)}
    report.tables |= {name: len(kept[name]) for name in report.tables if name in kept}
    report.seconds = time.monotonic() - begin
    return Frames(kept, report, frames.broken)


def flatten_objects(batch: ObjectBatch, seen: SeenEvents, read_at: datetime) -> Iterator[Rows]:
    """The rows of a batch of objects; those of events are in order of precedence, a list before a webhook.

    Parameters
    ----------
    batch
        The objects.
    seen
        The events of earlier batches.
    read_at
        Assumed export time of lists: files do not state one.
    """
    if batch.conversations:
        yield flatten_conversations(batch.conversations, read_at)
    for name, pages in batch.lists.items():
        yield flatten_records(name, pages, read_at)
    if batch.listed:
        yield flatten_webhooks(batch.listed, seen, source=EventSource.FILE)
    if batch.rtc:
        yield flatten_webhooks(batch.rtc, seen)
    if batch.voice:
        yield flatten_voice_events(batch.voice, seen)
    if batch.broken:
        yield Rows(broken=batch.broken)


def _put(rows: Rows, sink: MemorySink, report: Report) -> None:
    counts = RowCounts(Counter({name: table.num_rows for name, table in rows.tables.items()}))
    counts.events = counts.tables["events"]
    counts.add(rows)
    report.add(counts)
    for name, table in rows.tables.items():
        sink.write(name, table)
    sink.quarantine([record.to_json() for record in rows.broken])


def _latest(name: str, frames: Frames) -> pd.DataFrame:
    """One row per key: the one that was seen last."""
    table = TABLES[name]
    ordered = frames[name].sort_values([table.latest or table.day], kind="stable")
    if name == "conversations":
        rows = pa.Table.from_pandas(ordered[["conversation_id", "state", "extra"]], preserve_index=False)
        states = with_known_states(rows)["state"].to_pandas()
        ordered["state"] = states.astype(ordered["state"].dtype).set_axis(ordered.index)
    last: pd.DataFrame = ordered.drop_duplicates(list(table.key), keep="last").sort_index(ignore_index=True)
    return last


__all__ = ["FilesReport", "flatten_objects", "read_events"]
