"""Rows of any table, made from declarations alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.kinds import is_vocabulary, storage

DAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, UTC)
BIG = 9_007_199_254_740_993
PRICE = Decimal("9999999999.123456789012345678")


def watermarks(root: Path) -> dict[str, int | None]:
    """The last event that a dataset holds, of each conversation."""
    with closing(WatermarkIndex(root, commits(Layout(root)))) as known:
        return {mark.conversation_id: mark.last_event for mark in known.watermarks()}


def value(kind: Any, number: int) -> Any:
    """A value that a careless type would lose."""
    if is_vocabulary(kind):
        words = [*kind, f"word-{number}"]
        return str(words[number % len(words)])
    return {
        int: BIG + number,
        float: number / 3,
        bool: number % 2 == 0,
        datetime: NOON + timedelta(hours=9 * number, microseconds=number),
        Decimal: PRICE - number,
    }.get(kind, f"text-{number} ✅")


def rows(table: Table, height: int, *, nulls: Sequence[str] = (), start: int = 0) -> pa.Table:
    arrays = []
    # An event that came both ways has one row in its tables: these are others.
    start += 1000 if table.name == "event_sources" else 0
    for column in table.columns:
        values = [None if column.name in nulls else value(column.kind, start + row) for row in range(height)]
        if column.name == "source" and column.name not in nulls:
            # What came from elsewhere counts in other ways.
            values = ["list"] * height
        plain = pa.string() if is_vocabulary(column.kind) else storage(column.kind).arrow
        arrays.append(pa.array(values, plain).cast(storage(column.kind).arrow))
    return pa.Table.from_arrays(arrays, schema=table.schema)


def all_null(table: Table, height: int) -> pa.Table:
    """Rows with a key and nothing else."""
    return rows(table, height, nulls=[column.name for column in table.columns if column.name not in table.key])


EVERY = list(TABLES)
