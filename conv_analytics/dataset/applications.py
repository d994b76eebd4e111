"""The exports of several applications under one root, read as one dataset with a column ``application_id``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.dataset.dataset import Dataset
from conv_analytics.dataset.handover import engines
from conv_analytics.dataset.handover.dataset_table import DatasetTable
from conv_analytics.errors import ConfigError, CorruptFile, DatasetError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.tables.frame import DATE

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession

    from conv_analytics.dataset.maintenance.finding import Finding
    from conv_analytics.dataset.publish.publish import OnTable
    from conv_analytics.dataset.publish.published import Published
    from conv_analytics.dataset.storage.cache import FolderCache

APPLICATION = "application_id"
_IDS = pa.schema([("conversation_id", pa.string())])
_LEG_TABLES = frozenset({"conversations", "leg_statuses", "call_events", "hangups", "call_records"})


class Applications(Dataset):
    """Several applications as one dataset: every table has the rows of all, and a column ``application_id``.

    Questions take it like any other dataset; ``by="application_id"`` tells the applications apart. It is read only:
    `compact`, `copy_to`, `prune` and `replay` are for the folder of one application.

    Attributes
    ----------
    applications
        The dataset of each application, by its id.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from conv_analytics import Conversations, export, open_dataset
    >>> from conv_analytics.sandbox import Sandbox
    >>> with TemporaryDirectory() as root:
    ...     for seed in (1, 2):
    ...         with Sandbox(seed=seed, conversations=3) as sandbox:
    ...             client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...             done = export(client, f"{root}/application_id={sandbox.application_id}", rate=0)
    ...     conversations = open_dataset(root)["conversations"]
    >>> len(conversations), conversations["application_id"].nunique()
    (6, 2)
    """

    def __init__(self, path: str | Path, applications: Mapping[str, Dataset]) -> None:
        commits = chain.from_iterable(each.commits for each in applications.values())
        super().__init__(Path(path), sorted(commits, key=lambda commit: (commit.committed_at, commit.run)))
        self.applications = dict(applications)

    def __getitem__(self, table: str) -> pd.DataFrame:
        """A table as a DataFrame, with the rows of all applications."""
        import pandas as pd  # noqa: PLC0415  the dataset's readers load it when they need it

        frames = [each[table].assign(**{APPLICATION: name}) for name, each in self._having(table)]
        whole = pd.concat(_alike(frames), ignore_index=True)
        return whole.astype({APPLICATION: "string"})

    def history(self) -> pd.DataFrame:
        """A row per run, oldest first, with the ``application_id`` of its folder; see `Dataset.history`."""
        import pandas as pd  # noqa: PLC0415  as above

        frames = [each.history().assign(**{APPLICATION: name}) for name, each in self.applications.items()]
        return pd.concat(frames).sort_values("at", kind="stable", ignore_index=True)

    def files(self, table: str) -> list[Path] | list[str]:
        """The committed Parquet files of a table of all applications: absolute paths or, in a bucket, URLs."""
        return [file for _, each in self._having(table) for file in each.files(table)]  # type: ignore[return-value]

    def data_files(self) -> list[list[Path]]:
        """The files of each commit of every application."""
        of = {
            id(commit): paths
            for each in self.applications.values()
            for commit, paths in zip(each.commits, each.data_files(), strict=True)
        }
        return [of[id(commit)] for commit in self.commits]

    def selected(self, table: str, columns: Sequence[str]) -> pa.Table:
        """Some columns of a table as Arrow, each row once, application by application."""
        return _joined([each.selected(table, columns) for _, each in self._having(table)])

    def of_conversation(self, table: str, conversation_id: str) -> pa.Table:
        """The rows of one conversation as Arrow, each once."""
        return _joined([each.of_conversation(table, conversation_id) for _, each in self._having(table)])

    def arrow(
        self, table: str, *, columns: list[str] | None = None, since: date | None = None, until: date | None = None
    ) -> pa.Table:
        """A table as Arrow, with ``date`` and ``application_id``; every row of every run. See `Dataset.arrow`."""
        own = None if columns is None else [name for name in columns if name != APPLICATION]
        parts = []
        for name, each in self._having(table):
            rows = each.arrow(table, columns=own, since=since, until=until)
            parts.append(rows.append_column(APPLICATION, pa.repeat(pa.scalar(name), len(rows))))
        whole = _joined(parts)
        return whole if columns is None else whole.select(list(dict.fromkeys((*columns, DATE, APPLICATION))))

    def table(self, name: str, *, columns: Sequence[str] | None = None) -> DatasetTable:
        """A table of all applications for any library that speaks Arrow; see `Dataset.table`."""
        parts = {application: each.table(name) for application, each in self._having(name)}
        schema = next(iter(parts.values())).schema.append(pa.field(APPLICATION, pa.string()))
        done = DatasetTable(name, schema, lambda wanted: _streamed(parts, wanted))
        return done if columns is None else done.select(columns)

    def to_dask(self, tables: Collection[str] | None = None) -> dict[str, dd.DataFrame]:
        """Tables of all applications as Dask DataFrames; see `Dataset.to_dask`."""
        return {
            name: engines.dask_union({id_: each.to_dask([name])[name] for id_, each in self._having(name)}, APPLICATION)
            for name in self._names(tables)
        }

    def to_spark(self, session: SparkSession, tables: Collection[str] | None = None) -> dict[str, SparkFrame]:
        """Tables of all applications as Spark DataFrames; see `Dataset.to_spark`."""
        frames = {}
        for name in self._names(tables):
            parts = {id_: each.to_spark(session, [name])[name] for id_, each in self._having(name)}
            frames[name] = engines.spark_union(parts, APPLICATION)
        return frames

    def statement(self, table: str, since: date | None = None) -> str:
        """The DuckDB statement that selects a table from the files of all applications."""
        return _union({name: each.statement(table, since) for name, each in self._having(table)})

    @cached_property
    def places(self) -> list[Any]:
        """The applications, commits and days that have files, each once."""
        return [(name, *place) for name, each in self.applications.items() for place in each.places]

    def places_of(self, connection: Any, cache: FolderCache, conversation_id: str) -> frozenset[Any] | None:
        """The applications, commits and days whose files have rows of a conversation; see `Dataset.places_of`."""
        done: set[Any] = set()
        for name, each in self.applications.items():
            mine = each.places_of(connection, each.cache(cache.engine), conversation_id)
            if mine is None:
                return None
            done |= {(name, *place) for place in mine}
        return frozenset(done)

    def statement_of(self, table: str, places: Collection[Any]) -> str | None:
        """The DuckDB statement that selects a table from the files of some places; None if it has none."""
        statements = {}
        for name, each in self._having(table):
            mine = [tuple(place) for owner, *place in places if owner == name]
            if mine and (statement := each.statement_of(table, mine)) is not None:
                statements[name] = statement
        return _union(statements) if statements else None

    def application_ids(self) -> pa.Table:
        """Each conversation with its application, in memory: ``conversation_id`` and ``application_id``."""
        parts = []
        for name, each in self.applications.items():
            ids = [each.selected(table, ["conversation_id"]).cast(_IDS) for table in self._leg_tables(each)]
            known = pc.unique(pa.concat_tables(ids or [_IDS.empty_table()])["conversation_id"])
            parts.append(pa.table({"conversation_id": known, APPLICATION: pa.repeat(pa.scalar(name), len(known))}))
        return pa.concat_tables(parts)

    def application_ids_statement(self) -> str:
        """Each conversation with its application, as a DuckDB statement over the files."""
        parts = {
            name: " union ".join(
                f"select conversation_id from ({each.statement(table)})"  # noqa: S608  statements of ours
                for table in self._leg_tables(each)
            )
            for name, each in self.applications.items()
        }
        return _union(parts)

    @staticmethod
    def _leg_tables(dataset: Dataset) -> list[str]:
        """The tables of a dataset that name the conversations of legs."""
        return [table for table in dataset.tables if table in _LEG_TABLES]

    def damage(self) -> CorruptFile | None:
        """The first file whose bytes differ from the recorded ones; every file is read."""
        damages = (each.damage() for each in self.applications.values())
        return next((damage for damage in damages if damage is not None), None)

    def verify(self) -> list[Finding]:
        """Check the folder of each application; see `Dataset.verify`."""
        return [
            replace(finding, where=f"{self.applications[name].path.name}/{finding.where}".rstrip("/"))
            for name, each in self.applications.items()
            for finding in each.verify()
        ]

    def compact(self, target: str | Path, *, replay: bool = False) -> NoReturn:
        """Refuse: only the folder of one application can be copied."""
        del target, replay
        raise DatasetError(self._one_of_them("compact"))

    def copy_to(self, target: str | Path, *, work: str | Path | None = None) -> NoReturn:
        """Refuse, as `compact`."""
        del target, work
        raise DatasetError(self._one_of_them("copy"))

    def expired(self, older_than: timedelta | date) -> NoReturn:
        """Refuse: retention is decided for each application's folder."""
        del older_than
        raise DatasetError(self._one_of_them("prune"))

    def prune(self, older_than: timedelta | date) -> NoReturn:
        """Refuse, as `expired`."""
        del older_than
        raise DatasetError(self._one_of_them("prune"))

    def replay(self) -> NoReturn:
        """Refuse: each application's folder has its own quarantine."""
        raise DatasetError(self._one_of_them("replay"))

    def publish(
        self,
        to: str,
        *,
        application_id: str | None = None,
        dry_run: bool = False,
        on_table: OnTable | None = None,
    ) -> Published:
        """Bring Delta Lake tables up to the datasets of all applications, one after the other; see `Dataset.publish`.

        With `application_id`, only that one is published.
        """
        chosen = {name: each for name, each in self.applications.items() if application_id in {None, name}}
        if not chosen:
            raise ConfigError(f"{self.path} has no application {application_id}: {', '.join(self.applications)}.")
        done = [
            each.publish(to, application_id=name, dry_run=dry_run, on_table=on_table) for name, each in chosen.items()
        ]
        return replace(done[0], tables=tuple(chain.from_iterable(each.tables for each in done)))

    @safe_repr
    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {self.rows(name):,}" for name in self.tables)
        return f"{type(self).__name__}({self.name!r}, {len(self.applications)} applications: {rows})"

    def _one_of_them(self, verb: str) -> str:
        first = next(iter(self.applications.values())).name
        return f"{self.name} has {len(self.applications)} applications: {verb} each by itself, such as {first}."

    def _having(self, table: str) -> Iterator[tuple[str, Dataset]]:
        """The applications that have a table."""
        self._declared(table)
        return ((name, each) for name, each in self.applications.items() if table in each.tables)


def _streamed(parts: Mapping[str, DatasetTable], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of each application's table, with its id."""
    for application, table in parts.items():
        # Rows are needed even if only the application is selected.
        own = [name for name in columns if name != APPLICATION] or [table.columns[0]]
        for batch in table.select(own).reader():
            rows = pa.Table.from_batches([batch])
            yield rows.append_column(APPLICATION, pa.repeat(pa.scalar(application), len(rows))).select(list(columns))


def _alike(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Frames whose categorical columns have the categories of all: with others, pandas joins them to texts."""
    categories: dict[str, dict[Any, None]] = {}
    for frame in frames:
        for name in frame.select_dtypes("category"):
            categories.setdefault(str(name), {}).update(dict.fromkeys(frame[name].cat.categories))
    return [
        frame.assign(**{name: frame[name].cat.set_categories(list(words)) for name, words in categories.items()})
        for frame in frames
    ]


def _joined(parts: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()


def _union(statements: Mapping[str, str]) -> str:
    """One statement of several."""
    return " union all by name ".join(
        f"select *, '{_quoted(name)}' as {APPLICATION} from ({statement})"  # noqa: S608  statements of ours
        for name, statement in statements.items()
    )


def _quoted(name: str) -> str:
    """A quoted name for SQL: the folder may have any name."""
    return name.replace("'", "''")


__all__ = ["APPLICATION", "Applications"]
