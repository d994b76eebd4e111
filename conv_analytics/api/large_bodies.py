"""A limit on concurrent large bodies: twenty of 64 MB would take more memory than the rest of the export."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

#: A longer body is large; a page of 100 events has about 100 kB. [B]
LARGE_BYTES = 4 << 20
#: Maximum large bodies being read or processed at the same time.
MAX_AT_ONCE = 2
#: Longest time that a task may delay others by keeping a body. [s]
PATIENCE_S = 60.0
_LOOK_S = 0.05

#: The task that read the last large body; tasks that it starts afterwards inherit this.
_READER: ContextVar[asyncio.Task[Any] | None] = ContextVar("_READER", default=None)


class LargeBodies:
    """Lets only a few tasks at a time read large bodies.

    Attributes
    ----------
    keep
        Whether a task keeps its place until it, or a task that it started since, sends another request, or until it
        ends, as in a bulk run; otherwise the place is free once the body is read.
    sleep
        Awaited while no place is free.
    """

    def __init__(self) -> None:
        self.keep = False
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()

    async def enter(self) -> None:
        """Wait for a place for this task's body."""
        until = time.monotonic() + PATIENCE_S
        while self._busy() >= MAX_AT_ONCE and time.monotonic() < until:
            await self.sleep(_LOOK_S)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            _READER.set(task)

    def leave(self) -> None:
        """Free the place of this task, or of the one that waits for it: the body is processed."""
        if not self._tasks:  # as for nearly every request
            return
        for task in (asyncio.current_task(), _READER.get()):
            if task is not None:
                self._tasks.discard(task)

    def _busy(self) -> int:
        return sum(not task.done() for task in self._tasks)
