"""Makes events durable in groups: one write and one sync for all that are waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import DestinationError
from conv_analytics.live.counts import Counts
from conv_analytics.live.sanitize import sanitized
from conv_analytics.log import LOGGER, Entry
from conv_analytics.privacy import Mask

#: Maximum of receipts that wait for the disk at once; more are refused. [receipts, B]
WAITING, WAITING_BYTES = 10_000, 64 << 20
#: Largest group: an answer never waits for the writing of much more than this. [receipts, B]
GROUP, GROUP_BYTES = 1_000, 4 << 20


class Outcome(StrEnum):
    """The outcome of a receipt."""

    STORED = "stored"
    """It is durable."""
    OVERLOADED = "overloaded"
    """Too many receipts are waiting for the disk."""
    DISK = "disk"
    """The disk is full, or fails; the next one may be stored."""


class _Waiting(NamedTuple):
    """A receipt that is waiting to be written."""

    receipt: Receipt
    outcome: asyncio.Future[Outcome]
    begun: float


class Recorder:
    """Stores receipts in the inbox of a folder. It runs on one event loop, and writes in a separate thread.

    Parameters
    ----------
    dest
        The folder.
    counts
        Counters to update.
    mask
        Masks bodies before they are written.
    waiting, waiting_bytes
        Maximum of receipts that wait at once. [receipts, B]

    Raises
    ------
    DestinationError
        If the inbox cannot be written to.
    """

    def __init__(
        self,
        dest: Path,
        counts: Counts,
        mask: Mask | None = None,
        *,
        waiting: int = WAITING,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        self._counts, self._mask = counts, mask
        self._most, self._most_bytes = waiting, waiting_bytes
        self._writer = InboxWriter(Layout(dest), mask.settings() if mask else None)
        self._thread = ThreadPoolExecutor(1, "conv_analytics inbox")
        self._waiting: deque[_Waiting] = deque()
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, receipt: Receipt) -> Outcome:
        """Return when a receipt is durable, or has failed."""
        if len(self._waiting) >= self._most or self._size + len(receipt.body) > self._most_bytes:
            return Outcome.OVERLOADED
        waiting = _Waiting(receipt, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(waiting)
        self._size += len(receipt.body)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await waiting.outcome

    async def probe(self) -> None:
        """Try to write after a failure, so that the listener notices when there is space again."""
        if self._counts.failing is not None:
            with contextlib.suppress(DestinationError):
                await self._run(self._writer.probe)
                self._counts.failing = None

    async def seal_old(self) -> None:
        """Seal the segment if it is old, so that a run can remove it."""
        await self._run(self._writer.seal_old)

    async def seal(self) -> None:
        """Seal the segment."""
        await self._run(self._writer.seal)

    async def close(self) -> None:
        """Write what is waiting, and seal the segment."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        await self._run(self._writer.close)
        self._thread.shutdown(wait=True)

    async def _run(self, what: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, what)

    async def _write(self) -> None:
        try:
            while self._waiting:
                await self._write_group()
        finally:
            self._writing = None

    async def _write_group(self) -> None:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < GROUP and size < GROUP_BYTES:
            group.append(self._waiting.popleft())
            size += len(group[-1].receipt.body)
        outcome = Outcome.DISK
        try:
            receipts = [each.receipt for each in group]
            written = await asyncio.get_running_loop().run_in_executor(self._thread, self._append, receipts)
            self._note(group, written)
            outcome = Outcome.STORED
        except DestinationError as error:
            self._fail(str(error))
        finally:
            self._size -= size
            for each in group:
                # The sender may have gone away.
                if not each.outcome.done():
                    each.outcome.set_result(outcome)

    def _append(self, receipts: list[Receipt]) -> int:
        return self._writer.append([sanitized(receipt, self._mask) for receipt in receipts])

    def _note(self, group: list[_Waiting], written: int) -> None:
        counts, now = self._counts, time.monotonic()
        if counts.failing is not None:
            LOGGER.info(Entry("storing again", {}))
        counts.failing = None
        counts.backlog.add(len(group), written, group[0].receipt.received_at.timestamp())
        for receipt, _, begun in group:
            counts.stored[receipt.interface, receipt.verification] += 1
            counts.record_store_time(now - begun)

    def _fail(self, reason: str) -> None:
        # Not once per event: the full disk may be the one of the log.
        if self._counts.failing is None:
            LOGGER.error(Entry("not stored", {"reason": reason}))
        self._counts.failing = reason
