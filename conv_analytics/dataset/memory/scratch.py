"""A database for the duration of a run: in memory while it is small, on disk when it grows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from conv_analytics.errors import DestinationError

T = TypeVar("T")

#: Rows fetched from a query at a time.
_ROWS = 1024


class Scratch:
    """A temporary SQLite database for several threads; deleted when it is closed, or the process ends.

    Parameters
    ----------
    schema
        The statements that create its tables.

    Raises
    ------
    DestinationError
        From every method, when there is no room for temporary files.
    """

    def __init__(self, *schema: str) -> None:
        self._turn = threading.Lock()
        # An empty name means a temporary file. Nothing in it is needed after a crash.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for statement in ("pragma journal_mode = off", "pragma synchronous = off", *schema, "begin"):
            self._database.execute(statement)

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute a statement and return the number of rows that it changed."""
        return self._try(lambda: self._database.execute(statement, values).rowcount)

    def fill(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement for each row and return the number of rows that it changed."""
        return self._try(lambda: self._database.executemany(statement, rows).rowcount)

    def one(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first row of a query; None when it has none."""
        return self._try(lambda: self._database.execute(query, values).fetchone())

    def all(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a query, a few at a time."""
        cursor = self._try(lambda: self._database.execute(query, values))
        while rows := self._try(lambda: cursor.fetchmany(_ROWS)):
            yield from rows

    def close(self) -> None:
        """Drop the database."""
        self._database.close()

    def _try(self, step: Callable[[], T]) -> T:
        try:
            with self._turn:
                return step()
        except sqlite3.OperationalError as error:
            reason = f"{error}; make room there, or name another folder with the environment variable SQLITE_TMPDIR"
            raise DestinationError("the folder for temporary files", reason) from error
