"""Pages that are counted by offsets, as the Voice API's call list is (live contract 7).

Only the offset is read from the link to the next page: the link may be relative, on another host, or without the
version. If it has no offset, or points backwards, the next page begins after the items of this one. If a list has fewer
items than its count says, the rest is requested; if nothing comes, the list ends with a warning.
"""

from __future__ import annotations

from dataclasses import replace

from conv_analytics.api.page import RawPage
from conv_analytics.resources.cells import identity, natural_number


def at_offset(page: RawPage, key: str) -> RawPage:
    """A page with the offset of the next one in place of a cursor.

    >>> import msgspec
    >>> calls = msgspec.Raw(b'{"calls": [{"uuid": "a"}, {"uuid": "b"}]}')
    >>> page = RawPage("/v1/calls", "4", b"", calls, None, 2, None, 9)
    >>> at_offset(page, "calls").next_cursor, at_offset(replace(page, next_cursor="0"), "calls").next_cursor
    ('6', '6')
    >>> at_offset(replace(page, count=6), "calls").next_cursor is None
    True
    """
    begin, height = natural_number(page.cursor) or 0, len(page.items(key))
    linked = natural_number(page.next_cursor)
    named = page.next_cursor is not None or page.warning is not None
    if linked is not None and linked > begin:
        following: int | None = linked
    else:
        more = named or (page.count is not None and page.count > begin + height)
        following = begin + height if more and height else None
    return replace(page, next_cursor=None if following is None else str(following), warning=None)


class OffsetGuard:
    """Ends a list that makes no progress, and compares its length with the count on its pages.

    Parameters
    ----------
    url
        The list, for warnings.
    key
        Name of the array of items.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._names: set[str] = set()
        self._nameless = 0
        self._count = 0

    def checked(self, page: RawPage) -> RawPage:
        """The page; without a next one, and with a warning, if the list makes no progress or ends too early."""
        named = [identity(item.get("uuid")) or identity(item.get("id")) for item in page.items(self._key)]
        names = {name for name in named if name is not None}
        fresh = len(names - self._names)
        self._names |= names
        self._nameless += named.count(None)
        self._count = max(self._count, page.count or 0)
        if page.cursor is not None and names and not fresh:
            reason = "has only records seen before: the listing stops here and may be incomplete"
            return replace(page, next_cursor=None, warning=f"{page.url} {reason}.")
        listed = len(self._names) + self._nameless
        if page.next_cursor is None and listed < self._count:
            reason = f"claims {self._count:,} records and lists {listed:,}: the listing may be incomplete"
            return replace(page, warning=f"{self._url} {reason}.")
        return page
