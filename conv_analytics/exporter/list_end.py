"""Where a list of events ends: at the last event, or too early. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from conv_analytics.api.flow import MIN_PAGE_SIZE
from conv_analytics.api.page import RawPage
from conv_analytics.exporter.summaries import summary_of
from conv_analytics.tables.pages import Raw, records


class EndCheck(NamedTuple):
    """The action after the last page of a list."""

    continue_at: int | None = None
    """The event id to continue from, when the list ended too early."""
    reason: str | None = None
    """Why events may be missing."""
    gap: range | None = None
    """The event ids to request before the list counts as whole."""


class EventListEnd:
    """Follows the pages of one list of events, and checks whether the list may end where it did.

    When a list ends with a full page before the last event, it lost its link, or the server's pages are shorter than
    requested; the same holds when the last link leads to an empty page. The next event is then requested by its id.
    Fewer events than their ids suggest are normal: some are never stored (contract 2.7). But a single short page may
    also come from a server that cuts its lists, links no next page and keeps no order: its widest gap is requested.

    Parameters
    ----------
    page_size
        The page size that was requested.

    Examples
    --------
    >>> from conv_analytics.api.page import read_page
    >>> def ended(ids: list[int], **page: object) -> EndCheck:
    ...     end, items = EventListEnd(3), ", ".join(f'{{"id": {each}}}' for each in ids)
    ...     end.add(read_page(f'{{"page_size": 3, "_embedded": [{items}]}}'.encode(), "/v1/x", None))
    ...     return end.check(last=6, start=1)
    >>> ended([1, 2])
    EndCheck(continue_at=None, reason=None, gap=None)
    >>> ended([1, 2, 3])
    EndCheck(continue_at=4, reason=None, gap=None)
    >>> ended([1, 5, 6])
    EndCheck(continue_at=None, reason=None, gap=range(2, 5))
    """

    def __init__(self, page_size: int) -> None:
        self.warnings: list[str] = []
        """The warnings of the pages."""
        self.listed = False
        """Whether any event was listed."""
        self._requested, self._pages = page_size, 0
        self._page: RawPage | None = None
        self._previous: RawPage | None = None
        self._events: Sequence[Raw] | None = None

    def add(self, page: RawPage) -> None:
        """Take the next page."""
        self._pages += 1
        self._page, self._previous = page, self._page
        # Records are split off only until there is one: every page is split again where it becomes rows.
        self._events = None if self.listed else _events(page)
        self.listed = self.listed or bool(self._events)
        if page.warning:
            self.warnings.append(page.warning)

    def check(self, last: int | None, start: int) -> EndCheck:
        """Whether the list may end here.

        Parameters
        ----------
        last
            The id of the conversation's last event; None where it is unknown.
        start
            The event id from which the list was requested.
        """
        if last is None or self._page is None or self.warnings:
            return EndCheck()
        events = _events(self._page) if self._events is None else self._events
        if len(events) < min(self._requested, self._page.page_size or 1):
            if events or self._previous is None:
                return EndCheck()
            events = _events(self._previous)
        ids = _ids(events)
        highest = max(ids, default=last)
        if highest >= last:
            # Ascending order was requested, but the page begins at the end: earlier events are not on it.
            backwards = self._pages == 1 and bool(ids) and min(ids) > start and ids != sorted(ids)
            if backwards:
                return EndCheck(reason=f"only its last {len(ids)} events are listed, and in no order")
            return EndCheck(gap=_widest_gap(start, ids) if self._pages == 1 and len(ids) < MIN_PAGE_SIZE else None)
        if highest >= start:
            return EndCheck(highest + 1)
        return EndCheck(reason=f"its events end at {highest}, but its last one is {last}")


def still_missing(gap: range, page: RawPage) -> str | None:
    """Why events may be missing, given the response to a request for a gap; None when the server has none of them."""
    listed = _ids(_events(page))
    if not listed:
        return None
    if any(number in gap for number in listed):
        return f"its list skips events between {gap.start} and {gap.stop - 1} that the server has"
    return f"its list skips events from {gap.start} to {gap.stop - 1}, and the server does not tell whether it has them"


def _widest_gap(start: int, ids: Sequence[int]) -> range | None:
    known = sorted({start - 1, *ids})
    gaps = [range(before + 1, after) for before, after in pairwise(known) if after > before + 1]
    return max(gaps, key=len, default=None)


def _ids(events: Sequence[Raw]) -> list[int]:
    return [number for record in events if (number := summary_of(record).event_number) is not None]


def _events(page: RawPage) -> Sequence[Raw]:
    return records(page.body, "events")
