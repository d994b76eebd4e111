"""`ingest`: fold the events that a listener received, and those of files, into a folder."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset import DatasetWriter, open_dataset
from conv_analytics.dataset.maintenance.latest_rows import RunRows, latest_rows
from conv_analytics.dataset.memory.event_index import EventIndex, StoredEvents
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.application import recorded_application
from conv_analytics.dataset.storage.backlog import consumed
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.missing_files import ADVICE, describe_missing, missing_files
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import ExportIncomplete
from conv_analytics.exporter.application_checks import OneApplication
from conv_analytics.exporter.event_files import flatten_objects
from conv_analytics.exporter.event_objects import EventFiles, Files, ObjectBatch
from conv_analytics.exporter.folder_checks import recorded_mask, require_same_mask, selected_tables
from conv_analytics.exporter.inbox_objects import InboxReader, first_mask, require_mask_of_inbox
from conv_analytics.exporter.ingest_report import Ingested
from conv_analytics.exporter.known_records import KnownRecords
from conv_analytics.exporter.merge_sources import both_sources, first_of_each, stored_before
from conv_analytics.exporter.options import DEFAULT_TABLES
from conv_analytics.exporter.pruned_conversations import PrunedConversations
from conv_analytics.instants import utc_text
from conv_analytics.privacy import Mask
from conv_analytics.tables import TABLES
from conv_analytics.tables.envelope import EVENT_KEY
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.flatten import Rows
from conv_analytics.tables.memberships import of_memberships, with_known_states
from conv_analytics.tables.seen_events import SeenEvents

#: The command's name in the report of such a run.
COMMAND = "ingest"


def ingest(destination: str | Path, files: Files | None = None, *, mask: Mask | None = None) -> Ingested:
    r"""Fold events into a folder: those that its listener received and, if any are named, those of files.

    The same event is stored once, whether it came first from a webhook, a file or an export's list; where they differ,
    the list's version wins. See the table ``event_sources``. What is unreadable in files is put in the quarantine once.

    Parameters
    ----------
    destination : str or Path
        The folder; made when absent.
    files : str, Path or iterable of these, default None
        Files of events, as `read_events` reads them. None folds in what the listener received, nothing else.
    mask : Mask, default None
        The folder's mask, for files, and for what a listener without a mask received.

    Returns
    -------
    Ingested
        Counts of what was read and stored.

    Raises
    ------
    ExportIncomplete
        If a file or a part of the inbox could not be read to its end, or the folder lacks files of earlier runs
        (``.report.missing_files``); what was read is committed. Only what was read is removed from the inbox: damaged
        segments are kept as ``*.damaged``, and segments that a later version of this package wrote, or that are masked
        in another way than the folder, stay.
    ConfigError
        If the folder is masked in another way, or a pattern names no file.
    DatasetLocked
        If another run writes to the folder.
    DatasetError
        If the folder cannot be written.

    Examples
    --------
    >>> import json, tempfile
    >>> from conv_analytics import open_dataset
    >>> hangup = {
    ...     "type": "sip:hangup", "id": 10, "conversation_id": "CON-7d1f", "timestamp": "2026-11-20T09:17:41.512Z",
    ...     "body": {"channel": {"id": "4b7e1c90"}, "quality": {"mos_score": 4.37}},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "webhooks.jsonl").write_text(json.dumps(hangup) + "\n" + json.dumps(hangup))
    ...     done = ingest(f"{folder}/exports", f"{folder}/webhooks.jsonl")
    ...     hangups = open_dataset(f"{folder}/exports")["hangups"]
    >>> hangups[["conversation_id", "mos_score"]].values.tolist(), done.duplicates
    ([['CON-7d1f', 4.37]], 1)
    """
    root, begin = dataset_folder(destination), time.monotonic()
    reading = None if files is None else EventFiles(files, mask=mask)
    result = Ingested(files=len(reading.paths) if reading is not None else 0)
    segments = inbox.segments(Layout(root))
    if reading is None and not segments:
        return result
    settings: Mapping[str, Any] | None = mask.settings() if mask is not None else None
    if reading is not None or mask is not None:
        require_same_mask(root, settings)
        if recorded_mask(root) is None:
            require_mask_of_inbox(Layout(root), settings)
    elif (recorded := recorded_mask(root)) is not None:
        settings = recorded.settings
    else:
        # The first run of a folder, by its listener: its mask becomes the folder's.
        settings = first_mask(segments)
    fold = _Fold(root, settings, result, short=reading is None)
    try:
        received = fold.inbox(mask)
        for batch in received:
            fold.add(batch)
        for batch in reading or ():
            # A file may have been read before, unlike what the listener received.
            fold.add(batch, again=True)
        result.receipts, result.verification, result.damaged, result.unread_segments = (
            received.receipts, received.verification, received.damaged, received.unread_segments,
        )  # fmt: skip
        result.incomplete = reading.incomplete if reading is not None else {}
        result.seconds = time.monotonic() - begin
        fold.commit(received.offsets)
    except BaseException:
        fold.abandon()
        raise
    received.remove_consumed()
    if result.status != "complete":
        what = f"Not everything could be read: {result.missing()}. What could be is committed."
        raise ExportIncomplete(result, what, result=result)
    if result.missing_files:
        raise ExportIncomplete(result, f"{describe_missing(result.missing_files)}. {ADVICE}", result=result)
    return result


class _Fold:
    """A run that adds events to a folder: its writer, and what the folder has of the conversations that came."""

    def __init__(self, root: Path, mask: Mapping[str, Any] | None, result: Ingested, *, short: bool) -> None:
        self._root, self._mask, self._result, self._started = root, mask, result, datetime.now(UTC)
        self._writer = DatasetWriter(root, self._started.date(), DEFAULT_TABLES, short=short)
        try:
            # Again, now that the lock keeps other writers out.
            require_same_mask(root, mask)
            self._history = list(commits(self._writer.layout))
            self._selected = selected_tables(self._history) or DEFAULT_TABLES
            self._writer.select(self._selected)
            if not self._history:
                require_mask_of_inbox(self._writer.layout, mask)
            result.missing_files = missing_files(self._writer.layout, self._history)
            self._watermarks = WatermarkIndex(root, self._history)
        except BaseException:
            self._writer.abandon()
            raise
        self._application = OneApplication(recorded_application(root).id)
        self._seen, self._stored = SeenEvents(), dict[str, StoredEvents]()
        self._known_records = KnownRecords(self._writer.layout, self._history)
        self._pruned = PrunedConversations(self._history, self._watermarks)
        self._written: set[str] = set()
        self._records: dict[str, list[pa.Table]] = {}

    @property
    def consumed(self) -> dict[str, int]:
        """How far earlier runs have read each segment of the inbox, in bytes."""
        return consumed(self._history)

    def inbox(self, mask: Mask | None) -> InboxReader:
        """The part of the inbox that earlier runs have not read."""
        damaged = [str(text) for each in with_carried(self._history) for text in each.report.get("damaged") or ()]
        return InboxReader(self._writer.layout, self._mask, mask, self.consumed, damaged)

    def add(self, batch: ObjectBatch, *, again: bool = False) -> None:
        """Add the new rows of some objects, `again` if earlier runs may have read them."""
        self._application.sort_out(batch)
        self._load(batch.owners() - self._stored.keys())
        for rows in flatten_objects(batch, self._seen, self._started):
            if again:
                self._pruned.drop(rows)
                new = self._known_records.new(rows.broken)
                rows.duplicates += len(rows.broken) - len(new)
                rows.broken = new
            self._merge(rows)
            self._write(rows)

    def commit(self, offsets: Mapping[str, int]) -> None:
        """Commit the run; nothing happens if there is nothing to record."""
        self._result.other_applications = self._application.others
        self._put_records()
        self._watermarks.close()
        read_on = any(offset > self.consumed.get(name, 0) for name, offset in offsets.items())
        if not self._result.tables and not self._result.quarantined and not read_on:
            self._writer.abandon()
            return
        report = self._result.to_dict() | {
            "command": COMMAND,
            "status": "ingested",
            "started_at": utc_text(self._started),
            "requests": 0,
            "selected": list(self._selected),
            "inbox": dict(offsets),
            "application": {"id": self._application.id},
            "mask": self._mask,
        }
        # The recorded position in the list stays; a conversation with new events is requested again.
        marks = (Watermark(name, None, live=True) for name in sorted(self._written))
        self._result.commit = self._writer.commit(marks, report).number

    def abandon(self) -> None:
        """Abandon the run; the folder and the inbox stay as they were."""
        self._watermarks.close()
        self._writer.abandon()

    def _load(self, owners: Collection[str]) -> None:
        """Look up what the folder has of some conversations."""
        with closing(EventIndex(self._root, self._history, self._watermarks, content=owners)) as index:
            stored = index.of(owners)
        for owner in owners:
            events = self._stored[owner] = stored.get(owner) or StoredEvents()
            self._seen.add_stored(owner, {*events.bodies, *events.delivered}, (), events.items)
            self._pruned.add(owner, events.first_run)

    def _merge(self, rows: Rows) -> None:
        """Compare the events that the folder has from the list, once each."""
        if rows.repeated is None or not len(rows.repeated):
            return
        again = pc.unique(rows.repeated["conversation_id"]).drop_null().to_pylist()
        listed = {
            name: {
                number: body
                for number, body in self._stored[name].bodies.items()
                if number not in self._stored[name].both
            }
            for name in again
        }
        twice = first_of_each(stored_before(rows.repeated, listed))
        sources, merged = both_sources(twice, listed)
        for name, number, differs in zip(*(sources[key].to_pylist() for key in (*EVENT_KEY, "differs")), strict=True):
            self._stored[name].both[number] = differs
        rows.tables[EVENT_SOURCES.name] = sources
        rows.duplicates -= len(twice)
        self._result.confirmed += merged.confirmed
        self._result.corrected += merged.corrected
        self._result.uncompared += merged.uncompared

    def _write(self, rows: Rows) -> None:
        result = self._result
        result.events += self._new_events(rows)
        for name, table in rows.tables.items():
            if TABLES[name].latest:
                self._records.setdefault(name, []).append(self._unlisted(table))
                continue
            self._put(name, table)
            if len(table) and "conversation_id" in table.column_names:
                self._written.update(each or "" for each in pc.unique(table["conversation_id"]).to_pylist())
        self._writer.quarantine([record.to_json() for record in rows.broken])
        result.quarantined += len(rows.broken)
        result.lost += sum(not record.has_row for record in rows.broken)
        result.duplicates += rows.duplicates
        result.unknown_types += rows.unknown_types

    def _new_events(self, rows: Rows) -> int:
        """How many events have new rows in the folder; without its table of all events, those of its other tables."""
        if self._writer.writes(EVENTS.name):
            return len(rows.tables.get(EVENTS.name, ()))
        keys: set[tuple[Any, ...]] = set()
        for name, table in rows.tables.items():
            if self._writer.writes(name) and TABLES[name].listed and {*EVENT_KEY} <= {*table.column_names}:
                keys.update(zip(*(table[key].to_pylist() for key in EVENT_KEY), strict=True))
        # Rows that were made from Voice events have no number.
        return sum(number is not None for _, number in keys)

    def _put(self, name: str, table: pa.Table) -> None:
        self._writer.write(name, table)
        if len(table) and self._writer.writes(name):
            self._result.tables[name] = self._result.tables.get(name, 0) + len(table)

    def _unlisted(self, records: pa.Table) -> pa.Table:
        """Conversations and members without a record from a list, which is more complete and takes precedence."""
        if "conversation_id" not in records.column_names:
            return records
        marks = (self._watermarks.get(each or "") for each in records["conversation_id"].to_pylist())
        return records.filter(pa.array([mark is None or mark.last_event is None for mark in marks], pa.bool_()))

    def _put_records(self) -> None:
        """Write the latest row of each conversation, member, user and session."""
        for name, parts in self._records.items():
            rows = pa.concat_tables(parts)
            if self._pruned and "conversation_id" in rows.column_names:
                rows = self._unpruned(rows)
            if name == "conversations":
                rows = self._with_states(rows.take(np.argsort(rows["exported_at"].to_numpy(), kind="stable")))
            (latest,) = latest_rows(TABLES[name], [RunRows(0, [rows])], len(rows))
            self._put(name, rows.filter(pa.array(latest)))

    def _unpruned(self, records: pa.Table) -> pa.Table:
        """Conversations and members without those of pruned conversations of which there is nothing new."""
        owners = [each or "" for each in records["conversation_id"].to_pylist()]
        self._load(set(owners) - self._stored.keys())
        there = (each not in self._pruned or each in self._written or self._stored[each].first_run for each in owners)
        return records.filter(pa.array(map(bool, there), pa.bool_()))

    def _with_states(self, conversations: pa.Table) -> pa.Table:
        """Conversations, in which those of a user's list, which does not tell their state, have the known one."""
        unknown = conversations.take(pa.array(sorted(of_memberships(conversations)), pa.int64()))["conversation_id"]
        earlier: dict[str, str | None] = {}
        if len(unknown) and any(file.table == "conversations" for commit in self._history for file in commit.files):
            stored = open_dataset(self._root).selected("conversations", ["conversation_id", "state"])
            stored = stored.filter(pc.is_in(stored["conversation_id"], pc.unique(unknown)))
            earlier = dict(zip(*(column.to_pylist() for column in stored.columns), strict=True))
        return with_known_states(conversations, earlier)
