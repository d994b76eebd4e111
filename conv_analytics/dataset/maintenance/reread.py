"""Read quarantined records again with the current code, in batches; each record comes with the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from conv_analytics.dataset.storage.quarantine import Line
from conv_analytics.resources import scan
from conv_analytics.tables.broken_records import BrokenRecord
from conv_analytics.tables.flatten import Rows, flatten_calls, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice_rows import flatten_voice_events
from conv_analytics.tables.webhook_bodies import Kind, classify
from conv_analytics.tables.webhooks import Received, flatten_webhooks

#: Records are read again in batches of about this size. [B]
BATCH_BYTES = 4 * 2**20
#: Minimum size that a line counts for. [B]
_LINE_BYTES = 200


@dataclass(frozen=True)
class RereadRecord:
    """One record, read again."""

    line: Line
    broken: BrokenRecord | None
    """The part that is still unreadable; None if there is none."""

    @property
    def has_row(self) -> bool:
        """Whether the record has a row now."""
        return self.broken is None or self.broken.has_row

    @property
    def is_improved(self) -> bool:
        """Whether something can be read now that could not be read before."""
        if not self.has_row:
            return False
        left = {(problem.table, problem.column) for problem in self.broken.problems} if self.broken else set()
        return not self.line.has_row or bool(self.line.cells - left)


@dataclass(frozen=True)
class Batch:
    """Some records of one list, and their rows."""

    name: str
    """The list: ``events``, ``members``, ..."""
    records: list[RereadRecord]
    tables: dict[str, pa.Table]


def reread(lines: Iterable[Line], seen: SeenEvents | None = None) -> Iterator[Batch]:
    """Read records again.

    Parameters
    ----------
    lines
        The records, as the quarantine holds them.
    seen
        The rows that the dataset has already; they are left out. Without it, every batch is read on its own.
    """
    for group in _groups(lines):
        yield _batch(group, SeenEvents() if seen is None else seen)


def _groups(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines of one list and, except for events, of one run; no event occurs twice."""
    group: list[Line] = []
    size = 0
    events: set[tuple[str | None, int | None]] = set()
    for line in lines:
        event = (line.conversation_id, line.event_id)
        if group and (size >= BATCH_BYTES or _kind(line) != _kind(group[0]) or event in events):
            yield group
            group, size, events = [], 0, set()
        group.append(line)
        size += len(line.raw or b"") + _LINE_BYTES
        if line.event_id is not None:
            events.add(event)
    if group:
        yield group


def _kind(line: Line) -> tuple[object, ...]:
    return (line.list, _is_delivered(line)) if line.list == "events" else (line.list, line.run_at)


def _is_delivered(line: Line) -> bool:
    """Whether an event came by a webhook: those of a list do not name their application."""
    return line.raw is not None and classify(line.raw) is Kind.RTC_EVENT


def _batch(lines: Sequence[Line], seen: SeenEvents) -> Batch:
    # A line that is not one JSON value, or only a digest, would damage the page from which the others are read.
    name, documents = lines[0].list, [_document(line.raw) for line in lines]
    whole = [(line, raw) for line, raw in zip(lines, documents, strict=True) if raw is not None]
    rows = _rows(name, whole, seen) if whole else Rows()
    broken = {(_owner(name, each.conversation_id), each.raw): each for each in rows.broken}
    records = []
    for line, raw in zip(lines, documents, strict=True):
        if raw is None:
            lost = BrokenRecord(line.list, line.conversation_id, line.event_id, (), has_row=False, raw=line.raw or b"")
            records.append(RereadRecord(line, lost))
        else:
            records.append(RereadRecord(line, broken.get((_owner(name, line.conversation_id), raw))))
    return Batch(name, records, rows.tables)


def _rows(name: str, whole: Sequence[tuple[Line, bytes]], seen: SeenEvents) -> Rows:
    run_at = whole[0][0].run_at
    if name == "conversations":
        return flatten_conversations([raw for _, raw in whole], run_at)
    if name == "voice_events":
        return flatten_voice_events([Received(raw, run_at) for _, raw in whole], seen)
    if name == "events" and _is_delivered(whole[0][0]):
        return flatten_webhooks([Received(raw, line.run_at, line.conversation_id) for line, raw in whole], seen)
    pages = [
        Page(line.conversation_id, b'{"_embedded":{"' + name.encode() + b'":[' + raw + b"]}}") for line, raw in whole
    ]
    if name == "voice_calls":
        return flatten_calls([page.body for page in pages], run_at, key=name)
    return flatten_events(pages, seen) if name == "events" else flatten_records(name, pages, run_at)


def _document(raw: bytes | None) -> bytes | None:
    """A record as it was in its page; None if it cannot be put into a page."""
    try:
        items = scan.items(b"[" + raw + b"]") if raw else []
    except ValueError:
        return None
    return items[0] if len(items) == 1 else None


def _owner(name: str, conversation: str | None) -> str | None:
    """A conversation's own record names it; whether it could be read depends on the reader."""
    return None if name == "conversations" else conversation
