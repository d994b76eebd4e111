"""`export_panel`: start, watch and stop an export in a notebook."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self, Unpack

import traitlets

from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter import Exported, Job, Progress, export
from conv_analytics.exporter.options import Options, PanelOptions, ScopeOptions, expand_options
from conv_analytics.exporter.progress.notebook import as_html, as_text
from conv_analytics.notebook.explorer.page import style
from conv_analytics.notebook.explorer.request_widget import RequestWidget, reason_of
from conv_analytics.notebook.html import clean, module, render, safe
from conv_analytics.notebook.report.period import period_of
from conv_analytics.paths import expand_user

_LOG = logging.getLogger("conv_analytics")
#: What a reader needs to know about a status.
_HINTS = {
    "ready": "Start reads what is new.",
    "stopping": "What was read is kept; it ends in a moment.",
    "stopped": "What was read is kept: Start goes on from there.",
    "incomplete": "Start reads what is missing.",
}


@dataclass(frozen=True)
class Fields:
    """The fields of the panel: what to export.

    Attributes
    ----------
    folder
        The folder to write to.
    since, until
        Only conversations created in this period: days of the panel's zone, or instants; `until` is excluded.
    tables
        Their names, separated by commas; empty for all but ``users`` and ``sessions``.
    """

    folder: str
    since: datetime | date | str | None = None
    until: datetime | date | str | None = None
    tables: str = ""

    def plain(self) -> dict[str, str]:
        """The fields as JSON values."""
        return {name: "" if value is None else str(value) for name, value in vars(self).items()}


@expand_options(PanelOptions)
def export_panel(
    client: Conversations | AsyncConversations,
    dest: str | Path = "exports",
    *,
    tz: str = "UTC",
    on_end: Callable[[Path], object] | None = None,
    **options: Unpack[PanelOptions],
) -> ExportPanel:
    """A panel with the fields of an export, its progress, and buttons to start and stop it.

    Parameters
    ----------
    client
        The client of the application to export.
    dest
        The folder; it can be changed in the panel.
    tz
        IANA name of the zone of days that are entered in the panel.
    on_end
        Called with the folder after each run, however it ended, in the run's own thread. If it fails, the panel shows
        why.
    options
        ``concurrency``, ``rate``, ``full``, ``lookback``, ``sweep``, ``allow_empty``, ``processes`` and ``mask`` as in
        `conv_analytics.export`. ``since``, ``until`` and ``tables`` are fields of the panel: enter them there, or set
        them with ``start(since=...)``.

    Returns
    -------
    ExportPanel
        Shows itself in a notebook, and a saved notebook has its last state. ``start()`` and ``stop()`` do what the
        buttons do; ``job`` is the run.

    Raises
    ------
    ConfigError
        If the zone is unknown, or an option has an invalid value.
    TypeError
        If there is no option of that name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from conv_analytics import Conversations
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     panel = export_panel(client, folder, rate=0)
    ...     done = panel.start().wait()
    >>> panel.status
    'complete'
    """
    zone_info(tz)
    for name in sorted(ScopeOptions.__annotations__.keys() & options.keys()):
        raise TypeError(
            f"export_panel() takes no {name!r}: it is a field of the panel. Enter it there, or start with it:"
            f" panel.start({name}=...)."
        )
    Options.checked("export_panel", options, PanelOptions)
    return ExportPanel(client, dest, tz=tz, on_end=on_end, options=options)


class ExportPanel(RequestWidget):
    """The panel of an export, a widget; made by `export_panel`.

    Attributes
    ----------
    fields
        The export, as entered in the panel.
    job
        The latest run; None before the first.
    ends
        Called with the folder after each run.
    view_state
        The state of the browser.
    """

    _esm = module("dom.js", *(f"explorer/{name}.js" for name in ("widget", "panel", "panel_widget")))
    _css = style()
    view_state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        client: Conversations | AsyncConversations,
        dest: str | Path,
        *,
        tz: str,
        on_end: Callable[[Path], object] | None,
        options: PanelOptions,
    ) -> None:
        self.fields = Fields(str(dest))
        self.job: Job[Exported] | None = None
        self.ends = [] if on_end is None else [on_end]
        self._client, self._tz, self._options = client, tz, options
        self._error = ""
        super().__init__(self.do, self.html, view_state=self._state())

    @property
    def widget(self) -> Self:
        """The panel itself."""
        return self

    @property
    def lock(self) -> threading.RLock:
        """The lock to hold while changing or reading the state of the panel."""
        return self._lock

    @property
    def work(self) -> str | Path | None:
        """The work folder, with a bucket as the folder; None for the usual one."""
        return self._options.get("work")

    @property
    def status(self) -> str:
        """``ready``, or the status of the latest run; see `Job.status`."""
        return "ready" if self.job is None else self.job.status

    def start(self, **changes: Any) -> Job[Exported]:
        """Start a run, after changing some of the fields; does nothing while one is running.

        Raises
        ------
        ConfigError
            If a field has an invalid value.
        """
        with self._lock:
            if self.job is not None and self.job.running:
                return self.job
            self.fields = replace(self.fields, **changes)
            fields = self.fields
            if not fields.folder.strip():
                raise ConfigError("The export needs a folder to write to.")
            period = period_of(fields.since, fields.until, self._tz)
            folder = expand_user(fields.folder.strip())
            self._error = ""
            job = self.job = export(
                self._client,
                folder,
                wait=False,
                progress=False,
                on_event=self._on_event,
                since=period.since if fields.since else None,
                until=period.until if fields.until else None,
                tables=fields.tables.strip() or None,
                **self._options,
            )
        job.add_done_callback(lambda job: self._ended(job, folder))
        self._show()
        return job

    def stop(self) -> None:
        """Stop the current run; what was read is kept, and the next run goes on from there."""
        if self.job is not None:
            self.job.stop(timeout=0)
        self._show()

    def do(self, request: dict[str, Any]) -> None:
        """Handle a button of the panel: ``start`` with fields, or ``stop``; if it fails, show why."""
        if request["do"] == "stop":
            self.stop()
            return
        try:
            texts = {name: str(request["fields"].get(name, "")) for name in ("folder", "since", "until", "tables")}
            self.start(**{name: text or (None if name in {"since", "until"} else "") for name, text in texts.items()})
        except Exception as error:  # noqa: BLE001  nobody would see it
            self._error = reason_of(error)
            self._show()

    def _on_event(self, event: object) -> None:
        """Show the progress; called in the run's thread, about ten times a second."""
        if isinstance(event, Progress):
            self._show()

    def _ended(self, job: Job[Exported], folder: Path) -> None:
        try:
            job.result()
        except Exception as error:  # noqa: BLE001  whatever ended the run, the panel says so
            self._error = "" if job.status == "stopped" else reason_of(error)
        self._show()
        try:
            for end in self.ends:
                self._call(end, folder)
        finally:
            self._show()
            self._output.update()

    def _call(self, end: Callable[[Path], object], folder: Path) -> None:
        try:
            end(folder)
        except Exception as error:  # noqa: BLE001  it must keep nothing else from being called or shown
            _LOG.exception("a function to call after the export failed")
            self._error = self._error or f"After the export: {reason_of(error)}"

    def _state(self) -> dict[str, Any]:
        progress = None if self.job is None else self.job.progress
        total = None if progress is None else progress.total
        return {
            "fields": self.fields.plain(), "status": self.status, "error": clean(self._error),
            "running": self.job is not None and self.job.running, "hint": _HINTS.get(self.status, ""),
            "text": "" if progress is None else as_text(progress), "done": 0 if progress is None else progress.done,
            "total": max(total, 1) if total is not None else None,
        }  # fmt: skip

    def _show(self) -> None:
        with self._lock:
            self.view_state = self._state()

    def html(self) -> str:
        """The panel without a script."""
        progress = None if self.job is None else self.job.progress
        return render(
            "explorer/panel.html.j2", style=safe(style()), folder=self.fields.folder, status=self.status,
            hint=_HINTS.get(self.status, ""), progress="" if progress is None else safe(as_html(progress)),
            error=self._error,
        )  # fmt: skip

    @safe_repr
    def __repr__(self) -> str:
        return f"<ExportPanel: {self.fields.folder}, {self.status}>"


__all__ = ["ExportPanel", "Fields", "export_panel"]
