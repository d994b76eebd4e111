"""Which UTC day a row belongs to: the partition of every table."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

_EPOCH = date(1970, 1, 1)
_DAY = timedelta(days=1)


def by_day(rows: pa.Table, column: str, default: date) -> list[tuple[date, pa.Table]]:
    """Split rows by the UTC day of an instant; rows without one go to a default day.

    >>> from datetime import UTC, datetime
    >>> rows = pa.table({"at": pa.array([datetime(2026, 11, 21, 23, 59, tzinfo=UTC), None])})
    >>> [(str(day), part.num_rows) for day, part in by_day(rows, "at", date(2026, 11, 22))]
    [('2026-11-21', 1), ('2026-11-22', 1)]
    """
    fallback = (default - _EPOCH).days
    days = pc.fill_null(rows[column].cast(pa.date32()).cast(pa.int32()), fallback)
    distinct = pc.unique(days).to_pylist()
    if len(distinct) == 1:
        return [(_EPOCH + distinct[0] * _DAY, rows)]
    return [(_EPOCH + day * _DAY, rows.filter(pc.equal(days, day))) for day in sorted(distinct)]
