"""Secrets stop at the door: channel passwords, API keys and session descriptions (SDP) reach no table and no file.

Design D9 and contract 9, no. 42. Only the values go; the keys stay, so that one sees that something was there.
Bodies of ``custom:*`` events are the user's own data and are left alone.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

REDACTED = "[redacted]"

_KEYS = "password|api_key|sdp|answer"
_SUSPECT = f'"({_KEYS})"'
_SECRET = re.compile(rf'("(?:{_KEYS})"\s*:\s*)"(?:[^"\\]|\\.)*+"')
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
