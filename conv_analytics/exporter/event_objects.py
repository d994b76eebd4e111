"""Files of events, in any form, read into batches of objects by their kind, with bounded memory.

A file may be JSON, JSON Lines or a log with JSON or queries in it, plain or compressed; its objects webhook bodies,
events as a list or the client SDK has them, pages as the API gave them, or any of these inside a custom envelope.
"""

from __future__ import annotations

import codecs
import glob
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, unquote

from conv_analytics.errors import ConfigError
from conv_analytics.exporter.client_sdk_events import list_event
from conv_analytics.exporter.event_pieces import documents_inside, event_pieces
from conv_analytics.exporter.file_bytes import file_chunks
from conv_analytics.exporter.json_pieces import Piece
from conv_analytics.exporter.received_instants import received_instant
from conv_analytics.paths import expand_user
from conv_analytics.privacy import Mask
from conv_analytics.resources import scan
from conv_analytics.tables.broken_records import BrokenRecord, Problem
from conv_analytics.tables.pages import Page, records
from conv_analytics.tables.undeclared_keys import to_json
from conv_analytics.tables.voice_rows import conversations_of_calls
from conv_analytics.tables.webhook_bodies import PAGES, Kind, Outline, kind_of, outline
from conv_analytics.tables.webhook_identity import conversation_of
from conv_analytics.tables.webhooks import Received

#: Paths, or patterns such as ``dumps/**/*.json.gz``; a folder stands for all files in it.
Files: TypeAlias = str | Path | Iterable[str | Path]

#: Objects are returned in batches of about this size. [B]
BATCH_BYTES = 4 * 2**20
#: Maximum stored length of text that is not an object. [B]
_KEPT = 4096
#: Envelopes around an event that are opened, one inside the other.
_ENVELOPES = 3
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NEITHER = "neither an event nor a page of a list"
_IN_LINK = re.compile(rb'/conversations/([^/?#"]+)')
_IN_NAME = re.compile(r"CON-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RECEIVED = ("received_at", "receivedAt", "received")
_NO_INSTANT = frozenset({b"null", b'""'})
_UNREADABLE_INSTANT = "not an instant: the event in it has no received_at"


@dataclass
class ObjectBatch:
    """Some objects of files, by their kind, masked if a mask is set."""

    rtc: list[Received] = field(default_factory=list)
    """Events as webhooks have them."""
    listed: list[Received] = field(default_factory=list)
    """Events as lists have them, each with its conversation."""
    voice: list[Received] = field(default_factory=list)
    conversations: list[bytes] = field(default_factory=list)
    lists: dict[str, list[Page]] = field(default_factory=dict)
    """Pages of ``members``, ``users`` and ``sessions``."""
    broken: list[BrokenRecord] = field(default_factory=list)
    """Objects of no known kind."""
    size: int = 0
    """[B]"""

    def owners(self) -> set[str]:
        """The conversations of the events, "" for none."""
        named = {conversation_of(event.body) or event.conversation_id or "" for event in (*self.rtc, *self.listed)}
        return named | conversations_of_calls([event.body for event in self.voice])

    def masked(self, mask: Mask) -> ObjectBatch:
        """The same objects without personal data."""
        return ObjectBatch(
            rtc=_masked_events(self.rtc, mask),
            listed=_masked_events(self.listed, mask),
            voice=[event._replace(body=mask.page(event.body)) for event in self.voice],
            conversations=[mask.page(document) for document in self.conversations],
            lists={
                name: [Page(_masked_id(page.conversation_id, mask), mask.page(page.body)) for page in pages]
                for name, pages in self.lists.items()
            },
            broken=[
                BrokenRecord(record.list, None, None, record.problems, has_row=False, raw=mask.page(record.raw))
                for record in self.broken
            ],
            size=self.size,
        )


class EventFiles:
    """Files of events; iterating over them yields batches of their objects.

    Parameters
    ----------
    files
        Paths or patterns; a folder stands for all files in it.
    mask
        Replaces personal data in every object.

    Attributes
    ----------
    paths
        The files, in the order in which they are read.
    read_bytes
        Bytes read so far, decompressed.
    incomplete
        Why a file could not be read to its end, by its path.

    Raises
    ------
    ConfigError
        If a path or a pattern names no file.
    """

    def __init__(self, files: Files, *, mask: Mask | None = None) -> None:
        self.paths = _paths(files)
        self.read_bytes = 0
        self.incomplete: dict[str, str] = {}
        self._mask = mask

    def __iter__(self) -> Iterator[ObjectBatch]:
        batch = ObjectBatch()
        for path in self.paths:
            name = _IN_NAME.search(str(path))
            sorter = _Sorter(name.group() if name else None)
            for piece in event_pieces(self._chunks(path)):
                sorter.add(batch, piece)
                if batch.size >= BATCH_BYTES:
                    yield self._finished(batch)
                    batch = ObjectBatch()
        if batch.size:
            yield self._finished(batch)

    def _finished(self, batch: ObjectBatch) -> ObjectBatch:
        return batch.masked(self._mask) if self._mask else batch

    def _chunks(self, path: Path) -> Iterator[bytes]:
        """The text of a file, in UTF-8; it ends, with a note, where the file can no longer be read."""
        decoder = None
        try:
            for number, chunk in enumerate(file_chunks(path)):
                if number == 0:
                    wide = next((name for mark, name in _WIDE.items() if chunk.startswith(mark)), None)
                    decoder = codecs.getincrementaldecoder(wide)("replace") if wide else None
                self.read_bytes += len(chunk)
                yield decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk
        except OSError as error:
            self.incomplete[str(path)] = str(error).partition("\n")[0]


class _Sorter:
    """Puts the objects of one file into batches, by their kind."""

    def __init__(self, conversation_id: str | None) -> None:
        self._of_file = conversation_id

    def add(self, batch: ObjectBatch, piece: Piece) -> None:
        """Add a piece of the file."""
        batch.size += len(piece.text)
        if piece.outline is None:
            _add_broken(batch, piece.text, "not a JSON object")
        elif not self._add(batch, piece.text, piece.outline, None, _ENVELOPES):
            _add_broken(batch, piece.text, _NEITHER)

    def _add(self, batch: ObjectBatch, text: bytes, found: Outline, at: datetime | None, envelopes: int) -> bool:
        """Add an object, or what is inside it; return whether anything was found."""
        kind = kind_of(found)
        if kind in PAGES:
            return self._add_page(batch, text, found, kind)
        if kind is Kind.OTHER:
            return self._add_other(batch, text, at, envelopes)
        if kind is Kind.RTC_EVENT:
            batch.rtc.append(Received(text, at))
        elif kind is Kind.LIST_EVENT:
            batch.listed.append(Received(text, at, _linked(found) or self._of_file))
        elif kind is Kind.VOICE_EVENT:
            batch.voice.append(Received(text, at))
        elif kind is Kind.CONVERSATION:
            batch.conversations.append(text)
        else:
            page = b'{"_embedded":{"members":[' + text + b"]}}"
            owner = conversation_of(found) or _linked(found) or self._of_file
            batch.lists.setdefault("members", []).append(Page(owner, page))
        return True

    def _add_page(self, batch: ObjectBatch, text: bytes, found: Outline, kind: Kind) -> bool:
        owner = _linked(found) or self._of_file
        try:
            listed = [bytes(record) for record in records(text, kind.value)]
        except ValueError:
            return False
        if kind not in {Kind.EVENTS, Kind.CONVERSATIONS}:
            batch.lists.setdefault(kind.value, []).append(Page(owner, text))
            return True
        if kind is Kind.CONVERSATIONS:
            batch.conversations += listed
            return True
        for record in listed:
            own = outline(record)
            if own is None:
                _add_broken(batch, record, "not a JSON object")
            elif kind_of(own) is Kind.RTC_EVENT:
                batch.rtc.append(Received(record, None, owner))
            else:
                batch.listed.append(Received(record, None, _linked(own) or owner))
        return True

    def _add_other(self, batch: ObjectBatch, text: bytes, at: datetime | None, envelopes: int) -> bool:
        """Add an event of the client SDK, or the events inside an envelope."""
        event = list_event(text) if b'"conversationId"' in text else None
        if event is None:
            return envelopes > 0 and self._add_inner(batch, text, at, envelopes - 1)
        batch.listed.append(Received(event, at))
        return True

    def _add_inner(self, batch: ObjectBatch, text: bytes, at: datetime | None, envelopes: int) -> bool:
        """Add the events inside an envelope: an object, a list, or either as a text."""
        try:
            members = scan.members(text)
        except ValueError:
            return False
        received = {key: members[key] for key in _RECEIVED if members.get(key, b"null") not in _NO_INSTANT}
        own = next(filter(None, map(received_instant, received.values())), None)
        at = own or at
        added = False
        for value in members.values():
            others: list[tuple[bytes, Outline | None]] = []
            documents = documents_inside(value)
            for document in documents:
                found = outline(document)
                if found is None or not self._add(batch, document, found, at, envelopes):
                    others.append((document, found))
            if len(others) < len(documents):
                added = True
                # A list of anything else, such as headers, has no events at all.
                for document, found in others:
                    _add_broken(batch, document, "not a JSON object" if found is None else _NEITHER)
        if added and own is None and received.keys() - {"received"}:
            # ``received`` may also be a flag, or what was received.
            _add_broken(batch, to_json(received), _UNREADABLE_INSTANT)
        return added


def _add_broken(batch: ObjectBatch, text: bytes, reason: str) -> None:
    if len(text) > _KEPT:
        reason, text = f"{reason} ({len(text):,} bytes, of which the first {_KEPT:,} are kept)", text[:_KEPT]
    batch.broken.append(BrokenRecord("events", None, None, (Problem("events", "", reason),), has_row=False, raw=text))


def _linked(found: Outline) -> str | None:
    """The conversation that a record's or a page's own link names."""
    # Early versions of the API have the link itself.
    link = _IN_LINK.search((bytes(found.links) + bytes(found.href)).replace(b"\\/", b"/"))
    return unquote(link.group(1).decode("utf-8", "replace")) if link else None


def _masked_events(events: list[Received], mask: Mask) -> list[Received]:
    """Events without personal data; those of one batch are masked as one page, which is faster."""
    if not events:
        return events
    page = mask.page(b'{"_embedded":{"events":[' + b",".join([event.body for event in events]) + b"]}}")
    try:
        bodies = [bytes(record) for record in records(page, "events")]
    except ValueError:
        bodies = []
    if len(bodies) != len(events):
        bodies = [mask.page(event.body) for event in events]
    return [
        event._replace(body=body, conversation_id=_masked_id(event.conversation_id, mask))
        for body, event in zip(bodies, events, strict=True)
    ]


def _masked_id(conversation_id: str | None, mask: Mask) -> str | None:
    return None if conversation_id is None else unquote(mask.masked_path(quote(conversation_id, safe="")))


def _paths(files: Files) -> list[Path]:
    """The files that paths and patterns name, each once."""
    given = [files] if isinstance(files, str | Path) else list(files)
    result: dict[Path, None] = {}
    for each in given:
        path = expand_user(each)
        if path.is_dir():
            paths = sorted(inner for inner in path.rglob("*") if inner.is_file())
        elif path.is_file():
            paths = [path]
        else:
            # Not of `Path`: a pattern may be absolute.
            found = glob.glob(str(path), recursive=True)  # noqa: PTH207
            paths = [path for path in map(Path, sorted(found)) if path.is_file()]
        if not paths:
            raise ConfigError(
                f"{each} names no file: give files, folders with files, or patterns such as 'dumps/*.json'."
            )
        result |= dict.fromkeys(paths)
    if not result:
        raise ConfigError(
            "There are no files to read: give files, folders with files, or patterns such as 'dumps/*.json'."
        )
    return list(result)


__all__ = ["EventFiles", "Files", "ObjectBatch"]
