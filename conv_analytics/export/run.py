"""`export` and `aexport`: one call from the API to DataFrames or to a folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack, overload

from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.api.notices import ClockSkewed, Notice, RequestSent, ResponseReceived, Retried
from conv_analytics.errors import ConvAnalyticsError, DatasetError, ExportIncomplete
from conv_analytics.export.blocking import run_blocking
from conv_analytics.export.convert import Converter
from conv_analytics.export.engine import LIST, Exporter
from conv_analytics.export.logs import Log
from conv_analytics.export.masked import Masked
from conv_analytics.export.options import SWEEP, Options, options
from conv_analytics.export.pace import Pace, learned_rate
from conv_analytics.export.probing import probing
from conv_analytics.export.progress import Choice, Listener, Progress, listener_for
from conv_analytics.export.report import Report
from conv_analytics.export.source import Asked, Source
from conv_analytics.export.steps import Observer
from conv_analytics.export.targets import Exported, Folder, Frames, Memory, same_mask, same_tables
from conv_analytics.export.watch import Watch
from conv_analytics.privacy import Mask

Client = Conversations | AsyncConversations

#: Listeners of progress are called at most this often. [s]
_SHOW_S = 0.1

#: A run that was cut short longer ago than this is finished first, and then followed by one of today.
_FRESH = timedelta(hours=1)

#: What to do about a night that brought far less than usual: it may be right, which nobody can tell from here.
_DOUBT = (
    "What there was is committed. If the application is the right one and the calls and messages really stayed away,"
    " pass allow_empty=True."
)


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
def export(client: Client, destination: None = None, **options: Unpack[ExportOptions]) -> Frames: ...
@overload
def export(client: Client, destination: str | Path, **options: Unpack[ExportOptions]) -> Exported: ...
def export(
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
    """Export every conversation, member and event of an application.

    Works in a script as well as in a notebook cell; interrupting it commits what was read and leaves nothing running.

    Parameters
    ----------
    client
        Whose application to export.
    destination
        Folder to write Parquet files to, made when absent. A folder that holds an earlier export is brought up to
        date: only events after the last known one of each conversation are asked for. Without a destination everything
        is kept in memory.
    since, until
        Only conversations created from this instant on, and before that one. [UTC where they have no zone]
    tables
        Names of the tables to export, or ``"all"``; default all but ``users`` and ``sessions``, which take more
        requests.
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
        Called with a frozen value for everything that happens: see `conv_analytics.export.steps`. The log
        ``conv_analytics`` of the standard library's `logging` has the same without asking for it.
        Called with a `Progress` as the export goes on.
    mask
        Puts tokens in the place of phone numbers, names, texts and other personal data, before anything is kept.
        A folder stays with the mask of its first run.

    Returns
    -------
    Frames or Exported
        DataFrames by table name, or the run's report with the dataset written.

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
    # Here and not in the loop's thread: what is wrong is told before one starts.
    show = listener_for(progress)
    return run_blocking(
        lambda: aexport(
            client,
            destination,
            since=since,
            until=until,
            tables=tables,
            concurrency=concurrency,
            rate=rate,
            progress=show,
            on_event=on_event,
            allow_empty=allow_empty,
            full=full,
            lookback=lookback,
            sweep=sweep,
            mask=mask,
        )
    )


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
    if destination is not None:
        same_mask(Path(destination), None if mask is None else mask.settings())
        held = same_tables(Path(destination), None if tables is None else chosen.tables)
        chosen = replace(chosen, tables=held or chosen.tables)
    observers: list[Observer] = [Log(), on_event] if on_event else [Log()]
    once = partial(
        _once, client, destination, chosen, progress=progress, observers=observers, mask=mask, allow_empty=allow_empty
    )
    result = await once()
    if _stale(result.report):
        result = await once()
    return result


def _stale(report: Report) -> bool:
    """Whether a run went on where one of long ago stopped: what came since then it did not see."""
    began = report.resumed_from
    return began is not None and datetime.now(UTC) - datetime.fromisoformat(began) > _FRESH


async def _once(
    client: Client,
    destination: str | Path | None,
    chosen: Options,
    *,
    progress: Choice,
    observers: Sequence[Observer],
    mask: Mask | None,
    allow_empty: bool,
) -> Frames | Exported:
    started = datetime.now(UTC)
    report = Report(
        _text(chosen.since),
        _text(chosen.until),
        _text(started) or "",
        allow_empty=allow_empty,
        full=chosen.full,
        mask=None if mask is None else mask.settings(),
    )
    show, watch = listener_for(progress), Watch(report, observers)
    target: Memory | Folder
    if destination is None:
        target = Memory(chosen.tables, started.date())
    else:
        target = Folder(Path(destination), chosen, started, client.origin, report.mask)
    try:
        watch.started(destination, chosen.tables)
        run = _Run(client, target, chosen, report, started, progress=show, watch=watch, mask=mask)
        failure = await run.read()
        result = target.finish(report, run.converter)
    except BaseException as error:
        target.abandon()
        watch.ended(error)
        raise
    watch.ended()
    if report.interrupted:
        raise asyncio.CancelledError
    if report.incomplete:
        raise ExportIncomplete(report, result=result) from failure
    if report.warning and not allow_empty:
        raise ExportIncomplete(report, f"{report.warning}. {_DOUBT}", result=result)
    return result


class _Run:
    """One export under way: the parts, and the counting."""

    def __init__(
        self,
        client: Client,
        target: Memory | Folder,
        chosen: Options,
        report: Report,
        started: datetime,
        *,
        progress: Listener,
        watch: Watch,
        mask: Mask | None,
    ) -> None:
        self._report, self._progress, self._watch, self._journal = report, progress, watch, target.journal
        self._pace = Pace(chosen.rate, chosen.concurrency, learned_rate(target.reports, started))
        self._ceiling = chosen.rate
        self._client = client.bulk(gate=self._pace, sleep=self._pace.sleep, on_event=self._noticed)
        asked: Asked = self._client if mask is None else Masked(self._client, mask)
        if target.journal is not None:
            asked = Source(asked, target.journal)
            # What was seen then is as old as the run that saw it.
            started = target.journal.header.started
            report.resumed_from = target.journal.header.started_at if target.journal.resumed else None
        self.converter = Converter(target, report, started)
        decisions = probing(target.past, chosen, started)
        self._exporter = Exporter(asked, self.converter, chosen, decisions, report, pace=self._pace, moved=self._moved)
        self._begin = self._shown = time.monotonic()
        self._waiting_until = 0.0

    async def read(self) -> ConvAnalyticsError | None:
        """Read everything; the failure that ended it early, if one did.

        Raises what leaves nothing worth keeping: the folder cannot be written, or not even the list could be read.
        """
        failure = None
        try:
            await self._exporter.run()
        except asyncio.CancelledError:
            self._report.interrupted = True
            await self.converter.drain()
        except DatasetError:
            raise
        except ConvAnalyticsError as error:
            if not self._report.listed:
                raise
            self._report.incomplete[LIST] = str(error)
            failure = error
            await self.converter.drain()
        finally:
            await self._client.aclose()
            await self.converter.close()
            self._report.pace = self._pace.learned()
            self._report.seconds = time.monotonic() - self._begin
            self._report.resumed = self._journal.served if self._journal is not None else 0
            self._show(finished=True)
        return failure

    def _noticed(self, notice: Notice) -> None:
        self._pace.noticed(notice)
        match notice:
            case RequestSent():
                self._report.requests += 1
            case ResponseReceived(size_bytes=size):
                self._report.downloaded_bytes += size
            case Retried(wait_s=wait, asked=asked):
                self._report.retries += 1
                self._report.waited_s += wait
                if asked and (until := time.monotonic() + wait) > self._waiting_until:
                    # Everything waits now, so nothing else would show it.
                    longer, self._waiting_until = until - self._waiting_until > _SHOW_S, until
                    if longer:
                        self._show()
            case ClockSkewed(offset_s=offset):
                self._report.clock_offset_s = offset
        self._watch.tell(notice)
        self._moved()

    def _moved(self) -> None:
        if time.monotonic() - self._shown >= _SHOW_S:
            self._show()

    def _show(self, *, finished: bool = False) -> None:
        self._shown = time.monotonic()
        progress = Progress(
            listed=self._report.listed,
            listing_done=self._exporter.listing_done,
            done=self._exporter.done,
            events=self.converter.events,
            requests=self._report.requests,
            retries=self._report.retries,
            waiting_s=max(0.0, self._waiting_until - self._shown),
            elapsed_s=self._shown - self._begin,
            limit=self._pace.rate.limit or self._ceiling or None,
            finished=finished,
        )
        self._watch.progressed(progress)
        self._progress(progress)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
