"""Links between resources, in the HAL style (contract 2.1, 2.4).

Links are never data: they may point to another host, lack part of their path, or name an older version. A reader only
needs the cursor of the next page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import unquote

from conv_analytics.resources.record import Problem, Record, wire

_NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def cursor_of(href: str, name: str = "cursor") -> str | None:
    """The cursor in a link, or another parameter, decoded once; the rest of the link is not trusted (contract 2.4).

    Only percent-decoding: in an unencoded cursor a plus stays a plus. A link that was escaped for HTML on its way is
    read too.

    >>> cursor_of("https://other.example/v1/x?order=asc&cursor=qpk+Ba%2F8%3D=")
    'qpk+Ba/8=='
    >>> cursor_of("/v1/conversations?order=asc&amp;page_size=20&amp;cursor=20")
    '20'
    >>> cursor_of("/v1/conversations?page=2") is None
    True

    Nor is there one with anything that no request can contain, such as a control character or half a surrogate pair:

    >>> cursor_of("?cursor=%00") is None
    True
    """
    query = href.partition("?")[2].partition("#")[0].replace("&amp;", "&")
    pairs = (part.partition("=") for part in query.split("&"))
    cursor = next((unquote(value) for key, _, value in pairs if unquote(key) == name and value), None)
    return None if cursor is None or _NO_TEXT.search(cursor) else cursor


def next_href(links: object) -> str | None:
    """The address of the next page, or None at the end of the list (contract 2.5)."""
    link = links.get("next") if isinstance(links, Mapping) else None
    if isinstance(link, list):
        link = link[0] if link else None
    href = link.get("href") if isinstance(link, Mapping) else link
    return href if isinstance(href, str) and href else None


class APILink(Record):
    """One link (contract 2.1)."""

    href: str | None = wire("Address; possibly relative or of another host.")

    @property
    def cursor(self) -> str | None:
        """The cursor within the address, decoded once; None when there is none or it is empty (contract 2.4).

        >>> APILink(href="/v1/conversations?page_size=2&cursor=Qk9P+MQ%3D%3D").cursor
        'Qk9P+MQ=='
        """
        return cursor_of(self.href or "")


class APILinks(Record):
    """The links of a page or a resource (contract 2.1).

    A member has its link one level higher than everything else; it is read as `self_` (contract 9, no. 6).

    >>> APILinks.from_wire({"self": {"href": "/v1/users"}, "next": {}}).next_cursor is None
    True
    """

    self_: APILink | None = wire("This page or resource.", key="self", loose=True)
    first: APILink | None = wire("The first page.", loose=True)
    next: APILink | None = wire("The following page; absent or empty on the last one.", loose=True)
    prev: APILink | None = wire("The page before.", loose=True)
    last: APILink | None = wire("The last page; declared by the Node SDK, in no payload seen.", loose=True)

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read links, or the bare link of a member."""
        if "href" in payload and "self" not in payload:
            rest = {key: value for key, value in payload.items() if key != "href"}
            payload = {**rest, "self": {"href": payload["href"]}}
        if not isinstance(payload.get("next"), Mapping) and (href := next_href(payload)):
            payload = {**payload, "next": {"href": href}}
        return super().from_wire(payload, problems, at)

    @property
    def next_cursor(self) -> str | None:
        """Cursor of the following page, or None at the end of the list (contract 2.5)."""
        return self.next.cursor if self.next else None
