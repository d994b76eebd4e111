"""Events as the client SDK hands them to an application: those of a list, under other names.

Such an event has a ``kind``, a ``conversationId``, and its sender as an object. What the SDK renames gets the names of
a list again; what people wrote themselves, and whatever is unknown, stays as it is.
"""

from __future__ import annotations

import json

import msgspec

from conv_analytics.resources import scan
from conv_analytics.tables.undeclared_keys import KeyTree, to_json

#: The kinds of messages: where the SDK has the content, and where a list has it.
_MESSAGES = {
    "text": ("text", ("text",)),
    "audio": ("audioUrl", ("audio", "url")),
    "video": ("videoUrl", ("video", "url")),
    "image": ("imageUrl", ("image", "url")),
    "file": ("fileUrl", ("file", "url")),
    "vcard": ("vcardUrl", ("vcard", "url")),
    "custom": ("customData", ("custom",)),
    "location": ("location", ("location",)),
    "template": ("template", ("template",)),
}
_OF_MEMBERS = frozenset({"member:invited", "member:joined", "member:left"})
_OF_EVENTS = frozenset({"event:delete"}) | {
    f"message:{state}" for state in ("delivered", "seen", "submitted", "rejected", "undeliverable")
}
_CUSTOM, _EPHEMERAL = "custom", "ephemeral"
_USER = {"displayName": "display_name", "imageUrl": "image_url", "customData": "custom_data"}
_TRANSLATED = frozenset({"kind", "id", "conversationId", "timestamp", "from", "body"})

_Members = dict[str, bytes]


def list_event(document: bytes) -> bytes | None:
    """An event of the client SDK as a list has it; None for anything else.

    >>> list_event(
    ...     b'{"kind":"message:image","id":4,"conversationId":"CON-1","timestamp":"2026-11-20T09:15:00Z",'
    ...     b'"from":{"kind":"system"},"body":{"imageUrl":"https://a.example/1.jpg"}}'
    ... ).decode().partition('"body":')[2]
    '{"message_type":"image","image":{"url":"https://a.example/1.jpg"}}}'
    """
    try:
        event = scan.members(document)
        kind, sender, body = _text(event["kind"]), scan.members(event["from"]), scan.members(event["body"])
        named = _text(event["conversationId"]) and _text(event["timestamp"])
    except (KeyError, ValueError):
        return None
    numbered = kind == _EPHEMERAL or event.get("id", b"").isdigit()
    content = _content(kind, event["body"], body)
    if content is None or not named or not numbered or "type" in event or not sender.keys() & {"kind", "memberId"}:
        return None
    result: dict[str, bytes | KeyTree] = {"type": json.dumps(_type(kind, event)).encode()}
    result |= {"id": event["id"]} if "id" in event else {}
    result |= {"conversation_id": event["conversationId"], "timestamp": event["timestamp"]}
    result |= {"_embedded": embedded} if (embedded := _sender(sender)) else {}
    result["body"] = content
    return to_json(result | {key: value for key, value in event.items() if key not in _TRANSLATED})


def _type(kind: str, event: _Members) -> str:
    """The type of an event; the name of a custom one is taken out of it."""
    if kind == _CUSTOM and (own := _text(event.get("eventType", b""))):
        del event["eventType"]
        return f"{_CUSTOM}:{own.removeprefix('custom:')}"
    return "message" if kind.removeprefix("message:") in _MESSAGES and kind != _CUSTOM else kind


def _sender(sender: _Members) -> dict[str, bytes | KeyTree]:
    """The sender as a list embeds it; the platform itself has none."""
    result: dict[str, bytes | KeyTree] = {}
    if "memberId" in sender:
        result["from_member"] = {"id": sender["memberId"]}
    if "user" in sender:
        result["from_user"] = _user(sender["user"])
    return result | {key: value for key, value in sender.items() if key not in {"kind", "memberId", "user"}}


def _content(kind: str, written: bytes, body: _Members) -> bytes | KeyTree | None:
    """The body as a list has it; None for an unknown kind."""
    if kind in {_CUSTOM, _EPHEMERAL}:
        return written
    if kind in _OF_EVENTS:
        return _renamed(body, {"eventId": "event_id"})
    if kind in _OF_MEMBERS:
        result: dict[str, bytes | KeyTree] = {**_renamed(body, {"memberId": "member_id"})}
        return result | ({"user": _user(body["user"])} if "user" in body else {})
    family, _, message_type = kind.partition(":")
    if family != "message" or message_type not in _MESSAGES:
        return None
    key, path = _MESSAGES[message_type]
    message: dict[str, bytes | KeyTree] = {"message_type": json.dumps(message_type).encode()}
    if key in body:
        content = body[key]
        message[path[0]] = content if len(path) == 1 else {path[1]: content}
    if "deleted" in body:
        message["timestamp"] = {"deleted": body["deleted"]}
    return message | {name: value for name, value in body.items() if name not in {key, "deleted"}}


def _user(written: bytes) -> bytes | KeyTree:
    try:
        return _renamed(scan.members(written), _USER)
    except ValueError:
        return written


def _renamed(members: _Members, names: dict[str, str]) -> _Members:
    return {names.get(key, key): value for key, value in members.items()}


def _text(raw: bytes) -> str:
    """A text; "" for anything else."""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


__all__ = ["list_event"]
