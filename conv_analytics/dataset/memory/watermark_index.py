"""The watermarks of a dataset, looked up conversation by conversation.

The folder of a year has millions of conversations, of which a night meets a few thousand.
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
from conv_analytics.dataset.storage.watermarks import Watermark

_COLUMNS = "conversation, last, settled, sequence_number, pending_since, unread, live"


class WatermarkIndex(Mapping[str, Watermark]):
    """The watermarks of a dataset by conversation id, in the order of the ids; kept in a temporary database.

    When several runs met a conversation, its latest watermark counts. When a later run names its watermark without
    settling it, that run did not read it to its end, and it no longer counts as fully read.

    Parameters
    ----------
    root
        The dataset folder.
    commits
        Its commits, oldest first.

    Raises
    ------
    CorruptFile
        If the watermarks of a commit cannot be read.
    """

    def __init__(self, root: Path, commits: Iterable[Commit] = ()) -> None:
        self._root = root
        self._database = Scratch(
            "create table watermark (conversation text, number integer, last integer, settled text,"
            " sequence_number integer, pending_since text, unread integer, live integer)"
        )
        self._indexed = self._filled = False
        self._moved: list[int] = []
        try:
            for commit in commits:
                self.add(commit)
        except BaseException:
            self.close()
            raise

    def add(self, commit: Commit) -> None:
        """Add the watermarks of the next commit."""
        number = commit.number
        if commit.removed and commit.files:
            self._moved.append(number)
        rows = ((each.conversation_id, number, *each[1:]) for each in commit.read_watermarks(self._root))
        self._filled |= self._database.fill("insert into watermark values (?, ?, ?, ?, ?, ?, ?, ?)", rows) > 0

    def runs(self, conversations: Collection[str]) -> set[int]:
        """The numbers of the commits whose files may have rows of some conversations.

        Those are the commits that met one of them, and later ones that moved rows to new files: these have no
        watermarks.
        """
        query = "select number from watermark where conversation = ?"
        found = {number for name in conversations for (number,) in self._all(query, (name,))}
        return found.union(number for number in self._moved if found and number > min(found))

    def first_with_events(self, conversation_id: str) -> int | None:
        """The number of the first commit that wrote events of a conversation; None if there is none."""
        query = (
            "select min(number) from watermark"
            " where conversation = ? and (last > 0 or live or (unread and sequence_number is not null))"
        )
        return next((number for (number,) in self._all(query, (conversation_id,))), None)

    def reached(self, conversation_id: str, last: int | None) -> int:
        """The last event of a conversation in the dataset if `last` is added to it."""
        watermark = self.get(conversation_id)
        return max(last or 0, (watermark and watermark.last_event) or 0)

    def watermarks(self) -> Iterator[Watermark]:
        """All watermarks, in one pass."""
        rows = self._all(f"select {_COLUMNS} from watermark order by conversation, number")  # noqa: S608  constants
        return (_merged(group) for _, group in groupby(map(_watermark, rows), itemgetter(0)))

    def close(self) -> None:
        """Drop the database."""
        self._database.close()

    def __getitem__(self, conversation_id: str) -> Watermark:
        query = f"select {_COLUMNS} from watermark where conversation = ? order by number"  # noqa: S608  constants
        rows = list(map(_watermark, self._all(query, (conversation_id,))))
        if not rows:
            raise KeyError(conversation_id)
        return _merged(rows)

    def __iter__(self) -> Iterator[str]:
        return (name for (name,) in self._all("select distinct conversation from watermark order by conversation"))

    def __len__(self) -> int:
        return sum(count for (count,) in self._all("select count(distinct conversation) from watermark"))

    def _all(self, query: str, values: Sequence[str] = ()) -> Iterator[Any]:
        if not self._filled:
            # The first run of a folder queries often, and every query would hand the interpreter to another thread.
            return iter(())
        if not self._indexed:
            # Sorting all of them once is several times faster than keeping them sorted.
            self._database.run("create index if not exists by_conversation on watermark (conversation, number)")
            self._indexed = True
        return self._database.all(query, values)


def _watermark(row: Sequence[Any]) -> Watermark:
    name, last, settled, number, since, unread, live = row
    return Watermark(name, last, settled, number, since, bool(unread), bool(live))


def _merged(watermarks: Iterable[Watermark]) -> Watermark:
    """The merged watermarks of one conversation, given oldest first."""
    return reduce(_followed, watermarks)


def _followed(older: Watermark, newer: Watermark) -> Watermark:
    merged = newer if newer.last_event is not None else older._replace(settled=newer.settled)
    return merged._replace(live=older.live or newer.live)
