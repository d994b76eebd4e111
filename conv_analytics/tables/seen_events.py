"""The events that were flattened already, so that none is counted twice."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Hashable, Iterable, Sequence


def digest(body: str | None) -> int:
    """A digest of the body of an event, valid within this process."""
    return hash(body)


def digest_without_id(event_type: str | None, at: object, body: str | None) -> int:
    """A digest of an event that has no id."""
    return hash((event_type, at, body))


class SeenEvents:
    """Event ids and repeated items, per conversation; forgotten when a conversation is complete.

    Event ids grow by one, so they are kept as a few ranges: a conversation of a million events costs no more memory
    than one of ten.
    """

    def __init__(self) -> None:
        self._ids: dict[str, IdRanges] = {}
        self._items: dict[str, set[Hashable]] = {}
        self._without_id: dict[str, Collection[int | None]] = {}

    def add_stored(
        self,
        conversation_id: str,
        ids: Iterable[int],
        without_id: Collection[int | None],
        items: Iterable[Hashable],
    ) -> None:
        """Add the events of a conversation that an earlier run wrote.

        For events without an id, `without_id` has the `digest_without_id` of each, or None for any.
        """
        ranges = self._ids.setdefault(conversation_id, IdRanges())
        for number in sorted(ids):
            ranges.add(number)
        self.items(conversation_id).update(items)
        if without_id:
            self._without_id[conversation_id] = without_id

    def has_without_id(self, conversation_id: str, event_type: str | None, at: object, body: str | None) -> bool:
        """Whether an earlier run already wrote this event without an id."""
        known = self._without_id.get(conversation_id, ())
        return None in known or digest_without_id(event_type, at, body) in known

    def missing_count(self, conversation_id: str, start: int) -> int:
        """How many event ids are missing between the first requested one and the last one received.

        >>> seen = SeenEvents()
        >>> seen.new_indexes("CON-1", [4, 5, None, 8]), seen.missing_count("CON-1", 3), seen.missing_count("CON-2", 1)
        (None, 3, 0)
        """
        pairs = [[start - 1, start - 1], *self._ids.get(conversation_id, IdRanges()).pairs]
        return sum(max(0, after[0] - before[1] - 1) for before, after in itertools.pairwise(pairs))

    def new_indexes(self, conversation_id: str, ids: Sequence[int | None]) -> list[int] | None:
        """The indexes of the new ids in a list of event ids; None when all are new. An event without an id is new."""
        ranges = self._ids.setdefault(conversation_id, IdRanges())
        if ids and ranges.extend(ids):
            return None
        new = [index for index, number in enumerate(ids) if number is None or ranges.add(number)]
        return None if len(new) == len(ids) else new

    def items(self, conversation_id: str) -> set[Hashable]:
        """Keys of items that events repeat."""
        return self._items.setdefault(conversation_id, set())

    def forget(self, conversation_id: str) -> None:
        """Drop the data of a conversation."""
        self._ids.pop(conversation_id, None)
        self._items.pop(conversation_id, None)
        self._without_id.pop(conversation_id, None)


class IdRanges:
    """A set of mostly consecutive whole numbers, as sorted, disjoint ranges.

    >>> numbers = IdRanges()
    >>> [numbers.add(number) for number in (1, 2, 3, 2, 7, 4)]
    [True, True, True, False, True, True]
    >>> numbers.pairs
    [[1, 4], [7, 7]]
    """

    def __init__(self, ascending: Iterable[int] = ()) -> None:
        self.pairs: list[list[int]] = []
        for number in ascending:
            self.add(number)

    def extend(self, numbers: Sequence[int | None]) -> bool:
        """Add consecutive numbers that follow all earlier ones, as on a usual page; return whether they do."""
        first = numbers[0]
        last = self.pairs[-1][1] if self.pairs else None
        if first is None or (last is not None and first <= last) or numbers != list(range(first, first + len(numbers))):
            return False
        if last == first - 1:
            self.pairs[-1][1] = first + len(numbers) - 1
        else:
            self.pairs.append([first, first + len(numbers) - 1])
        return True

    def add(self, number: int) -> bool:
        """Add a number; return whether it was new."""
        pairs = self.pairs
        place = len(pairs)
        # New numbers nearly always come at the end.
        while place and pairs[place - 1][0] > number:
            place -= 1
        if place and number <= pairs[place - 1][1]:
            return False
        follows = place > 0 and pairs[place - 1][1] == number - 1
        precedes = place < len(pairs) and pairs[place][0] == number + 1
        if follows and precedes:
            pairs[place - 1][1] = pairs.pop(place)[1]
        elif follows:
            pairs[place - 1][1] = number
        elif precedes:
            pairs[place][0] = number
        else:
            pairs.insert(place, [number, number])
        return True
