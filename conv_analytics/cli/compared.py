"""Compare an export of a sandbox with what the sandbox knows to be true."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.dataset import Dataset
    from conv_analytics.sandbox import Truth

#: Sums that the truth states under the name of the column.
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
#: Numbers per kind, likewise.
_COUNTS = (
    ("events", "type", "events_by_type"),
    ("messages", "message_type", "messages_by_type"),
    ("hangups", "sip_code", "hangups_by_sip_code"),
)


def comparisons(dataset: Dataset, truth: Truth) -> Iterator[tuple[str, Any, Any]]:
    """Everything that can be compared: what it is, what the export holds, what is true."""
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
            held = {kind: int(count) for kind, count in counts.items() if count}
            yield f"{table} by {column}", held, dict(getattr(truth, fact))


def differences(dataset: Dataset, truth: Truth) -> tuple[int, list[str]]:
    """How many comparisons were made, and a line for each that failed."""
    found, count = [], 0
    for count, (what, held, true) in enumerate(comparisons(dataset, truth), 1):  # noqa: B007  the last one is wanted
        same = math.isclose(held, true, rel_tol=1e-9, abs_tol=1e-9) if isinstance(held, float) else held == true
        if not same:
            found.append(f"{what}: the export holds {held}, true is {true}")
    return count, found


def _float(values: list[Any]) -> bool:
    return bool(values) and not isinstance(values[0], int | Decimal)
