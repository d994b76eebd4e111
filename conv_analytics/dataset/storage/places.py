"""Where the rows of a conversation are: the days and commits that have some, looked up in a file that is kept.

The ids of conversations are drawn at random: the smallest and the largest of a file say nothing, and a filter on the
ids reads those of all files. The hashes of all ids, sorted, with the numbers of their places take some 10 bytes each,
and a look at one of them reads one row group. A hash that two ids share costs a file that is read in vain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conv_analytics.dataset.storage.cache import FolderCache, scan
from conv_analytics.dataset.storage.views import literal
from conv_analytics.dataset.store.stored_object import StoredFile

KIND = "conversations"
#: Hashes of a row group: as few as a look has to read, as many as the statistics of all groups stay small.
_ROW_GROUP = 20_000
_FILE = "conv_analytics_file"


def numbers_of_places(
    files: Sequence[Mapping[StoredFile, int]], connection: Any, cache: FolderCache, conversation_id: str
) -> list[int] | None:
    """The numbers of the places that have rows of a conversation; None where nothing can be kept.

    Parameters
    ----------
    files
        Per table its files, each with the number of its place.
    connection
        A DuckDB connection.
    cache
        Where the numbers are kept; they are found out when they are not there.
    conversation_id
        The conversation.
    """
    kept = next((entry.path for entry in cache.entries(KIND)), None)
    kept = kept or cache.keep(KIND, {}, lambda path: _write(files, connection, path))
    if kept is None:
        return None
    query = f"select place from {scan(kept)} where conversation = hash(?)"  # noqa: S608  a path of ours, quoted
    return [int(place) for (place,) in connection.execute(query, [conversation_id]).fetchall()]


def _write(tables: Sequence[Mapping[StoredFile, int]], connection: Any, path: Path) -> None:
    parts = []
    for files in tables:
        listed = ", ".join(f"({_text(str(file))}, {number})" for file, number in files.items())
        read = ", ".join(_text(literal(str(file))) for file in files)
        parts.append(  # Paths are the dataset's own, quoted; nothing of the data goes into the statement.
            f"select distinct hash(conversation_id) as conversation, place::uinteger as place "  # noqa: S608
            f"from read_parquet([{read}], hive_partitioning = false, filename = '{_FILE}') "
            f"join (values {listed}) as places(file, place) on file = {_FILE} where conversation_id is not null"
        )
    union = " union ".join(parts) or "select 0::ubigint as conversation, 0::uinteger as place where false"
    connection.execute(
        f"copy (select conversation, place from ({union}) order by conversation, place) "  # noqa: S608
        f"to {_text(str(path))} (format parquet, row_group_size {_ROW_GROUP}, compression zstd)"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


__all__ = ["KIND", "numbers_of_places"]
