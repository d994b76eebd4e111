"""A large dataset in parts that share no leg and no conversation, so that the legs of each fit into memory.

Joins and groups of all legs at once need more memory than DuckDB may use, and moving data to disk costs more than
everything else. A part has consecutive days, and nearly every conversation lives within one of them. Those that do not,
and the conversations of legs that were moved between them, are the last part, read once more from all days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conv_analytics.analysis.engine.engines.folder import FolderEngine

#: Rows of a part, over all requested tables: their results take up to some 400 MB.
ROWS = 1_500_000
_ROUTES, _LEGS, _CONVERSATIONS = "conv_analytics_routes", "conv_analytics_far_legs", "conv_analytics_far_conversations"
#: 64-bit hashes decide which part a row is in. If two ids have the same hash, both are in the last part.
_CONVERSATION = "case when conversation_id <> '' then hash(conversation_id) end"
_LEG = "case when leg_id is not null then hash({}) end"


class FolderPart(FolderEngine):
    """The tables of one part, as relations of the folder's connection; it has no cache."""

    def __init__(self, folder: FolderEngine, tables: Mapping[str, Any], *, moved: bool) -> None:
        self.__dict__ |= folder.__dict__
        self.tables = tables
        self._may_have_moved = moved

    @property
    def has_cache(self) -> bool:
        """A part has no cache."""
        return False

    def any_with_several(self, frames: Sequence[Any], key: str, of: str) -> bool:
        """See `Engine`; a leg that is in several conversations is in the last part."""
        if not self._may_have_moved and (key, of) == ("leg_id", "conversation_id"):
            return False
        return super().any_with_several(frames, key, of)


def parts_of(folder: FolderEngine, names: Sequence[str]) -> Iterator[FolderPart] | None:
    """The parts of the tables with legs, one after another; None where one pass is better.

    Results of a part are dropped when the next one is taken.
    """
    day_ranges = _day_ranges(folder.dataset, names) if hasattr(folder.dataset, "numbered") else []
    if len(day_ranges) < 2:  # noqa: PLR2004  one part is all
        return None
    routes = _Routes(folder, names, day_ranges)
    return routes.parts() if routes.find_spread() else None


def _day_ranges(dataset: Any, names: Sequence[str]) -> list[frozenset[Any]]:
    """Consecutive days with files of some tables, as `places` of the dataset: up to `ROWS` rows each, or one day."""
    by_day: Counter[str] = Counter()
    for _, file in (each for name in names for each in dataset.numbered(name)):
        by_day[file.path.split("date=")[1][:10]] += file.rows
    day_ranges: list[set[str]] = []
    room = 0
    for day, rows in sorted(by_day.items()):
        if not day_ranges or rows > room:
            day_ranges.append(set())
            room = ROWS
        day_ranges[-1].add(day)
        room -= rows
    return [frozenset(place for place in dataset.places if place[-1].isoformat() in days) for days in day_ranges]


class _Routes:
    """Assigns rows to parts."""

    def __init__(self, folder: FolderEngine, names: Sequence[str], day_ranges: Sequence[frozenset[Any]]) -> None:
        self._folder, self._names, self._day_ranges = folder, names, day_ranges
        written_apart = any(folder.has_voice_rows(name) for name in names if "source" in folder.columns(name))
        # Voice events spell the same id differently.
        self._leg = _LEG.format("lower(replace(leg_id, '-', ''))" if written_apart else "leg_id")
        self._unnamed = False

    def find_spread(self) -> bool:
        """Find the conversations that are in several parts; return whether splitting is worth it."""
        self._create(_ROUTES, "select null::ubigint as c, null::ubigint as l, 0 as part where false")
        for number, day_range in enumerate(self._day_ranges):
            keys = [
                f"select {_CONVERSATION} as c, {self._leg} as l from ({statement})"  # noqa: S608  the dataset's own
                for statement in (self._folder.dataset.statement_of(name, day_range) for name in self._names)
                if statement
            ]
            pairs = f"select distinct *, {number} from ({' union all '.join(keys)})"  # noqa: S608  the dataset's own
            self._run(f"insert into {_ROUTES} {pairs}")
        self._unnamed = bool(self._count(f"from {_ROUTES} where c is null"))
        # Rows without both are matched by their member, wherever it is.
        if self._unnamed and self._count(f"from {_ROUTES} where c is null and l is null"):
            self._drop()
            return False
        self._create(
            _LEGS,
            f"select l from {_ROUTES} where l is not null group by l"  # noqa: S608  constants
            " having min(part) < max(part) or min(c) < max(c)",
        )
        several = f"select l from {_ROUTES} semi join {_LEGS} using (l) group by l having min(c) < max(c)"  # noqa: S608
        self._moved = self._unnamed or bool(self._count(f"from ({several})"))
        self._create(
            _CONVERSATIONS,
            f"select c from {_ROUTES} where c is not null group by c having min(part) < max(part)"  # noqa: S608
            f" union select c from {_ROUTES} semi join {_LEGS} using (l) where c is not null",
        )
        if self._unnamed:
            # The rows of a leg before it has a conversation go where its conversation goes.
            followers = f"select l from {_ROUTES} semi join {_CONVERSATIONS} using (c) where l is not null"  # noqa: S608
            self._run(f"insert into {_LEGS} {followers}")
        self._far = self._count(f"from {_ROUTES} semi join {_CONVERSATIONS} using (c)")
        self._far += self._count(f"from {_ROUTES} semi join {_LEGS} using (l) where c is null")
        worth_it = 2 * self._far < self._count(f"from {_ROUTES}")
        if not worth_it:
            self._drop()
        return worth_it

    def parts(self) -> Iterator[FolderPart]:
        """The parts; the last one only if it has rows."""
        materialized = self._folder.materialized_names
        last = [None] if self._far else []
        for day_range in (*self._day_ranges, *last):
            before = len(materialized)
            tables = {name: self._folder.query(self._rows(name, day_range)) for name in self._names}
            yield FolderPart(self._folder, tables, moved=self._moved if day_range is None else self._unnamed)
            for name in materialized[before:]:
                self._run(f"drop table {name}")
        self._drop()

    def _rows(self, name: str, day_range: frozenset[Any] | None) -> str:
        """The rows of a table in a part; without a range, in the last one."""
        dataset = self._folder.dataset
        statement = dataset.statement(name) if day_range is None else dataset.statement_of(name, day_range)
        if statement is None:
            return f"select * from ({dataset.statement(name)}) where false"  # noqa: S608  the dataset's own
        if not self._far:
            return str(statement)
        far = f"hash(conversation_id) in (from {_CONVERSATIONS})"
        if self._unnamed:
            of_leg = f"{self._leg} in (from {_LEGS})"
            far = f"case when conversation_id <> '' then {far} else {of_leg} end"
        return f"select * from ({statement}) where {'' if day_range is None else 'not '}({far})"  # noqa: S608

    def _create(self, name: str, statement: str) -> None:
        self._run(f"create or replace temp table {name} as {statement}")

    def _drop(self) -> None:
        for name in (_ROUTES, _LEGS, _CONVERSATIONS):
            self._run(f"drop table if exists {name}")

    def _count(self, rest: str) -> int:
        return int(self._run(f"select count(*) {rest}")[0][0])

    def _run(self, statement: str) -> Any:
        return self._folder.run(lambda: self._folder.connection.execute(statement).fetchall())


__all__ = ["ROWS", "FolderPart", "parts_of"]
