"""Events that a listener received, read from the inbox of a folder into batches of objects."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.inbox import Damage, Receipt, Segment
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import ConfigError, DatasetError
from conv_analytics.exporter.event_objects import BATCH_BYTES, ObjectBatch
from conv_analytics.privacy import Mask
from conv_analytics.tables.broken_records import BrokenRecord, Problem
from conv_analytics.tables.webhook_bodies import Kind, kind_of, outline, split
from conv_analytics.tables.webhooks import Received


class InboxReader:
    """The unread receipts of an inbox; iterating yields batches of their objects.

    Only for holders of the folder's lock: another run may remove segments.

    Parameters
    ----------
    layout
        The folder.
    recorded
        The settings of the folder's mask, None for no mask; segments masked in another way stay in the inbox.
    mask
        The folder's mask itself, if available: it masks events that a listener left unmasked.
    consumed
        How far earlier runs have read each segment. [B]
    damaged
        Parts of the inbox that earlier runs could not read.

    Attributes
    ----------
    offsets
        New offset of each segment that was read further. [B]
    receipts
        Number of receipts read.
    verification
        Number of receipts by verdict on their signature.
    damaged
        Parts of the inbox that could not be read.
    left
        Why segments stay in the inbox unread, by their name.
    """

    def __init__(
        self,
        layout: Layout,
        recorded: Mapping[str, Any] | None,
        mask: Mask | None,
        consumed: Mapping[str, int],
        damaged: Iterable[str] = (),
    ) -> None:
        self._recorded, self._mask, self._consumed = recorded, mask, consumed
        self._damaged_before = frozenset(text.partition(":")[0] for text in damaged)
        self._segments = inbox.segments(layout)
        self.offsets: dict[str, int] = {}
        self.receipts = 0
        self.verification: Counter[str] = Counter()
        self.damaged: list[str] = []
        self.unread_segments: dict[str, str] = {}

    def __iter__(self) -> Iterator[ObjectBatch]:
        for segment in self._segments:
            try:
                masking = self._masking(segment)
            except (DatasetError, ConfigError) as error:
                self.unread_segments[segment.name] = str(error)
                continue
            for batch in self._batches(segment):
                yield batch.masked(masking) if masking else batch

    def remove_consumed(self) -> None:
        """Remove the segments that were read to their end, and get no more; those with damage are set aside."""
        damaged = self._damaged_before | {text.partition(":")[0] for text in self.damaged}
        for segment in self._segments:
            if segment.name not in self.unread_segments and inbox.is_consumed(segment, self._offset(segment)):
                inbox.set_aside(segment) if segment.name in damaged else inbox.remove(segment)

    def _offset(self, segment: Segment) -> int:
        return self.offsets.get(segment.name, self._consumed.get(segment.name, 0))

    def _masking(self, segment: Segment) -> Mask | None:
        """The mask that the receipts of a segment still need; raises `ConfigError` when they need another one."""
        header = inbox.header(segment)
        if self._recorded is None and (header is None or header.mask is None):
            return None
        if header is not None and header.mask == self._recorded:
            return None
        if self._mask is not None and (header is None or header.mask is None):
            # With a damaged header it is unknown; masking twice loses a join, not masking reveals a secret.
            return self._mask
        if header is not None and header.mask is not None:
            raise ConfigError(
                "its events are masked, the folder is not, or in another way. Start `conv-analytics listen` with the"
                " mask of the folder; to read these, move them to the _inbox of a new folder"
            )
        raise ConfigError(
            "its events are not masked, and the folder is. Fold them in with `conv-analytics ingest` and the --mask of"
            " the folder, and start `conv-analytics listen` with it"
        )

    def _batches(self, segment: Segment) -> Iterator[ObjectBatch]:
        batch = ObjectBatch()
        for end, record in inbox.read(segment, self._offset(segment)):
            if isinstance(record, Damage):
                # A listener that died in the middle of a write had not answered that request.
                self.damaged += [] if record.torn else [str(record)]
            else:
                self._add(batch, record)
            self.offsets[segment.name] = end
            if batch.size >= BATCH_BYTES:
                yield batch
                batch = ObjectBatch()
        if batch.size:
            yield batch

    def _add(self, batch: ObjectBatch, receipt: Receipt) -> None:
        self.receipts += 1
        self.verification[receipt.verification] += 1
        # The event of a GET is in its query, which its signature covers; whatever body it has says nothing.
        text = receipt.query.encode() if receipt.method == "GET" and receipt.query else receipt.body
        batch.size += len(text)
        for document in split(text):
            found = outline(document)
            if found is None:
                problem = Problem("events", "", "not a JSON object")
                batch.broken.append(BrokenRecord("events", None, None, (problem,), has_row=False, raw=document))
                continue
            kind = kind_of(found)
            event = Received(
                document,
                receipt.received_at,
                verification=receipt.verification,
                application_id=receipt.application_id,
            )
            # Both kinds at one address are a setting, not a fault; an event of neither kind has the kind of its
            # address.
            of_call = kind is Kind.VOICE_EVENT or (kind is not Kind.RTC_EVENT and receipt.interface == "voice")
            (batch.voice if of_call else batch.rtc).append(event)


def first_mask(segments: Iterable[Segment]) -> Mapping[str, Any] | None:
    """The settings of the mask of the first segment that records them; None for no mask."""
    for segment in segments:
        # Another run may have removed it meanwhile; the lock is not taken yet.
        with contextlib.suppress(DatasetError, FileNotFoundError):
            header = inbox.header(segment)
            if header is not None:
                return header.mask
    return None


def require_mask_of_inbox(layout: Layout, requested: Mapping[str, Any] | None) -> None:
    """Raise `ConfigError` when a new folder has an inbox that is masked in another way than its first run."""
    received = first_mask(inbox.segments(layout))
    if received is not None and received != requested:
        rules = ",".join(f"{kind}={action}" for kind, action in received["rules"].items())
        raise ConfigError(
            f"The listener of {layout.name} masks what it receives. Pass --mask {rules} and the key"
            f" {received['key_id']}, so that both join, or name another folder."
        )
