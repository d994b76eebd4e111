"""How far a run came with each conversation: in a temporary database, since there may be millions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from conv_analytics.dataset.memory.scratch import Scratch


class ConversationState(NamedTuple):
    """How far a run came with a conversation."""

    conversation_id: str
    last_event: int | None = None
    """The highest event id up to which all rows are in the sink; None without any."""
    last_change: str | None = None
    """`conv_analytics.exporter.incremental.LastChange.text`, once the conversation was read to its end."""
    extended: bool = False
    """Whether it has new events, and earlier runs had others."""
    finished: bool = False
    """Whether its lists were read to their end."""
    unread: bool = False
    """Whether one of its lists was not read to its end."""
    sequence_number: int | None = None
    pending_since: str | None = None
    """For one whose events end early or that has events above its watermark: as in
    `conv_analytics.dataset.storage.watermarks.Watermark`."""


class ConversationStates:
    """The state of every conversation: filled while the run lists and converts, read at its end.

    >>> states = ConversationStates()
    >>> states.add("CON-2"), states.add("CON-1"), states.add("CON-2")
    (True, True, False)
    >>> states.advance([("CON-2", 7, False), ("CON-2", 5, False)])
    >>> states.mark_read("CON-1", 0, " 0f0f0f0f")
    >>> for state in states:
    ...     print(*state[:3], state.finished)
    CON-1 0  0f0f0f0f True
    CON-2 7 None False
    >>> states.close()
    """

    def __init__(self) -> None:
        self._database = Scratch(
            "create table states (conversation text primary key, last integer, last_change text,"
            " extended integer not null default 0, finished integer not null default 0,"
            " unread integer not null default 0, sequence_number integer, pending_since text) without rowid"
        )

    def add(self, conversation_id: str) -> bool:
        """Add a listed conversation; return whether it is new."""
        statement = "insert or ignore into states (conversation) values (?)"
        return self._database.run(statement, (conversation_id,)) > 0

    def advance(self, conversations: Iterable[tuple[str, int, bool]]) -> None:
        """Record the last event of some conversations, and whether earlier runs had events of them."""
        self._database.fill(
            "insert into states (conversation, last, extended) values (?, ?, ?) on conflict (conversation) do update"
            " set last = max(excluded.last, coalesce(last, 0)), extended = max(excluded.extended, extended)",
            conversations,
        )

    def mark_read(
        self,
        conversation_id: str,
        last_event: int,
        last_change: str | None,
        sequence_number: int | None = None,
        pending_since: str | None = None,
    ) -> None:
        """Record that the lists of a conversation were read to their end."""
        self._database.run(
            "insert into states (conversation, last, last_change, finished, sequence_number, pending_since)"
            " values (?, ?, ?, 1, ?, ?) on conflict (conversation) do update"
            " set last = max(excluded.last, coalesce(last, 0)),"
            " last_change = coalesce(excluded.last_change, last_change), finished = 1, unread = 0,"
            " sequence_number = excluded.sequence_number, pending_since = excluded.pending_since",
            (conversation_id, last_event, last_change, sequence_number, pending_since),
        )

    def mark_unread(self, conversation_id: str) -> None:
        """Record that a list of a conversation was not read to its end."""
        self._database.run(
            "insert into states (conversation, unread) values (?, 1)"
            " on conflict (conversation) do update set unread = 1, finished = 0",
            (conversation_id,),
        )

    def hold_back(self, conversation_id: str, last_event: int, highest: int) -> None:
        """Keep a watermark where earlier runs left it: events below the highest one may be missing."""
        statement = "update states set last = ?, unread = 1, sequence_number = ? where conversation = ?"
        self._database.run(statement, (last_event, highest, conversation_id))

    def apply(self, changes: StateChanges) -> None:
        """Make changes that were noted elsewhere, in their order."""
        for name, values in changes.calls:
            getattr(self, name)(*values)

    def __iter__(self) -> Iterator[ConversationState]:
        for row in self._database.all("select * from states order by conversation"):
            name, last, last_change, extended, finished, unread, number, since = row
            yield ConversationState(
                name, last, last_change, bool(extended), bool(finished), bool(unread), number, since
            )

    def close(self) -> None:
        """Delete the database."""
        self._database.close()


class StateChanges:
    """Changes of `ConversationStates`, noted where pages are converted, and made where the states are.

    >>> changes = StateChanges()
    >>> changes.advance([("CON-1", 7, False)])
    >>> changes.hold_back("CON-1", 3, 7)
    >>> states = ConversationStates()
    >>> states.apply(changes)
    >>> [(state.last_event, state.unread) for state in states]
    [(3, True)]
    >>> states.close()
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []

    def advance(self, conversations: list[tuple[str, int, bool]]) -> None:
        """See `ConversationStates.advance`."""
        self.calls.append(("advance", (conversations,)))

    def mark_read(
        self,
        conversation_id: str,
        last_event: int,
        last_change: str | None,
        sequence_number: int | None = None,
        pending_since: str | None = None,
    ) -> None:
        """See `ConversationStates.mark_read`."""
        self.calls.append(("mark_read", (conversation_id, last_event, last_change, sequence_number, pending_since)))

    def hold_back(self, conversation_id: str, last_event: int, highest: int) -> None:
        """See `ConversationStates.hold_back`."""
        self.calls.append(("hold_back", (conversation_id, last_event, highest)))
