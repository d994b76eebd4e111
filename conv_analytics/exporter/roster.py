"""The conversations of a run, and how far it came with each: in a temporary database, for there may be many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from conv_analytics.dataset.memory.scratch import Scratch


class Entry(NamedTuple):
    """How far a run came with a conversation."""

    conversation_id: str
    last_event: int | None = None
    """The id of the last event whose rows are in the sink, all earlier ones included; None without any."""
    learnt: str | None = None
    """Of one that was read to its end: see `conv_analytics.exporter.probing.Finished.text`."""
    extended: bool = False
    """Whether there are new events of a conversation that earlier runs met."""
    finished: bool = False
    """Whether its lists were read to their end."""
    unread: bool = False
    """Whether one of them was not."""
    sequence_number: int | None = None
    pending_since: str | None = None
    """Of a finished one whose events end early, or one with events above its watermark: as in
    `conv_analytics.dataset.storage.marks.Mark`."""


class Roster:
    """Who is there: filled by the list and by what is converted, read at the end of the run.

    >>> roster = Roster()
    >>> roster.meet("CON-2"), roster.meet("CON-1"), roster.meet("CON-2")
    (True, True, False)
    >>> roster.reach([("CON-2", 7, False), ("CON-2", 5, False)])
    >>> roster.finish("CON-1", 0, " 0f0f0f0f")
    >>> for entry in roster:
    ...     print(*entry[:3], entry.finished)
    CON-1 0  0f0f0f0f True
    CON-2 7 None False
    >>> roster.close()
    """

    def __init__(self) -> None:
        self._database = Scratch(
            "create table roster (conversation text primary key, last integer, learnt text,"
            " extended integer not null default 0, finished integer not null default 0,"
            " unread integer not null default 0, sequence_number integer, pending_since text) without rowid"
        )

    def meet(self, conversation_id: str) -> bool:
        """Note that a conversation is listed; say whether it was not before."""
        statement = "insert or ignore into roster (conversation) values (?)"
        return self._database.run(statement, (conversation_id,)) > 0

    def reach(self, conversations: Iterable[tuple[str, int, bool]]) -> None:
        """Note the last event of some conversations, and whether it extends what earlier runs wrote of them."""
        self._database.fill(
            "insert into roster (conversation, last, extended) values (?, ?, ?) on conflict (conversation) do update"
            " set last = max(excluded.last, coalesce(last, 0)), extended = max(excluded.extended, extended)",
            conversations,
        )

    def finish(
        self,
        conversation_id: str,
        last_event: int,
        learnt: str | None,
        sequence_number: int | None = None,
        pending_since: str | None = None,
    ) -> None:
        """Note that the lists of a conversation were read to their end, and what was learnt of it."""
        self._database.run(
            "insert into roster (conversation, last, learnt, finished, sequence_number, pending_since)"
            " values (?, ?, ?, 1, ?, ?) on conflict (conversation) do update"
            " set last = max(excluded.last, coalesce(last, 0)), learnt = coalesce(excluded.learnt, learnt),"
            " finished = 1, unread = 0, sequence_number = excluded.sequence_number,"
            " pending_since = excluded.pending_since",
            (conversation_id, last_event, learnt, sequence_number, pending_since),
        )

    def leave(self, conversation_id: str) -> None:
        """Note that a list of a conversation was not read to its end."""
        self._database.run(
            "insert into roster (conversation, unread) values (?, 1)"
            " on conflict (conversation) do update set unread = 1, finished = 0",
            (conversation_id,),
        )

    def hold_back(self, conversation_id: str, last_event: int, highest: int) -> None:
        """Take a watermark back to what earlier runs reached: events before the highest in hand may be missing."""
        statement = "update roster set last = ?, unread = 1, sequence_number = ? where conversation = ?"
        self._database.run(statement, (last_event, highest, conversation_id))

    def reached(self, conversation_id: str) -> int | None:
        """The last event of a conversation; None when there was none yet."""
        last: int | None
        (last,) = self._database.one("select last from roster where conversation = ?", (conversation_id,)) or (None,)
        return last

    def __iter__(self) -> Iterator[Entry]:
        for row in self._database.all("select * from roster order by conversation"):
            name, last, learnt, extended, finished, unread, number, since = row
            yield Entry(name, last, learnt, bool(extended), bool(finished), bool(unread), number, since)

    def close(self) -> None:
        """Drop it."""
        self._database.close()
