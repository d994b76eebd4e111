r"""Cut a stream of text into JSON objects, whatever else it holds, with bounded memory.

Objects may stand one per line, in arrays of any length, over many lines, or one after the other; a log may have text
before and after them. A damaged object does not affect others: reading resumes at the next line that begins with one,
or at the first record of a page, or of a list of events in an envelope, that is cut off.

>>> log = b'{"id": 1}\n09:15:00 INFO received {"id": 2}\n{"id": 3, "cut of\n[{"id": 4},\n {"id":\n 5}]'
>>> [piece.text for piece in json_pieces(iter([log])) if piece.outline]
[b'{"id": 1}', b'{"id": 2}', b'{"id": 4}', b'{"id":\n 5}']
>>> [piece.text for piece in json_pieces(iter([log])) if not piece.outline]
[b'09:15:00 INFO received ', b'{"id": 3, "cut of']
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from conv_analytics.resources import scan
from conv_analytics.tables.webhook_bodies import PAGES, Kind, Outline, decoded_outline, kind_of, outline, split

#: Maximum length of an object. [B]
MAX_OBJECT = 64 * 2**20
#: Text between objects is returned in pieces of at most this size. [B]
MAX_TEXT = 2**20
#: Damaged objects that are opened within each other to look for intact ones inside; each is read to its end.
MAX_OPENED = 8

#: Separators between objects: spaces, commas, the brackets of arrays, marks of order and of records.
_BETWEEN = re.compile(rb"(?:[\s,\[\]\x1e\x00]++|\xef\xbb\xbf)*+")
#: Anything with its strings, each of which ends on its line, up to a run of opening or of closing brackets; or to an
#: unmatched quotation mark and the rest of its line: to look for a string at each escaped mark in there would take time
#: that grows with the square of its length.
_TOKEN = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\\n\r]*+(?:\\.[^"\\\n\r]*+)*+")*+(?:([\[{]++)|([\]}]++)|"([^\n\r]*+))?+')
_BRACKET = re.compile(rb"[\[\]{}]")
_AROUND = b" \t\r,]"
_NEXT = b"\n{"
#: The list of a page up to its first record, whatever objects it is in: ``_embedded.data.events`` and its like.
_LIST = re.compile(rb'"_embedded"\s*:\s*(?:\{[^{}\[\]]{0,4096}?"\w+"\s*:\s*){0,3}\[')
#: How far into a page, or an envelope, its list may begin. [B]
_PAGE_HEAD = 8192
#: A list of objects under a key, up to its first object; and the body of an event, which may have lists of its own.
_KEYED_LIST, _BODY = re.compile(rb'"[\w.-]+"\s*:\s*\[\s*+(?=\{)'), re.compile(rb'"body"\s*:\s*(?=\{)')
#: How many lists of an envelope are looked at, and how far into one its first object may go. [B]
_LISTS, _FIRST_OBJECT = 8, 2**15
#: Envelopes around the first event of a list that are opened, one inside the other.
_LEVELS = 3
_EVENTS = frozenset({Kind.RTC_EVENT, Kind.LIST_EVENT, Kind.VOICE_EVENT, *PAGES})


class Piece(NamedTuple):
    """An object, or text outside of objects."""

    text: bytes
    outline: Outline | None
    """None for text that is no JSON object."""
    begun: bool = False
    """Whether the first line of a text began before it."""
    goes_on: bool = False
    """Whether the last line of a text goes on after it."""


def json_pieces(chunks: Iterator[bytes]) -> Iterator[Piece]:
    """The objects of a stream in their order, and the text between them.

    Parameters
    ----------
    chunks
        The bytes of the stream, in chunks of any size.
    """
    stream = _Stream(chunks)
    cutter = _Cutter(stream)
    while stream.skip():
        begun, stream.in_line = stream.in_line, True
        if stream.data.startswith(b"{", stream.at):
            yield cutter.object()
        else:
            yield _text(stream, begun=begun)


def _text(stream: _Stream, *, begun: bool) -> Piece:
    """Text up to the next object; long text up to the end of a line."""
    ended = False
    while (end := stream.data.find(b"{", stream.at)) < 0 and len(stream.data) - stream.at < MAX_TEXT and not ended:
        ended = not stream.read_more()
    most = stream.at + MAX_TEXT
    if end > most or (end < 0 and not ended):
        end = stream.data.rfind(b"\n", stream.at, most) + 1 or most
    text = stream.take(len(stream.data) if end < 0 else end)
    stream.in_line = not text.endswith(b"\n")
    return Piece(text, None, begun, goes_on=stream.in_line and end >= 0)


class _Stream:
    """The buffered part of a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.data, self.at = b"", 0
        self.dropped = 0
        """How many bytes were before it."""
        self.in_line = False
        """Whether something was taken from the line."""
        self._chunks = chunks
        self._ended = False
        # In bytes of the whole stream: the next end of a line, and up to where there is none.
        self._line_end, self._searched = -1, 0

    def line_end(self) -> int:
        """Where the line ends; -1 where that is not known yet. What was searched is not searched again."""
        if self.dropped + self.at > self._line_end:
            end = self.data.find(b"\n", max(self.at, self._searched - self.dropped))
            if end < 0:
                self._searched = self.dropped + len(self.data)
                return -1
            self._line_end = self.dropped + end
        return self._line_end - self.dropped

    def read_more(self) -> bool:
        """Read at least as much again as is buffered; return False at the end."""
        if self._ended:
            return False
        rest = len(self.data) - self.at
        parts, size = [self.data[self.at :]], 0
        while size <= rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
                break
            parts.append(chunk)
            size += len(chunk)
        self.dropped += self.at
        self.data, self.at = b"".join(parts), 0
        return size > 0

    def skip(self) -> bool:
        """Advance to the next text; return False when there is none."""
        while True:
            between = _BETWEEN.match(self.data, self.at)
            assert between is not None
            self.at = between.end()
            self.in_line = self.in_line and b"\n" not in between.group()
            # The last bytes may be the beginning of a mark.
            if self.at < len(self.data) - 2:
                return True
            if not self.read_more():
                return self.at < len(self.data)

    def take(self, end: int) -> bytes:
        """Return the text up to a position, and advance to it."""
        taken, self.at = self.data[self.at : end], end
        return taken


class _Cutter:
    """Cuts objects out of a stream, each of which begins where the stream is."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._crowded = -1
        """Up to here, in bytes of the whole stream, several objects are on one line."""
        self._unclosed = -1
        """Up to here no object that is open at the end of its line will close, as a search has shown."""
        self._opened = 0
        """How many damaged objects were opened, each within the one before."""

    def object(self) -> Piece:
        """The object that begins here; a damaged one ends before the next line that begins with an object."""
        stream = self._stream
        if len(stream.data) - stream.at < MAX_TEXT:
            stream.read_more()
        line = stream.line_end()
        if self._crowded <= stream.dropped + stream.at:
            end = len(stream.data) if line < 0 else line
            candidate = stream.data[stream.at : end].rstrip(_AROUND)
            found = decoded_outline(candidate)
            if found is not None:
                stream.at = end
                self._opened = 0
                return Piece(candidate, found)
            self._crowded = stream.dropped + end
        return self._closed(line)

    def _closed(self, line: int) -> Piece:
        """The object that is closed by its own bracket."""
        stream = self._stream
        depth, place = _depth(stream.data, stream.at, 0, len(stream.data) if line < 0 else line)
        if depth and line >= 0 and _is_object(stream.data, line + 1):
            return self._damaged(line)
        if depth:
            depth, place = self._beyond_line(depth, place)
        text = b"" if depth else stream.data[stream.at : place]
        too_long = len(text) > MAX_OBJECT
        found = outline(text) if text and not too_long else None
        if found is not None or (text and not too_long and b"\n" not in text):
            self._opened = 0
            return Piece(stream.take(place), found)
        self._unclosed = max(self._unclosed, stream.dropped + place)
        following = stream.data.find(_NEXT, stream.at)
        return self._damaged(len(stream.data) if following < 0 else following)

    def _damaged(self, end: int) -> Piece:
        """The text of a damaged object up to its end, or up to the first object inside that may be intact."""
        stream = self._stream
        inside = -1
        if self._opened < MAX_OPENED:
            large = len(stream.data) - stream.at >= MAX_OBJECT
            inside = stream.data.find(b"{", stream.at + 1 if large else _records(stream.data, stream.at, end), end)
        self._opened = 0 if inside < 0 else self._opened + 1
        return Piece(stream.take(end if inside < 0 else inside).rstrip(), None)

    def _beyond_line(self, depth: int, place: int) -> tuple[int, int]:
        """Search further for the end of an object that is open at the end of its line."""
        stream = self._stream
        while depth and len(stream.data) - stream.at < MAX_OBJECT:
            following = stream.data.find(_NEXT, stream.at) if stream.dropped + stream.at < self._unclosed else -1
            depth, place = _depth(stream.data, place, depth, len(stream.data) if following < 0 else following)
            if not depth or following >= 0:
                break
            place -= stream.at
            whole = not stream.read_more()
            place += stream.at
            if whole:
                break
        return depth, place


def _depth(data: bytes, start: int, depth: int, end: int) -> tuple[int, int]:
    """How many brackets are open at `end`, and where to search on: at depth 0, the place after the closing one."""
    place = start
    for token in _TOKEN.finditer(data, start, end):
        opening, closing, rest = token.groups()
        place = token.end()
        if opening is not None:
            depth += len(opening)
        elif closing is not None:
            if len(closing) >= depth:
                return 0, token.start(2) + max(depth, 1)
            depth -= len(closing)
        elif rest is not None:
            if end == len(data) and data.find(b"\n", place) < 0:
                # The rest of the text is still to come.
                return depth, token.start(3) - 1
            for bracket in _BRACKET.finditer(data, *token.span(3)):
                depth += 1 if bracket[0] in b"{[" else -1
                if depth <= 0:
                    return 0, bracket.end()
    return depth, place


def _records(data: bytes, start: int, end: int) -> int:
    """Where the records of a page or the events of an envelope begin; the end of the data if there is no such list."""
    page = _LIST.search(data, start, start + _PAGE_HEAD)
    if page and _depth(data, start, 0, page.start())[0] == 1:
        return page.end()
    for found in islice(_KEYED_LIST.finditer(data, start, min(end, start + _PAGE_HEAD)), _LISTS):
        first = found.end()
        depth, place = _depth(data, first, 0, min(end, first + _FIRST_OBJECT))
        # A list of anything else belongs to a damaged event, and tells nothing without it.
        if not depth and _holds_event(data[first:place], _LEVELS):
            return len(data) if _in_body(data, start, found.start()) else first
    return len(data)


def _in_body(data: bytes, start: int, place: int) -> bool:
    """Whether a place is inside the body of an event: what is there may look like events, and is a part of one."""
    return any(_depth(data, body.end(), 0, place)[0] for body in islice(_BODY.finditer(data, start, place), _LISTS))


def _holds_event(text: bytes, levels: int) -> bool:
    """Whether an object is an event, a page, or an envelope around one of them."""
    found = decoded_outline(text)
    if found is None:
        return False
    if kind_of(found) in _EVENTS or b'"conversationId"' in text:
        return True
    try:
        members = scan.members(text).values() if levels else ()
    except ValueError:
        return False
    return any(_holds_event(_first_inside(each), levels - 1) for each in members)


def _first_inside(value: bytes) -> bytes:
    """The first object in a member of an envelope: itself, that of a list, or that in a text, such as a log's."""
    if value[:1] == b'"' and b"{" in value:
        try:
            text: str = msgspec.json.decode(value, type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return b""
        value = text[text.find("{") :].encode("utf-8", "replace").rstrip()
    return split(value)[0] if value[:1] == b"[" and value.strip(b"[] ") else value


def _is_object(data: bytes, start: int) -> bool:
    """Whether the next line that is not empty is an object by itself."""
    while data[start : start + 1] in {b"\n", b"\r"}:
        start += 1
    end = data.find(b"\n", start)
    candidate = data[start : len(data) if end < 0 else end].strip(b" \t\r,[]")
    return candidate.startswith(b"{") and decoded_outline(candidate) is not None


__all__ = ["MAX_OBJECT", "MAX_TEXT", "Piece", "json_pieces"]
