"""Converts pages to rows while others are downloaded: in another process or thread, in batches of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from conv_analytics.exporter.batch import Batch
from conv_analytics.exporter.batch_converter import BatchConverter, Sink
from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.conversion_process import ConversionProcess
from conv_analytics.exporter.last_events import LastChange
from conv_analytics.exporter.report import Report
from conv_analytics.tables.pages import Page

#: Pages are converted in batches of about this size: half of it takes a tenth longer, more takes more memory. [B]
BATCH_BYTES = 8 * 2**20
#: A process is started for a run with more pages than this: most nightly runs are over before one would be ready. [B]
PROCESS_BYTES = 2**20


class Converter:
    """Takes response bodies and writes their rows to a sink.

    At most two batches exist at a time: one being filled and one being converted. A caller with more has to wait.

    Parameters
    ----------
    sink
        Takes the rows of pages that are converted in this process.
    report
        Counts them.
    states
        Records the event of each conversation up to which all rows are in the sink.
    exported_at
        The time of the run.
    process
        Converts the pages of a large run instead; None for a thread of this process.
    """

    def __init__(
        self,
        sink: Sink,
        report: Report,
        states: ConversationStates,
        exported_at: datetime,
        process: ConversionProcess | None = None,
    ) -> None:
        self._report, self._states = report, states
        self._in_process = BatchConverter(sink, exported_at)
        self._process = process
        self._conversion: BatchConverter | ConversionProcess | None = None
        self._batch = Batch()
        # With a process it only passes batches on, and waits.
        self._thread = ThreadPoolExecutor(1, "conv_analytics tables")
        self._running: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        if process is not None and process.at_once:
            process.start(self._thread)

    @property
    def events(self) -> int:
        """New events so far."""
        return self._report.events

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
        await self._wait_for_room()
        if sequence_number is not None:
            self._batch.sequence_numbers[conversation_id] = sequence_number
        if start is not None:
            self._batch.starts[conversation_id] = start
        self._batch.events.append(Page(conversation_id, body))
        await self._add_bytes(len(body))

    async def list_page(self, name: str, body: bytes, conversation_id: str | None = None) -> None:
        """Take a page of members, users or sessions."""
        await self._wait_for_room()
        self._batch.lists.setdefault(name, []).append(Page(conversation_id, body))
        await self._add_bytes(len(body))

    async def conversation(self, body: bytes, *, gone: bool = False) -> None:
        """Take a conversation; one that is gone has only its record from the list."""
        await self._wait_for_room()
        (self._batch.gone if gone else self._batch.conversations).append(body)
        await self._add_bytes(len(body))

    def finish(
        self,
        conversation_id: str,
        sequence_number: int | None,
        change: LastChange | None = None,
        *,
        events_listed: bool = False,
    ) -> None:
        """Note that all pages of a conversation were added; `events_listed` when its events were among them."""
        # Without a sequence number it is unknown whether a conversation was read to its end.
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
            # There is no time to wait for a process.
            self._conversion = self._conversion or self._in_process
            batch, self._batch = self._batch, Batch()
            for piece in batch.pieces():
                in_time()
                self._batch = piece
                await self._start()
                await self._wait()

    async def close(self) -> None:
        """Wait for the batch that is being converted, and drop the one that waits."""
        async with self._turn:
            self._batch = Batch()
            try:
                await self._wait()
            finally:
                self._thread.shutdown(wait=True)
                self._in_process.close()

    async def _wait_for_room(self) -> None:
        """Wait while the batch is full, so that memory stays bounded."""
        while self._batch.size >= BATCH_BYTES:
            await self._add_bytes(0)

    async def _add_bytes(self, size: int) -> None:
        self._batch.size += size
        if self._process is not None and self._batch.size >= PROCESS_BYTES:
            self._process.start(self._thread)
        if self._batch.size >= BATCH_BYTES:
            async with self._turn:
                # Another task may have started the batch while this one waited.
                if self._batch.size >= BATCH_BYTES:
                    await self._start()

    async def _start(self) -> None:
        await self._wait()
        batch, self._batch = self._batch, Batch()
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._convert, batch)

    async def _wait(self) -> None:
        if self._running is not None:
            # Cancelling the export must not abandon the thread's work, which cannot be stopped.
            await asyncio.shield(self._running)
            self._running = None

    def _convert(self, batch: Batch) -> None:
        """Convert a batch; called in the thread, which alone changes the counts meanwhile."""
        if self._conversion is None:
            self._conversion = self._in_process
            if self._process is not None and self._process.ready():
                self._conversion = self._process
        converted = self._conversion.convert(batch)
        self._states.apply(converted.states)
        self._report.add(converted.counts)
