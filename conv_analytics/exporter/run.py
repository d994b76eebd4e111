"""One run: connects its parts, counts what they do, and handles every way it can end."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from conv_analytics.api.notices import ClockSkewed, Notice, RequestSent, ResponseReceived, Retried
from conv_analytics.dataset.storage.missing_files import ADVICE, describe_missing
from conv_analytics.errors import AuthError, ConvAnalyticsError, DatasetError, ExportIncomplete, ExportStopped
from conv_analytics.exporter.application_checks import Client, application_of
from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.convert import Converter
from conv_analytics.exporter.cpus import available_cpus
from conv_analytics.exporter.engine import LIST_KEY, Exporter
from conv_analytics.exporter.incremental import incremental_policy
from conv_analytics.exporter.journalled_client import JournalledClient, RawClient
from conv_analytics.exporter.masked_client import MaskedClient
from conv_analytics.exporter.notifier import Notifier
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.pacing.pacer import Pacer, learned_rate
from conv_analytics.exporter.progress import Listener, Progress
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.results import Exported, Frames
from conv_analytics.exporter.run_events import Observer
from conv_analytics.exporter.sinks import FolderSink, MemorySink
from conv_analytics.instants import utc_text

R = TypeVar("R")

#: Listeners of progress are called at most this often. [s]
_SHOW_S = 0.1

#: A run that was interrupted longer ago than this is finished first, and then followed by a new one.
_FRESH = timedelta(hours=1)

#: Longest time for a stopped run to commit what it read; after that, the journal keeps it. [s]
STOP_S = 1.0

#: Advice after a night with far fewer events than usual, which may be right.
_DOUBT = (
    "What there was is committed. If the application is the right one and the calls and messages really stayed away,"
    " pass allow_empty=True."
)


def resumed_old_run(report: Report) -> bool:
    """Whether a run only finished one that was interrupted long ago, and has seen nothing newer."""
    if report.resumed_from is None:
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(report.resumed_from)
    # Below zero, a clock was ahead when it began, and nobody knows how long ago that was.
    return not timedelta() <= age <= _FRESH


async def run_export(
    client: Client,
    destination: str | Path | None,
    chosen: Options,
    *,
    progress: Listener,
    observers: Sequence[Observer],
) -> Frames | Exported:
    """Run once; return the result, or raise an error if something is missing.

    A cancelled run raises `asyncio.CancelledError`, caused by an `ExportStopped` with what was read.
    """
    started = datetime.now(UTC)
    report = Report(
        None if chosen.since is None else utc_text(chosen.since),
        None if chosen.until is None else utc_text(chosen.until),
        utc_text(started),
        allow_empty=chosen.allow_empty,
        full=chosen.full,
        application=application_of(client),
        mask=chosen.mask_settings,
    )
    notifier = Notifier(report, observers)
    sink: MemorySink | FolderSink
    if destination is None:
        sink = MemorySink(chosen.selected, started.date())
    else:
        sink = folder = FolderSink(Path(destination), chosen, started, client, report.mask)
        chosen, report.missing_files = folder.options, folder.missing_files
    states = ConversationStates()
    try:
        notifier.started(destination, chosen.selected)
        run = _Run(client, sink, chosen, report, started, states=states, progress=progress, notifier=notifier)
        failure = await run.read()
        finish: Callable[[], Frames | Exported] = partial(sink.finish, report, states, run.in_time)
        result, cancelled = await _to_the_end(finish)
    except (asyncio.CancelledError, _NoTimeError):
        # Nothing is committed, and nothing is lost: the journal has every response.
        report.interrupted = True
        sink.discard()
        notifier.ended()
        raise asyncio.CancelledError from ExportStopped(report)
    except BaseException as error:
        sink.discard()
        notifier.ended(error)
        raise
    finally:
        states.close()
    notifier.ended()
    if report.interrupted or cancelled:
        stopped = (
            ExportStopped(report, result=result) if destination is not None else _stopped_in_memory(report, result)
        )
        raise asyncio.CancelledError from stopped
    if report.incomplete:
        raise ExportIncomplete(report, result=result) from failure
    if report.missing_files:
        raise ExportIncomplete(report, f"{describe_missing(report.missing_files)}. {ADVICE}", result=result)
    if report.warning and not chosen.allow_empty:
        raise ExportIncomplete(report, f"{report.warning}. {_DOUBT}", result=result)
    return result


def _stopped_in_memory(report: Report, result: Frames | Exported) -> ExportStopped:
    return ExportStopped(report, "The export was stopped. What was read is in .result of this error.", result=result)


async def _to_the_end(call: Callable[[], R]) -> tuple[R, bool]:
    """Finish a call in a thread, as half a commit cannot be: its result, and whether the export was cancelled."""
    running, cancelled = asyncio.get_running_loop().run_in_executor(None, call), False
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            cancelled = True
    return running.result(), cancelled


class _NoTimeError(Exception):
    """Raised when a stopped run has no time left to commit."""


class _Run:
    """A running export: its parts and its counts."""

    def __init__(
        self,
        client: Client,
        sink: MemorySink | FolderSink,
        chosen: Options,
        report: Report,
        started: datetime,
        *,
        states: ConversationStates,
        progress: Listener,
        notifier: Notifier,
    ) -> None:
        self._report, self._progress, self._notifier, self._journal = report, progress, notifier, sink.journal
        self._pacer = Pacer(chosen.rate, chosen.concurrency, learned_rate(sink.reports, started))
        self._ceiling = chosen.rate
        self._client = client.bulk(gate=self._pacer, sleep=self._pacer.sleep, on_event=self._observe)
        self._mask = chosen.mask
        source: RawClient = self._client if chosen.mask is None else MaskedClient(self._client, chosen.mask)
        if sink.journal is not None:
            source = JournalledClient(source, sink.journal)
            # Responses in the journal are as old as the run that received them.
            started = min(started, sink.journal.header.started)
            report.resumed_from = sink.journal.header.started_at if sink.journal.resumed else None
        process = None
        if isinstance(sink, FolderSink) and (chosen.processes or available_cpus()) > 1:
            process = sink.conversion_process(started, at_once=chosen.processes is not None)
        self.converter = Converter(sink, report, states, started, process)
        policy = incremental_policy(sink.folder_state, chosen, started)
        self._exporter = Exporter(
            source, self.converter, chosen, policy, report, states=states, pacer=self._pacer, changed=self._changed
        )
        self._begin = time.monotonic()
        # The first request is shown, whatever its outcome.
        self._shown_at = -math.inf
        self._waiting_until = 0.0
        self._stop_by = math.inf

    async def read(self) -> ConvAnalyticsError | None:
        """Read everything; return the failure that ended it early, if one did.

        Raises an error when there is nothing to keep: the folder cannot be written, or not even the list was read.
        """
        failure = None
        try:
            await self._exporter.run()
        except asyncio.CancelledError:
            self._report.interrupted = True
            if self._journal is not None:
                self._stop_by = time.monotonic() + STOP_S
            await self.converter.drain(self.in_time)
        except DatasetError:
            raise
        except ConvAnalyticsError as error:
            if not self._report.listed or isinstance(error, AuthError):
                # A refusal is raised only when everything was refused.
                raise
            self._report.incomplete[LIST_KEY] = str(error)
            failure = error
            await self.converter.drain()
        finally:
            await self._client.aclose()
            await self.converter.close()
            self._report.pace = self._pacer.learned()
            self._report.seconds = time.monotonic() - self._begin
            self._report.resumed = self._journal.served if self._journal is not None else 0
            self._show(finished=True)
        return failure

    def in_time(self) -> None:
        """Raise `_NoTimeError` when the time that a stopped run has to commit is over."""
        if time.monotonic() > self._stop_by:
            raise _NoTimeError

    def _observe(self, notice: Notice) -> None:
        self._pacer.observe(notice)
        if self._mask is not None and not isinstance(notice, ClockSkewed):
            notice = replace(notice, url=self._mask.masked_path(notice.url))
        match notice:
            case RequestSent():
                self._report.requests += 1
            case ResponseReceived(size_bytes=size):
                self._report.downloaded_bytes += size
            case Retried(wait_s=wait, from_retry_after=from_retry_after):
                self._report.retries += 1
                self._report.waited_s += wait
                if from_retry_after and (until := time.monotonic() + wait) > self._waiting_until:
                    # No other request runs during the wait, so nothing else would update the progress.
                    longer, self._waiting_until = until - self._waiting_until > _SHOW_S, until
                    if longer:
                        self._show()
            case ClockSkewed(offset_s=offset):
                self._report.clock_offset_s = offset
        self._notifier.notify(notice)
        self._changed()

    def _changed(self) -> None:
        if time.monotonic() - self._shown_at >= _SHOW_S:
            self._show()

    def _show(self, *, finished: bool = False) -> None:
        self._shown_at = time.monotonic()
        progress = Progress(
            listed=self._report.listed,
            listing_done=self._exporter.listing_done,
            done=self._exporter.done,
            events=self.converter.events,
            requests=self._report.requests,
            retries=self._report.retries,
            waiting_s=max(0.0, self._waiting_until - self._shown_at),
            elapsed_s=self._shown_at - self._begin,
            limit=self._pacer.rate_limit.limit or self._ceiling or None,
            finished=finished,
        )
        self._notifier.progressed(progress)
        self._progress(progress)
