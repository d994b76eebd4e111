"""From pages to rows beside the downloads: in one worker thread, in batches, with a bound on what waits."""

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

from conv_analytics.dataset.memory.event_index import Held
from conv_analytics.dataset.storage.marks import Mark
from conv_analytics.exporter.event_ids import disordered, last_events, looks_back
from conv_analytics.exporter.last_seen import Unique
from conv_analytics.exporter.probing import Finished, Gap, gap
from conv_analytics.exporter.report import LISTED, Report
from conv_analytics.exporter.roster import Roster
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen import Seen, digest

#: Pages are converted in batches of about this size: larger ones are no faster, and the peak of memory follows it. [B]
BATCH_BYTES = 4 * 2**20
#: In a hurry, the clock is looked at after so much. [B]
_PIECE_BYTES = 2 * 2**20
#: So many events may come while a conversation is read. An id further beyond its last one is no number of its events.
BEYOND = 100_000


class Sink(Protocol):
    """Where rows go: a dataset folder, or memory."""

    @property
    def known(self) -> Mapping[str, Mark]:
        """What earlier runs wrote of each conversation."""

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read."""

    def repeated(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """What earlier runs wrote of some conversations and later events repeat, each with its conversation."""

    def held(self, conversations: Collection[str], *, wanted: bool = False) -> Mapping[str, Held]:
        """What earlier runs wrote of those of some conversations whose events may come again, or of all if `wanted`."""


@dataclass
class _Batch:
    events: list[Page] = field(default_factory=list)
    lists: dict[str, list[Page]] = field(default_factory=dict)
    conversations: list[bytes] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    finished: dict[str, tuple[int | None, bool, Finished | None]] = field(default_factory=dict)
    skipping: list[str] = field(default_factory=list)
    size: int = 0

    def pieces(self) -> Iterator[_Batch]:
        """The same in small pieces, in order."""
        yield _Batch(lists=self.lists, conversations=self.conversations, gone=self.gone)
        piece = _Batch()
        for page in self.events:
            piece.events.append(page)
            piece.size += len(page.body)
            if piece.size >= _PIECE_BYTES:
                yield piece
                piece = _Batch()
        piece.finished, piece.skipping = self.finished, self.skipping
        yield piece


class Converter:
    """Takes bodies of answers and puts their rows into a sink.

    At most two batches exist at a time: one that is filled and one that is converted. Who brings more waits.

    Parameters
    ----------
    sink
        Takes the rows.
    report
        Counts them.
    roster
        Learns the last event of each conversation whose rows are in the sink, all earlier ones included.
    exported_at
        The time of the run.
    """

    def __init__(self, sink: Sink, report: Report, roster: Roster, exported_at: datetime) -> None:
        self.events = 0
        self._sink, self._report, self._roster, self._exported_at = sink, report, roster, exported_at
        self._rows: Counter[str] = Counter()
        self._seen = Seen()
        self._unique = Unique()
        self._recalled: set[str] = set()
        self._held: dict[str, Held] = {}
        self._last_at: dict[str, datetime] = {}
        self._told: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._lost: Counter[str] = Counter()
        self._highest: dict[str, int] = {}
        self._disordered: set[str] = set()
        self._batch = _Batch()
        self._thread = ThreadPoolExecutor(1, "conv_analytics tables")
        self._running: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()

    async def event_page(
        self, conversation_id: str, body: bytes, last: int | None = None, start: int | None = None
    ) -> None:
        """Take a page of a conversation's events; pages of one conversation must come in order.

        Parameters
        ----------
        conversation_id
            The conversation.
        body
            The page.
        last
            The id of its last event, as the conversation told it.
        start
            The first event id that was asked for; None for all.
        """
        await self._room()
        if last is not None:
            self._told[conversation_id] = last
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
        """Take a conversation; one that is gone is known from the list only."""
        await self._room()
        (self._batch.gone if gone else self._batch.conversations).append(body)
        await self._grown(len(body))

    def finish(
        self, conversation_id: str, sequence_number: int | None, learnt: Finished | None = None, *, asked: bool = False
    ) -> None:
        """All that the lists of a conversation hold was given; `asked` when its events were listed."""
        # One that does not tell its last event is never known to be read to its end.
        known = learnt if sequence_number is not None else None
        self._batch.finished[conversation_id] = (sequence_number, asked, known)

    def skips(self, conversation_id: str) -> None:
        """Keep the watermark of a conversation where it was: its list has later events, and skips earlier ones."""
        self._batch.skipping.append(conversation_id)

    async def drain(self, in_time: Callable[[], None] | None = None) -> None:
        """Convert what is left, and wait until everything is in the sink.

        Parameters
        ----------
        in_time
            Called between small pieces of the work; what it raises leaves the rest undone.
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
        """Let a batch that is being converted end, and drop what waits."""
        async with self._turn:
            self._batch = _Batch()
            try:
                await self._wait()
            finally:
                self._thread.shutdown(wait=True)
                self._unique.close()

    async def _room(self) -> None:
        """Wait while a whole batch waits already: what is added to it meanwhile would be in memory with it."""
        while self._batch.size >= BATCH_BYTES:
            await self._grown(0)

    async def _grown(self, size: int) -> None:
        self._batch.size += size
        if self._batch.size >= BATCH_BYTES:
            async with self._turn:
                # Others may have waited here while the batch was taken.
                if self._batch.size >= BATCH_BYTES:
                    await self._start()

    async def _start(self) -> None:
        await self._wait()
        batch, self._batch = self._batch, _Batch()
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._convert, batch)

    async def _wait(self) -> None:
        if self._running is not None:
            # Cancelling the export must not cancel the thread's work half-way: it cannot be stopped anyway.
            await asyncio.shield(self._running)
            self._running = None

    def _convert(self, batch: _Batch) -> None:
        """Runs in the thread; nothing else touches the sink and the counts meanwhile."""
        if batch.conversations:
            self._put(flatten_conversations(batch.conversations, self._exported_at))
        if batch.gone:
            self._put(flatten_conversations(batch.gone, self._exported_at, gone=True))
        for name, pages in batch.lists.items():
            self._put(flatten_records(name, pages, self._exported_at))
        if batch.events:
            self._recall({page.conversation_id for page in batch.events if page.conversation_id})
            self._look_back(batch.events)
            rows = flatten_events(batch.events, self._seen)
            self._compare(rows)
            self._put(rows)
            # What has no row is in the quarantine: to ask for it again would only put it there again.
            lost = (record.conversation_id for record in rows.broken if not record.kept)
            self._lost.update(name for name in lost if name is not None)
            self._reach(rows.tables["events"])
        for conversation_id in batch.skipping:
            self._disordered.add(conversation_id)
            self._hold_back(conversation_id)
        for conversation_id, (sequence_number, asked, learnt) in batch.finished.items():
            self._finish(conversation_id, sequence_number, learnt, asked=asked)

    def _reach(self, events: pa.Table) -> None:
        found = last_events(events)
        known = self._sink.known
        self._disordered |= disordered(events)
        reached = []
        for name, (first, last, _) in found.items():
            before, highest = self._highest.get(name, 0), self._within(name, last, events)
            if first is not None and first < before:
                self._disordered.add(name)
            self._highest[name] = max(highest, before)
            reached.append((name, highest, name in known))
        self._roster.reach(reached)
        for name in self._disordered & found.keys():
            self._hold_back(name)
        for name, (_, _, at) in found.items():
            if at is not None:
                self._last_at[name] = max(at, self._last_at.get(name, at))

    def _hold_back(self, conversation_id: str) -> None:
        """Leave a watermark where earlier runs had it: what belongs before the highest event in hand may be missing."""
        mark = self._sink.known.get(conversation_id)
        self._roster.hold_back(conversation_id, (mark and mark.last_event) or 0, self._highest.get(conversation_id, 0))

    def _finish(self, conversation_id: str, told: int | None, learnt: Finished | None, *, asked: bool) -> None:
        known = self._sink.known.get(conversation_id)
        before = (known and known.last_event) or 0
        held = self._held.pop(conversation_id, None) or Held()
        # Above its watermark there is what was read of a list that failed, and what is beyond all its numbers.
        stored = (number for number in held.bodies if number <= max(told or 0, before) + BEYOND)
        last = max(before, self._highest.pop(conversation_id, 0), *stored)
        # Those that stand between the others leave holes, and are not what is missing at the end.
        holes = self._seen.holes(conversation_id, self._starts.get(conversation_id, 1))
        lost = told is not None and self._lost.pop(conversation_id, 0) - holes >= told - last
        lacking = gap(known, last, told, self._exported_at, lost=lost)
        if told is not None and not asked and lacking.pending_since is not None:
            # Events are not exported: all that their number tells is whether there is something new.
            last, lacking = told, Gap()
        if told is not None and lacking.pending_since is not None:
            self._report.pending[conversation_id] = told - last
        at = self._last_at.pop(conversation_id, None)
        moments = learnt and [moment for moment in (learnt.changed, at) if moment is not None]
        text = learnt and Finished(max(moments or (), default=None), learnt.mark).text
        self._roster.finish(conversation_id, last, text, *lacking)
        self._seen.forget(conversation_id)
        for kept in (self._told, self._starts):
            kept.pop(conversation_id, None)
        for names in (self._disordered, self._recalled):
            names.discard(conversation_id)

    def _within(self, conversation_id: str, last: int, events: pa.Table) -> int:
        """The last event of some that a watermark may name: one far beyond would hide all that come after it."""
        most = self._told.get(conversation_id, last) + BEYOND
        if last <= most:
            return last
        ids = events.filter(pc.equal(events["conversation_id"], conversation_id))["event_id"]
        within = ids.filter(pc.less_equal(ids, most))
        beyond = len(ids) - ids.null_count - len(within)
        self._report.beyond[conversation_id] = self._report.beyond.get(conversation_id, 0) + beyond
        return pc.max(within).as_py() or 0

    def _recall(self, conversations: set[str]) -> None:
        """Note what earlier runs wrote of conversations that go on: their next events repeat it."""
        resumed = {name for name in conversations - self._recalled if name in self._sink.known}
        if resumed:
            self._recalled |= resumed
            self._hold(self._sink.held(resumed))
            for conversation_id, item in self._sink.repeated(resumed):
                self._seen.items(conversation_id).add(item)

    def _look_back(self, pages: Iterable[Page]) -> None:
        """Learn what the folder has of conversations whose pages may hold some of it again."""
        starts = ((page, self._starts.get(page.conversation_id or "")) for page in pages)
        again = {
            page.conversation_id
            for page, start in starts
            if page.conversation_id and start is not None and looks_back(page.body, start)
        }
        if again := again - self._held.keys():
            self._hold(self._sink.held(again, wanted=True))

    def _hold(self, found: Mapping[str, Held]) -> None:
        """Leave out what the folder has of some conversations, when it comes again."""
        for conversation_id, held in found.items():
            self._held[conversation_id] = held
            self._seen.know(conversation_id, held.bodies, held.nameless, held.items)

    def _compare(self, rows: Rows) -> None:
        """Tell what the folder has already from what came twice, and count what was changed since."""
        if rows.repeated is None or not self._held:
            return
        columns = (rows.repeated[name].to_pylist() for name in ("conversation_id", "event_id", "body"))
        for conversation_id, event_id, body in zip(*columns, strict=True):
            held = self._held.get(conversation_id)
            if held is None or (event_id is not None and event_id not in held.bodies):
                continue
            rows.duplicates -= 1
            self._report.held += 1
            before = held.bodies.get(event_id)
            self._report.changed += before is not None and before != digest(body)

    def _put(self, rows: Rows) -> None:
        for name, found in rows.tables.items():
            table = found
            if TABLES[name].latest is not None:
                table = self._unique.first(name, found)
                rows.duplicates += found.num_rows - table.num_rows
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
            # Where keys are made up for every event, the report must not grow with them.
            if key in report.unknown_fields or len(report.unknown_fields) < LISTED:
                report.unknown_fields[key] += count
        self.events = self._rows["events"]
