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

from conv_analytics.tables.pages import Raw, records

REDACTED = "[redacted]"

_KEYS = "password|api_key|sdp|answer"
_SUSPECT = f'"({_KEYS})"'
_SECRET = re.compile(rf'("(?:{_KEYS})"\s*:\s*)"(?:[^"\\]|\\.)*+"')
_WORDS = tuple(f'"{key}"'.encode() for key in _KEYS.split("|"))
_SECRET_NUMBER = re.compile(r'("(?:password|api_key)"\s*:\s*)-?[0-9][0-9.eE+-]*')


def redact(text: str) -> str:
    """A JSON text without its secrets.

    >>> redact('{"to": {"type": "sip", "username": "desk", "password": "not-a-real-one"}}')
    '{"to": {"type": "sip", "username": "desk", "password": "[redacted]"}}'
    """
    replaced = rf'\1"{REDACTED}"'
    return _SECRET_NUMBER.sub(replaced, _SECRET.sub(replaced, text))


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
        return _redact(body)
    start, parts = 0, []
    for record in map(bytes, _events(body)):
        place = body.find(record, start) if _is_custom(record) else -1
        if place >= 0:
            parts += [_redact(body[start:place]), record]
            start = place + len(record)
    return b"".join([*parts, _redact(body[start:])])


def _redact(body: bytes) -> bytes:
    # In Latin-1 every byte is a letter, and JSON's own are those of ASCII.
    return redact(body.decode("latin-1")).encode("latin-1")


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
