"""What a listener received, read from the inbox of a folder into batches of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.inbox import Damage, Receipt, Segment
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.exporter.event_objects import BATCH_BYTES, ObjectBatch
from conv_analytics.tables.broken_records import BrokenRecord, Problem
from conv_analytics.tables.webhook_bodies import Kind, kind_of, outline, split
from conv_analytics.tables.webhooks import Received


class InboxReader:
    """The unread receipts of an inbox; iterating gives batches of their objects.

    Parameters
    ----------
    layout
        The folder.

    Attributes
    ----------
    segments
        The segments, oldest first.
    masks
        The mask of each segment, None for no mask; equal ones once.
    offsets
        How far each segment was read. [B]
    receipts
        How many were read.
    verification
        How their signatures were judged.
    damaged
        What of the inbox could not be read.
    """

    def __init__(self, layout: Layout) -> None:
        self.segments = inbox.segments(layout)
        self.masks: list[dict[str, Any] | None] = []
        for segment in self.segments:
            header = inbox.header(segment)
            if header is not None and header.mask not in self.masks:
                self.masks.append(header.mask)
        self.offsets: dict[str, int] = {}
        self.receipts = 0
        self.verification: Counter[str] = Counter()
        self.damaged: list[str] = []

    def skip(self, consumed: Mapping[str, int]) -> None:
        """Begin where earlier runs ended."""
        self.offsets = {segment.name: consumed.get(segment.name, 0) for segment in self.segments}

    def __iter__(self) -> Iterator[ObjectBatch]:
        batch = ObjectBatch()
        for segment in self.segments:
            for end, record in self._read(segment):
                if isinstance(record, Damage):
                    # A listener that died in the midst of a write had not answered that request.
                    self.damaged += [] if record.torn else [str(record)]
                else:
                    self._add(batch, record)
                self.offsets[segment.name] = end
                if batch.size >= BATCH_BYTES:
                    yield batch
                    batch = ObjectBatch()
        if batch.size:
            yield batch

    def remove_consumed(self) -> None:
        """Remove the segments that were read to their end, and get no more."""
        for segment in self.segments:
            if inbox.is_consumed(segment, self.offsets[segment.name]):
                inbox.remove(segment)

    def _read(self, segment: Segment) -> Iterator[tuple[int, Receipt | Damage]]:
        return inbox.read(segment, self.offsets[segment.name])

    def _add(self, batch: ObjectBatch, receipt: Receipt) -> None:
        self.receipts += 1
        self.verification[receipt.verification] += 1
        text = receipt.body or receipt.query.encode()
        batch.size += len(text)
        for document in split(text):
            found = outline(document)
            if found is None:
                problem = Problem("events", "", "not a JSON object")
                batch.broken.append(BrokenRecord("events", None, None, (problem,), kept=False, raw=document))
                continue
            kind = kind_of(found)
            event = Received(document, receipt.received_at, verification=receipt.verification)
            # An address that gets both kinds is a setting, not a fault; what is neither is one of the address's kind.
            of_call = kind is Kind.VOICE_EVENT or (kind is not Kind.RTC_EVENT and receipt.interface == "voice")
            (batch.voice if of_call else batch.rtc).append(event)
