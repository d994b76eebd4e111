"""Compares an export of a sandbox with the truth that the sandbox keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.dataset import Dataset
    from conv_analytics.sandbox import Truth

#: Columns of which the truth holds the sum, and the name of that sum.
_SUMS = (
    ("hangups", "packet_cnt", "packet_cnt"),
    ("hangups", "flaw_total", "flaw_total"),
    ("hangups", "byte_in", "byte_in"),
    ("hangups", "byte_out", "byte_out"),
    ("hangups", "mos_score", "mos_score_sum"),
    ("call_records", "price", "price_sum"),
    ("call_records", "duration_s", "duration_s_sum"),
    ("transcripts", "confidence", "confidence_sum"),
)
#: Columns of which the truth holds the number of rows per value.
_COUNTS = (
    ("events", "type", "events_by_type"),
    ("messages", "message_type", "messages_by_type"),
    ("hangups", "sip_code", "hangups_by_sip_code"),
)


def comparisons(dataset: Dataset, truth: Truth) -> Iterator[tuple[str, Any, Any]]:
    """All comparisons: a description, the value in the export, and the true value."""
    frames = {name: dataset[name] for name in dataset.tables if name in truth.rows or name in {"users", "sessions"}}
    for name, frame in frames.items():
        yield f"rows of {name}", len(frame), truth.rows.get(name, 0)
    for table, column, fact in _SUMS:
        if table in frames:
            # Summed as Arrow: prices are exact decimals there, and doubles in a DataFrame.
            values = dataset.arrow(table, columns=[column])[column].drop_null().to_pylist()
            yield f"sum of {table}.{column}", math.fsum(values) if _float(values) else sum(values), getattr(truth, fact)
    for table, column, fact in _COUNTS:
        if table in frames:
            counts = frames[table][column].value_counts()
            exported = {kind: int(count) for kind, count in counts.items() if count}
            yield f"{table} by {column}", exported, dict(getattr(truth, fact))


def differences(dataset: Dataset, truth: Truth) -> tuple[int, list[str]]:
    """How many values were compared, and a line for each that differs."""
    compared = list(comparisons(dataset, truth))
    wrong = [
        f"{what}: {ours} in the export, {true} in truth" for what, ours, true in compared if not _equal(ours, true)
    ]
    return len(compared), wrong


def _equal(ours: Any, true: Any) -> bool:
    return math.isclose(ours, true, rel_tol=1e-9, abs_tol=1e-9) if isinstance(ours, float) else bool(ours == true)


def _float(values: list[Any]) -> bool:
    return bool(values) and not isinstance(values[0], int | Decimal)
