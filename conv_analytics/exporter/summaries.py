"""The little that the export itself reads of a record: its id, its age, its last event."""

from __future__ import annotations

import json
import zlib
from datetime import datetime
from typing import Any

import msgspec

from conv_analytics.resources import scan
from conv_analytics.resources.cells import Unreadable, identity, instant, natural_number
from conv_analytics.resources.record import dig

_canonical = msgspec.json.Encoder(order="sorted")


class Head(msgspec.Struct):
    """The head of a conversation, an event or a user; nothing is taken for granted of its values."""

    id: Any = None
    uuid: Any = None
    sequence_number: Any = None
    timestamp: Any = None
    state: Any = None

    @property
    def name(self) -> str | None:
        """The id as text, whether it came as text or as a number; None when there is none."""
        return identity(self.id) or identity(self.uuid)

    @property
    def number(self) -> int | None:
        """The id of an event; None when there is none that could be counted with."""
        return natural_number(self.id)

    @property
    def created(self) -> datetime | None:
        """When a conversation was created, as far as that can be read."""
        return self._instant("created")

    @property
    def changed(self) -> datetime | None:
        """When a conversation was last changed, or else created, as far as that can be read."""
        told = [moment for key in ("created", "updated") if (moment := self._instant(key))]
        return max(told, default=None)

    @property
    def last_event(self) -> int | None:
        """The id of a conversation's last event; None when the record does not tell."""
        return natural_number(self.sequence_number)

    @property
    def mark(self) -> str:
        """What a list tells of a conversation's state, as eight characters: other ones mean that something changed.

        Lists tell the times only, by contract 6.1, and often no more than when it was created.
        """
        return f"{zlib.crc32(_text([self.sequence_number, self.timestamp, self.state])):08x}"

    def _instant(self, key: str) -> datetime | None:
        value = dig(self.timestamp, (key,))
        try:
            return None if value is None else instant(value)
        except Unreadable:
            return None


_head = msgspec.json.Decoder(Head)


def head_of(record: bytes | msgspec.Raw) -> Head:
    r"""Read a head; an empty one of what is no object. Damage elsewhere in the record costs nothing here.

    >>> head = head_of(b'{"id": "CON-1", "sequence_number": "41"}')
    >>> head.name, head.last_event, head.created
    ('CON-1', 41, None)
    >>> head_of(rb'{"id": "CON-1", "name": "half \ud83d", "x": NaN, "sequence_number": 1e400}').name
    'CON-1'
    """
    try:
        return _head.decode(record)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    try:
        found = scan.members(bytes(record))
    except ValueError:
        return Head()
    return Head(**{name: _value(found[name]) for name in Head.__struct_fields__ if name in found})


def is_empty(record: bytes | msgspec.Raw) -> bool:
    """Whether a record says nothing at all: lists of this API hold such ones.

    >>> [is_empty(record) for record in (b"{}", b"null", b'{"_embedded": {}}', b'{"id": null}', b'{"id": ""}', b"7")]
    [True, True, True, True, False, False]
    """
    try:
        return _says_nothing(msgspec.json.decode(record))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def _says_nothing(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_says_nothing, value.values() if isinstance(value, dict) else value))
    return value is None


def _value(text: bytes) -> Any:
    """A value as far as it can be read: nothing is refused for what stands beside it."""
    try:
        return json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _text(values: list[Any]) -> bytes:
    try:
        return _canonical.encode(values)
    except (ValueError, OverflowError, RecursionError, TypeError):
        # Half a surrogate pair, for one. Only that equal values give equal bytes matters.
        return ascii(values).encode()
