"""Run a coroutine from ordinary code, in a script as well as in a notebook cell.

A notebook's event loop is busy while a cell runs, so the coroutine gets a loop and a thread of its own. Interrupting
the cell cancels the coroutine there and waits until it has cleaned up.
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

#: How often the waiting thread checks for an interrupt, which Windows does not deliver to a blocked thread. [s]
_POLL_S = 0.2
#: Time that an exiting interpreter gives running coroutines to clean up. [s]
_EXIT_S = 5.0


def run_blocking(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end and return its result; an interrupt (Ctrl-C, the stop button) cancels it first.

    Raises
    ------
    ConfigError
        If called in the thread of such a coroutine, which would then wait for itself.

    Examples
    --------
    >>> async def main() -> str:
    ...     return "done"
    >>> run_blocking(main)
    'done'
    """
    refuse_in_background_thread()
    running = BackgroundRun(main)
    running.start()
    try:
        running.wait()
    except KeyboardInterrupt:
        running.cancel()
        # A second interrupt ends the waiting; the thread is a daemon and dies with the process.
        running.wait()
        raise
    return running.outcome()


def in_background_thread() -> bool:
    """Whether the caller runs in the thread of a `BackgroundRun`, as a listener does."""
    return isinstance(threading.current_thread(), BackgroundRun)


def refuse_in_background_thread() -> None:
    """Raise `ConfigError` where waiting would block the thread of the run."""
    if in_background_thread():
        raise ConfigError(
            "This was called in the thread of a running export, by one of its listeners: the export would wait for"
            " itself. Let the listener note what is to be done, or start another export with wait=False."
        )


class BackgroundRun(threading.Thread, Generic[T]):
    """A coroutine with a thread and a loop of its own, and a copy of the caller's context variables.

    The thread is a daemon: an exiting interpreter cancels the coroutine, gives it some time to clean up, and goes on.
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
        """Start the thread."""
        _RUNNING.add(self)
        super().start()

    def run(self) -> None:
        """Run the coroutine, in the thread."""
        self._context.run(self._run)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._result = runner.run(self._track())
        except BaseException as error:  # noqa: BLE001  handed over to the thread that waits
            self._error = error
        finally:
            self._ready.set()
            self._ended.set()
            self._at_end()

    async def _track(self) -> T:
        self._task = asyncio.current_task()
        self._ready.set()
        return await self._main()

    @property
    def ended(self) -> bool:
        """Whether there is an outcome; a forked process never gets one."""
        return self._ended.is_set()

    @property
    def forked(self) -> bool:
        """Whether this is the copy in a forked process, where no thread runs."""
        return not self._ended.is_set() and os.getpid() != self._process

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, for `timeout` seconds at most; return whether it has come."""
        deadline = None if timeout is None else monotonic() + timeout
        # Not with `join`: up to Python 3.12 an interrupted `join` takes a running thread for an ended one.
        while not self._ended.wait(_POLL_S if deadline is None else max(0.0, min(_POLL_S, deadline - monotonic()))):
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
                # The loop was closed between the interrupt and this call: there is nothing to cancel.
                return

    def _cancel(self) -> None:
        # A second cancellation would interrupt the cleaning up that the first one began.
        if not self._cancelled and self._task is not None:
            self._cancelled = True
            self._task.cancel()

    @property
    def error(self) -> BaseException | None:
        """The error that the coroutine raised; None when it returned, or has not ended."""
        return self._error

    def outcome(self) -> T:
        """Return the result, or raise what the coroutine raised."""
        if self._error is not None:
            raise self._error
        return self._result


_RUNNING: weakref.WeakSet[BackgroundRun[Any]] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Cancel running coroutines, so that they can report what they have; a killed thread could not."""
    running = [each for each in _RUNNING if not each.ended and not each.forked]
    for each in running:
        each.cancel()
    deadline = monotonic() + _EXIT_S
    for each in running:
        each.wait(max(0.0, deadline - monotonic()))
