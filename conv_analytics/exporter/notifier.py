"""Notifies observers of what happens in a run, judged by its report: the engine knows nothing of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from uuid import uuid4

from conv_analytics.api.notices import Notice
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.run_events import (
    BatchConverted,
    Committed,
    ConversationIncomplete,
    Gone,
    Interrupted,
    ListingDone,
    Observer,
    Quarantined,
    RunEvent,
    RunFailed,
    RunFinished,
    RunStarted,
)


class Notifier:
    """Notifies the observers of one run.

    Parameters
    ----------
    report
        The report of the run; observers are notified of what is new in it.
    observers
        Called one after the other. An error in one ends the run, as in a progress listener.
    """

    def __init__(self, report: Report, observers: Sequence[Observer]) -> None:
        self._report, self._observers = report, observers
        self._listed = False
        self._gone = self._incomplete = self._quarantined = 0
        self._rows: Counter[str] = Counter()

    def started(self, destination: object, tables: Sequence[str]) -> None:
        """Notify that the run begins."""
        where = None if destination is None else str(destination)
        self.notify(RunStarted(uuid4().hex[:12], where, self._report.since, self._report.until, tuple(tables)))

    def notify(self, event: RunEvent | Notice | Progress) -> None:
        """Pass one event to every observer."""
        for observer in self._observers:
            observer(event)

    def progressed(self, progress: Progress) -> None:
        """Notify what is new in the report, and the progress."""
        if self._observers:
            for event in self._new_events(progress):
                self.notify(event)
            self.notify(progress)

    def ended(self, error: BaseException | None = None) -> None:
        """Notify how the run ended."""
        if error is not None:
            for observer in self._observers:
                # The observer itself may have failed; a second failure must not hide the first.
                with suppress(Exception):
                    observer(RunFailed(error))
            return
        if self._report.interrupted:
            self.notify(Interrupted())
        if self._report.commit is not None:
            self.notify(Committed(self._report.commit, dict(self._report.tables)))
        self.notify(RunFinished(self._report))

    def _new_events(self, progress: Progress) -> Iterator[RunEvent]:
        report = self._report
        if progress.listing_done and not self._listed:
            self._listed = True
            yield ListingDone(report.listed)
        if len(report.gone) > self._gone:
            gone = tuple(report.gone[self._gone :])
            self._gone += len(gone)
            yield Gone(gone)
        failed = list(islice(report.incomplete.items(), self._incomplete, None))
        self._incomplete += len(failed)
        for conversation, reason in failed:
            yield ConversationIncomplete(conversation, reason)
        if report.quarantined > self._quarantined:
            new = report.quarantined - self._quarantined
            self._quarantined += new
            yield Quarantined(new)
        # The thread of the conversion replaces this mapping after each batch.
        rows = Counter(report.tables)
        if fresh := rows - self._rows:
            self._rows = rows
            yield BatchConverted(dict(fresh))
