"""What the runs of a dataset know of each conversation, looked up one by one.

A folder of a year knows millions of conversations, of which a night meets a few thousand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from conv_analytics.dataset.memory.scratch import Scratch
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.marks import Mark

_COLUMNS = "conversation, last, settled, sequence_number, pending_since, unread"


class Known(Mapping[str, Mark]):
    """The marks of a dataset by conversation, in the order of their ids; in a temporary database.

    Of a conversation that several runs met, the last watermark counts. One whose watermark a later run names without
    settling it was not read to its end by that run, and no longer counts as fully read.

    Parameters
    ----------
    root
        The dataset folder.
    history
        Its commits, oldest first.

    Raises
    ------
    CorruptFile
        If the marks of a commit cannot be read.
    """

    def __init__(self, root: Path, history: Iterable[Commit] = ()) -> None:
        self._root = root
        self._database = Scratch(
            "create table mark (conversation text, number integer, last integer, settled text,"
            " sequence_number integer, pending_since text, unread integer)"
        )
        self._indexed = self._filled = False
        try:
            for commit in history:
                self.add(commit)
        except BaseException:
            self.close()
            raise

    def add(self, commit: Commit) -> None:
        """Take the marks of the next commit in."""
        number = commit.number
        marks = ((mark.conversation_id, number, *mark[1:]) for mark in commit.marks(self._root))
        self._filled |= self._database.fill("insert into mark values (?, ?, ?, ?, ?, ?, ?)", marks) > 0

    def runs(self, conversations: Collection[str]) -> set[int]:
        """The numbers of the commits that met one of some conversations."""
        query = "select number from mark where conversation = ?"
        return {number for name in conversations for (number,) in self._all(query, (name,))}

    def reached(self, conversation_id: str, last: int | None) -> int:
        """The last event of a conversation that the dataset holds once it holds another one."""
        known = self.get(conversation_id)
        return max(last or 0, (known and known.last_event) or 0)

    def marks(self) -> Iterator[Mark]:
        """All of them."""
        rows = self._all(f"select {_COLUMNS} from mark order by conversation, number")  # noqa: S608  constants
        return (_latest(marks) for _, marks in groupby(map(_mark, rows), itemgetter(0)))

    def close(self) -> None:
        """Drop the database."""
        self._database.close()

    def __getitem__(self, conversation_id: str) -> Mark:
        query = f"select {_COLUMNS} from mark where conversation = ? order by number"  # noqa: S608  constants
        found = list(map(_mark, self._all(query, (conversation_id,))))
        if not found:
            raise KeyError(conversation_id)
        return _latest(found)

    def __iter__(self) -> Iterator[str]:
        return (name for (name,) in self._all("select distinct conversation from mark order by conversation"))

    def __len__(self) -> int:
        return sum(count for (count,) in self._all("select count(distinct conversation) from mark"))

    def _all(self, query: str, values: Sequence[str] = ()) -> Iterator[Any]:
        if not self._filled:
            # The first run of a folder asks often, and every look would hand the interpreter to another thread.
            return iter(())
        if not self._indexed:
            # To sort them all once is several times faster than to keep them sorted.
            self._database.run("create index if not exists by_conversation on mark (conversation, number)")
            self._indexed = True
        return self._database.all(query, values)


def _mark(row: Sequence[Any]) -> Mark:
    name, last, settled, number, since, unread = row
    return Mark(name, last, settled, number, since, bool(unread))


def _latest(marks: Iterable[Mark]) -> Mark:
    """What some marks of a conversation say together, oldest first."""
    return reduce(
        lambda known, mark: mark if mark.last_event is not None else known._replace(settled=mark.settled), marks
    )
