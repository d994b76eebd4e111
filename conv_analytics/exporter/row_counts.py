"""Counts of rows, for the report of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from conv_analytics.tables.flatten import Rows


@dataclass
class RowCounts:
    """Counts of some rows: see `conv_analytics.exporter.report.Report` for what each means."""

    tables: Counter[str] = field(default_factory=Counter)
    events: int = 0
    already_stored: int = 0
    changed: int = 0
    confirmed: int = 0
    corrected: int = 0
    quarantined: int = 0
    lost: int = 0
    duplicates: int = 0
    implausible_ids: Counter[str] = field(default_factory=Counter)
    pending: dict[str, int] = field(default_factory=dict)
    unknown_types: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Rows) -> None:
        """Count what is unreadable, repeated or unknown among some rows; their tables are counted where written."""
        self.quarantined += len(rows.broken)
        self.lost += sum(not record.has_row for record in rows.broken)
        self.duplicates += rows.duplicates
        self.unknown_types += rows.unknown_types
        self.unknown_fields += rows.unknown_fields
