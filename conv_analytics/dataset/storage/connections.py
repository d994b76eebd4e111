"""Connections to DuckDB, with a folder of their own for what their memory does not hold.

DuckDB's own choice is ``.tmp`` in the working directory, which may be shared or read-only: rows of calls go there.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from functools import cache
from multiprocessing import util
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics.dataset.storage.views import text_literal

if TYPE_CHECKING:
    import duckdb

_numbers = itertools.count()


def connect_duckdb() -> duckdb.DuckDBPyConnection:
    """A DuckDB connection that spills to a private folder; DuckDB makes it when it needs it, and removes it at the end.

    >>> with connect_duckdb() as connection:
    ...     ((folder,),) = connection.sql("select current_setting('temp_directory')").fetchall()
    >>> Path(folder).parent.parent == Path(tempfile.gettempdir()), Path(folder).exists()
    (True, False)
    """
    import duckdb  # noqa: PLC0415  slow to import

    connection = duckdb.connect()
    # Two connections would mix up their files in one folder.
    folder = _folder_of(os.getpid()) / str(next(_numbers))
    connection.execute(f"set temp_directory = {text_literal(str(folder))}")
    return connection


@cache
def _folder_of(_process: int) -> Path:
    """A folder that nobody else may read, up to the end of this process."""
    folder = tempfile.mkdtemp(prefix="conv-analytics-")
    # Unlike a function of `atexit`, it is also called at the end of a worker process.
    util.Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=0)
    return Path(folder)


__all__ = ["connect_duckdb"]
