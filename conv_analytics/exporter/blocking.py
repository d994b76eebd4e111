"""Run a coroutine from ordinary code, in a script as well as in a notebook cell.

A notebook's own event loop is running while a cell runs, so nothing else can run on it. The coroutine therefore gets a
loop of its own in a thread of its own; interrupting the cell cancels it there and waits until it has cleaned up.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, Generic, TypeVar

from conv_analytics.errors import ConfigError

T = TypeVar("T")

#: How often the waiting thread looks for an interrupt; Windows tells a blocked thread of none. [s]
_LOOK_S = 0.2
#: An interpreter that ends gives what still runs so much time to clean up. [s]
_LAST_S = 5.0


def run_blocking(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end and give its result; an interrupt (Ctrl-C, the stop button) cancels it first.

    Raises
    ------
    ConfigError
        If called in the thread of such a coroutine, which would wait for itself.

    Examples
    --------
    >>> async def main() -> str:
    ...     return "done"
    >>> run_blocking(main)
    'done'
    """
    refuse_inside()
    running = Background(main)
    running.start()
    try:
        running.wait()
    except KeyboardInterrupt:
        running.cancel()
        # A second interrupt ends the waiting; the thread is a daemon and dies with the process.
        running.wait()
        raise
    return running.outcome()


def inside() -> bool:
    """Whether this runs in the thread of a `Background`: in a listener, that is."""
    return isinstance(threading.current_thread(), Background)


def refuse_inside() -> None:
    """Raise `ConfigError` where waiting would hold up the very thread that works."""
    if inside():
        raise ConfigError(
            "This was called in the thread of a running export, by one of its listeners: the export would stand still"
            " meanwhile. Let the listener note what is to be done, or start another export with wait=False."
        )


class Background(threading.Thread, Generic[T]):
    """A coroutine on a loop of its own, in a thread of its own; what the starting code has in its context goes along.

    It is a daemon: an interpreter that ends cancels it, gives it some time to clean up, and does not wait for more.
    """

    def __init__(self, main: Callable[[], Coroutine[Any, Any, T]], at_end: Callable[[], object] = lambda: None) -> None:
        super().__init__(name="conv_analytics export", daemon=True)
        self._main, self._at_end = main, at_end
        self._cancelled = False
        self._context = contextvars.copy_context()
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._result: T
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        _RUNNING.add(self)
        super().start()

    def run(self) -> None:
        """What the thread does."""
        self._context.run(self._run)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._result = runner.run(self._hold())
        except BaseException as error:  # noqa: BLE001  handed over to the thread that waits
            self._error = error
        finally:
            self._ready.set()
            self._ended.set()
            self._at_end()

    async def _hold(self) -> T:
        self._task = asyncio.current_task()
        self._ready.set()
        return await self._main()

    @property
    def ended(self) -> bool:
        """Whether there is an outcome. In a process forked from the one that started it there will be none."""
        return self._ended.is_set()

    @property
    def lost(self) -> bool:
        """Whether this is the copy in a forked process, where no thread runs."""
        return not self._ended.is_set() and os.getpid() != self._process

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, or so many seconds; whether it has ended."""
        deadline = None if timeout is None else monotonic() + timeout
        # Not with `join`: up to Python 3.12 one that is interrupted takes a running thread for ended.
        while not self._ended.wait(_LOOK_S if deadline is None else max(0.0, min(_LOOK_S, deadline - monotonic()))):
            if deadline is not None and monotonic() >= deadline:
                return False
        self.join()
        return True

    def cancel(self) -> None:
        """Cancel the coroutine, once; it may have ended in the meantime."""
        self._ready.wait()
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._cancel)
            except RuntimeError:
                # The loop closed between the interrupt and this call: nothing is left to cancel.
                return

    def _cancel(self) -> None:
        # A second time would end the cleaning up that the first one began.
        if not self._cancelled and self._task is not None:
            self._cancelled = True
            self._task.cancel()

    @property
    def error(self) -> BaseException | None:
        """What was raised; None when it ended well, or has not ended."""
        return self._error

    def outcome(self) -> T:
        """The result, or what was raised."""
        if self._error is not None:
            raise self._error
        return self._result


_RUNNING: weakref.WeakSet[Background[Any]] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Cancel what still runs: what it has is on the disk, and a thread that is cut off could say nothing of it."""
    running = [each for each in _RUNNING if not each.ended and not each.lost]
    for each in running:
        each.cancel()
    deadline = monotonic() + _LAST_S
    for each in running:
        each.wait(max(0.0, deadline - monotonic()))
