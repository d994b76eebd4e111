"""The log records of a run: which events have one, at which level, with which fields."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from conv_analytics.api.notices import ClockSkewed, Notice, RequestSent, ResponseReceived, Retried
from conv_analytics.errors import clock_remark
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import LISTED
from conv_analytics.exporter.run_events import (
    BatchConverted,
    Committed,
    ConversationIncomplete,
    Gone,
    Interrupted,
    ListingDone,
    Quarantined,
    RunEvent,
    RunFailed,
    RunFinished,
    RunStarted,
)
from conv_analytics.log import LOGGER, Entry

#: Interval between progress records; the last one comes at the end. [s]
EVERY_S = 30.0
#: Maximum ids in one record; the others are only counted.
_IDS = 20
_TOO_MANY = 429
#: What most events of a run are; a union of these would be made again each time.
_REQUESTS = (RequestSent, ResponseReceived)


class LogObserver:
    """An observer that writes log records; every export has one.

    Parameters
    ----------
    logger
        Takes the records.
    clock
        A monotonic clock. [s]
    """

    def __init__(self, logger: logging.Logger = LOGGER, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._run: str | None = None
        self._next_s = clock() + EVERY_S
        self._incomplete_logged = 0

    def __call__(self, event: RunEvent | Notice | Progress) -> None:
        """Log an event, if it has a record."""
        if isinstance(event, _REQUESTS) and not self._logger.isEnabledFor(logging.DEBUG):
            return
        if isinstance(event, Progress):
            if not event.finished and self._clock() < self._next_s:
                return
            self._next_s = self._clock() + EVERY_S
        if isinstance(event, RunStarted):
            self._run = event.run
        entry = self._entry(event)
        if entry is not None and self._logger.isEnabledFor(entry[0]):
            level, name, fields = entry
            self._logger.log(level, Entry(name, {"run": self._run, **fields}))

    def _entry(  # noqa: C901, PLR0911, PLR0912  one line per kind
        self, event: RunEvent | Notice | Progress
    ) -> tuple[int, str, Mapping[str, Any]] | None:
        match event:
            case RequestSent():
                return None
            case ResponseReceived(method, url, status, size, elapsed):
                fields = {"method": method, "path": url, "status": status, "bytes": size}
                return logging.DEBUG, "response", {**fields, "elapsed_ms": round(elapsed * 1000, 1)}
            case Retried():
                throttled = event.from_retry_after or event.status == _TOO_MANY
                return (logging.INFO, "throttled", _retry(event)) if throttled else _warning("retry", _retry(event))
            case ClockSkewed(offset_s):
                return _warning("clock_skew", {"offset_s": offset_s, "message": clock_remark(offset_s)})
            case Progress():
                return logging.INFO, "progress", _progress(event)
            case RunStarted(_, destination, since, until, tables):
                fields = {"destination": destination, "since": since, "until": until, "tables": list(tables)}
                return logging.INFO, "run_started", fields
            case ListingDone(conversations):
                return logging.INFO, "listing_done", {"conversations": conversations}
            case ConversationIncomplete(conversation, reason):
                # As many as in the report: a million failures must not fill the disk.
                self._incomplete_logged += 1
                level = logging.WARNING if self._incomplete_logged <= LISTED else logging.DEBUG
                return level, "conversation_incomplete", {"conversation": conversation, "reason": reason}
            case Gone(conversations):
                return logging.INFO, "gone", {"count": len(conversations), "conversations": conversations[:_IDS]}
            case Quarantined(records):
                return _warning("quarantined", {"records": records})
            case BatchConverted(rows):
                return logging.INFO, "batch_converted", {"rows": rows}
            case Committed(commit, rows):
                return logging.INFO, "committed", {"commit": commit, "rows": rows}
            case Interrupted():
                return _warning("interrupted", {})
            case RunFinished(report):
                doubted = report.missing_files or (report.warning and not report.allow_empty)
                successful = report.status == "complete" and not doubted
                return logging.INFO if successful else logging.WARNING, "run_finished", _finished(event)
            case RunFailed(error):
                return logging.ERROR, "run_failed", {"error": type(error).__name__, "message": str(error)}


def _warning(name: str, fields: Mapping[str, Any]) -> tuple[int, str, Mapping[str, Any]]:
    return logging.WARNING, name, fields


def _retry(event: Retried) -> Mapping[str, Any]:
    fields = {"method": event.method, "path": event.url, "status": event.status, "reason": event.reason}
    return {**fields, "wait_s": round(event.wait_s, 3)}


def _progress(progress: Progress) -> Mapping[str, Any]:
    return {
        "conversations": progress.done,
        "listed": progress.listed,
        "listing_done": progress.listing_done,
        "rows": progress.events,
        "requests": progress.requests,
        "retries": progress.retries,
        "wait_s": round(progress.waiting_s, 1),
        "elapsed_s": round(progress.elapsed_s, 1),
        "rate": progress.rate and round(progress.rate, 2),
        "left_s": progress.left_s and round(progress.left_s),
    }


def _finished(event: RunFinished) -> Mapping[str, Any]:
    report = event.report
    counts = {
        "conversations": report.listed,
        "incomplete": len(report.incomplete),
        "waited_s": round(report.waited_s, 1),
    }
    return {**report.summary(), **counts, "bytes": report.downloaded_bytes}
