"""Reads response bodies: documents, and pages of which only the envelope is decoded.

Decoding the items takes most of the time of a bulk export, and the exporter needs their text anyway. So the links are
read here and the items left as text; the items are decoded later, or never.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from conv_analytics.errors import ProblemDetails
from conv_analytics.errors.redaction import strip_tags
from conv_analytics.resources import scan
from conv_analytics.resources.cells import natural_number
from conv_analytics.resources.links import cursor_of, next_href

_NOTHING = msgspec.Raw(b"")
#: The byte-order mark, which some proxies add a second time; no JSON begins with any of its bytes.
_BOM = b"\xef\xbb\xbf"


class Unusable(Exception):  # noqa: N818  never leaves this package: flows turn it into UnexpectedPayload
    """The body is not what was requested; the message says what it is instead."""


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as received, with only its links decoded.

    Attributes
    ----------
    url
        Path and query of its request.
    cursor
        The cursor of the request; None for the first page.
    body
        The whole body, verbatim but for a byte-order mark.
    embedded
        The JSON text of ``_embedded``, which contains the items; empty when the page has none.
        ``bytes(page.embedded)`` copies it.
    next_cursor
        Cursor of the next page, decoded; None on the last page.
    page_size
        The page size according to the page; it does not mark the end (contract 2.1).
    warning
        Why the listing may be incomplete, or None.
    count
        The number of items of the whole list according to the page; None when it does not say.
    """

    url: str
    cursor: str | None
    body: bytes
    embedded: msgspec.Raw
    next_cursor: str | None
    page_size: int | None
    warning: str | None = None
    count: int | None = None

    def items(self, key: str) -> list[Mapping[str, Any]]:
        """Decode the items, from ``_embedded`` or from the array called `key` inside it (contract 2.3)."""
        return items(loads(bytes(self.embedded)), key) if self.embedded else []


class _Envelope(msgspec.Struct):
    links: Any = msgspec.field(name="_links", default=None)
    embedded: msgspec.Raw = msgspec.field(name="_embedded", default=_NOTHING)
    page_size: Any = None
    count: Any = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MAX_DIGITS = 1000
_LIST_AHEAD = re.compile(rb'\s*(?:\[|\{\s*"(\w+)"\s*:\s*\[)')


def read_page(
    body: bytes, url: str, cursor: str | None, key: str | None = None, *, position: str = "cursor"
) -> RawPage:
    """Read a page's envelope; raise `Unusable` when the body is not a page, or has no list under `key`.

    `position` is the parameter of the next page's link that says where that page begins.

    >>> body = b'{"_embedded": {"members": [{"id": "MEM-1"}]}, "_links": {"next": {"href": "?cursor=a%2Bb"}}}'
    >>> page = read_page(body, "/v1/conversations/CON-1/members", None)
    >>> page.next_cursor, page.items("members")
    ('a+b', [{'id': 'MEM-1'}])
    """
    body = body.lstrip(_BOM)
    envelope, sound = _envelope(body)
    if envelope.links is None and envelope.page_size is None and not envelope.embedded:
        _refuse_other(read_document(body, empty=True))
    if key is not None:
        check_list(bytes(envelope.embedded), key, sound=sound)
    href = next_href(envelope.links)
    following = cursor_of(href, position) if href else None
    warning = None
    if href and not following:
        warning = f"{url} names a next page without saying which: the listing stops here and may be incomplete."
    size, count = natural_number(envelope.page_size), natural_number(envelope.count)
    return RawPage(url, cursor, body, envelope.embedded, following, size, warning, count)


def check_list(embedded: bytes, key: str, *, sound: bool) -> None:
    """Raise `Unusable` if a page has something other than a list as its items: it would look like an empty page.

    In `sound` JSON the beginning is enough; otherwise the items are located as they will be when they are read.
    """
    ahead = _LIST_AHEAD.match(embedded[:200])
    # Among equal keys the last one counts.
    if sound and ahead and (ahead[1] is None or (ahead[1] == key.encode() and embedded.count(b'"%b"' % ahead[1]) == 1)):
        return
    try:
        listed = scan.listed(embedded, key)
        if listed and not sound:
            scan.items(listed)
    except ValueError:
        raise Unusable(f"a page whose {key} are not a list of objects") from None


def read_document(body: bytes, *, empty: bool = False) -> dict[str, Any]:
    """Decode a JSON object; raise `Unusable` for anything else, and for an error object sent as a success."""
    payload = read_any(body)
    if not isinstance(payload, dict):
        raise Unusable(f"a JSON {_kind(payload)} instead of an object")
    if not payload and not empty:
        raise Unusable("an empty object")
    return payload


def read_any(body: bytes) -> Any:
    """Decode JSON; raise `Unusable` for an error object sent as a success."""
    payload = loads(body)
    if isinstance(payload, dict) and ProblemDetails.looks_like(payload):
        problem = ProblemDetails.of(payload)
        raise Unusable(f"an error object ({problem.code or problem.title}: {problem.detail})")
    return payload


def check_document(body: bytes) -> bytes:
    """Return a body if it is a JSON object and not an error; its values are not decoded."""
    body = body.lstrip(_BOM)
    try:
        members = _MEMBERS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Slower and more tolerant: lone surrogates, control characters, very deep nesting.
        read_document(body) if not _too_deep(body) else _members(body)
        return body
    if not members or not members.keys() & {"id", "uuid", "_links", "_embedded"}:
        read_document(body)
    return body


def loads(body: bytes) -> Any:
    """Decode JSON, more tolerantly than the strict decoder; raise `Unusable` when it is not JSON at all."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    text = body.lstrip(_BOM).decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False, parse_int=_integer)
    except RecursionError:
        raise Unusable("JSON nested too deeply to read") from None
    except ValueError:
        raise Unusable(_describe(text)) from None


def items(embedded: object, key: str) -> list[Mapping[str, Any]]:
    """The items inside ``_embedded``, in any of its shapes (contract 2.3).

    >>> items([{"id": 1}], "events"), items({"events": [{"id": 1}]}, "events")
    ([{'id': 1}], [{'id': 1}])
    >>> items({"data": {"events": [{"id": 1}]}}, "events")
    [{'id': 1}]
    >>> items({}, "events")
    []
    """
    array: object = embedded
    if isinstance(embedded, Mapping):
        array = embedded.get(key)
        data = embedded.get("data")
        if array is None and data is not None:
            return items(data, key)
    if array is None or array == {}:
        return []
    if (
        not isinstance(array, Sequence)
        or isinstance(array, str)
        or not all(isinstance(item, Mapping) for item in array)
    ):
        raise Unusable(f"a page whose {key} are not a list of objects")
    return list(array)


def _envelope(body: bytes) -> tuple[_Envelope, bool]:
    """The envelope of a page, and whether the strict decoder accepted it."""
    try:
        return _ENVELOPE.decode(body), True
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    if not _too_deep(body):
        read_document(body, empty=True)
    members = _members(body)
    links, size, count = (loads(members.get(key, b"null")) for key in ("_links", "page_size", "count"))
    return _Envelope(links, msgspec.Raw(members.get("_embedded", b"")), size, count), False


def _too_deep(body: bytes) -> bool:
    try:
        json.loads(body.lstrip(_BOM).decode("utf-8", "replace"), strict=False)
    except RecursionError:
        return True
    except ValueError:
        return False
    return False


def _members(body: bytes) -> dict[str, bytes]:
    """The members of a JSON object as text, located by counting brackets, so that any depth works."""
    try:
        return scan.members(body)
    except ValueError as error:
        raise Unusable(str(error)) from None


def _refuse_other(payload: Mapping[str, Any]) -> None:
    # ``{}`` is an empty last page (contract 2.5); any other object without a key of a page is something else.
    if payload:
        raise Unusable(f"an object that is not a page (keys: {', '.join(sorted(payload))[:100]})")


def _kind(payload: object) -> str:
    return {list: "array", str: "string", type(None): "null"}.get(type(payload), type(payload).__name__)


def _integer(digits: str) -> int | float:
    """A whole number; an infinite float for one of thousands of digits, which Python refuses to read."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _describe(text: str) -> str:
    start = text.lstrip()[:200].lower()
    if not start:
        return "an empty body"
    if start.startswith(("<", "<!doctype")):
        return f"a page of HTML ({strip_tags(text[:1000])[:80]})"
    return "JSON that is cut off or damaged" if start[0] in "{[" else "something that is not JSON"
