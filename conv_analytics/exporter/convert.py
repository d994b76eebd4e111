"""Converts pages to rows while others are downloaded: in one worker thread, in batches, with bounded memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.memory.event_index import StoredEvents
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.event_ids import id_ranges, may_repeat_events, out_of_order
from conv_analytics.exporter.incremental import LastChange, MissingEvents, missing_events
from conv_analytics.exporter.merge_sources import merge_listed
from conv_analytics.exporter.report import LISTED, Report
from conv_analytics.exporter.row_keys import SeenKeys
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents, digest

#: Pages are converted in batches of about this size: larger ones are no faster, and take more memory. [B]
BATCH_BYTES = 4 * 2**20
#: After a stop, the deadline is checked after each piece of this size. [B]
_PIECE_BYTES = 2 * 2**20
#: Most events that can arrive while a conversation is read. An id further above its last one is not in its sequence.
MAX_ID_JUMP = 100_000


class Sink(Protocol):
    """Where rows are written: a dataset folder, or memory."""

    @property
    def known(self) -> Mapping[str, Watermark]:
        """The watermark of each conversation, from earlier runs."""

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read."""

    def stored_items(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """Items of some conversations that earlier runs wrote and later events repeat, each with its conversation."""

    def stored_events(self, conversations: Collection[str], *, wanted: bool = False) -> Mapping[str, StoredEvents]:
        """Events that earlier runs wrote of those conversations whose events may come again, or of all if `wanted`."""


@dataclass
class _Batch:
    events: list[Page] = field(default_factory=list)
    lists: dict[str, list[Page]] = field(default_factory=dict)
    conversations: list[bytes] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    finished: dict[str, tuple[int | None, bool, LastChange | None]] = field(default_factory=dict)
    with_gaps: list[str] = field(default_factory=list)
    size: int = 0

    def pieces(self) -> Iterator[_Batch]:
        """The batch in small pieces, in order."""
        yield _Batch(lists=self.lists, conversations=self.conversations, gone=self.gone)
        piece = _Batch()
        for page in self.events:
            piece.events.append(page)
            piece.size += len(page.body)
            if piece.size >= _PIECE_BYTES:
                yield piece
                piece = _Batch()
        piece.finished, piece.with_gaps = self.finished, self.with_gaps
        yield piece


class Converter:
    """Takes response bodies and writes their rows to a sink.

    At most two batches exist at a time: one being filled and one being converted. A caller with more has to wait.

    Parameters
    ----------
    sink
        Takes the rows.
    report
        Counts them.
    states
        Records the event of each conversation up to which all rows are in the sink.
    exported_at
        The time of the run.
    """

    def __init__(self, sink: Sink, report: Report, states: ConversationStates, exported_at: datetime) -> None:
        self.events = 0
        self._sink, self._report, self._states, self._exported_at = sink, report, states, exported_at
        self._rows: Counter[str] = Counter()
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
        self._batch = _Batch()
        self._thread = ThreadPoolExecutor(1, "conv_analytics tables")
        self._running: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()

    async def event_page(
        self, conversation_id: str, body: bytes, sequence_number: int | None = None, start: int | None = None
    ) -> None:
        """Take a page of a conversation's events; pages of one conversation must come in order.

        Parameters
        ----------
        conversation_id
            The conversation.
        body
            The page.
        sequence_number
            The id of its last event, according to the conversation.
        start
            The first event id that was requested; None for all.
        """
        await self._room()
        if sequence_number is not None:
            self._sequence_numbers[conversation_id] = sequence_number
        if start is not None:
            self._starts[conversation_id] = start
        self._batch.events.append(Page(conversation_id, body))
        await self._grown(len(body))

    async def list_page(self, name: str, body: bytes, conversation_id: str | None = None) -> None:
        """Take a page of members, users or sessions."""
        await self._room()
        self._batch.lists.setdefault(name, []).append(Page(conversation_id, body))
        await self._grown(len(body))

    async def conversation(self, body: bytes, *, gone: bool = False) -> None:
        """Take a conversation; one that is gone has only its record of the list."""
        await self._room()
        (self._batch.gone if gone else self._batch.conversations).append(body)
        await self._grown(len(body))

    def finish(
        self,
        conversation_id: str,
        sequence_number: int | None,
        change: LastChange | None = None,
        *,
        events_listed: bool = False,
    ) -> None:
        """Note that all pages of a conversation were given; `events_listed` when its events were among them."""
        # Without a sequence number nobody knows whether a conversation was read to its end.
        known = change if sequence_number is not None else None
        self._batch.finished[conversation_id] = (sequence_number, events_listed, known)

    def note_gap(self, conversation_id: str) -> None:
        """Keep the watermark of a conversation where it was: its list has later events but skips earlier ones."""
        self._batch.with_gaps.append(conversation_id)

    async def drain(self, in_time: Callable[[], None] | None = None) -> None:
        """Convert the rest, and wait until everything is in the sink.

        Parameters
        ----------
        in_time
            Called between small pieces of the work; what it raises ends the work there.
        """
        async with self._turn:
            if in_time is None:
                await self._start()
                await self._wait()
                return
            await self._wait()
            batch, self._batch = self._batch, _Batch()
            for piece in batch.pieces():
                in_time()
                self._batch = piece
                await self._start()
                await self._wait()

    async def close(self) -> None:
        """Wait for the batch that is being converted, and drop the one that waits."""
        async with self._turn:
            self._batch = _Batch()
            try:
                await self._wait()
            finally:
                self._thread.shutdown(wait=True)
                self._seen_keys.close()

    async def _room(self) -> None:
        """Wait while the batch is full, so that memory stays bounded."""
        while self._batch.size >= BATCH_BYTES:
            await self._grown(0)

    async def _grown(self, size: int) -> None:
        self._batch.size += size
        if self._batch.size >= BATCH_BYTES:
            async with self._turn:
                # Another task may have started the batch while this one waited.
                if self._batch.size >= BATCH_BYTES:
                    await self._start()

    async def _start(self) -> None:
        await self._wait()
        batch, self._batch = self._batch, _Batch()
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._convert, batch)

    async def _wait(self) -> None:
        if self._running is not None:
            # Cancelling the export must not abandon the thread's work, which cannot be stopped.
            await asyncio.shield(self._running)
            self._running = None

    def _convert(self, batch: _Batch) -> None:
        """Convert a batch; called in the worker thread, which alone uses the sink and the counts meanwhile."""
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
            quarantined = (record.conversation_id for record in rows.broken if not record.kept)
            self._quarantined.update(name for name in quarantined if name is not None)
            self._advance(listed)
        for conversation_id in batch.with_gaps:
            self._disordered.add(conversation_id)
            self._hold_back(conversation_id)
        for conversation_id, (sequence_number, events_listed, change) in batch.finished.items():
            self._finish(conversation_id, sequence_number, change, events_listed=events_listed)

    def _advance(self, events: pa.Table) -> None:
        """Move the watermarks to the last events of some rows."""
        ranges = id_ranges(events)
        known = self._sink.known
        self._disordered |= out_of_order(events)
        advanced = []
        for name, (first, last, _) in ranges.items():
            before, highest = self._highest.get(name, 0), self._plausible_last(name, last, events)
            if first is not None and first < before:
                self._disordered.add(name)
            self._highest[name] = max(highest, before)
            advanced.append((name, highest, name in known))
        self._states.advance(advanced)
        for name in self._disordered & ranges.keys():
            self._hold_back(name)
        for name, (_, _, at) in ranges.items():
            if at is not None:
                self._last_at[name] = max(at, self._last_at.get(name, at))

    def _hold_back(self, conversation_id: str) -> None:
        """Keep a watermark where earlier runs left it: events below the highest one may be missing."""
        known, highest = self._sink.known.get(conversation_id), self._highest.get(conversation_id, 0)
        self._states.hold_back(conversation_id, (known and known.last_event) or 0, highest)

    def _finish(
        self, conversation_id: str, sequence_number: int | None, change: LastChange | None, *, events_listed: bool
    ) -> None:
        """Store how far a conversation was read, and what is missing at the end of its events."""
        known = self._sink.known.get(conversation_id)
        before = (known and known.last_event) or 0
        stored = self._stored.pop(conversation_id, None) or StoredEvents()
        # Events above the watermark come from a list that failed half-way, or have ids outside the sequence.
        plausible = (number for number in stored.bodies if number <= max(sequence_number or 0, before) + MAX_ID_JUMP)
        last = max(before, self._highest.pop(conversation_id, 0), *plausible)
        # Quarantined records between others leave holes, and are not what is missing at the end.
        holes = self._seen.holes(conversation_id, self._starts.get(conversation_id, 1))
        quarantined = self._quarantined.pop(conversation_id, 0) - holes
        missing = missing_events(
            known,
            last,
            sequence_number,
            self._exported_at,
            quarantined=sequence_number is not None and quarantined >= sequence_number - last,
        )
        if sequence_number is not None and missing.pending_since is not None:
            if events_listed:
                self._report.pending[conversation_id] = sequence_number - last
            else:
                # Without events in the export, the number only shows whether a conversation has changed.
                last, missing = sequence_number, MissingEvents()
        at = self._last_at.pop(conversation_id, None)
        text = None
        if change is not None:
            latest = max((moment for moment in (change.changed, at) if moment is not None), default=None)
            text = LastChange(latest, change.fingerprint).text
        self._states.mark_read(conversation_id, last, text, *missing)
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
        self._report.beyond[conversation_id] = self._report.beyond.get(conversation_id, 0) + ignored
        return pc.max(within).as_py() or 0

    def _load_stored(self, conversations: set[str]) -> None:
        """Load what earlier runs wrote of conversations that continue: their next events repeat it."""
        resumed = {name for name in conversations - self._loaded if name in self._sink.known}
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
            self._skip_stored(self._sink.stored_events(again, wanted=True))

    def _skip_stored(self, conversations: Mapping[str, StoredEvents]) -> None:
        """Leave out the stored events of some conversations when they come again."""
        for conversation_id, stored in conversations.items():
            self._stored[conversation_id] = stored
            known = {*stored.bodies, *(event_id for event_id in stored.delivered if event_id in stored.both)}
            self._seen.know(conversation_id, known, stored.nameless, stored.items)

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
            self._report.held += 1
            before = stored.bodies.get(event_id)
            self._report.changed += before is not None and before != digest(body)

    def _merge_delivered(self, rows: Rows) -> None:
        """Compare events with those that a webhook or a file gave: the list's is written only where it differs."""
        delivered = {name: stored.delivered for name, stored in self._stored.items() if stored.delivered}
        if not delivered:
            return
        merged = merge_listed(rows.tables, delivered)
        self._report.confirmed += merged.confirmed
        self._report.corrected += merged.corrected

    def _put(self, rows: Rows) -> None:
        for name, converted in rows.tables.items():
            table = converted
            if TABLES[name].latest is not None:
                table = self._seen_keys.first_rows(name, converted)
                rows.duplicates += converted.num_rows - table.num_rows
            self._sink.write(name, table)
            self._rows[name] += table.num_rows
        self._sink.quarantine([record.to_json() for record in rows.broken])
        report = self._report
        report.tables = dict(self._rows)
        report.quarantined += len(rows.broken)
        report.lost += sum(not record.kept for record in rows.broken)
        report.duplicates += rows.duplicates
        report.unknown_types += rows.unknown_types
        for key, count in rows.unknown_fields.items():
            # A sender may invent keys for every event; the report must not grow with them.
            if key in report.unknown_fields or len(report.unknown_fields) < LISTED:
                report.unknown_fields[key] += count
        self.events = self._rows["events"]
