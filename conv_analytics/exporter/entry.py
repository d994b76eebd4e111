"""`export` and `aexport`: one call from the API to DataFrames or to a folder."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import wait_for_short_run
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import ConvAnalyticsError, DatasetLocked, ExportIncomplete, ExportStopped
from conv_analytics.exporter.application_checks import Client, require_same_application
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.folder_checks import (
    commit_finished_runs,
    recorded_mask,
    require_same_mask,
    resolve_tables,
)
from conv_analytics.exporter.inbox_objects import require_mask_of_inbox
from conv_analytics.exporter.ingest_report import Ingested
from conv_analytics.exporter.ingestion import ingest
from conv_analytics.exporter.job import Job
from conv_analytics.exporter.logs import LogObserver
from conv_analytics.exporter.options import ExportOptions, Options, expand_options
from conv_analytics.exporter.progress import Listener, NotebookBlock, listener_for
from conv_analytics.exporter.results import Exported, Frames
from conv_analytics.exporter.run import resumed_old_run, run_export
from conv_analytics.exporter.run_events import Observer
from conv_analytics.log import LOGGER, Entry


@overload
def export(
    client: Client, destination: None = None, *, wait: Literal[True] = True, **options: Unpack[ExportOptions]
) -> Frames: ...
@overload
def export(
    client: Client, destination: str | Path, *, wait: Literal[True] = True, **options: Unpack[ExportOptions]
) -> Exported: ...
@overload
def export(
    client: Client, destination: None = None, *, wait: Literal[False], **options: Unpack[ExportOptions]
) -> Job[Frames]: ...
@overload
def export(
    client: Client, destination: str | Path, *, wait: Literal[False], **options: Unpack[ExportOptions]
) -> Job[Exported]: ...
@expand_options(ExportOptions)
def export(
    client: Client, destination: str | Path | None = None, *, wait: bool = True, **options: Unpack[ExportOptions]
) -> Frames | Exported | Job[Any]:
    """Export every conversation, member and event of an application.

    Works in a script and in a notebook cell; interrupting it keeps what was read and leaves nothing running.

    Parameters
    ----------
    client : Conversations or AsyncConversations
        The application to export.
    destination : str or Path, default None
        Folder to write Parquet files to, made when absent, or a bucket: ``s3://BUCKET/PATH``. A folder that holds an
        earlier export is brought up to date: only events after the last known one of each conversation are requested.
        Without a destination everything is kept in memory.
    wait : bool, default True
        Whether to wait for the end. If not, `export` returns a `Job` at once, which shows the progress, stops the run
        and has its result. Several jobs may run at a time, each into a folder of its own.
    since, until : datetime, default None
        Only conversations created from this instant on, and before that one. [UTC where they have no zone]
    tables : str or collection of str, default None
        Names of the tables to export, or ``"all"``. None exports those that the folder has; to a new folder, all but
        ``users`` and ``sessions``, which take a request per user each.
    concurrency : int, default 20
        Maximum requests in flight; fewer while the server fails or slows down. [requests]
    rate : float, default 10.0
        Maximum requests per second; 0 sets no limit. The API's own limit is not published: the run learns it, and the
        folder keeps it for the next run. [1/s]
    full : bool, default False
        Read every conversation again from its first event, whatever the folder has: missing events are added, nothing
        is stored twice, and events whose body has changed are counted (``.report.changed``).
    lookback : timedelta, default None
        Skip conversations of earlier runs that have been quiet for longer, unless the list shows a change:
        ``.report.not_probed``. By default every listed conversation costs a request.
    sweep : timedelta, default 7 days
        With a lookback, request all conversations nevertheless when the last time was this long ago.
    work : str or Path, default None
        Of a bucket, the local work folder; by default one in the user's folder for program state.
    allow_empty : bool, default False
        Accept a run that brings far fewer events than the nights before, or none, instead of raising.
    processes : int, default None
        2 converts and writes what is downloaded in a process of its own, so that two processors share the work; 1 does
        everything in this one. None takes 2 for an export to a folder that has more than a little to convert, where
        this process may use two processors. What is written is the same.
    progress : "auto", bool, None or callable, default "auto"
        Display of the progress: ``"auto"`` draws a block in a notebook and a bar on a terminal, and prints plain lines
        elsewhere, always on standard error (the variable ``CONV_ANALYTICS_PROGRESS=plain|rich|none`` overrides this);
        False or None shows nothing; a callable is called with each `Progress`.
    on_event : callable, default None
        Called with a frozen value for everything that happens: see `conv_analytics.exporter.run_events`. The logger
        ``conv_analytics`` of `logging` reports the same in any case.
    mask : Mask, default None
        Replaces phone numbers, names, texts and other personal data with tokens before anything is stored. A folder
        keeps the mask of its first run.

    Returns
    -------
    Frames or Exported
        DataFrames by table name, or the run's report with the dataset written. With ``wait=False`` a `Job`, whose
        ``result()`` returns that or raises the errors below, except those for wrong arguments.

    Raises
    ------
    ExportIncomplete
        If something could not be read, far fewer events came than in the nights before (``.report.warning``), or the
        folder lacks files of earlier runs (``.report.missing_files``); ``.result`` has what was read, and a folder has
        it committed.
    ConfigError
        If an argument is wrong.
    APIError
        If nothing could be read at all.
    DatasetError
        If the folder cannot be written; its earlier contents are untouched.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0)
    >>> len(frames["conversations"])
    3
    """
    # Here, not in the run's thread: wrong arguments are reported before one starts.
    chosen = Options.checked("export", options, ExportOptions)
    show = listener_for(chosen.progress)
    run = partial(_export, client, destination, chosen, show)
    if wait:
        return run_blocking(run)
    if isinstance(show, NotebookBlock):
        # Below this cell: another one may be running when the first answer arrives.
        show.open()

    async def main(observe: Observer) -> Any:
        try:
            return await run(observe)
        except asyncio.CancelledError as stopped:
            raise (stopped.__cause__ if isinstance(stopped.__cause__, ExportStopped) else stopped) from None

    return Job(main, None if destination is None else str(destination))


@overload
async def aexport(client: Client, destination: None = None, **options: Unpack[ExportOptions]) -> Frames: ...
@overload
async def aexport(client: Client, destination: str | Path, **options: Unpack[ExportOptions]) -> Exported: ...
@overload
async def aexport(
    client: Client, destination: str | Path | None, **options: Unpack[ExportOptions]
) -> Frames | Exported: ...
@expand_options(ExportOptions)
async def aexport(
    client: Client, destination: str | Path | None = None, **options: Unpack[ExportOptions]
) -> Frames | Exported:
    """Export as `export` does, with the same options, awaited on the caller's own event loop."""
    chosen = Options.checked("aexport", options, ExportOptions)
    return await _export(client, destination, chosen, listener_for(chosen.progress))


async def _export(
    client: Client, destination: str | Path | None, chosen: Options, progress: Listener, *observers: Observer
) -> Frames | Exported:
    """Run, and once more if the run only finished one that was interrupted long ago."""
    if destination is not None:
        destination = await asyncio.to_thread(dataset_folder, destination, chosen.work)
        # A listener folds its inbox in every few minutes, in seconds: no reason for a nightly run to fail.
        await asyncio.to_thread(wait_for_short_run, Layout(Path(destination)))
        # The finished work of a killed run is committed before this run is compared with it.
        commit_finished_runs(Path(destination))
        require_same_application(Path(destination), client)
        require_same_mask(Path(destination), chosen.mask_settings)
        if recorded_mask(Path(destination)) is None:
            require_mask_of_inbox(Layout(Path(destination)), chosen.mask_settings)
        chosen = replace(chosen, tables=resolve_tables(Path(destination), chosen.tables))
    watching: list[Observer] = (
        [LogObserver(), *observers] if chosen.on_event is None else [LogObserver(), chosen.on_event, *observers]
    )
    run = partial(run_export, client, destination, chosen, progress=progress, observers=watching)
    try:
        result = await run()
        if resumed_old_run(result.report):
            result = await run()
    except ExportIncomplete as incomplete:
        if destination is not None and not isinstance(incomplete, ExportStopped):
            # The error of the list is raised; the next run raises that of the inbox.
            with contextlib.suppress(ConvAnalyticsError):
                await asyncio.to_thread(_fold_inbox, Path(destination), chosen)
        raise
    if not isinstance(result, Exported):
        return result
    try:
        folded = await asyncio.to_thread(_fold_inbox, result.dataset.path, chosen)
    except ExportIncomplete as incomplete:
        result = replace(result, dataset=open_dataset(result.dataset.path), ingested=incomplete.report)
        what = f"The export is complete, but not what its listener received: {incomplete}"
        raise ExportIncomplete(result.report, what, result=result) from None
    if folded is None or not folded.commit:
        return result
    # After the list: events that both have are stored once, and none is replaced.
    return replace(result, dataset=open_dataset(result.dataset.path), ingested=folded)


def _fold_inbox(root: Path, chosen: Options) -> Ingested | None:
    """Fold in what a listener received; None when another run has taken the folder; the next one folds it in."""
    try:
        return ingest(root, mask=chosen.mask)
    except DatasetLocked as locked:
        LOGGER.info(Entry("inbox not folded in", {"reason": str(locked)}))
        return None
