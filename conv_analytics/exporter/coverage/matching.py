"""Match the legs of the call list with what a folder has, in DuckDB: a month has millions of them.

Leg ids are compared without dashes and in lower case, because the call list and the events write them differently (live
contract 10, no. L13).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from conv_analytics.dataset.snapshot import Snapshot
from conv_analytics.errors import ConfigError, DestinationError, MemoryExhausted
from conv_analytics.exporter.coverage import statements
from conv_analytics.exporter.coverage.window import PATIENCE, Window
from conv_analytics.tables import TABLES
from conv_analytics.tables.kinds import is_vocabulary
from conv_analytics.time_zones import day_of_quarter, zone_info

if TYPE_CHECKING:
    import duckdb

TABLE = TABLES["voice_calls"]
#: Tables with the ends of legs: without both, it is unknown whether the folder has a leg.
_ENDS = ("hangups", "leg_statuses")
#: Tables with leg ids, and those with conversation ids.
_LEG_TABLES = ("leg_statuses", "hangups", "call_events", "member_events")
_EVENT_TABLES = (*_LEG_TABLES, "events")
#: Longest call that is considered: a leg's events are no further from its start than this.
_CALL = timedelta(days=2)
#: Rows fetched at a time.
_ROWS = 2**16
#: Memory that the temporary database may use before it spills to disk.
_MEMORY = "512MB"


class Matching:
    """The legs of a run, and what the folder has of them; a context manager, whose database is temporary.

    Parameters
    ----------
    dataset
        The folder.
    window
        Which calls the run looks at.
    exported_at
        When the last export began; None if there was none.
    now
        When the run began.
    """

    def __init__(self, dataset: Snapshot, window: Window, exported_at: datetime | None, now: datetime) -> None:
        import duckdb  # noqa: PLC0415  slow to import

        if not set(_ENDS) & set(dataset.tables):
            raise ConfigError(
                f"{dataset.path} has neither hangups nor leg_statuses, so the calls that it has are not known."
                " Export those tables to another folder."
            )
        self._dataset, self._window, self._exported_at, self._now = dataset, window, exported_at, now
        self._folder = tempfile.TemporaryDirectory(prefix="conv_analytics-")
        self._batches = 0
        self._waiting: list[pa.Table] = []
        self._since = window.since
        self._duckdb = duckdb
        # A database on the disk: one in memory would keep its tables there.
        self._database = duckdb.connect(str(Path(self._folder.name) / "legs.duckdb"))
        dataset.let_read(self._database)
        for setting, value in (
            ("memory_limit", _MEMORY),
            ("temp_directory", self._folder.name),
            ("TimeZone", "UTC"),
            ("enable_progress_bar", "false"),
        ):
            self._run(f"set {setting} = '{value}'")
        self._run(statements.listed(TABLE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, rows: pa.Table, since: datetime) -> None:
        """Add legs of the call list in its order; of a repeated leg, the more complete row is kept.

        `since` is where this part of the list begins.
        """
        if self._waiting and since != self._since:
            self._flush()
        self._since = since
        self._waiting.append(rows)
        if sum(len(each) for each in self._waiting) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        """Insert the waiting rows into the database: many small insertions would take most of the time of a run."""
        if self._waiting:
            self._batches += 1
            self._register(pa.concat_tables(self._waiting).unify_dictionaries())
            self._run(statements.add(TABLE), [self._batches, self._since])
            self._database.unregister("batch")
            self._waiting.clear()

    def renew(self, rows: pa.Table) -> None:
        """Replace legs of earlier runs that were requested again by their new rows."""
        self._register(rows)
        self._run(statements.RENEW.format(columns=statements.columns(TABLE), normalised=statements.normalised()))
        self._database.unregister("batch")

    def settle(self) -> None:
        """End the list: each leg once, without those that the last run has judged, and with legs of earlier runs.

        The latter are legs that could not be judged then, and those of the window that the list no longer has.
        """
        self._flush()
        since = self._window.since
        self._run(statements.LEGS)
        if TABLE.name in self._dataset.tables:
            first = min(since, self._now - PATIENCE) - timedelta(days=1)
            self._view("earlier", TABLE.name, first.date())
            self._run(statements.JUDGED, [since])
            statement = statements.EARLIER.format(
                columns=statements.columns(TABLE), normalised=statements.normalised("e.")
            )
            self._run(statement, [self._now - PATIENCE, since, self._window.until])

    def running(self) -> list[str]:
        """Ids of legs of earlier runs that had not ended then, and that are not in the list this time."""
        return [name for (name,) in self._rows(statements.RUNNING)]

    def match(self) -> None:
        """Look for the legs and their conversations in the folder."""
        (first,) = next(self._rows(statements.FIRST))
        start = min(first or self._window.since, self._window.since) - _CALL
        for name in (name for name in _EVENT_TABLES if name in self._dataset.tables):
            self._view(name, name, start.date())
        if "conversations" in self._dataset.tables:
            self._view("conversations", "conversations", None)
        twice = "event_sources" in self._dataset.tables
        if twice:
            self._view("event_sources", "event_sources", start.date())
        present = [name for name in _LEG_TABLES if name in self._dataset.tables]
        self._run(statements.evidence(present, twice=twice))
        present = [name for name in (*_EVENT_TABLES, "conversations") if name in self._dataset.tables]
        self._run(statements.export_state(present, twice=twice))
        for statement in (statements.PROBED, statements.ALIVE, statements.UNMATCHED):
            self._run(statement)

    def unmatched(self, limit: int) -> list[tuple[str, str | None]]:
        """Conversations of which it is unknown whether they can still be read, each with the host of its legs.

        Those that were answered are left out.
        """
        return list(self._rows(statements.NEXT, [limit]))

    def count_unmatched(self) -> int:
        """Number of unmatched conversations before the first answer."""
        return int(next(self._rows("select count(*) from unmatched"))[0])

    def alive(self, conversations: Iterable[str]) -> None:
        """Record conversations that a list has: the unmatched ones among them can still be read."""
        self._register(pa.table({"conversation": pa.array(conversations, pa.string())}))
        self._run("insert into alive select conversation from batch")
        self._database.unregister("batch")

    def answer_alive(self) -> None:
        """Use these records as answers."""
        self._run(statements.ANSWER_ALIVE)

    def answer(self, conversations: Iterable[str], outcome: str, host: str | None = None) -> None:
        """Record the outcome for conversations: ``here``, ``elsewhere``, ``gone`` or ``unknown``."""
        rows = pa.table({"conversation": pa.array(conversations, pa.string())})
        if rows.num_rows:
            self._register(rows)
            self._run("insert into probed select conversation, ?, ? from batch", [outcome, host])
            self._database.unregister("batch")

    def classify(self) -> None:
        """Give each leg its class."""
        self._run(statements.classes(TABLE), [self._exported_at, self._now])

    def rows(self) -> Iterator[pa.Table]:
        """The rows to store: of every leg that was listed, and of earlier ones whose class has changed."""
        relation = self._database.sql(statements.to_keep(TABLE))
        reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
        for batch in reader(_ROWS):
            yield _as_declared(pa.Table.from_batches([batch]))

    def counts(self, zone: str) -> list[tuple[str, str | None, str, int]]:
        """Numbers of legs by part (``total``, ``day``, ``direction``, ``channel``), its value and the class."""
        counts: Counter[tuple[str, str | None, str]] = Counter()
        clock = zone_info(zone)
        for part, value, name, count in self._rows(statements.COUNTS):
            # DuckDB has time zones of its own, with other rules and other names than Python's.
            key = ("day", day_of_quarter(int(value), clock)) if part == "quarter" else (part, value)
            counts[*key, name] += count
        ordered = sorted(counts, key=lambda key: (key[0], key[1] is None, key[1] or "", key[2]))
        return [(*key, counts[key]) for key in ordered]

    def missing(self) -> pa.Table:
        """The legs that the folder lacks, wholly or in part, in the order in which they began."""
        return self._table(statements.MISSING)

    def not_listed(self, limit: int) -> tuple[int, pa.Table]:
        """Legs that the folder has and the list lacks: how many, and the first of them."""
        present = [name for name in ("leg_statuses", "hangups", "call_events") if name in self._dataset.tables]
        margin = timedelta(minutes=5)
        self._run(statements.not_listed(present), [self._window.since + margin, self._window.until - margin])
        (count,) = next(self._rows(statements.COUNT_EXTRA))
        return int(count), self._table(statements.FIRST_EXTRA.format(limit=int(limit)))

    def _view(self, alias: str, table: str, first: date | None) -> None:
        """A view of a table's files from a day on."""
        self._run(f'create view "{alias}" as {self._dataset.statement(table, first)}')

    def _register(self, rows: pa.Table) -> None:
        self._database.register("batch", rows)

    def _run(self, statement: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        try:
            return self._database.execute(statement, list(values))
        except self._duckdb.OutOfMemoryException as error:
            raise MemoryExhausted(str(error)) from error
        except self._duckdb.IOException as error:
            raise DestinationError("the folder for temporary files", f"{error}; name another one in TMPDIR") from error

    def _rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        # Another statement of this connection would end a query that is being read.
        cursor = self._database.cursor()
        try:
            cursor.execute(query, list(values))
            while rows := cursor.fetchmany(_ROWS):
                yield from rows
        finally:
            cursor.close()

    def _table(self, query: str) -> pa.Table:
        relation = self._database.sql(query)
        read = getattr(relation, "to_arrow_table", None) or relation.arrow
        table: pa.Table = read()
        return table


def _as_declared(rows: pa.Table) -> pa.Table:
    """Rows with words as Arrow dictionaries, as the files of the table have them."""
    columns = [
        rows[column.name].combine_chunks().dictionary_encode() if is_vocabulary(column.kind) else rows[column.name]
        for column in TABLE.columns
    ]
    return pa.Table.from_arrays(columns, schema=TABLE.schema)
