"""Redact secrets: channel passwords, API keys and session descriptions (SDP) reach no table and no file.

Design D9 and contract 9, no. 42. Only the values are removed; the keys stay, to show that something was there.

A value's position decides whether it is secret. A customer's own data are left alone, whatever their keys: bodies of
``custom:*`` and ``ephemeral`` events, the content of a message of kind ``custom``, and ``custom_data``. An ``answer``
is a session description in events of in-app legs (``rtc:*``) only. In a damaged text, where positions cannot be told,
everything under such a key is removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import scan
from conv_analytics.tables.pages import Raw, records

REDACTED = "[redacted]"

_SECRETS = frozenset({b"password", b"api_key", b"sdp"})
_ANSWER = b"answer"
#: A customer's own data, at any position.
_OWN = frozenset({b"custom_data", b"customData"})

_KEYS = "password|api_key|sdp|answer"
#: The part between a key and a value that can be hidden: null, true and false stay.
_BEFORE_VALUE = r'\s*:\s*["\[{0-9-]'
_SUSPECT = f'"({_KEYS})"{_BEFORE_VALUE}'
_SUSPECTS = re.compile(f'"(?:{_KEYS})"(?={_BEFORE_VALUE})'.encode())
_WORDS = tuple(f'"{key}"'.encode() for key in _KEYS.split("|"))
#: A text; or a number, which the API may send where a text belongs (contract 9).
_ANYWHERE = re.compile(rf'("(?:{_KEYS})"\s*:\s*)(?:"(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*)'.encode(), re.DOTALL)
#: An object or a list where a secret is expected.
_INNER = re.compile(rf'"(?:{_KEYS})"\s*:\s*[\[{{]'.encode())
#: A customer's own data without further objects inside, as they mostly are.
_FLAT = re.compile(
    rb'"(?:custom_data|customData)"\s*:\s*(\{(?:"(?:[^"\\]|\\.)*+"|[^{}"])*+\}|null)',
    re.DOTALL,
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},:]|true|false|null|-?[0-9][0-9.eE+-]*+|\S', re.DOTALL)
_HIDDEN = b'"' + REDACTED.encode() + b'"'

Keys = tuple[bytes, ...]
#: An unreadable type may be any type: what is secret in some of them is hidden.
_UNKNOWN = "?"
_IN_APP = ("rtc:", _UNKNOWN)
_BODY: Keys = (b"body",)
_CUSTOM: Keys = (b"body", b"custom")


class _Meaning(Enum):
    OWN = "the customer's"
    SECRET = "secret"  # noqa: S105  the name of a kind


class _DamagedError(ValueError):
    """A text is not JSON."""


def redact(text: str) -> str:
    """A JSON text without the values under keys of secrets, at any depth.

    >>> redact('{"to": {"type": "sip", "username": "desk", "password": "not-a-real-one"}}')
    '{"to": {"type": "sip", "username": "desk", "password": "[redacted]"}}'
    """
    return redact_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def redact_bytes(body: bytes) -> bytes:
    """JSON as bytes without secrets, even when the rest is not UTF-8 or is cut off."""
    return _ANYWHERE.sub(rb"\1" + _HIDDEN, body)


def redact_column(texts: pa.Array, types: pa.Array | None = None, at: str = "") -> pa.Array:
    """A column of JSON texts without secrets.

    Parameters
    ----------
    texts
        JSON texts, with nulls.
    types
        The event type of each, when the texts are parts of events.
    at
        The key of the record that holds the texts; empty for keys of the record itself.
    """
    suspect = pc.fill_null(pc.match_substring_regex(texts, _SUSPECT), fill_value=False)
    if not pc.any(suspect).as_py():
        return texts
    rows = pc.indices_nonzero(suspect)
    kinds = [""] * len(rows) if types is None else types.cast(pa.string()).take(rows).to_pylist()
    place = (at.encode(),) if at else ()
    pairs = zip(texts.take(rows).to_pylist(), kinds, strict=True)
    clean = pa.array([_redacted(text.encode(), kind, place).decode() for text, kind in pairs], pa.string())
    return pc.replace_with_mask(texts, suspect, clean)


def redact_record(record: bytes, name: str) -> bytes:
    """A record of a list as the API sent it, without secrets.

    >>> redact_record(b'{"type": "rtc:answer", "body": {"answer": "v=0"}}', "events")
    b'{"type": "rtc:answer", "body": {"answer": "[redacted]"}}'
    >>> redact_record(b'{"properties": {"custom_data": {"password": "mine"}}, "api_key": "k"}', "conversations")
    b'{"properties": {"custom_data": {"password": "mine"}}, "api_key": "[redacted]"}'
    """
    return _redacted(record, _type_of(record) if name == "events" else "", ())


def redact_page(body: bytes) -> bytes:
    """An answer of the API without secrets, record by record, in the form that the columns would hold.

    >>> redact_page(b'{"_embedded": [{"type": "custom:vote", "body": {"answer": "yes"}}, {"body": {"sdp": "v=0"}}]}')
    b'{"_embedded": [{"type": "custom:vote", "body": {"answer": "yes"}}, {"body": {"sdp": "[redacted]"}}]}'
    """
    suspects = [match.start() for match in _SUSPECTS.finditer(body)]
    if not suspects:
        return body
    events = _events(body)
    if events is None:
        return redact_bytes(body)
    if not events:
        return _redacted(body, "", ())
    # Most records of such a page have no secret, and are copied as they are.
    start, end, parts = 0, 0, []
    following = iter([*suspects, len(body)])
    suspect = next(following)
    for record in map(bytes, events):
        # Two records have a comma between them, seldom with a blank.
        place = end + 1 if body.startswith(record, end + 1) else body.index(record, end)
        end = place + len(record)
        if suspect < end:
            before = body[start:place]
            parts += [redact_bytes(before) if suspect < place else before, redact_record(record, "events")]
            start = end
            while suspect < end:
                suspect = next(following)
    rest = body[start:]
    return b"".join([*parts, redact_bytes(rest) if suspect < len(body) else rest])


def _redacted(document: bytes, kind: str | None, at: Keys) -> bytes:
    """Redact a record, or the part under one of its keys, by the type of the event; None for an unreadable type."""
    if not _may_hold_secret(document):
        return document
    word = _UNKNOWN if kind is None else kind.strip().lower()
    own: Keys | None = None
    if word.startswith(("custom", "ephemeral")):
        own = _BODY
    elif word in {"message", "member:message:status"}:
        own = _CUSTOM
    if at and at == own:
        return document
    in_app = word.startswith(_IN_APP)
    if not (own and _quoted(own[-1]) in document) and _is_plain(document, in_app=in_app):
        return redact_bytes(document)
    try:
        return _without(document, _Position(at, own, _SECRETS | {_ANSWER} if in_app else _SECRETS))
    except _DamagedError:
        return redact_bytes(document)


def _may_hold_secret(document: bytes) -> bool:
    """Whether there is a value to hide under the key of a secret, at any depth: usually it is null."""
    return _SUSPECTS.search(document) is not None


def _is_plain(document: bytes, *, in_app: bool) -> bool:
    """Whether the position of the secrets' keys makes no difference: the usual case, and the fast one."""
    if not in_app and _quoted(_ANSWER) in document:
        return False
    if any(_quoted(key) in document for key in _OWN):
        flat = _FLAT.findall(document)
        named = sum(document.count(_quoted(key)) for key in _OWN)
        if len(flat) != named or any(word in data for data in flat for word in _WORDS):
            return False
    return _INNER.search(document) is None


def _quoted(key: bytes) -> bytes:
    return b'"' + key + b'"'


class _Position:
    """Follows the position in a JSON text, token by token; nothing recurses, however deep the text is."""

    def __init__(self, at: Keys, own: Keys | None, secrets: frozenset[bytes]) -> None:
        self._at, self._own, self._secrets = at, own, secrets
        self._keys: list[bytes] = []
        self._objects: list[bool] = []
        self._meanings: list[_Meaning | None] = []
        self._expects_key = False

    def step(self, mark: bytes) -> bool:
        """Take the next token; return whether it is a value to hide."""
        head = mark[:1]
        if head in b"{[":
            self._open(head == b"{")
        elif head in b"}]":
            self._close(head == b"}")
        elif head == b",":
            self._expects_key = bool(self._objects) and self._objects[-1]
        elif head == b":":
            return False
        elif (self._expects_key and head != b'"') or (len(mark) == 1 and not mark.isdigit()):
            raise _DamagedError
        elif self._expects_key:
            self._keys[-1], self._expects_key = mark[1:-1], False
        else:
            return head not in b"tfn" and self._meaning() is _Meaning.SECRET
        return False

    def end(self) -> None:
        """Raise if a bracket is still open."""
        if self._objects:
            raise _DamagedError

    def _open(self, is_object: bool) -> None:  # noqa: FBT001  one of two brackets
        inherited = self._meaning()
        self._keys.append(b"")
        self._objects.append(is_object)
        self._meanings.append(inherited)
        self._expects_key = is_object

    def _close(self, is_object: bool) -> None:  # noqa: FBT001  one of two brackets
        if not self._objects or self._objects.pop() is not is_object:
            raise _DamagedError
        self._keys.pop()
        self._meanings.pop()
        self._expects_key = False

    def _meaning(self) -> _Meaning | None:
        """The meaning of the next value."""
        if not self._objects:
            return None
        if self._meanings[-1] is not None or not self._objects[-1]:
            return self._meanings[-1]
        key, depth = self._keys[-1], len(self._at) + len(self._keys)
        if key in _OWN or (self._own and depth == len(self._own) and (*self._at, *self._keys) == self._own):
            return _Meaning.OWN
        return _Meaning.SECRET if key in self._secrets else None


def _without(document: bytes, position: _Position) -> bytes:
    parts, start = [], 0
    for token in _TOKEN.finditer(document):
        if position.step(token.group()):
            parts += [document[start : token.start()], _HIDDEN]
            start = token.end()
    position.end()
    return b"".join([*parts, document[start:]])


class _Type(msgspec.Struct):
    type: Any = None


_type = msgspec.json.Decoder(_Type)


def _events(page: bytes) -> Sequence[Raw] | None:
    """The events of a page; empty for a page of another list, None for a damaged one."""
    try:
        return records(page, "events")
    except ValueError:
        return None


def _type_of(event: bytes) -> str | None:
    """The type of an event; empty when it has none, None when it is not a text."""
    try:
        event_type = _type.decode(event).type
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        try:
            # Too deep for the decoder, or not Unicode; the type may be readable all the same.
            event_type = json.loads(scan.members(event).get("type", b"null"))
        except (ValueError, RecursionError):
            return None
    return event_type if isinstance(event_type, str) else "" if event_type is None else None
