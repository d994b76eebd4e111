"""The report of folding events into a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from conv_analytics.exporter.report import LISTED


@dataclass
class Ingested:
    """The report of folding events into a folder."""

    receipts: int = 0
    """Requests that the listener received."""
    verification: Counter[str] = field(default_factory=Counter)
    """Number of requests by verdict on their signature."""
    files: int = 0
    """Files that were read."""
    tables: dict[str, int] = field(default_factory=dict)
    """New rows, by table."""
    events: int = 0
    """New events; in a folder without the table ``events``, those that have new rows in its other tables."""
    duplicates: int = 0
    """Events that came more than once, and unreadable records of files that were in the quarantine before."""
    confirmed: int = 0
    """Events that the folder had from the API's list, with the same content."""
    corrected: int = 0
    """Events that the folder had from the API's list, with different content; the list's stays."""
    uncompared: int = 0
    """Events that the folder had from the API's list, without their content: it has no table ``events``."""
    quarantined: int = 0
    """Records with something unreadable."""
    lost: int = 0
    """Those of them that have no row because they are not records at all."""
    unknown_types: Counter[str] = field(default_factory=Counter)
    """Number of events of types that only the table ``events`` has, by type."""
    other_applications: Counter[str] = field(default_factory=Counter)
    """Number of events of other applications than the folder's, by application; they are in the quarantine."""
    damaged: list[str] = field(default_factory=list)
    """Parts of the inbox that could not be read."""
    unread_segments: dict[str, str] = field(default_factory=dict)
    """Why segments of the inbox stay there unread, by their name."""
    incomplete: dict[str, str] = field(default_factory=dict)
    """Why a file could not be read to its end, by its path."""
    missing_files: dict[str, int] = field(default_factory=dict)
    """Files of earlier runs that the folder lacked when this run began, by table. Not looked for in a bucket."""
    seconds: float = 0.0
    commit: int | None = None
    """Number of the commit; None when there was nothing new to commit."""

    @property
    def status(self) -> str:
        """``complete``, or ``incomplete`` when something could not be read."""
        return "incomplete" if self.incomplete or self.damaged or self.unread_segments else "complete"

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "commit"}
        return values | {
            "status": self.status,
            "verification": dict(self.verification),
            "other_applications": dict(self.other_applications.most_common(LISTED)),
            # A sender may invent types; the report must not grow with them.
            "unknown_types": dict(self.unknown_types.most_common(LISTED)),
            "seconds": round(self.seconds, 3),
        }

    def missing(self) -> str:
        """The parts that could not be read."""
        named = {**self.incomplete, **self.unread_segments}
        return "; ".join([*(f"{name}: {reason.rstrip('.')}" for name, reason in named.items()), *self.damaged])

    def __str__(self) -> str:
        took = f"in {self.seconds:,.1f} s"
        rows = f"{self.events:,} events, {self.tables.get('voice_events', 0):,} Voice events"
        known = f"{self.duplicates + self.confirmed + self.corrected + self.uncompared:,} known before"
        others = self.other_applications.total()
        of_others = f"{others:,} of other applications" if others else ""
        # Those that were in the quarantine before are known.
        of_others = f" ({of_others})" if 0 < others <= self.quarantined else of_others and f", {of_others}"
        return f"{self.status}: {rows} new, {known}, {self.quarantined:,} quarantined{of_others}, {took}"
