"""Unreadable records of files that the quarantine of a folder holds already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b

from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.quarantine import Line, lines
from conv_analytics.tables.broken_records import BrokenRecord
from conv_analytics.tables.redact import redact_record


class KnownRecords:
    """The records without a row in the quarantine of a folder, read when they are first needed.

    Parameters
    ----------
    layout
        The folder.
    history
        Its commits, oldest first.
    """

    def __init__(self, layout: Layout, history: Sequence[Commit]) -> None:
        self._layout, self._history = layout, history

    def new(self, broken: Iterable[BrokenRecord]) -> list[BrokenRecord]:
        """The records that have a row, or are not in the quarantine yet."""
        return [record for record in broken if record.has_row or self._key(record) not in self._keys]

    @cached_property
    def _keys(self) -> frozenset[bytes]:
        stored = (line for line in lines(self._layout, self._history) if isinstance(line, Line) and not line.has_row)
        return frozenset(_key(line.list, line.conversation_id, line.raw) for line in stored if line.raw is not None)

    @staticmethod
    def _key(record: BrokenRecord) -> bytes:
        return _key(record.list, record.conversation_id, redact_record(record.raw, record.list))


def _key(name: str, conversation_id: str | None, raw: bytes) -> bytes:
    return blake2b(f"{name} {conversation_id} ".encode("utf-8", "replace") + raw, digest_size=16).digest()


__all__ = ["KnownRecords"]
