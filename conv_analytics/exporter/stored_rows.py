"""Rows that earlier runs wrote to a folder, for pages that may repeat them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.memory.event_index import EventIndex, StoredEvents
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.report_schema import IMPLAUSIBLE_IDS_KEYS
from conv_analytics.tables import TABLES


class StoredRows:
    """The rows that a folder has of conversations that continue.

    Parameters
    ----------
    root
        The folder.
    history
        Its commits, oldest first.
    full
        Whether the run lists every event again.
    """

    def __init__(self, root: Path, history: Sequence[Commit], *, full: bool) -> None:
        self._root, self._history, self._full = root, history, full
        self.watermarks = WatermarkIndex(root, history)
        """The watermark of each conversation."""
        # An event that a watermark ignores is listed again.
        self._with_implausible_ids = {
            conversation_id
            for commit in with_carried(history)
            for key in IMPLAUSIBLE_IDS_KEYS
            for conversation_id in commit.report.get(key, ())
        }
        self._event_index: EventIndex | None = None

    def items(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        """The leg statuses that the folder has: each update of a leg repeats its whole history."""
        if self._full:
            return ()
        earlier, runs = open_dataset(self._root), self.watermarks.runs(conversations)
        tables = [name for name in earlier if TABLES[name].repeats_items]
        return [pair for name in tables for pair in earlier.keys_of(name, conversations, runs)]

    def events(self, conversations: Collection[str], *, required: bool = False) -> Mapping[str, StoredEvents]:
        """The events that the folder has of conversations whose events may be listed again."""
        all_of_them = required or self._full
        repeated = [
            name
            for name in conversations
            if all_of_them or name in self._with_implausible_ids or self._may_have_events(name)
        ]
        if repeated and self._event_index is None:
            self._event_index = EventIndex(self._root, self._history, self.watermarks)
        return self._event_index.of(repeated) if self._event_index and repeated else {}

    def _may_have_events(self, conversation_id: str) -> bool:
        """Whether the folder may have events above the watermark of a conversation."""
        mark = self.watermarks.get(conversation_id)
        return mark is not None and (mark.live or (mark.unread and mark.sequence_number is not None))

    def close(self) -> None:
        """Drop what was looked up."""
        self.watermarks.close()
        if self._event_index:
            self._event_index.close()
