"""The backlog of a folder's inbox: events received, but not folded into the tables yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.inbox import Damage
from conv_analytics.dataset.storage.layout import Layout


class Backlog(NamedTuple):
    """The backlog of an inbox."""

    receipts: int
    """Requests that a listener received."""
    bytes: int
    damaged: tuple[str, ...]
    """Parts of the inbox that cannot be read."""


def consumed(commits: Iterable[Commit]) -> dict[str, int]:
    """How far runs have read each segment of the inbox, in bytes."""
    reports = (commit.report for commit in with_carried(commits))
    return {name: offset for report in reports for name, offset in (report.get("inbox") or {}).items()}


def backlog(layout: Layout, commits: Iterable[Commit]) -> Backlog:
    """The events that no run has read yet.

    Raises
    ------
    DatasetError
        If the inbox cannot be read.
    """
    offsets, receipts, size = consumed(commits), 0, 0
    damaged: list[str] = []
    for segment in inbox.segments(layout):
        start = offsets.get(segment.name, 0)
        for end, record in inbox.read(segment, start):
            if isinstance(record, Damage):
                # A listener that died had not answered a request that it had not fully written.
                damaged += [] if record.torn else [str(record)]
            else:
                receipts, size = receipts + 1, size + end - start
            start = end
    return Backlog(receipts, size, tuple(damaged))
