"""One row per key and run of what is as last seen: conversations, members, users, sessions."""

from __future__ import annotations

import msgspec
import pyarrow as pa

from conv_analytics.dataset.memory.scratch import Scratch
from conv_analytics.tables import TABLES
from conv_analytics.tables.explode import comparable

#: Keys that one query looks for.
_KEYS = 500


class Unique:
    """The keys of the rows that a run has, in a temporary database: a list may hold a record twice, and so may pages.

    Examples
    --------
    >>> unique = Unique()
    >>> members = TABLES["members"].schema
    >>> rows = pa.Table.from_pylist([{"member_id": name} for name in ("MEM-1", "MEM-2", "MEM-1")], schema=members)
    >>> unique.first("members", rows)["member_id"].to_pylist(), unique.first("members", rows).num_rows
    (['MEM-1', 'MEM-2'], 0)
    >>> unique.close()
    """

    def __init__(self) -> None:
        self._database = Scratch("create table met (name text, key blob, primary key (name, key)) without rowid")

    def first(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows of a table whose keys did not come before; of those with the same key the first one."""
        columns = (comparable(rows[column]) for column in TABLES[name].key)
        keys = list(map(msgspec.msgpack.encode, zip(*columns, strict=True)))
        places: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            places.setdefault(key, place)
        found = list(places)
        for start in range(0, len(found), _KEYS):
            some = found[start : start + _KEYS]
            marks = ", ".join("?" * len(some))
            query = f"select key from met where name = ? and key in ({marks})"  # noqa: S608  question marks only
            for (key,) in self._database.all(query, (name, *some)):
                del places[key]
        self._database.fill("insert into met values (?, ?)", ((name, key) for key in places))
        return rows if len(places) == len(keys) else rows.take(pa.array(places.values(), pa.int64()))

    def close(self) -> None:
        """Drop it."""
        self._database.close()
