"""An index of conversations: the days and commits with rows of each, in a cached file.

The ids of conversations are random: the minimum and maximum of a file say nothing, and a filter on the ids reads those
of all files. The hashes of all ids, sorted, with the numbers of their places take some 10 bytes each, and a look-up of
one of them reads one row group. If two ids share a hash, a file is read in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from conv_analytics.dataset.storage.cache import FolderCache, scan
from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.dataset.storage.views import literal, text_literal
from conv_analytics.dataset.store.stored_object import StoredFile

KIND = "conversations"
#: Hashes of a row group: few, as each look-up reads one group, but enough to keep the statistics of all groups small.
_ROW_GROUP = 20_000
#: Memory of DuckDB while an export or `compact` builds the index.
_MEMORY = "80MB"
_FILE = "conv_analytics_file"


Placed = Sequence[tuple[StoredFile, int, int]]


def numbers_of_places(files: Placed, connection: Any, cache: FolderCache, conversation_id: str) -> list[int] | None:
    """The numbers of the places that have rows of a conversation; None if nothing can be cached.

    Parameters
    ----------
    files
        The files, each with its commit, counted from 0, and the number of its place. A place keeps its number when
        commits are added.
    connection
        A DuckDB connection.
    cache
        Where the numbers are cached; missing ones are computed.
    conversation_id
        The conversation.
    """
    kept = keep_places(files, connection, cache)
    if kept is None:
        return None
    query = f"select place from {scan(kept)} where conversation = hash(?)"  # noqa: S608  a path of ours, quoted
    return [int(place) for (place,) in connection.execute(query, [conversation_id]).fetchall()]


def keep_places(files: Placed, connection: Any, cache: FolderCache) -> Path | None:
    """The index file for all conversations; only files of new commits are read to update it.

    None if nothing can be cached; see `numbers_of_places`.
    """
    for entry in cache.entries(KIND):
        return entry.path
    before = cache.earlier(KIND)
    known = 0 if before is None else before.commits
    new = [(file, place) for file, commit, place in files if commit >= known]
    return cache.keep(KIND, {}, lambda path: _write(new, before and before.path, connection, path), before)


def index(files: Placed, cache: Callable[[str], FolderCache]) -> None:
    """Build the index in advance, with a separate connection; see `numbers_of_places`.

    Parameters
    ----------
    files
        As there.
    cache
        Returns the cache for versions of an engine.
    """
    import duckdb  # noqa: PLC0415  slow to import

    with suppress(duckdb.Error, OSError), connect_duckdb() as connection:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set threads = 1")
        # Scripts run with ``python -c`` would print it, too.
        connection.execute("set enable_progress_bar = false")
        keep_places(files, connection, cache(f"duckdb {duckdb.__version__}"))


def _write(files: Sequence[tuple[StoredFile, int]], before: Path | None, connection: Any, path: Path) -> None:
    parts = [f"select conversation, place from {scan(before)}"] if before else []  # noqa: S608  a path of ours, quoted
    if files:
        listed = ", ".join(f"({text_literal(str(file))}, {number})" for file, number in files)
        read = ", ".join(text_literal(literal(str(file))) for file, _ in files)
        parts.append(  # Paths are the dataset's own, quoted; no data goes into the statement.
            f"select distinct hash(conversation_id) as conversation, place::uinteger as place "  # noqa: S608
            f"from read_parquet([{read}], hive_partitioning = false, filename = '{_FILE}') "
            f"join (values {listed}) as places(file, place) on file = {_FILE} where conversation_id is not null"
        )
    union = " union ".join(parts) or "select 0::ubigint as conversation, 0::uinteger as place where false"
    connection.execute(
        f"copy (select conversation, place from ({union}) order by conversation, place) "  # noqa: S608
        f"to {text_literal(str(path))} (format parquet, row_group_size {_ROW_GROUP}, compression zstd)"
    )


__all__ = ["KIND", "index", "keep_places", "numbers_of_places"]
