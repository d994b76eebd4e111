"""Run a coroutine from ordinary code, in a script as well as in a notebook cell.

A notebook's own event loop is running while a cell runs, so nothing else can run on it. The coroutine therefore gets a
loop of its own in a thread of its own; interrupting the cell cancels it there and waits until it has cleaned up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: How often the waiting thread looks for an interrupt; Windows tells a blocked thread of none. [s]
_LOOK_S = 0.2


def run_blocking(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end and give its result; an interrupt (Ctrl-C, the stop button) cancels it first.

    >>> async def main() -> str:
    ...     return "done"
    >>> run_blocking(main)
    'done'
    """
    runner = _Runner(main)
    runner.start()
    try:
        runner.wait()
    except KeyboardInterrupt:
        runner.cancel()
        # A second interrupt ends the waiting; the thread is a daemon and dies with the process.
        runner.wait()
        raise
    result: T = runner.outcome()
    return result


class _Runner(threading.Thread):
    def __init__(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        super().__init__(name="conv_analytics export", daemon=True)
        self._main = main
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._result = runner.run(self._hold())
        except BaseException as error:  # noqa: BLE001  handed over to the thread that waits
            self._error = error
        finally:
            self._ready.set()
            self._ended.set()

    def wait(self) -> None:
        """Wait for the end."""
        # Not with `join`: up to Python 3.12 one that is interrupted takes a running thread for ended.
        while not self._ended.wait(_LOOK_S):
            pass
        self.join()

    async def _hold(self) -> Any:
        self._task = asyncio.current_task()
        self._ready.set()
        return await self._main()

    def cancel(self) -> None:
        """Cancel the coroutine; it may have ended in the meantime."""
        self._ready.wait()
        if self._loop is not None and self._task is not None:
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:
                # The loop closed between the interrupt and this call: nothing is left to cancel.
                return

    def outcome(self) -> Any:
        """The result, or what was raised."""
        if self._error is not None:
            raise self._error
        return self._result
