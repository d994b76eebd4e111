"""`export` and `aexport`: one call from the API to DataFrames or to a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

from conv_analytics.errors import ExportStopped
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.job import Job
from conv_analytics.exporter.logs import Log
from conv_analytics.exporter.options import SWEEP, Options, options
from conv_analytics.exporter.progress import Block, Choice, Listener, listener_for
from conv_analytics.exporter.run import Client, once, stale
from conv_analytics.exporter.steps import Observer
from conv_analytics.exporter.targets import Exported, Frames, same_mask, same_tables, settle
from conv_analytics.privacy import Mask


class ExportOptions(TypedDict, total=False):
    """Keyword arguments of `export` and `aexport`; see there."""

    since: datetime | None
    until: datetime | None
    tables: Collection[str] | str | None
    concurrency: int
    rate: float
    progress: Choice
    on_event: Observer | None
    allow_empty: bool
    full: bool
    lookback: timedelta | None
    sweep: timedelta
    mask: Mask | None


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
def export(
    client: Client,
    destination: str | Path | None = None,
    *,
    wait: bool = True,
    since: datetime | None = None,
    until: datetime | None = None,
    tables: Collection[str] | str | None = None,
    concurrency: int = 20,
    rate: float = 10.0,
    progress: Choice = "auto",
    on_event: Observer | None = None,
    allow_empty: bool = False,
    full: bool = False,
    lookback: timedelta | None = None,
    sweep: timedelta = SWEEP,
    mask: Mask | None = None,
) -> Frames | Exported | Job[Any]:
    """Export every conversation, member and event of an application.

    Works in a script as well as in a notebook cell; interrupting it keeps what was read and leaves nothing running.

    Parameters
    ----------
    client
        Whose application to export.
    destination
        Folder to write Parquet files to, made when absent. A folder that holds an earlier export is brought up to
        date: only events after the last known one of each conversation are asked for. Without a destination everything
        is kept in memory.
    wait
        Whether to wait for the end. If not, a `Job` comes back at once: it tells how far the run is, stops it and has
        its result. Several may run at a time, each into a folder of its own.
    since, until
        Only conversations created from this instant on, and before that one. [UTC where they have no zone]
    tables
        Names of the tables to export, or ``"all"``; default all but ``users`` and ``sessions``, which take a request
        per user each.
    concurrency
        Requests in flight at most; fewer while the server breaks down or slows down. [requests]
    rate
        Requests per second at most; 0 sets no ceiling. The API's own limit is not published: it is found by asking, and
        kept in the folder for the next run. [1/s]
    full
        Read every conversation again from its first event, whatever the folder knows: what the folder lacks is added,
        nothing is there twice, and events that have another body now are counted (``.report.changed``).
    lookback
        Do not ask for conversations of an earlier run that have been quiet for longer, unless the list tells of a
        change: ``.report.not_probed``. By default every conversation that is listed costs a request.
    sweep
        With a lookback, ask for all of them nevertheless when that was last done so long ago.
    allow_empty
        Accept a run that brings far fewer events than the nights before, or none, instead of raising.
    progress
        Who shows how far it is: ``"auto"`` draws a block in a notebook, a bar on a terminal, and prints plain lines
        elsewhere, all on the standard error (``CONV_ANALYTICS_PROGRESS=plain|rich|none`` decides otherwise); False
        or None shows nothing; or anything that can be called with a `Progress`.
    on_event
        Called with a frozen value for everything that happens: see `conv_analytics.exporter.steps`. The log
        ``conv_analytics`` of the standard library's `logging` has the same without asking for it.
    mask
        Puts tokens in the place of phone numbers, names, texts and other personal data, before anything is kept.
        A folder stays with the mask of its first run.

    Returns
    -------
    Frames or Exported
        DataFrames by table name, or the run's report with the dataset written. With ``wait=False`` the `Job` whose
        ``result()`` that is; what is raised here, but for wrong arguments, is raised there.

    Raises
    ------
    ExportIncomplete
        If something could not be read, or far less came than in the nights before (``.report.warning``);
        ``.result`` holds what was read, and a folder has it committed.
    ConfigError
        If an argument is wrong.
    APIError
        If nothing could be read at all.
    DatasetError
        If the folder cannot be written; what it held before is untouched.

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
    # Here and not in the run's thread: what is wrong is told before one starts.
    show = listener_for(progress)
    chosen = options(
        tables=tables,
        since=since,
        until=until,
        concurrency=concurrency,
        rate=rate,
        full=full,
        lookback=lookback,
        sweep=sweep,
    )
    run = partial(
        _export,
        client,
        destination,
        chosen,
        progress=show,
        mask=mask,
        allow_empty=allow_empty,
        named=tables is not None,
    )
    observers: list[Observer] = [Log(), on_event] if on_event else [Log()]
    if wait:
        return run_blocking(lambda: run(observers=observers))
    if isinstance(show, Block):
        # Below this cell: who knows which one is running when the first answer comes.
        show.open()

    async def main(observe: Observer) -> Any:
        try:
            return await run(observers=[*observers, observe])
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
async def aexport(
    client: Client,
    destination: str | Path | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tables: Collection[str] | str | None = None,
    concurrency: int = 20,
    rate: float = 10.0,
    progress: Choice = "auto",
    on_event: Observer | None = None,
    allow_empty: bool = False,
    full: bool = False,
    lookback: timedelta | None = None,
    sweep: timedelta = SWEEP,
    mask: Mask | None = None,
) -> Frames | Exported:
    """`export`, to be awaited: in an application with an event loop of its own, or in a notebook cell."""
    chosen = options(
        tables=tables,
        since=since,
        until=until,
        concurrency=concurrency,
        rate=rate,
        full=full,
        lookback=lookback,
        sweep=sweep,
    )
    observers: list[Observer] = [Log(), on_event] if on_event else [Log()]
    return await _export(
        client,
        destination,
        chosen,
        progress=listener_for(progress),
        observers=observers,
        mask=mask,
        allow_empty=allow_empty,
        named=tables is not None,
    )


async def _export(
    client: Client,
    destination: str | Path | None,
    chosen: Options,
    *,
    progress: Listener,
    observers: list[Observer],
    mask: Mask | None,
    allow_empty: bool,
    named: bool,
) -> Frames | Exported:
    """Run, and once more where the run only finished one of long ago; `named` is whether tables were asked for."""
    if destination is not None:
        # What a killed run left finished is in the log before this run is compared with it.
        settle(Path(destination))
        same_mask(Path(destination), None if mask is None else mask.settings())
        held = same_tables(Path(destination), chosen.tables if named else None)
        chosen = replace(chosen, tables=held or chosen.tables)
    course = partial(
        once, client, destination, chosen, progress=progress, observers=observers, mask=mask, allow_empty=allow_empty
    )
    result = await course()
    if stale(result.report):
        result = await course()
    return result
