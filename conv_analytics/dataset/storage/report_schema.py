"""The types of the values that are read back from the reports in commits.

A report is written for people and other programs, and may hold anything; but the fields that a later run, `status` or
`verify` reads must have the types with which they were written, or the commit is damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import Meta

#: In the report of a compacted dataset's first commit: the runs of its source folder.
CARRIED = "history"

#: Keys of the number of events with implausible ids by conversation: this version's, and that of earlier ones.
IMPLAUSIBLE_IDS_KEYS = ("implausible_ids", "beyond")

Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$")]
"""ISO 8601 with a zone."""


class _Mask(TypedDict):
    key_id: str
    rules: dict[str, str]


class _Application(TypedDict, total=False):
    id: str | None
    host: str | None


class _Pace(TypedDict, total=False):
    rate: float | None


class _Report(TypedDict, total=False):
    started_at: Instant | None
    swept_at: Instant | None
    since: Instant | None
    until: Instant | None
    status: str | None
    warning: str | None
    allow_empty: bool | None
    tables: dict[str, Count]
    events: Count
    requests: Count | None
    listed: Count | None
    retries: Count | None
    quarantined: Count | None
    quarantine_lines: Count | None
    not_probed: Count | None
    gone_count: Count | None
    seconds: float | None
    selected: list[str]
    implausible_ids: dict[str, Count]
    beyond: dict[str, Count]
    pending: dict[str, Count]
    application: _Application | None
    mask: _Mask | None
    pace: _Pace | None
    history: list[dict[str, Any]] | None
    inbox: dict[str, Count]
    damaged: list[str]
    resolved: dict[str, list[tuple[Count, Count]]] | None


_INSTANTS = ("started_at", "swept_at", "since", "until")


def check_report(report: Mapping[str, Any]) -> None:
    """Raise `msgspec.ValidationError` or `ValueError` if a report is not what a run writes.

    >>> check_report({"status": "complete", "listed": 3, "whatever": []})
    >>> check_report({"listed": "three"})
    Traceback (most recent call last):
    msgspec.ValidationError: Expected `int | null`, got `str` - at `$.listed`
    """
    msgspec.convert(report, _Report)
    for name in _INSTANTS:
        if report.get(name):
            # The pattern lets a thirteenth month through.
            datetime.fromisoformat(report[name])
