r"""Finds the objects in a text: JSON anywhere in it, and events of the Voice API as the query of a ``GET`` request.

A query is taken for an event only if it is a line of its own, or that of a request in a log, and if its keys are those
of an event: a conversation, and a status or whatever else such an event tells.

>>> log = b'uuid=9f2c&conversation_uuid=CON-1&status=answered\n09:15:00 INFO page=2&size=10\n'
>>> [piece.text for piece in event_pieces(iter([log]))]
[b'{"uuid":"9f2c","conversation_uuid":"CON-1","status":"answered"}', b'09:15:00 INFO page=2&size=10\n']
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from conv_analytics.exporter.json_pieces import Piece, json_pieces
from conv_analytics.tables.webhook_bodies import Kind, Outline, from_query, kind_of, outline, split

_PAIR = rb'[^\s&="{}?#]++=[^\s&"{}#]*+'
#: Pairs of keys and values, and nothing else.
_QUERY = re.compile(rb"\??+(%s(?:&%s)++)" % (_PAIR, _PAIR))
#: A request's target with a query: at the beginning of a line, in quotation marks, or after its method.
_TARGET = re.compile(rb'(?:^|"|\bGET\s++)[^\s"?]*+\?(%s(?:&%s)++)(?=[\s"#]|$)' % (_PAIR, _PAIR))


def event_pieces(chunks: Iterator[bytes]) -> Iterator[Piece]:
    """The objects of a stream in their order, those of queries too, and the text between them.

    Parameters
    ----------
    chunks
        The bytes of the stream, in chunks of any size.
    """
    for piece in json_pieces(chunks):
        if piece.outline is None and b"=" in piece.text and not piece.text.startswith(b"{"):
            yield from _with_queries(piece)
        else:
            yield piece


def documents_inside(value: bytes) -> list[bytes]:
    r"""The objects in a member of an envelope: itself, those of a list, or those in a text, such as a line of a log.

    >>> documents_inside(b'{"id": 1}'), documents_inside(rb'"INFO {\"id\": 1}\n"'), documents_inside(b'"{id}"')
    ([b'{"id": 1}'], [b'{"id": 1}'], [b'{id}'])
    """
    if value[:1] in {b"{", b"["}:
        return split(value)
    if value[:1] != b'"' or (b"{" not in value and b"=" not in value):
        return []
    try:
        text = msgspec.json.decode(value, type=str).encode("utf-8", "replace")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    if text[:1] in {b"{", b"["}:
        documents = split(text)
        if len(documents) != 1 or outline(documents[0]) is not None:
            return documents
    return [piece.text for piece in event_pieces(iter([text])) if piece.outline or piece.text.startswith(b"{")]


def _with_queries(piece: Piece) -> Iterator[Piece]:
    """The events that are lines of a text, and the text between them."""
    lines = piece.text.splitlines(keepends=True)
    whole = range(piece.begun, len(lines) - piece.goes_on)
    rest: list[bytes] = []
    for number, line in enumerate(lines):
        found = _event(line) if number in whole and b"&" in line else None
        if found is None:
            rest.append(line)
            continue
        before, event, after = found
        if text := b"".join([*rest, before]):
            yield Piece(text, None)
        yield event
        rest = [after] if after.strip() else []
    if rest:
        yield Piece(b"".join(rest), None)


def _event(line: bytes) -> tuple[bytes, Piece, bytes] | None:
    """The event in a line, and the text before and after it; None if there is none."""
    alone = _QUERY.fullmatch(line.strip())
    if alone is not None:
        event = _of_query(alone[1])
        return None if event is None else (b"", event, b"")
    for target in _TARGET.finditer(line):
        event = _of_query(target[1])
        # A request of the call list may name a conversation and a status, too, but no call.
        if event is not None and event.outline is not None and _names_call(event.outline):
            return line[: target.start(1)], event, line[target.end(1) :]
    return None


def _of_query(query: bytes) -> Piece | None:
    document = from_query(query)
    found = outline(document)
    if found is None or not (found.conversation_uuid or found.conversation_uuid_from):
        return None
    return Piece(document, found) if kind_of(found) is Kind.VOICE_EVENT else None


def _names_call(found: Outline) -> bool:
    return bool(found.uuid or found.call_uuid or found.conversation_uuid_from or found.recording_uuid)


__all__ = ["documents_inside", "event_pieces"]
