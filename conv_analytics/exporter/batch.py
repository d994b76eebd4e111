"""Pages that are converted together, and the state of their conversations in the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from conv_analytics.exporter.last_events import LastChange
from conv_analytics.tables.pages import Page

#: After a stop, the deadline is checked after each piece of this size. [B]
_PIECE_BYTES = 2 * 2**20


@dataclass
class Batch:
    """Response bodies in the order in which they came."""

    events: list[Page] = field(default_factory=list)
    lists: dict[str, list[Page]] = field(default_factory=dict)
    """Pages of members, users and sessions."""
    conversations: list[bytes] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    """Conversations that were listed but gone when requested."""
    finished: dict[str, tuple[int | None, bool, LastChange | None]] = field(default_factory=dict)
    """Conversations whose pages were all added: sequence number, whether events were among them, last change."""
    with_gaps: list[str] = field(default_factory=list)
    """Conversations whose list has later events but skips earlier ones."""
    sequence_numbers: dict[str, int] = field(default_factory=dict)
    """The id of a conversation's last event, according to the conversation."""
    starts: dict[str, int] = field(default_factory=dict)
    """The first event id that was requested, where not all were."""
    size: int = 0
    """[B]"""

    def pieces(self) -> Iterator[Batch]:
        """The batch in small pieces, in order."""
        yield Batch(lists=self.lists, conversations=self.conversations, gone=self.gone)
        piece = Batch(sequence_numbers=self.sequence_numbers, starts=self.starts)
        for page in self.events:
            piece.events.append(page)
            piece.size += len(page.body)
            if piece.size >= _PIECE_BYTES:
                yield piece
                piece = Batch()
        piece.finished, piece.with_gaps = self.finished, self.with_gaps
        yield piece
