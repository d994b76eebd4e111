"""HAL pages: their slice, their links, and their bytes (contract 2)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from conv_analytics.sandbox.cursors import Cursors, Position
from conv_analytics.sandbox.wire import Json, Reply, Request, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conv_analytics.sandbox.queries import Window
    from conv_analytics.sandbox.world.quirks import Links


def page_slice(keys: Sequence[int], window: Window) -> tuple[int, int]:
    """Return the slice [start, stop) of growing keys that a page shows; descending pages are read backwards."""
    if window.descending:
        stop = len(keys) if window.after is None else bisect_left(keys, window.after)
        return max(0, stop - window.page_size), stop
    start = 0 if window.after is None else bisect_right(keys, window.after)
    return start, min(len(keys), start + window.page_size)


class Pager:
    """Writes pages of one request: items into an envelope, with links that carry the filters along."""

    def __init__(self, cursors: Cursors, base_url: str, links: Links) -> None:
        """Use these cursors; `links` decides what links look like."""
        self._cursors, self._base, self._links = cursors, base_url, links

    def page(
        self, request: Request, window: Window, keys: Sequence[int], items: list[bytes], name: str,
        *, as_list: bool = False,
    ) -> Reply:  # fmt: skip
        """Write a page of already rendered items; keys are those of the whole (filtered) list."""
        empty = None if items else self._links.empty_body(request)
        if empty is not None:
            return Reply(200, empty)
        joined = b",".join(items)
        inner = b"[%b]" % joined if as_list else b'{"%b":[%b]}' % (name.encode(), joined)
        links = self._links.shape(self._make_links(request, window, keys, as_hex=name == "members"), request)
        size = self._links.page_size(window.page_size, len(items), request)
        tail = b"" if links is None else b',"_links":' + encode(links)
        return Reply(200, b'{"page_size":%d,"_embedded":%b%b}' % (size, inner, tail))

    def _make_links(self, request: Request, window: Window, keys: Sequence[int], *, as_hex: bool) -> Json:
        start, stop = page_slice(keys, window)
        filters = {name: text for name, text in request.query.items() if name != "cursor"}
        filters |= {"order": "desc" if window.descending else "asc", "page_size": str(window.page_size)}
        stem = f"{self._base}{quote(request.path)}?{urlencode(filters)}"

        def link(after: int | None) -> Json:
            if after is None:
                return {"href": stem}
            position = Position(after, window.descending, window.page_size)
            cursor = self._cursors.write(request.path, position, as_hex=as_hex)
            return {"href": f"{stem}&cursor={quote(cursor, safe='')}"}

        links: Json = {"first": link(None), "self": link(window.after)}
        if (start > 0) if window.descending else (stop < len(keys)):
            links["next"] = link(keys[start] if window.descending else keys[stop - 1])
        if window.after is not None and ((stop < len(keys)) if window.descending else (start > 0)):
            links["prev"] = link(self._before(keys, window, start, stop))
        return links

    @staticmethod
    def _before(keys: Sequence[int], window: Window, start: int, stop: int) -> int | None:
        """Return the key the previous page starts after; None when that is the first page."""
        if window.descending:
            first = stop + window.page_size
            return keys[first] if first < len(keys) else None
        first = start - window.page_size
        return keys[first - 1] if first > 0 else None
