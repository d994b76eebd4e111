"""Secrets stop at the door: channel passwords, API keys and session descriptions (SDP) reach no table and no file.

Design D9 and contract 9, no. 42. Only the values go; the keys stay, so that one sees that something was there.
Bodies of ``custom:*`` events are the user's own data and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import scan
from conv_analytics.tables.pages import Raw, records

REDACTED = "[redacted]"

_KEYS = "password|api_key|sdp|answer"
_SUSPECT = f'"({_KEYS})"'
#: A text; or a number, which the API may send where a text belongs (contract 9).
_SECRET = re.compile(rf'("(?:{_KEYS})"\s*:\s*)(?:"(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*)', re.DOTALL)
_WORDS = tuple(f'"{key}"'.encode() for key in _KEYS.split("|"))
_SECRET_BYTES = re.compile(_SECRET.pattern.encode(), re.DOTALL)


def redact(text: str) -> str:
    """A JSON text without its secrets.

    >>> redact('{"to": {"type": "sip", "username": "desk", "password": "not-a-real-one"}}')
    '{"to": {"type": "sip", "username": "desk", "password": "[redacted]"}}'
    """
    return _SECRET.sub(rf'\1"{REDACTED}"', text)


def redact_column(texts: pa.Array, types: pa.Array | None = None) -> pa.Array:
    """A column of JSON texts without secrets.

    Parameters
    ----------
    texts
        JSON texts, with nulls.
    types
        The event type of each, when the texts are event bodies.
    """
    suspect = pc.match_substring_regex(texts, _SUSPECT)
    if types is not None:
        own = pc.starts_with(types.cast(pa.string()), "custom")
        suspect = pc.and_(suspect, pc.invert(pc.fill_null(own, fill_value=False)))
    if not pc.any(suspect).as_py():
        return texts
    rows = pc.indices_nonzero(pc.fill_null(suspect, fill_value=False))
    clean = pa.array([redact(text) for text in texts.take(rows).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, pc.fill_null(suspect, fill_value=False), clean)


def redact_page(body: bytes) -> bytes:
    """An answer of the API without secrets, record by record: what the columns made of it would hold.

    >>> redact_page(b'{"_embedded": [{"type": "custom:vote", "body": {"answer": "yes"}}, {"body": {"sdp": "v=0"}}]}')
    b'{"_embedded": [{"type": "custom:vote", "body": {"answer": "yes"}}, {"body": {"sdp": "[redacted]"}}]}'
    """
    if not any(word in body for word in _WORDS):
        return body
    if b'"custom' not in body:
        return redact_bytes(body)
    start, parts = 0, []
    for record in map(bytes, _events(body)):
        own = scan.members(record).get("body") if _is_custom(record) else None
        if own:
            place = body.index(own, body.index(record, start))
            parts += [redact_bytes(body[start:place]), own]
            start = place + len(own)
    return b"".join([*parts, redact_bytes(body[start:])])


def redact_bytes(body: bytes) -> bytes:
    """A JSON text in bytes without its secrets, whether or not the rest of it is UTF-8."""
    return _SECRET_BYTES.sub(rb'\1"' + REDACTED.encode() + b'"', body)


class _Type(msgspec.Struct):
    type: Any = None


_type = msgspec.json.Decoder(_Type)


def _events(page: bytes) -> Sequence[Raw]:
    try:
        return records(page, "events")
    except ValueError:
        return ()


def _is_custom(event: bytes) -> bool:
    try:
        return str(_type.decode(event).type).startswith("custom")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
