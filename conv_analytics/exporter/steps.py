"""What happens in an export: frozen values, sent to the callable given as ``on_event``, in the order they were noticed.

Between them come the notices of the client (`conv_analytics.api.Notice`) and snapshots of the `Progress`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from conv_analytics.api.notices import Notice
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import Report


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; nothing was asked yet."""

    run: str
    """Made up for this run: what its log lines have in common."""
    destination: str | None
    since: str | None
    until: str | None
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListingDone:
    """All conversations are known."""

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
    """Records have something unreadable and were put aside."""

    records: int


@dataclass(frozen=True, slots=True)
class BatchConverted:
    """Pages became rows."""

    rows: Mapping[str, int]
    """New ones, by table."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit was written."""

    commit: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody stopped the run; what was read is kept."""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended, with whatever it has."""

    report: Report = field(repr=False)


@dataclass(frozen=True, slots=True)
class RunFailed:
    """A run ended with an error, and kept nothing."""

    error: BaseException


Step = (
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

Observer = Callable[[Step | Notice | Progress], None]
