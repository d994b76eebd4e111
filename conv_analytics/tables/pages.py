"""Cut a page of the API into its records, as bytes, whatever its shape (contract 2.2 and 2.3)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from conv_analytics.resources import scan

#: A record of a page, still JSON.
Raw = bytes | msgspec.Raw


class Page(NamedTuple):
    """One page of a list, as the API sent it."""

    conversation_id: str | None
    """The conversation whose list it is; None for lists of the application."""
    body: bytes


def records(page: bytes, name: str) -> Sequence[Raw]:
    """The records of one page of a list, undecoded.

    Parameters
    ----------
    page
        The body of the answer.
    name
        Name of the list: ``events``, ``members``, ``conversations``, ``users``, ``sessions``.

    Raises
    ------
    ValueError
        If the body is not a JSON object or is cut off.

    Examples
    --------
    >>> [bytes(record) for record in records(b'{"_embedded": {"events": [{"id": 1}, {"id": 2}]}}', "events")]
    [b'{"id": 1}', b'{"id": 2}']
    >>> [bytes(record) for record in records(b'{"_embedded": [{"id": 1}]}', "events")]
    [b'{"id": 1}']
    >>> records(b"{}", "events")
    ()
    """
    decoded = decode(page, name, msgspec.Raw)
    return _by_hand(page, name) if decoded is None else decoded


def decode(page: bytes, name: str, record: type[Any]) -> list[Any] | None:
    """The records of a page decoded at once; None if one of them, or the page's shape, does not fit."""
    for decoder in _decoders(name, cast("Any", record)):
        try:
            embedded = decoder.decode(page).embedded
            return embedded if isinstance(embedded, list) else embedded.items
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            continue
    return None


@functools.cache
def _decoders(name: str, record: Any) -> tuple[msgspec.json.Decoder[Any], ...]:
    """The shapes that are common: ``{"events": [...]}`` and the bare list."""
    items = ("items", list[record], msgspec.field(name=name))
    shapes = (msgspec.defstruct("Embedded", [items]), list[record])
    return tuple(
        msgspec.json.Decoder(msgspec.defstruct("Page", [("embedded", shape, msgspec.field(name="_embedded"))]))
        for shape in shapes
    )


def _by_hand(page: bytes, name: str) -> Sequence[bytes]:
    listed = scan.listed(scan.members(page).get("_embedded", b""), name)
    return scan.items(listed) if listed else ()
