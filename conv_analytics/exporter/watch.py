"""Tells observers what happens in a run, by looking at its report: the exporter itself knows nothing of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from uuid import uuid4

from conv_analytics.api.notices import Notice
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.steps import (
    BatchConverted,
    Committed,
    ConversationIncomplete,
    Gone,
    Interrupted,
    ListingDone,
    Observer,
    Quarantined,
    RunFailed,
    RunFinished,
    RunStarted,
    Step,
)


class Watch:
    """One run, watched.

    Parameters
    ----------
    report
        Of the run; what is new in it since the last look is told.
    observers
        Told one after the other. What one raises ends the run, as it does with a listener of progress.
    """

    def __init__(self, report: Report, observers: Sequence[Observer]) -> None:
        self._report, self._observers = report, observers
        self._listed = False
        self._gone = self._incomplete = self._quarantined = 0
        self._rows: Counter[str] = Counter()

    def started(self, destination: object, tables: Sequence[str]) -> None:
        """Tell that the run begins."""
        where = None if destination is None else str(destination)
        self.tell(RunStarted(uuid4().hex[:12], where, self._report.since, self._report.until, tuple(tables)))

    def tell(self, event: Step | Notice | Progress) -> None:
        """Tell every observer of one thing."""
        for observer in self._observers:
            observer(event)

    def progressed(self, progress: Progress) -> None:
        """Tell what is new in the report, and where the run stands."""
        if self._observers:
            for step in self._news(progress):
                self.tell(step)
            self.tell(progress)

    def ended(self, error: BaseException | None = None) -> None:
        """Tell how the run ended; the last step of all."""
        if error is not None:
            for observer in self._observers:
                # An observer may be what failed; its second failure must not hide the first.
                with suppress(Exception):
                    observer(RunFailed(error))
            return
        if self._report.interrupted:
            self.tell(Interrupted())
        if self._report.commit is not None:
            self.tell(Committed(self._report.commit, dict(self._report.tables)))
        self.tell(RunFinished(self._report))

    def _news(self, progress: Progress) -> Iterator[Step]:
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
        # The converter's thread puts another mapping here after each batch.
        rows = Counter(report.tables)
        if fresh := rows - self._rows:
            self._rows = rows
            yield BatchConverted(dict(fresh))
