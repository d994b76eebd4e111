"""One run: its parts put together, what they do counted, and its end, whichever way it comes."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.api.notices import ClockSkewed, Notice, RequestSent, ResponseReceived, Retried
from conv_analytics.errors import AuthError, ConvAnalyticsError, DatasetError, ExportIncomplete, ExportStopped
from conv_analytics.exporter.convert import Converter
from conv_analytics.exporter.engine import LIST, Exporter
from conv_analytics.exporter.masked_client import Masked
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.pacing.pace import Pace, learned_rate
from conv_analytics.exporter.probing import probing
from conv_analytics.exporter.progress import Listener, Progress
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.roster import Roster
from conv_analytics.exporter.source import Asked, Source
from conv_analytics.exporter.steps import Observer
from conv_analytics.exporter.targets import Exported, Folder, Frames, Memory
from conv_analytics.exporter.watch import Watch
from conv_analytics.privacy import Mask

Client = Conversations | AsyncConversations

#: Listeners of progress are called at most this often. [s]
_SHOW_S = 0.1

#: A run that was cut short longer ago than this is finished first, and then followed by one of today.
_FRESH = timedelta(hours=1)

#: A run that was stopped takes so long to commit what it read; what takes longer is left to the journal. [s]
STOP_S = 1.0

#: What to do about a night that brought far less than usual: it may be right, which nobody can tell from here.
_DOUBT = (
    "What there was is committed. If the application is the right one and the calls and messages really stayed away,"
    " pass allow_empty=True."
)


def stale(report: Report) -> bool:
    """Whether a run went on where one of long ago stopped: what came since then it did not see."""
    began = report.resumed_from
    return began is not None and datetime.now(UTC) - datetime.fromisoformat(began) > _FRESH


async def once(
    client: Client,
    destination: str | Path | None,
    chosen: Options,
    *,
    progress: Listener,
    observers: Sequence[Observer],
    mask: Mask | None,
    allow_empty: bool,
) -> Frames | Exported:
    """Run once, and give the result or raise what it lacks.

    A run that is cancelled raises `asyncio.CancelledError`, whose cause is an `ExportStopped` with what was read.
    """
    started = datetime.now(UTC)
    report = Report(
        _text(chosen.since),
        _text(chosen.until),
        _text(started) or "",
        allow_empty=allow_empty,
        full=chosen.full,
        mask=None if mask is None else mask.settings(),
    )
    watch = Watch(report, observers)
    target: Memory | Folder
    if destination is None:
        target = Memory(chosen.tables, started.date())
    else:
        target = Folder(Path(destination), chosen, started, client.origin, report.mask)
    roster = Roster()
    try:
        watch.started(destination, chosen.tables)
        run = _Run(client, target, chosen, report, started, roster=roster, progress=progress, watch=watch, mask=mask)
        failure = await run.read()
        result = target.finish(report, roster, run.in_time)
    except (asyncio.CancelledError, _NoTimeError):
        # Nothing is committed, and nothing lost: the journal has every answer.
        report.interrupted = True
        target.abandon()
        watch.ended()
        raise asyncio.CancelledError from ExportStopped(report)
    except BaseException as error:
        target.abandon()
        watch.ended(error)
        raise
    finally:
        roster.close()
    watch.ended()
    if report.interrupted:
        stopped = (
            ExportStopped(report, result=result) if destination is not None else _stopped_in_memory(report, result)
        )
        raise asyncio.CancelledError from stopped
    if report.incomplete:
        raise ExportIncomplete(report, result=result) from failure
    if report.warning and not allow_empty:
        raise ExportIncomplete(report, f"{report.warning}. {_DOUBT}", result=result)
    return result


def _stopped_in_memory(report: Report, result: Frames | Exported) -> ExportStopped:
    return ExportStopped(report, "The export was stopped. What was read is in .result of this error.", result=result)


class _NoTimeError(Exception):
    """Committing would take longer than somebody who pressed stop should wait."""


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
        roster: Roster,
        progress: Listener,
        watch: Watch,
        mask: Mask | None,
    ) -> None:
        self._report, self._progress, self._watch, self._journal = report, progress, watch, target.journal
        self._pace = Pace(chosen.rate, chosen.concurrency, learned_rate(target.reports, started))
        self._ceiling = chosen.rate
        self._client = client.bulk(gate=self._pace, sleep=self._pace.sleep, on_event=self._noticed)
        self._mask = mask
        asked: Asked = self._client if mask is None else Masked(self._client, mask)
        if target.journal is not None:
            asked = Source(asked, target.journal)
            # What was seen then is as old as the run that saw it.
            started = target.journal.header.started
            report.resumed_from = target.journal.header.started_at if target.journal.resumed else None
        self.converter = Converter(target, report, roster, started)
        decisions = probing(target.past, chosen, started)
        self._exporter = Exporter(
            asked, self.converter, chosen, decisions, report, roster=roster, pace=self._pace, moved=self._moved
        )
        self._begin = self._shown = time.monotonic()
        self._waiting_until = 0.0
        self._stop_by = math.inf

    async def read(self) -> ConvAnalyticsError | None:
        """Read everything; the failure that ended it early, if one did.

        Raises what leaves nothing worth keeping: the folder cannot be written, or not even the list could be read.
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
                # A refusal ends a run only when everything was refused.
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

    def in_time(self) -> None:
        """Raise when the run was stopped, and what is left to do would hold up who stopped it."""
        if time.monotonic() > self._stop_by:
            raise _NoTimeError

    def _noticed(self, notice: Notice) -> None:
        self._pace.noticed(notice)
        if self._mask is not None and not isinstance(notice, ClockSkewed):
            notice = replace(notice, url=self._mask.shown(notice.url))
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
