"""How a list of events ends: at the last event, with a gap, or too early. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from conv_analytics.api.flow import LEAST_PAGE
from conv_analytics.api.page import RawPage
from conv_analytics.exporter.summaries import head_of
from conv_analytics.tables.pages import Raw, records


class Verdict(NamedTuple):
    """What to do after the last page of a list."""

    following: int | None = None
    """The event id to go on from, when the list ended too early."""
    reason: str | None = None
    """Why events may be missing."""
    gap: range | None = None
    """The event ids that have to be asked for before the list counts as whole."""


class Ending:
    """Follows the pages of one list of events, and tells whether it may end where it did.

    A list that ends with a full page before the last event lost its link, or the server's pages are shorter than those
    asked for; so does one whose last link leads to an empty page. What comes next is then asked for by its id. Fewer
    events than their numbers tell are normal: some are never stored (contract 2.7). But a single short page may also be
    what a server shows that cuts its lists, links no next page and keeps no order: then its widest gap is asked for.

    Parameters
    ----------
    page_size
        How many events a page was asked to have.

    Examples
    --------
    >>> from conv_analytics.api.page import read_page
    >>> def ended(ids: list[int], **page: object) -> Verdict:
    ...     ending, items = Ending(3), ", ".join(f'{{"id": {each}}}' for each in ids)
    ...     ending.add(read_page(f'{{"page_size": 3, "_embedded": [{items}]}}'.encode(), "/v1/x", None))
    ...     return ending.verdict(last=6, start=1)
    >>> ended([1, 2])
    Verdict(following=None, reason=None, gap=None)
    >>> ended([1, 2, 3])
    Verdict(following=4, reason=None, gap=None)
    >>> ended([1, 5, 6])
    Verdict(following=None, reason=None, gap=range(2, 5))
    """

    def __init__(self, page_size: int) -> None:
        self.warnings: list[str] = []
        """What was odd about the pages."""
        self.listed = False
        """Whether there was any event."""
        self._asked, self._pages = page_size, 0
        self._page: RawPage | None = None
        self._before: RawPage | None = None

    def add(self, page: RawPage) -> None:
        """Take the next page."""
        self._pages += 1
        self._page, self._before = page, self._page
        # Cut only until there is one: the pages of a long list are cut where they become rows, too.
        self.listed = self.listed or bool(_cut(page))
        if page.warning:
            self.warnings.append(page.warning)

    def verdict(self, last: int | None, start: int) -> Verdict:
        """Whether the list may end here.

        Parameters
        ----------
        last
            The id of the conversation's last event; None when it does not tell.
        start
            The event id that the list was asked to begin with.
        """
        if last is None or self._page is None or self.warnings:
            return Verdict()
        found = _cut(self._page)
        if len(found) < min(self._asked, self._page.page_size or 1):
            if found or self._before is None:
                return Verdict()
            found = _cut(self._before)
        ids = [number for record in found if (number := head_of(record).number) is not None]
        highest = max(ids, default=last)
        if highest >= last:
            # Told to be in order, but begun at the end: what comes before is not on this page.
            backwards = self._pages == 1 and bool(ids) and min(ids) > start and ids != sorted(ids)
            if backwards:
                return Verdict(reason=f"only its last {len(ids)} events are listed, and in no order")
            return Verdict(gap=_widest_gap(start, ids) if self._pages == 1 and len(ids) < LEAST_PAGE else None)
        if highest >= start:
            return Verdict(highest + 1)
        return Verdict(reason=f"its events end at {highest}, but its last one is {last}")


def still_missing(gap: range, answer: RawPage) -> str | None:
    """Why events may be missing, after the ids of a gap were asked for; None when the server has none of them."""
    if not (listed := [number for record in _cut(answer) if (number := head_of(record).number) is not None]):
        return None
    if any(number in gap for number in listed):
        return f"its list skips events between {gap.start} and {gap.stop - 1} that the server has"
    return f"its list skips events from {gap.start} to {gap.stop - 1}, and the server does not tell whether it has them"


def _widest_gap(start: int, ids: Sequence[int]) -> range | None:
    known = sorted({start - 1, *ids})
    gaps = [range(before + 1, after) for before, after in pairwise(known) if after > before + 1]
    return max(gaps, key=len, default=None)


def _cut(page: RawPage) -> Sequence[Raw]:
    return records(page.body, "events")
