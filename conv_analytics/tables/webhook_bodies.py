"""Splits webhook bodies and files of events into JSON objects of known kinds.

No body raises an error here: one that cannot be read is `Kind.OTHER`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

import msgspec

from conv_analytics.resources import scan
from conv_analytics.resources.voice_event import DECIDING_KEYS
from conv_analytics.tables.pages import Raw

_BOM = b"\xef\xbb\xbf"
#: A plus that is neither the sign of a number nor of an offset from UTC.
_SPACE = re.compile(r"\+(?![0-9])")
_list = msgspec.json.Decoder(list[msgspec.Raw])
_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class Kind(StrEnum):
    """Kind of a JSON object."""

    RTC_EVENT = "rtc event"
    """An event of a conversation as a webhook has it, with the ids of its application and its conversation."""
    LIST_EVENT = "list event"
    """The same in the form of a list of events: only the list's address shows its conversation."""
    VOICE_EVENT = "voice event"
    """An event of the Voice API."""
    EVENTS = "events"
    """A page of a list of events."""
    CONVERSATIONS = "conversations"
    MEMBERS = "members"
    USERS = "users"
    SESSIONS = "sessions"
    CONVERSATION = "conversation"
    """One conversation, as in a list or in the answer to a request for it."""
    MEMBER = "member"
    """One member."""
    OTHER = "other"


#: Pages of lists, by the name of what they list.
PAGES = frozenset({Kind.EVENTS, Kind.CONVERSATIONS, Kind.MEMBERS, Kind.USERS, Kind.SESSIONS})

_absent = msgspec.Raw(b"")


class Outline(msgspec.Struct, gc=False):
    """The keys that determine the kind of an object, with undecoded values; empty where missing."""

    type: msgspec.Raw = _absent
    id: msgspec.Raw = _absent
    body: msgspec.Raw = _absent
    timestamp: msgspec.Raw = _absent
    sender: msgspec.Raw = msgspec.field(name="from", default=_absent)
    application_id: msgspec.Raw = _absent
    conversation_id: msgspec.Raw = _absent
    cid: msgspec.Raw = _absent
    embedded: msgspec.Raw = msgspec.field(name="_embedded", default=_absent)
    links: msgspec.Raw = msgspec.field(name="_links", default=_absent)
    state: msgspec.Raw = _absent
    user: msgspec.Raw = _absent
    channel: msgspec.Raw = _absent
    href: msgspec.Raw = _absent
    data: msgspec.Raw = _absent
    push_info: msgspec.Raw = _absent
    # Of Voice events.
    uuid: msgspec.Raw = _absent
    call_uuid: msgspec.Raw = _absent
    conversation_uuid: msgspec.Raw = _absent
    conversation_uuid_from: msgspec.Raw = _absent
    recording_uuid: msgspec.Raw = _absent
    recording_url: msgspec.Raw = _absent
    transcription_url: msgspec.Raw = _absent
    original_request: msgspec.Raw = _absent
    speech: msgspec.Raw = _absent
    dtmf: msgspec.Raw = _absent
    payload: msgspec.Raw = _absent
    status: msgspec.Raw = _absent
    reason: msgspec.Raw = _absent


_outline = msgspec.json.Decoder(Outline)
_KEYS = dict(zip(Outline.__struct_encode_fields__, Outline.__struct_fields__, strict=True))
_OF_CALL = ("uuid", "call_uuid", "conversation_uuid", "conversation_uuid_from", "recording_uuid")


def outline(document: bytes) -> Outline | None:
    """The outline of a JSON object; None for anything else.

    >>> bytes(outline(b'{"type": "sip:hangup", "id": 7}').id), outline(b"[1]"), outline(b'{"id": 7')
    (b'7', None, None)
    """
    fields = decoded_outline(document)
    if fields is not None:
        return fields
    try:
        # Too deep, or not Unicode; the rest of it may be readable all the same.
        members = scan.members_of_whole(document)
    except ValueError:
        return None
    return Outline(**{field: msgspec.Raw(members.get(key, b"")) for key, field in _KEYS.items()})


def decoded_outline(document: bytes) -> Outline | None:
    """The outline of a text that a decoder accepts; rejects faster."""
    try:
        return _outline.decode(document)
    except _REFUSED:
        return None


def classify(document: bytes) -> Kind:
    """The kind of a JSON object.

    Parameters
    ----------
    document
        The body of a webhook, or an object of a file.

    Examples
    --------
    >>> classify(b'{"type": "app:knocking", "application_id": "c0ffee00", "from": "knocker:84e6"}').value
    'rtc event'
    >>> classify(b'{"type": "transfer", "uuid": "7c3a9e15", "conversation_uuid_from": "CON-1"}').value
    'voice event'
    >>> classify(b'{"_embedded": {"data": {"events": []}}}').value, classify(b'"text"').value
    ('events', 'other')
    """
    fields = outline(document)
    return Kind.OTHER if fields is None else kind_of(fields)


def kind_of(fields: Outline) -> Kind:
    """The kind of an object, by its outline."""
    kind = _kind_of(fields)
    if kind in {Kind.LIST_EVENT, Kind.VOICE_EVENT} and _wraps_event(fields):
        return Kind.OTHER
    return kind


def _wraps_event(fields: Outline) -> bool:
    """Whether an object that may be an event is an envelope around one: its type has no colon, as those of logs."""
    if b":" in bytes(fields.type):
        return False
    for value in map(bytes, (fields.body, fields.data)):
        inner = outline(value) if value.startswith(b"{") else None
        if inner is not None and _kind_of(inner) in {Kind.RTC_EVENT, Kind.VOICE_EVENT}:
            return True
    return False


def _kind_of(fields: Outline) -> Kind:
    typed = bool(fields.type)
    if fields.embedded and not typed:
        page = _page(bytes(fields.embedded))
        if page is not Kind.OTHER:
            return page
    if fields.push_info and not typed:
        # A notification about an event, which a telephone gets: it has the id of the event, but not its type.
        return Kind.OTHER
    delivered = bool(fields.application_id or fields.conversation_id or fields.cid)
    of_call = any(getattr(fields, name) for name in _OF_CALL) and any(getattr(fields, name) for name in DECIDING_KEYS)
    # A call of the list of calls has links; it is not an event.
    if of_call and not fields.links and not (typed and (fields.body or delivered)):
        return Kind.VOICE_EVENT
    if (typed and (delivered or fields.body or fields.timestamp or _is_number(fields.id))) or (
        delivered and fields.body
    ):
        return Kind.RTC_EVENT if delivered else Kind.LIST_EVENT
    # Early versions of the API name a conversation by its uuid; so does the greeting of a WebSocket, without links.
    if bytes(fields.id).startswith(b'"CON-') or (fields.links and bytes(fields.uuid).startswith(b'"CON-')):
        return Kind.CONVERSATION
    of_member = bytes(fields.id).startswith(b'"MEM-') and (fields.state or fields.user or fields.channel)
    return Kind.MEMBER if of_member else Kind.OTHER


def _is_number(value: msgspec.Raw) -> bool:
    """Whether an id may be that of an event; channels, with a type as well, have the id of their leg."""
    return bytes(value).strip(b'"').isdigit()


def _page(embedded: bytes) -> Kind:
    """The list that a page contains; other objects embed things, too."""
    for _ in range(scan.LEVELS):
        part = embedded.strip()
        if part.startswith(b"["):
            return _page_of(part)
        try:
            inner = scan.members(part)
        except ValueError:
            return Kind.OTHER
        names = [kind for kind in PAGES if kind.value in inner]
        if names:
            return names[0]
        embedded = inner.get("data", b"")
    return Kind.OTHER


def _page_of(listed: bytes) -> Kind:
    """The list of a page that does not name it."""
    try:
        first = next(iter(_items(listed)), None)
    except ValueError:
        return Kind.OTHER
    if first is None:
        # With an empty list nothing is lost.
        return Kind.EVENTS
    of_record = {
        Kind.RTC_EVENT: Kind.EVENTS,
        Kind.LIST_EVENT: Kind.EVENTS,
        Kind.CONVERSATION: Kind.CONVERSATIONS,
        Kind.MEMBER: Kind.MEMBERS,
    }
    return of_record.get(classify(bytes(first)), Kind.OTHER)


def split(body: bytes) -> list[bytes]:
    """The JSON objects of a webhook's body: one, those of an array, or the one in a form.

    An unreadable body is returned unchanged, and is `Kind.OTHER`.

    >>> split(b' [{"id": 1}, {"id": 2}]'), split(b"uuid=9f2c&status=answered")
    ([b'{"id": 1}', b'{"id": 2}'], [b'{"uuid":"9f2c","status":"answered"}'])
    """
    text = body.removeprefix(_BOM).strip()
    if text.startswith(b"["):
        try:
            return [bytes(item) for item in _items(text)]
        except ValueError:
            return [body]
    if text.startswith(b"{") or b"=" not in text:
        return [text or body]
    return [from_query(text)]


def from_query(query: bytes | str) -> bytes:
    """A query string, or a form, as a JSON object (live contract 6.6).

    Values are texts, except for JSON within a value; an empty one is null. A plus is a space only if nothing suggests
    otherwise: addresses, numbers and instants may contain a plus.

    >>> from_query("uuid=9f2c&to=%2B4420&dtmf={%22digits%22:%2212%22,%22timed_out%22:false}&network=")
    b'{"uuid":"9f2c","to":"+4420","dtmf":{"digits":"12","timed_out":false},"network":null}'
    """
    text = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
    pairs = (part.partition("=") for part in text.strip().lstrip("?").split("&") if part)
    values = {_unquoted(key): _value(written) for key, _, written in pairs}
    return json.dumps(values, separators=(",", ":")).encode()


def _value(written: str) -> Any:
    text = _unquoted(written)
    if text in {"", "null"}:
        return None
    if text[:1] in "{[":
        for candidate in (unquote(written), text):
            try:
                return msgspec.json.decode(candidate)
            except _REFUSED:
                continue
    return text


def _unquoted(written: str) -> str:
    text = unquote(written)
    return text if "%20" in written or "://" in text else unquote(_SPACE.sub(" ", written))


def _items(array: bytes) -> Sequence[Raw]:
    """The items of an array; raises `ValueError` for one that is cut off."""
    try:
        return _list.decode(array)
    except _REFUSED:
        if not scan.is_whole(array):
            raise ValueError("the JSON text is cut off, or something follows it") from None
        return scan.items(array)


__all__ = ["PAGES", "Kind", "Outline", "classify", "decoded_outline", "from_query", "kind_of", "outline", "split"]
