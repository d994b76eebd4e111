"""How a list of events ends: at the last event, with a gap, or too early. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from conv_analytics.api.page import RawPage
from conv_analytics.exporter.summaries import head_of
from conv_analytics.tables.pages import Raw, records


class Verdict(NamedTuple):
    """What to do after the last page of a list."""

    following: int | None = None
    """The event id to go on from, when the list ended too early."""
    reason: str | None = None
    """Why events may be missing."""


class Ending:
    """Follows the pages of one list of events, and tells whether it may end where it did.

    A list that ends with a full page before the last event lost its link, or the server's pages are shorter than those
    asked for; so does one whose last link leads to an empty page. What comes next is then asked for by its id. Fewer
    events than their numbers tell are normal: some are never stored (contract 2.7).

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
    >>> ended([4, 5, 6]), ended([1, 2])
    (Verdict(following=None, reason=None), Verdict(following=None, reason=None))
    >>> ended([1, 2, 3])
    Verdict(following=4, reason=None)
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
        if len(found) < min(self._asked, self._page.page_size or self._asked):
            if found or self._before is None:
                return Verdict()
            found = _cut(self._before)
        ids = [number for record in found if (number := head_of(record).number) is not None]
        highest = max(ids, default=last)
        if highest >= last:
            # Told to be in order, but begun at the end: what comes before is not on this page.
            backwards = self._pages == 1 and bool(ids) and min(ids) > start and ids != sorted(ids)
            return Verdict(reason=f"only its last {len(ids)} events are listed, and in no order" if backwards else None)
        if highest >= start:
            return Verdict(highest + 1)
        return Verdict(reason=f"its events end at {highest}, but its last one is {last}")


def _cut(page: RawPage) -> Sequence[Raw]:
    return records(page.body, "events")
