"""Conversations that a prune removed from a folder: what files tell of their days stays removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.tables import TABLES
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.flatten import Rows
from conv_analytics.tables.kinds import INSTANT
from conv_analytics.tables.voice import VOICE_EVENTS

_OWNER = "conversation_id"


class PrunedConversations:
    """The conversations that prunes of a folder removed, each with the first day that was kept.

    A prune removes whole conversations; their watermarks stay. So it removed those that had events before it, and of
    which no commit up to it has any now.

    Parameters
    ----------
    history
        The commits of the folder, oldest first.
    watermarks
        Their watermarks.
    """

    def __init__(self, history: Sequence[Commit], watermarks: WatermarkIndex) -> None:
        self._watermarks = watermarks
        self._prunes = list(_prunes(history))
        self._first_days: dict[str, date] = {}

    def add(self, conversation_id: str, first_run: int | None) -> None:
        """Add a conversation, "" for events without one; `first_run` is the first commit that has events of it now."""
        met = self._watermarks.first_with_events(conversation_id) if self._prunes else None
        if met is None:
            return
        # Rows without a conversation are judged by their day alone.
        there = None if conversation_id == "" else first_run
        days = [day for number, day in self._prunes if met <= number and (there is None or there > number)]
        if days:
            self._first_days[conversation_id] = max(days)

    def __bool__(self) -> bool:
        """Whether the folder was pruned at all."""
        return bool(self._prunes)

    def __contains__(self, conversation_id: object) -> bool:
        return conversation_id in self._first_days

    def drop(self, rows: Rows) -> None:
        """Leave out the rows of days that were removed; their events count as known before."""
        if not self._first_days:
            return
        for name, table in rows.tables.items():
            when = TABLES[name].latest or "at"
            if not {_OWNER, when} <= set(table.column_names):
                continue
            removed = self._removed(table, when)
            if not pc.any(removed).as_py():
                continue
            if name in {EVENTS.name, VOICE_EVENTS.name}:
                rows.duplicates += pc.sum(removed).as_py()
            if name == EVENTS.name:
                gone = table.filter(removed)
                keys = set(zip(gone[_OWNER].to_pylist(), gone["event_id"].to_pylist(), strict=True))
                rows.broken = [
                    each
                    for each in rows.broken
                    if not each.has_row or (each.conversation_id, each.event_id) not in keys
                ]
            rows.tables[name] = table.filter(pc.invert(removed))

    def _removed(self, table: pa.Table, when: str) -> pa.ChunkedArray:
        """Which rows a prune removed; those of a removed conversation without an instant, too."""
        bounds: list[Any] = [
            None if (day := self._first_days.get(owner or "")) is None else datetime.combine(day, time(), UTC)
            for owner in table[_OWNER].to_pylist()
        ]
        before = pa.array(bounds, INSTANT)
        early = pc.or_kleene(table[when].is_null(), pc.less(table[when], before))
        return pc.fill_null(pc.and_(before.is_valid(), early), fill_value=False)


def _prunes(history: Sequence[Commit]) -> Iterator[tuple[int, date]]:
    """The prunes of a folder: the number of the commit, and the first day kept.

    One that was carried over when the folder was compacted is as old as the commit that carries it.
    """
    for commit in history:
        for each in with_carried([commit]):
            if each.report.get("command") == "prune" and each.report.get("first_day"):
                yield commit.number, date.fromisoformat(str(each.report["first_day"]))


__all__ = ["PrunedConversations"]
