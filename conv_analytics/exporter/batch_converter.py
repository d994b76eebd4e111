"""Converts batches of pages to rows: new rows go to a sink, and the counts and states for the run are returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.memory.event_index import StoredEvents
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.exporter.batch import Batch
from conv_analytics.exporter.conversation_states import StateChanges
from conv_analytics.exporter.event_ids import id_ranges, may_repeat_events, out_of_order
from conv_analytics.exporter.last_events import LastChange, MissingEvents, missing_events
from conv_analytics.exporter.merge_sources import merge_listed
from conv_analytics.exporter.row_counts import RowCounts
from conv_analytics.exporter.row_keys import SeenKeys
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents, digest

#: Most events that can arrive while a conversation is read. An id further above its last one is not in its sequence.
MAX_ID_JUMP = 100_000


class Sink(Protocol):
    """Where rows are written: a dataset folder, or memory."""

    @property
    def watermarks(self) -> Mapping[str, Watermark]:
        """The watermark of each conversation, from earlier runs."""

    def writes(self, name: str) -> bool:
        """Whether rows of a table are written."""

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read."""

    def stored_items(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """Items of some conversations that earlier runs wrote and later events repeat, each with its conversation."""

    def stored_events(self, conversations: Collection[str], *, required: bool = False) -> Mapping[str, StoredEvents]:
        """Events that earlier runs wrote of those conversations whose events may be repeated; of all if `required`."""


@dataclass
class Converted:
    """The contribution of the conversion of a batch to a run."""

    counts: RowCounts = field(default_factory=RowCounts)
    states: StateChanges = field(default_factory=StateChanges)


class BatchConverter:
    """Converts the batches of a run, one after another.

    Parameters
    ----------
    sink
        Takes the rows.
    exported_at
        The time of the run.
    """

    def __init__(self, sink: Sink, exported_at: datetime) -> None:
        self._sink, self._exported_at = sink, exported_at
        self._converted = Converted()
        self._seen = SeenEvents()
        self._seen_keys = SeenKeys()
        self._loaded: set[str] = set()
        self._stored: dict[str, StoredEvents] = {}
        self._last_at: dict[str, datetime] = {}
        self._sequence_numbers: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._quarantined: Counter[str] = Counter()
        self._highest: dict[str, int] = {}
        self._disordered: set[str] = set()

    def close(self) -> None:
        """Drop the data for finding repeated rows."""
        self._seen_keys.close()

    def convert(self, batch: Batch) -> Converted:
        """Convert a batch, and return what it adds to the counts and the states of the run."""
        self._sequence_numbers.update(batch.sequence_numbers)
        self._starts.update(batch.starts)
        if batch.conversations:
            self._put(flatten_conversations(batch.conversations, self._exported_at))
        if batch.gone:
            self._put(flatten_conversations(batch.gone, self._exported_at, gone=True))
        for name, pages in batch.lists.items():
            self._put(flatten_records(name, pages, self._exported_at))
        if batch.events:
            self._load_stored({page.conversation_id for page in batch.events if page.conversation_id})
            self._load_repeated(batch.events)
            rows = flatten_events(batch.events, self._seen)
            self._compare(rows)
            listed = rows.tables["events"]
            self._merge_delivered(rows)
            self._put(rows)
            # Records without a row are in the quarantine; requested again, they would only land there again.
            quarantined = (record.conversation_id for record in rows.broken if not record.has_row)
            self._quarantined.update(name for name in quarantined if name is not None)
            self._advance(listed)
        for conversation_id in batch.with_gaps:
            self._disordered.add(conversation_id)
            self._hold_back(conversation_id)
        for conversation_id, (sequence_number, events_listed, change) in batch.finished.items():
            self._finish(conversation_id, sequence_number, change, events_listed=events_listed)
        converted, self._converted = self._converted, Converted()
        return converted

    def _advance(self, events: pa.Table) -> None:
        """Move the watermarks to the last events of some rows."""
        ranges = id_ranges(events)
        watermarks = self._sink.watermarks
        self._disordered |= out_of_order(events)
        advanced = []
        for name, (first, last, _) in ranges.items():
            before, highest = self._highest.get(name, 0), self._plausible_last(name, last, events)
            if first is not None and first < before:
                self._disordered.add(name)
            self._highest[name] = max(highest, before)
            advanced.append((name, highest, name in watermarks))
        self._converted.states.advance(advanced)
        for name in self._disordered & ranges.keys():
            self._hold_back(name)
        for name, (_, _, at) in ranges.items():
            if at is not None:
                self._last_at[name] = max(at, self._last_at.get(name, at))

    def _hold_back(self, conversation_id: str) -> None:
        """Keep a watermark where earlier runs left it: events below the highest one may be missing."""
        watermark, highest = self._sink.watermarks.get(conversation_id), self._highest.get(conversation_id, 0)
        self._converted.states.hold_back(conversation_id, (watermark and watermark.last_event) or 0, highest)

    def _finish(
        self, conversation_id: str, sequence_number: int | None, change: LastChange | None, *, events_listed: bool
    ) -> None:
        """Store how far a conversation was read, and what is missing at the end of its events."""
        watermark = self._sink.watermarks.get(conversation_id)
        before = (watermark and watermark.last_event) or 0
        stored = self._stored.pop(conversation_id, None) or StoredEvents()
        # Events above the watermark come from a list that failed half-way, or have ids outside the sequence.
        plausible = (number for number in stored.bodies if number <= max(sequence_number or 0, before) + MAX_ID_JUMP)
        last = max(before, self._highest.pop(conversation_id, 0), *plausible)
        # Quarantined records between others leave holes, and are not what is missing at the end.
        not_seen = self._seen.missing_count(conversation_id, self._starts.get(conversation_id, 1))
        quarantined = self._quarantined.pop(conversation_id, 0) - not_seen
        missing = missing_events(
            watermark,
            last,
            sequence_number,
            self._exported_at,
            quarantined=sequence_number is not None and quarantined >= sequence_number - last,
        )
        if sequence_number is not None and missing.pending_since is not None:
            if events_listed:
                self._converted.counts.pending[conversation_id] = sequence_number - last
            else:
                # Without events in the export, the number only shows whether a conversation has changed.
                last, missing = sequence_number, MissingEvents()
        at = self._last_at.pop(conversation_id, None)
        text = None
        if change is not None:
            latest = max((moment for moment in (change.changed, at) if moment is not None), default=None)
            text = LastChange(latest, change.fingerprint).text
        self._converted.states.mark_read(conversation_id, last, text, *missing)
        self._seen.forget(conversation_id)
        for numbers in (self._sequence_numbers, self._starts):
            numbers.pop(conversation_id, None)
        for names in (self._disordered, self._loaded):
            names.discard(conversation_id)

    def _plausible_last(self, conversation_id: str, last: int, events: pa.Table) -> int:
        """The last event that a watermark may name: an id far above the sequence would hide all later events."""
        most = self._sequence_numbers.get(conversation_id, last) + MAX_ID_JUMP
        if last <= most:
            return last
        ids = events.filter(pc.equal(events["conversation_id"], conversation_id))["event_id"]
        within = ids.filter(pc.less_equal(ids, most))
        ignored = len(ids) - ids.null_count - len(within)
        self._converted.counts.implausible_ids[conversation_id] += ignored
        return pc.max(within).as_py() or 0

    def _load_stored(self, conversations: set[str]) -> None:
        """Load the rows that earlier runs wrote of conversations that continue: their next events repeat them."""
        resumed = {name for name in conversations - self._loaded if name in self._sink.watermarks}
        if resumed:
            self._loaded |= resumed
            self._skip_stored(self._sink.stored_events(resumed))
            for conversation_id, item in self._sink.stored_items(resumed):
                self._seen.items(conversation_id).add(item)

    def _load_repeated(self, pages: Iterable[Page]) -> None:
        """Load the stored events of conversations whose pages may contain some of them again."""
        starts = ((page, self._starts.get(page.conversation_id or "")) for page in pages)
        again = {
            page.conversation_id
            for page, start in starts
            if page.conversation_id and start is not None and may_repeat_events(page.body, start)
        }
        if again := again - self._stored.keys():
            self._skip_stored(self._sink.stored_events(again, required=True))

    def _skip_stored(self, conversations: Mapping[str, StoredEvents]) -> None:
        """Leave out repeated events of some conversations that are stored already."""
        for conversation_id, stored in conversations.items():
            self._stored[conversation_id] = stored
            event_ids = {*stored.bodies, *(event_id for event_id in stored.delivered if event_id in stored.both)}
            self._seen.add_stored(conversation_id, event_ids, stored.without_id, stored.items)

    def _compare(self, rows: Rows) -> None:
        """Tell stored events that came again from duplicates, and count those whose body has changed."""
        if rows.repeated is None or not self._stored:
            return
        columns = (rows.repeated[name].to_pylist() for name in ("conversation_id", "event_id", "body"))
        for conversation_id, event_id, body in zip(*columns, strict=True):
            stored = self._stored.get(conversation_id)
            if stored is None:
                continue
            if event_id is not None and event_id not in stored.bodies and event_id not in stored.both:
                continue
            rows.duplicates -= 1
            self._converted.counts.already_stored += 1
            before = stored.bodies.get(event_id)
            self._converted.counts.changed += before is not None and before != digest(body)

    def _merge_delivered(self, rows: Rows) -> None:
        """Compare events with those from a webhook or a file: the list's is written only where it differs."""
        delivered = {name: stored.delivered for name, stored in self._stored.items() if stored.delivered}
        if not delivered:
            return
        merged = merge_listed(rows.tables, delivered)
        self._converted.counts.confirmed += merged.confirmed
        self._converted.counts.corrected += merged.corrected

    def _put(self, rows: Rows) -> None:
        for name, converted in rows.tables.items():
            table = converted
            if TABLES[name].latest is not None:
                table = self._seen_keys.first_rows(name, converted)
                rows.duplicates += converted.num_rows - table.num_rows
            self._sink.write(name, table)
            if self._sink.writes(name):
                self._converted.counts.tables[name] += table.num_rows
            if name == "events":
                self._converted.counts.events += table.num_rows
        self._sink.quarantine([record.to_json() for record in rows.broken])
        self._converted.counts.add(rows)
