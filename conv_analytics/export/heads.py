"""The little that the export itself reads of a record: its id, its age, its last event."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

import msgspec

from conv_analytics.dataset.marks import LARGEST
from conv_analytics.resources.cells import Unreadable, instant
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
        found = self.id or self.uuid
        # A number where a text belongs is its digits, as everywhere.
        return str(found) if found and type(found) in {str, int} else None

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
        value = self.sequence_number
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        # What no table can hold tells nothing.
        return value if whole and 0 <= value <= LARGEST else None

    @property
    def mark(self) -> str:
        """What a list tells of a conversation's state, as eight characters: other ones mean that something changed.

        Lists tell the times only, by contract 6.1, and often no more than when it was created.
        """
        return f"{zlib.crc32(_canonical.encode([self.sequence_number, self.timestamp, self.state])):08x}"

    def _instant(self, key: str) -> datetime | None:
        value = dig(self.timestamp, (key,))
        try:
            return None if value is None else instant(value)
        except Unreadable:
            return None


_head = msgspec.json.Decoder(Head)


def head_of(record: bytes | msgspec.Raw) -> Head:
    """Read a head; an empty one of what is no object.

    >>> head = head_of(b'{"id": "CON-1", "sequence_number": "41"}')
    >>> head.name, head.last_event, head.created
    ('CON-1', 41, None)
    """
    try:
        return _head.decode(record)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return Head()
