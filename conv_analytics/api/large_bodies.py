"""Few large bodies at a time: twenty of 64 MB, read together, would take more memory than the whole export."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

#: A body is large when it is longer; a page of 100 events has about 100 kB. [B]
LARGE_BYTES = 4 << 20
#: So many are read, or in the hands of whoever asked for them, at the same time.
MAX_AT_ONCE = 2
#: Whoever keeps a body without going on holds the others up no longer than this. [s]
PATIENCE_S = 60.0
_LOOK_S = 0.05

#: The task that read the last large body: the tasks that it starts afterwards inherit this.
_READER: ContextVar[asyncio.Task[Any] | None] = ContextVar("_READER", default=None)


class LargeBodies:
    """Lets tasks read the rest of large bodies, a few at a time.

    Attributes
    ----------
    keep
        A task is taken to have its body in hand until it, or a task that it started since, asks for something else, or
        until it ends, which is what a bulk run does; otherwise until the body is read.
    sleep
        Awaited while there is no place.
    """

    def __init__(self) -> None:
        self.keep = False
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()

    async def enter(self) -> None:
        """Wait for a place for the body of this task."""
        until = time.monotonic() + PATIENCE_S
        while self._busy() >= MAX_AT_ONCE and time.monotonic() < until:
            await self.sleep(_LOOK_S)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            _READER.set(task)

    def leave(self) -> None:
        """Release the place of this task, or of the one that waits for it: the body was taken apart."""
        for task in (asyncio.current_task(), _READER.get()):
            if task is not None:
                self._tasks.discard(task)

    def _busy(self) -> int:
        return sum(not task.done() for task in self._tasks)
