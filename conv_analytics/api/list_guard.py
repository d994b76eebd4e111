"""Protection against endless lists: cursors that are always new, and pages without new records."""

from __future__ import annotations

from conv_analytics.errors import CursorLoop

#: Maximum consecutive pages without a new record: some servers filter a page after they have cut it.
MAX_IDLE_PAGES = 100


class ListGuard:
    """Counts the pages of a list, and raises `CursorLoop` when it is endless.

    Pages may repeat once, when a forgotten cursor has restarted the list: as many as had new records before are not
    counted.

    Parameters
    ----------
    url
        The list, for the error.
    max_pages
        Maximum pages of the list; None where it is unknown.

    Examples
    --------
    >>> guard = ListGuard("/v1/users")
    >>> for new in (True, True, *[False] * 102, True, *[False] * 103):
    ...     guard.count(new=new)
    >>> guard.count(new=False)
    Traceback (most recent call last):
        ...
    conv_analytics.errors.tree.CursorLoop: GET /v1/users goes on after 104 pages in a row without a new record. ...
    """

    def __init__(self, url: str, max_pages: int | None = None) -> None:
        self._url, self._max_pages = url, max_pages
        self._pages = self._fresh = self._idle = 0

    def count(self, *, new: bool) -> None:
        """Count a page; `new` is whether it had a new record."""
        self._pages += 1
        self._fresh, self._idle = (self._fresh + 1, 0) if new else (self._fresh, self._idle + 1)
        if self._idle > MAX_IDLE_PAGES + self._fresh:
            raise CursorLoop(
                f"goes on after {self._idle:,} pages in a row without a new record", method="GET", url=self._url
            )
        if self._max_pages is not None and self._pages > self._max_pages:
            raise CursorLoop(
                f"goes on after {self._max_pages:,} pages, more than it can have", method="GET", url=self._url
            )
