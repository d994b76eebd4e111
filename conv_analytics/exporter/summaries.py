"""The few fields of a record that the export itself reads: its id, its age, its last event."""

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


class Summary(msgspec.Struct):
    """The main fields of a conversation, an event or a user; their values may have any type."""

    id: Any = None
    uuid: Any = None
    sequence_number: Any = None
    timestamp: Any = None
    state: Any = None

    @property
    def record_id(self) -> str | None:
        """The id as text, whether it came as text or as a number; None when there is none."""
        return identity(self.id) or identity(self.uuid)

    @property
    def event_number(self) -> int | None:
        """The id of an event; None when it is not a whole number."""
        return natural_number(self.id)

    @property
    def created(self) -> datetime | None:
        """When a conversation was created; None when that cannot be read."""
        return self._instant("created")

    @property
    def changed(self) -> datetime | None:
        """When a conversation was last updated or else created; None when that cannot be read."""
        moments = [moment for key in ("created", "updated") if (moment := self._instant(key))]
        return max(moments, default=None)

    @property
    def last_event(self) -> int | None:
        """The id of a conversation's last event; None when the record has none."""
        return natural_number(self.sequence_number)

    @property
    def fingerprint(self) -> str:
        """A conversation's state according to a list, as eight characters that change when it changes.

        Lists have only the times (contract 6.1), and often only when a conversation was created.
        """
        return f"{zlib.crc32(_text([self.sequence_number, self.timestamp, self.state])):08x}"

    def _instant(self, key: str) -> datetime | None:
        value = dig(self.timestamp, (key,))
        try:
            return None if value is None else instant(value)
        except Unreadable:
            return None


_decoder = msgspec.json.Decoder(Summary)


def summary_of(record: bytes | msgspec.Raw) -> Summary:
    r"""Read the summary of a record; an empty one of anything but an object. Damage in other fields does not matter.

    >>> summary = summary_of(b'{"id": "CON-1", "sequence_number": "41"}')
    >>> summary.record_id, summary.last_event, summary.created
    ('CON-1', 41, None)
    >>> summary_of(rb'{"id": "CON-1", "name": "half \ud83d", "x": NaN, "sequence_number": 1e400}').record_id
    'CON-1'
    """
    try:
        return _decoder.decode(record)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    try:
        members = scan.members(bytes(record))
    except ValueError:
        return Summary()
    return Summary(**{name: _value(members[name]) for name in Summary.__struct_fields__ if name in members})


def is_empty(record: bytes | msgspec.Raw) -> bool:
    """Whether a record has no values at all: lists of this API contain such records.

    >>> [is_empty(record) for record in (b"{}", b"null", b'{"_embedded": {}}', b'{"id": null}', b'{"id": ""}', b"7")]
    [True, True, True, True, False, False]
    """
    try:
        return _has_no_value(msgspec.json.decode(record))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def _has_no_value(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_has_no_value, value.values() if isinstance(value, dict) else value))
    return value is None


def _value(text: bytes) -> Any:
    """A value as far as it can be read, whatever surrounds it."""
    try:
        return json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _text(values: list[Any]) -> bytes:
    try:
        return _canonical.encode(values)
    except (ValueError, OverflowError, RecursionError, TypeError):
        # Half a surrogate pair, for example. Equal values only need to have equal bytes.
        return ascii(values).encode()
