"""Read an export folder as of one commit: the committed files only, each row once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage import history
from conv_analytics.dataset.storage.application_folders import require_one_folder
from conv_analytics.dataset.storage.cache import FolderCache
from conv_analytics.dataset.storage.checked_files import CheckedFiles
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.dataset.storage.conversation_index import index, numbers_of_places
from conv_analytics.dataset.storage.latest import latest_places, without_replaced
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.views import replaces_rows, view
from conv_analytics.dataset.store.stored_object import StoredFile
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.defaults import IN_MEMORY
from conv_analytics.errors import CorruptFile, DatasetError, TableNotFound
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.markup import block, grid, notes
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.envelope import SOURCE, EventSource
from conv_analytics.tables.event_sources import EVENT_SOURCES
from conv_analytics.tables.explode import comparable
from conv_analytics.tables.frame import DATE, columns_to_read, to_frame, with_date
from conv_analytics.tables.kinds import as_declared

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

#: Rows up to which one thread reads a file: distributing columns over more threads would take longer.
_THREADED = 10_000


class Snapshot(Mapping[str, "pd.DataFrame"]):
    """The tables of an export folder as of one commit, to be read."""

    def __init__(self, path: Path, commits: Iterable[Commit]) -> None:
        self.path = path
        """The folder, as it was named; for a bucket, its work folder."""
        self.commits = tuple(commits)
        # The files are found from another working directory, too.
        self._layout = Layout(path.absolute())
        self.name = str(path) if self._layout.bucket is None else self._layout.name
        """The dataset as its user names it: the folder, or the URL of the bucket."""
        self._opened = CheckedFiles(self._layout, self.name)
        self._conversations: dict[str, pa.ChunkedArray] = {}
        self.session_cache: dict[str, Any] = {}
        """Results that questions cache for the next one: a dataset does not change. It ends with the dataset."""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read the commits of a folder; raise `DatasetError` if there is none."""
        folder = dataset_folder(path)
        layout = Layout(folder)
        commits = tuple(log.commits(layout))
        if not commits:
            name = path if layout.bucket is None else layout.name
            require_one_folder(folder)
            raise DatasetError(
                f"{name} holds no export: there is no commit in it. Run `conv-analytics export {name}` first."
            )
        return cls(folder, commits)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the dataset holds."""
        present = {file.table for commit in self.commits for file in commit.files}
        return tuple(name for name in TABLES if name in present)

    def history(self) -> pd.DataFrame:
        """The runs, oldest first: a row per commit. A compacted folder has the earlier runs, too.

        Returns
        -------
        pandas.DataFrame
            ``commit`` (its number), ``at`` (start of the run, UTC), ``status`` (``complete`` or ``incomplete``;
            ``replayed`` and ``compacted`` are no exports),
            ``since`` and ``until`` (of a backfill), ``listed`` [conversations], ``events`` (new ones), ``requests``
            (repetitions included), ``retries``, ``quarantined`` [records], ``gone`` [conversations], ``seconds`` [s]
            and ``warning`` (anything odd about the run, or missing).

        Examples
        --------
        >>> import tempfile
        >>> from conv_analytics import Conversations, export
        >>> from conv_analytics.sandbox import Sandbox
        >>> with Sandbox(conversations=3) as sandbox, tempfile.TemporaryDirectory() as folder:
        ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        ...     history = export(client, folder, rate=0).dataset.history()
        >>> history[["commit", "status", "listed", "retries"]]
           commit    status  listed  retries
        0       1  complete       3        0
        """
        return history.frame(self.commits)

    def files(self, table: str) -> list[Path] | list[str]:
        """The committed Parquet files of a table, for Polars, Dask or Spark.

        Absolute paths or, of a dataset in a bucket, URLs.
        """
        if self._layout.bucket is not None:
            return [str(file) for file in self.stored_files(table)]
        return [self._layout.local_file(file.path) for file in self._files(table)]

    def stored_files(self, table: str) -> list[StoredFile]:
        """The same files, as this package opens them."""
        return [self._layout.file(file.path) for file in self._files(table)]

    def numbered(self, table: str) -> list[tuple[int, File]]:
        """The files of a table, with the numbers of their commits."""
        self._declared(table)
        return [(commit.number, file) for commit in self.commits for file in commit.files if file.table == table]

    def rows(self, table: str) -> int:
        """Rows in the files of a table, counting each time a conversation or member was seen."""
        return sum(file.rows for file in self._files(table))

    def __getitem__(self, table: str) -> pd.DataFrame:
        """A table as a DataFrame: of a conversation or a member the latest row."""
        numbered = self._by_day(table)
        read = self._opened.side_by_side(self._read, [file for _, file in numbered])
        return self._frame(table, ((*each, rows) for each, rows in zip(numbered, read, strict=True)))

    def _by_day(self, table: str) -> list[tuple[int, File]]:
        """The files of a table with their commits, by day and, within a day, by run: the order that the frame has."""
        return sorted(self.numbered(table), key=lambda pair: day_of(pair[1]))

    def _frame(self, table: str, parts: Iterable[tuple[int, File, pa.Table]]) -> pd.DataFrame:
        """Rows of some files, with the numbers of their commits, as a frame in which each row occurs once."""
        declared = self._declared(table)
        parts = list(parts)
        frame = to_frame(declared, ((day_of(file), rows) for _, file, rows in parts))
        if declared.latest is None or frame.empty:
            twice = self._two_sources and replaces_rows(declared)
            return without_replaced(declared, frame, self[EVENT_SOURCES.name]) if twice else frame
        runs = np.repeat([number for number, _, _ in parts], [len(rows) for _, _, rows in parts])
        return frame.take(latest_places(frame, declared, runs)).reset_index(drop=True)

    def selected(self, table: str, columns: Sequence[str]) -> pa.Table:
        """Some columns of a table as Arrow, each row once, in the order that the frame has; ``date`` is one of them."""
        declared = self._declared(table)
        own = columns_to_read(declared, columns)
        if declared.latest is not None or self._two_sources:
            return pa.Table.from_pandas(self[table][list(columns)], preserve_index=False)
        files = [file for _, file in self._by_day(table)]
        read = self._opened.side_by_side(lambda file: self._read(file, own), files)
        parts = [with_date(rows, day_of(file)).select(list(columns)) for file, rows in zip(files, read, strict=True)]
        return pa.concat_tables(parts).unify_dictionaries()

    def of_conversation(self, table: str, conversation_id: str) -> pa.Table:
        """The rows of one conversation as Arrow, each once; only files that have some are read whole.

        The places of its rows are cached: the first query reads the ids in all files of the table.
        """
        declared = self._declared(table)
        if table not in self._conversations:
            chunks = [chunk for _, file in self._by_day(table) for chunk in self._ids(file).chunks]
            self._conversations[table] = pa.chunked_array(chunks, pa.string())
        places = pc.indices_nonzero(pc.equal(self._conversations[table], conversation_id)).to_numpy()
        parts: list[tuple[int, File, pa.Table]] = []
        begin = 0
        for number, file in self._by_day(table) if len(places) else ():
            mine = places[(places >= begin) & (places < begin + file.rows)] - begin
            begin += file.rows
            if len(mine):
                parts.append((number, file, self._read(file).take(mine)))
        if not parts:
            return declared.empty()
        if self._two_sources:
            return pa.Table.from_pandas(self._frame(table, parts), preserve_index=False)
        whole = pa.concat_tables(rows for _, _, rows in parts).unify_dictionaries()
        if declared.latest is None or len(whole) == 1:
            return whole
        runs = np.repeat([number for number, _, _ in parts], [len(rows) for _, _, rows in parts])
        return whole.take(latest_places(whole.select([*declared.key, declared.latest]).to_pandas(), declared, runs))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @safe_repr
    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {self.rows(name):,}" for name in self.tables)
        return f"{type(self).__name__}({self.name!r}, commit {self.commits[-1].number}: {rows})"

    def _repr_html_(self) -> str:
        last = history.runs(self.commits)[-1]
        when = str(last["at"])[:16].replace("T", " ")
        rest = f"commit {self.commits[-1].number} of {when} UTC, {last['status']}"
        rows = [(name, self.rows(name), len(self._files(name)), *self._days(name)) for name in self.tables]
        size = sum(file.bytes for commit in self.commits for file in commit.files)
        count = sum(len(commit.files) for commit in self.commits)
        remarks = [f"{count:,} files, {size / 1e6:,.1f} MB", *filter(None, [last["warning"]])]
        return block(self.name, rest, grid(("table", "rows", "files", "from", "to"), rows), notes(remarks))

    def arrow(
        self, table: str, *, columns: list[str] | None = None, since: date | None = None, until: date | None = None
    ) -> pa.Table:
        """A table as Arrow, exact decimals included, with its ``date`` column; every row of every run.

        Parameters
        ----------
        table
            Its name.
        columns
            The columns to read besides ``date``; all when absent.
        since, until
            First day, and the day after the last one (UTC).

        Raises
        ------
        ColumnNotFound
            If the table has no such column.
        """
        declared = self._declared(table)
        own = None if columns is None else columns_to_read(declared, columns)
        files = [
            file
            for file in self._files(table)
            if (not since or day_of(file) >= since) and (not until or day_of(file) < until)
        ]
        read = self._opened.side_by_side(lambda file: self._read(file, own), files)
        parts = [with_date(rows, day_of(file)) for file, rows in zip(files, read, strict=True)]
        empty = declared.empty() if own is None else declared.empty().select(own)
        whole = pa.concat_tables(parts or [with_date(empty, date.min)])
        return (whole if columns is None else whole.select(list(dict.fromkeys((*columns, DATE))))).unify_dictionaries()

    def keys_of(
        self, table: str, conversations: Collection[str], runs: Collection[int]
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The keys that some runs wrote of some conversations, each with its conversation.

        Parameters
        ----------
        table
            Its name.
        conversations
            Their ids.
        runs
            The numbers of the commits to look at. A conversation lives for days, a folder for years.
        """
        wanted, key = pa.array(conversations, pa.string()), list(self._declared(table).key)
        for file in (file for number, file in self.numbered(table) if number in runs):
            rows = self._read(file, list(dict.fromkeys(["conversation_id", *key, SOURCE.name])))
            # Voice events only repeat what the rows of RTC events say about legs.
            of_voice = pc.equal(rows[SOURCE.name].cast(pa.string()), EventSource.VOICE)
            rows = rows.filter(pc.and_(pc.is_in(rows["conversation_id"], wanted), pc.invert(of_voice)))
            owners, *parts = (comparable(rows[name]) for name in ("conversation_id", *key))
            yield from zip(owners, zip(*parts, strict=True), strict=True)

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with one view per table, read from the files as a query needs them.

        Views of conversations and members have the latest row of each.

        Raises
        ------
        CorruptFile, SchemaChanged
            If a file is missing, cut off or another one. Other damage shows when a query meets it.
        """
        connection = connect_duckdb()
        self.let_read(connection)
        for name in self.tables:
            connection.execute(f'create view "{name}" as {self.statement(name)}')
        return connection

    def let_read(self, connection: Any) -> None:
        """Let a DuckDB connection read the files of this dataset: needed once, before `statement`, for a bucket."""
        if self._layout.bucket is not None:
            from conv_analytics.dataset.store.filesystem import register  # noqa: PLC0415  only for buckets

            register(connection, self._layout.bucket.address.scheme)

    def statement(self, table: str, since: date | None = None) -> str:
        """The DuckDB statement that selects a table from its files, for the caller's own connection.

        Parameters
        ----------
        table
            Its name.
        since
            Leave out the files of earlier days (UTC). At least one file stays.
        """
        files = self._files(table)
        if since is not None:
            files = [file for file in files if day_of(file) >= since] or files[-1:]
        chosen = list(self._opened.side_by_side(self._opened.checked, files))
        # Names and paths are the dataset's own, quoted; no data goes into the statement.
        return view(self._declared(table), chosen, self.stored_files(EVENT_SOURCES.name) if self._two_sources else ())

    @cached_property
    def places(self) -> list[Any]:
        """The commits and days that have files, each once."""
        files = [(commit.number, file) for commit in self.commits for file in commit.files]
        return sorted({(number, day_of(file)) for number, file in files})

    def places_of(self, connection: Any, cache: FolderCache, conversation_id: str) -> frozenset[Any] | None:
        """The commits and days whose files have rows of a conversation; None if that cannot be cached.

        Parameters
        ----------
        connection
            Of DuckDB.
        cache
            Where the answer is cached.
        conversation_id
            The conversation.
        """
        numbers = numbers_of_places(self._placed(), connection, cache, conversation_id)
        return None if numbers is None else frozenset(self.places[number] for number in numbers)

    def index_conversations(self) -> None:
        """Cache, for later questions, where each conversation is in a large folder; nothing if it cannot be cached."""
        if self._layout.bucket is None and sum(map(self.rows, self.tables)) > IN_MEMORY:
            index(self._placed(), self.cache)

    def _placed(self) -> list[tuple[StoredFile, int, int]]:
        """The files that have conversations, each with its commit, counted from 0, and the number of its place."""
        place_of = {place: count for count, place in enumerate(self.places)}
        commit_of = {commit.number: count for count, commit in enumerate(self.commits)}
        return [
            (self._layout.file(file.path), commit_of[number], place_of[number, day_of(file)])
            for name in self.tables if "conversation_id" in TABLES[name].schema.names
            for number, file in self.numbered(name)
        ]  # fmt: skip

    def statement_of(self, table: str, places: Collection[Any]) -> str | None:
        """The DuckDB statement that selects a table from the files of some commits and days; None if it has none."""
        mine = (file for number, file in self.numbered(table) if (number, day_of(file)) in places)
        chosen = [self._opened.checked(file) for file in mine]
        also = self.stored_files(EVENT_SOURCES.name) if self._two_sources else ()
        return view(self._declared(table), chosen, also) if chosen else None

    def cache(self, engine: str) -> FolderCache:
        """The cache in the folder; `engine` holds the versions that it depends on."""
        return FolderCache(self._layout, self.commits, engine, self.data_files())

    def data_files(self) -> list[list[Path]]:
        """The files of each commit, whether they exist or not."""
        return [[self._layout.root / file.path for file in commit.files] for commit in self.commits]

    def damage(self) -> CorruptFile | None:
        """The first file whose bytes differ from the recorded ones; every file is read."""
        for file in (file for commit in self.commits for file in commit.files):
            if what := self._opened.damage(file):
                return CorruptFile(self._opened.display_path(file), what)
        return None

    def _days(self, table: str) -> tuple[str, str]:
        """The first and the last day of a table."""
        days = [day_of(file) for file in self._files(table)]
        return min(days).isoformat(), max(days).isoformat()

    def _files(self, table: str) -> list[File]:
        return [file for _, file in self.numbered(table)]

    def _declared(self, table: str) -> Table:
        if table not in self.tables:
            raise TableNotFound(table, self.tables, where=self.name)
        return TABLES[table]

    @cached_property
    def _two_sources(self) -> bool:
        """Whether some events came from a list and also from a webhook or a file."""
        return EVENT_SOURCES.name in self.tables and self.rows(EVENT_SOURCES.name) > 0

    def _ids(self, file: File) -> pa.ChunkedArray:
        """The conversation of each row of a file."""
        with self._opened.readable(file) as opened:
            return opened.read(columns=["conversation_id"], use_threads=False).column(0)

    def _read(self, file: File, columns: list[str] | None = None) -> pa.Table:
        # Not ``read_table``: it would add the partition of the path as a column, with a type of Arrow's choice.
        with self._opened.readable(file) as opened:
            rows = opened.read(columns=columns, use_threads=file.rows > _THREADED)
            return as_declared(rows, TABLES[file.table].schema, columns)


def day_of(file: File) -> date:
    """The partition of a file."""
    try:
        return date.fromisoformat(file.path.split("date=")[1][:10])
    except (IndexError, ValueError) as error:
        raise CorruptFile(file.path, "its path names no day") from error
