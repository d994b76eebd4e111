"""One row per key and run for tables of the latest state: conversations, members, users, sessions."""

from __future__ import annotations

import msgspec
import pyarrow as pa

from conv_analytics.dataset.memory.scratch import Scratch
from conv_analytics.tables import TABLES
from conv_analytics.tables.explode import comparable

#: Keys per query.
_KEYS = 500


class SeenKeys:
    """The keys of a run's rows, in a temporary database: lists may have a record twice.

    Examples
    --------
    >>> seen = SeenKeys()
    >>> members = TABLES["members"].schema
    >>> rows = pa.Table.from_pylist([{"member_id": name} for name in ("MEM-1", "MEM-2", "MEM-1")], schema=members)
    >>> seen.first_rows("members", rows)["member_id"].to_pylist(), seen.first_rows("members", rows).num_rows
    (['MEM-1', 'MEM-2'], 0)
    >>> seen.close()
    """

    def __init__(self) -> None:
        self._database = Scratch("create table seen (name text, key blob, primary key (name, key)) without rowid")

    def first_rows(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows of a table whose keys are new; of rows with the same key, the first one."""
        columns = (comparable(rows[column]) for column in TABLES[name].key)
        keys = list(map(msgspec.msgpack.encode, zip(*columns, strict=True)))
        positions: dict[bytes, int] = {}
        for position, key in enumerate(keys):
            positions.setdefault(key, position)
        distinct = list(positions)
        for start in range(0, len(distinct), _KEYS):
            chunk = distinct[start : start + _KEYS]
            marks = ", ".join("?" * len(chunk))
            query = f"select key from seen where name = ? and key in ({marks})"  # noqa: S608  question marks only
            for (key,) in self._database.all(query, (name, *chunk)):
                del positions[key]
        self._database.fill("insert into seen values (?, ?)", ((name, key) for key in positions))
        return rows if len(positions) == len(keys) else rows.take(pa.array(positions.values(), pa.int64()))

    def close(self) -> None:
        """Delete the database."""
        self._database.close()
