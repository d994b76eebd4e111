"""The conversation of a webhook event, and the key of one without an id (live contract 5.5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from conv_analytics.resources.cells import identity
from conv_analytics.resources.record import dig
from conv_analytics.tables.webhook_bodies import Outline, outline

#: Digits of a key: sixteen bytes.
_KEY_DIGITS = 32
_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def conversation_of(event: bytes | Outline) -> str | None:
    """The conversation of an event, from any of its keys; None without one, as while somebody knocks.

    In order of precedence: the event itself, then, in its body, the conversation that is created, changed or deleted,
    the one that a member is invited to, and the last one in the history of a leg. Never raises.

    >>> conversation_of(b'{"type": "conversation:deleted", "body": {"id": "CON-7d1f"}}')
    'CON-7d1f'
    >>> conversation_of(b'{"type": "sip:ringing", "from": "knocker:84e6", "body": {"id": "CON-1"}}') is None
    True
    """
    fields = event if isinstance(event, Outline) else outline(event)
    if fields is None:
        return None
    for raw in (fields.conversation_id, fields.cid):
        if raw and (named := identity(_value(raw))):
            return named
    body = _value(fields.body) if fields.body else None
    if not isinstance(body, dict):
        return None
    of_conversation = str(_value(fields.type)).strip().lower().startswith("conversation:")
    named = identity(body.get("id")) if of_conversation else None
    return named or identity(dig(body, ("conversation", "conversation_id"))) or _last_of_history(body)


def _last_of_history(body: dict[str, Any]) -> str | None:
    history = body.get("statusHistory") or body.get("status_history")
    entries = history if isinstance(history, list) else [history]
    for entry in reversed(entries):
        if isinstance(entry, dict):
            named = identity(entry.get("conversation_id") or entry.get("conversationId"))
            if named:
                return named
    return None


def event_key(application_id: bytes, event_type: bytes, sender: bytes, timestamp: bytes, body: bytes) -> str:
    """The key of an event without an id or a conversation: the same event gives the same key.

    Parameters
    ----------
    application_id, event_type, sender, timestamp, body
        The values of the event, as JSON; empty where it has none.

    Returns
    -------
    str
        The first 16 bytes, in hexadecimal, of the SHA-256 digest of their canonical JSON.

    Examples
    --------
    >>> one = event_key(b'"c0ffee00"', b'"app:knocking"', b"", b'"2026-11-20T09:15:00Z"', b'{"a": 1, "b": 2}')
    >>> one == event_key(b'"c0ffee00"', b'"app:knocking"', b"null", b'"2026-11-20T09:15:00Z"', b'{"b":2,"a":1}')
    True
    >>> len(one)
    32
    """
    return digest((application_id, event_type, sender, timestamp, body))


def key_of(fields: Outline) -> str:
    """The key of an event by its outline."""
    return event_key(*map(bytes, (fields.application_id, fields.type, fields.sender, fields.timestamp, fields.body)))


def digest(parts: Sequence[bytes]) -> str:
    """The first 16 bytes of the SHA-256 digest of some JSON values: keys sorted, no spaces, ASCII."""
    return hashlib.sha256(b"[" + b",".join(map(_canonical, parts)) + b"]").hexdigest()[:_KEY_DIGITS]


def _canonical(raw: bytes) -> bytes:
    if not raw:
        return b"null"
    try:
        return json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        # Damaged, or too deep: as written.
        return raw


def _value(raw: bytes | msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except _REFUSED:
        return None
