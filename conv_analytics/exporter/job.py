"""`Job`: a run in the background, with its progress, a way to stop it, and its result."""

from __future__ import annotations

import html
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, TypeVar

from conv_analytics.api.notices import Notice
from conv_analytics.errors import ConfigError, ExportIncomplete, ExportStopped, redact
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter.blocking import BackgroundRun, in_background_thread, refuse_in_background_thread
from conv_analytics.exporter.progress import Progress, describe
from conv_analytics.exporter.progress.notebook import as_html
from conv_analytics.exporter.results import Exported, Frames
from conv_analytics.exporter.run_events import Observer, RunEvent

R = TypeVar("R", bound=Frames | Exported)

_LOG = logging.getLogger("conv_analytics")

Status = Literal["running", "stopping", "complete", "incomplete", "stopped", "failed"]

#: Advice for a job, by its status.
_NEXT = {
    "running": "<code>.stop()</code> stops it, <code>.result()</code> waits for it.",
    "stopping": "What was read is kept; it ends in a moment.",
    "complete": "<code>.result()</code> returns it.",
    "incomplete": "<code>.result()</code> raises what is missing; the same call again reads the rest.",
    "failed": "<code>.result()</code> raises why.",
}


class Job(Generic[R]):
    """A run in the background, returned at once by ``export(..., wait=False)``.

    The run has a thread of its own, so it continues while other cells run, and a widget's button can stop it. Every
    method can be called from any thread. When the interpreter exits, a running job is stopped as by `stop`.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     job = export(client, wait=False, rate=0, progress=False)
    ...     frames = job.result()
    >>> job.status, job.progress.done, len(frames["conversations"])
    ('complete', 3, 3)
    """

    def __init__(self, main: Callable[[Observer], Coroutine[Any, Any, R]], destination: str | None) -> None:
        """Start a run; `main` gets an observer to call with everything that happens."""
        self.destination = destination
        """The folder to write to; None when everything is kept in memory."""
        self._progress: Progress | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._listeners: tuple[Observer, ...] = ()
        self._callbacks: list[Callable[[Job[R]], object]] = []
        self._callbacks_called = False
        self._running: BackgroundRun[R] = BackgroundRun(lambda: main(self._observe), self._call_back)
        self._running.start()

    @property
    def running(self) -> bool:
        """Whether the run is still working."""
        return not self._running.ended and not self._running.forked

    @property
    def done(self) -> bool:
        """Whether the run has ended, in any way: then `result` does not wait."""
        return self._running.ended

    @property
    def progress(self) -> Progress | None:
        """The latest snapshot: ``.done`` of ``.total`` conversations, ``.events``, ``.requests``, ``.waiting_s``, ...

        A new frozen value about ten times a second; None before the first.
        """
        return self._progress

    @property
    def status(self) -> Status:
        """The state of the run.

        ``running``, ``stopping`` (`stop` was called), ``complete``, ``incomplete`` (something could not be read),
        ``stopped``, or ``failed`` (nothing was kept).
        """
        if not self._running.ended:
            return "stopping" if self._stopping else "running"
        match self._running.error:
            case None:
                return "complete"
            case ExportStopped():
                return "stopped"
            case ExportIncomplete():
                return "incomplete"
            case _:
                return "failed"

    def stop(self, timeout: float | None = None) -> bool:
        """Stop the run and wait for its end; return whether it has ended.

        Everything read so far is kept: the same export to the same folder continues from there; in memory it is the
        ``.result`` of the `ExportStopped` that `result` raises. Stopping a job again, or after its end, does nothing.
        Called in a listener, `stop` returns at once, because the run cannot end before the listener does.

        Parameters
        ----------
        timeout
            Longest time to wait; the run stops in any case. [s]
        """
        self._require_own_process()
        if not self.done:
            self._stopping = True
            self._running.cancel()
        return self.done if in_background_thread() else self._running.wait(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run; return whether it has ended.

        Interrupting the cell ends the waiting, not the run.

        Parameters
        ----------
        timeout
            Longest time to wait. [s]
        """
        self._require_own_process()
        if self.done and in_background_thread():
            return True
        refuse_in_background_thread()
        return self._running.wait(timeout)

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end, and return what ``export`` without ``wait=False`` would return.

        Raises
        ------
        ExportStopped
            If the run was stopped; ``.report`` says what was read.
        TimeoutError
            If the run has not ended after `timeout` seconds.
        ConvAnalyticsError
            Any other error that ``export`` raises.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"The export is still running after {timeout:g} s: {self}.")
        return self._running.outcome()

    def add_listener(self, listener: Observer) -> None:
        """Call a listener with every `conv_analytics.exporter.run_events` value and `Progress` from now on.

        Listeners are called in the run's own thread and should return soon. If one raises, the logger
        ``conv_analytics`` records it, the listener is removed, and the run continues.
        """
        with self._lock:
            self._listeners += (listener,)

    def remove_listener(self, listener: Observer) -> None:
        """Remove a listener, if it is registered."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def add_done_callback(self, callback: Callable[[Job[R]], object]) -> None:
        """Call a function with this job at its end: in the run's thread, or at once when the job has ended already."""
        with self._lock:
            if not self._callbacks_called:
                self._callbacks.append(callback)
                return
        callback(self)

    def _observe(self, event: RunEvent | Notice | Progress) -> None:
        if isinstance(event, Progress):
            self._progress = event
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  a listener must not end the run
                _LOG.exception("a listener of the export failed, and is not called again")
                self.remove_listener(listener)

    def _call_back(self) -> None:
        with self._lock:
            self._callbacks_called = True
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception:  # noqa: BLE001  nor must a callback
                _LOG.exception("a callback of the export failed")

    def _require_own_process(self) -> None:
        if self._running.forked:
            raise ConfigError(
                "This export was started by the process that this one was forked from, and runs there."
                " Start another one here, into another folder."
            )

    @safe_repr
    def __repr__(self) -> str:
        where = f" into {self.destination}" if self.destination is not None else ""
        progress = "" if self._progress is None else f", {describe(self._progress)}"
        return f"<Job: export{where}, {self.status}{progress}>"

    def _repr_html_(self) -> str:
        status, error = self.status, self._running.error
        where = f" into <code>{html.escape(self.destination)}</code>" if self.destination is not None else ""
        why = "" if error is None else html.escape(redact(str(error)))
        parts = [f"<b>Export{where}: {status}.</b> {_NEXT.get(status, why)}"]
        if self._progress is not None:
            parts.append(as_html(self._progress))
        if why and status in _NEXT:
            parts.append(why)
        return f"<div>{'<br>'.join(parts)}</div>"
