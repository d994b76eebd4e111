"""The events of a run: frozen values, passed to the ``on_event`` callable of an export in order.

Among them come the notices of the client (`conv_analytics.api.Notice`) and snapshots of the `Progress`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from conv_analytics.api.notices import Notice
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import Report


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; nothing has been requested yet."""

    run: str
    """A random id of this run, in each of its log records."""
    destination: str | None
    since: str | None
    until: str | None
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListingDone:
    """All conversations are listed."""

    conversations: int


@dataclass(frozen=True, slots=True)
class ConversationIncomplete:
    """A conversation, or a list, could not be read to its end."""

    conversation: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Conversations expired before they could be read."""

    conversations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Records with something unreadable were put in the quarantine."""

    records: int


@dataclass(frozen=True, slots=True)
class BatchConverted:
    """Pages were converted to rows."""

    rows: Mapping[str, int]
    """New ones, by table."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit was written."""

    commit: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The run was stopped; what was read is kept."""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended, complete or not."""

    report: Report = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunFailed:
    """A run ended with an error, and committed nothing."""

    error: BaseException


RunEvent = (
    RunStarted
    | ListingDone
    | ConversationIncomplete
    | Gone
    | Quarantined
    | BatchConverted
    | Committed
    | Interrupted
    | RunFinished
    | RunFailed
)

Observer = Callable[[RunEvent | Notice | Progress], None]
