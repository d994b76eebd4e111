"""Read quarantined records again, with the code of today: in batches, each record with what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from conv_analytics.dataset.storage.quarantine import Line
from conv_analytics.resources import scan
from conv_analytics.tables.broken import Broken
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen import Seen

#: Records are read again in batches of about this size. [B]
BATCH_BYTES = 4 * 2**20
#: The least that a line counts for. [B]
_LINE_BYTES = 200


@dataclass(frozen=True)
class Again:
    """One record, read again."""

    line: Line
    broken: Broken | None
    """What is unreadable still; None when nothing is."""

    @property
    def has_row(self) -> bool:
        """Whether the record gives a row."""
        return self.broken is None or self.broken.kept

    @property
    def better(self) -> bool:
        """Whether something can be read that could not be."""
        if not self.has_row:
            return False
        left = {(problem.table, problem.column) for problem in self.broken.problems} if self.broken else set()
        return not self.line.kept or bool(self.line.cells - left)


@dataclass(frozen=True)
class Batch:
    """Some records of one list, and the rows that they give."""

    name: str
    """The list: ``events``, ``members``, ..."""
    records: list[Again]
    tables: dict[str, pa.Table]


def reread(lines: Iterable[Line], seen: Seen | None = None) -> Iterator[Batch]:
    """Read records again.

    Parameters
    ----------
    lines
        The records, as the quarantine holds them.
    seen
        What the dataset holds already; it is left out of the rows. Without it every batch is read for itself.
    """
    for lot in _lots(lines):
        yield _batch(lot, Seen() if seen is None else seen)


def _lots(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines of one list and, but for events, of one run; no event twice."""
    lot: list[Line] = []
    size = 0
    events: set[tuple[str | None, int | None]] = set()
    for line in lines:
        event = (line.conversation_id, line.event_id)
        if lot and (size >= BATCH_BYTES or _kind(line) != _kind(lot[0]) or event in events):
            yield lot
            lot, size, events = [], 0, set()
        lot.append(line)
        size += len(line.raw or b"") + _LINE_BYTES
        if line.event_id is not None:
            events.add(event)
    if lot:
        yield lot


def _kind(line: Line) -> tuple[object, ...]:
    return (line.list,) if line.list == "events" else (line.list, line.run_at)


def _batch(lot: Sequence[Line], seen: Seen) -> Batch:
    # What is not one JSON value, or a digest of it, would take others with it.
    documents = [_document(line.raw) for line in lot]
    whole = [(line, raw) for line, raw in zip(lot, documents, strict=True) if raw is not None]
    rows = _rows(lot[0].list, whole, seen) if whole else Rows()
    broken = {(_owner(lot[0].list, each.conversation_id), each.raw): each for each in rows.broken}
    records = []
    for line, raw in zip(lot, documents, strict=True):
        if raw is None:
            lost = Broken(line.list, line.conversation_id, line.event_id, (), kept=False, raw=line.raw or b"")
            records.append(Again(line, lost))
        else:
            records.append(Again(line, broken.get((_owner(line.list, line.conversation_id), raw))))
    return Batch(lot[0].list, records, rows.tables)


def _rows(name: str, whole: Sequence[tuple[Line, bytes]], seen: Seen) -> Rows:
    run_at = whole[0][0].run_at
    if name == "conversations":
        return flatten_conversations([raw for _, raw in whole], run_at)
    pages = [
        Page(line.conversation_id, b'{"_embedded":{"' + name.encode() + b'":[' + raw + b"]}}") for line, raw in whole
    ]
    return flatten_events(pages, seen) if name == "events" else flatten_records(name, pages, run_at)


def _document(raw: bytes | None) -> bytes | None:
    """A record as the page held it; None for what cannot be put into a page."""
    try:
        found = scan.items(b"[" + raw + b"]") if raw else []
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def _owner(name: str, conversation: str | None) -> str | None:
    """A conversation's own record names it; whether it could be read depends on the reader."""
    return None if name == "conversations" else conversation
