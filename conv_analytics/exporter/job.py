"""A run in the background, as an object: look at it, stop it, get its result."""

from __future__ import annotations

import html
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, TypeVar

from conv_analytics.api.notices import Notice
from conv_analytics.errors import ConfigError, ExportIncomplete, ExportStopped, redact
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter.blocking import Background, inside, refuse_inside
from conv_analytics.exporter.progress import Progress, describe
from conv_analytics.exporter.progress.notebook import as_html
from conv_analytics.exporter.steps import Observer, Step
from conv_analytics.exporter.targets import Exported, Frames

R = TypeVar("R", bound=Frames | Exported)

_LOG = logging.getLogger("conv_analytics")

Status = Literal["running", "stopping", "complete", "incomplete", "stopped", "failed"]

#: What one can do with a job, by its status.
_NEXT = {
    "running": "<code>.stop()</code> stops it, <code>.result()</code> waits for it.",
    "stopping": "What was read is kept; it ends in a moment.",
    "complete": "<code>.result()</code> gives it.",
    "incomplete": "<code>.result()</code> raises what is missing; the same call again reads the rest.",
    "failed": "<code>.result()</code> raises why.",
}


class Job(Generic[R]):
    """A run in the background: what ``export(..., wait=False)`` gives, at once.

    The run has a thread of its own, so it goes on while other cells run, and a button of a widget can stop it. Every
    method can be called from any thread. When the interpreter ends, a running job is stopped as with `stop`.

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
        """Start a run; `main` gets what to tell everything that happens."""
        self.destination = destination
        """The folder that is written to; None when everything is kept in memory."""
        self._progress: Progress | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._listeners: tuple[Observer, ...] = ()
        self._callbacks: list[Callable[[Job[R]], object]] = []
        self._told = False
        self._running: Background[R] = Background(lambda: main(self._observe), self._tell_end)
        self._running.start()

    @property
    def running(self) -> bool:
        """Whether it works still."""
        return not self._running.ended and not self._running.lost

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way: `result` gives the outcome without waiting."""
        return self._running.ended

    @property
    def progress(self) -> Progress | None:
        """The latest snapshot: ``.done`` of ``.total`` conversations, ``.events``, ``.requests``, ``.waiting_s``, ...

        A new frozen value about ten times a second; None before the first one.
        """
        return self._progress

    @property
    def status(self) -> Status:
        """How it stands.

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
        """Stop the run, and wait until nothing of it is left; whether that is so.

        What was read is kept: the same export into the same folder goes on from there, and in memory the ``.result`` of
        the `ExportStopped` that `result` raises has it. Stopping again, or what has ended, does nothing. In a listener
        it returns at once, because the run cannot end before the listener does.

        Parameters
        ----------
        timeout
            Longest time to wait. [s] The run stops nevertheless.
        """
        self._present()
        if not self.done:
            self._stopping = True
            self._running.cancel()
        return self.done if inside() else self._running.wait(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it has come.

        Interrupting the cell ends the waiting only, not the run.

        Parameters
        ----------
        timeout
            Longest time to wait. [s]
        """
        self._present()
        if self.done and inside():
            return True
        refuse_inside()
        return self._running.wait(timeout)

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end, and give what ``export`` without ``wait=False`` would give.

        Raises
        ------
        ExportStopped
            If it was stopped; ``.report`` tells what was read.
        TimeoutError
            If it is still running after `timeout` seconds.
        ConvAnalyticsError
            Whatever else ``export`` raises.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"The export is still running after {timeout:g} s: {self}.")
        return self._running.outcome()

    def add_listener(self, listener: Observer) -> None:
        """Call something with each step from now on: those of `conv_analytics.exporter.steps`, and each `Progress`.

        It is called in the run's own thread and should return soon. One that raises is told in the log
        ``conv_analytics`` and not called again; the run goes on.
        """
        with self._lock:
            self._listeners += (listener,)

    def remove_listener(self, listener: Observer) -> None:
        """Call it no more; does nothing when it is not among them."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def add_done_callback(self, callback: Callable[[Job[R]], object]) -> None:
        """Call something with this job when it has ended: in the run's thread, or at once when it has ended already."""
        with self._lock:
            if not self._told:
                self._callbacks.append(callback)
                return
        callback(self)

    def _observe(self, event: Step | Notice | Progress) -> None:
        if isinstance(event, Progress):
            self._progress = event
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  what watches a run must not end it
                _LOG.exception("a listener of the export failed, and is not called again")
                self.remove_listener(listener)

    def _tell_end(self) -> None:
        with self._lock:
            self._told = True
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception:  # noqa: BLE001  nor must who waits for it
                _LOG.exception("a callback of the export failed")

    def _present(self) -> None:
        if self._running.lost:
            raise ConfigError(
                "This export was started by the process that this one was forked from, and runs there."
                " Start another one here, into another folder."
            )

    @safe_repr
    def __repr__(self) -> str:
        where = f" into {self.destination}" if self.destination is not None else ""
        stands = "" if self._progress is None else f", {describe(self._progress)}"
        return f"<Job: export{where}, {self.status}{stands}>"

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
