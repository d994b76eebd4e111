"""Publish a dataset as Delta tables: the commits that they lack, one after the other, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from conv_analytics.dataset.publish.changes import Action, Change, Source
from conv_analytics.dataset.publish.delta_copy import DeltaCopy, Position
from conv_analytics.dataset.publish.delta_schema import APPLICATION, PUBLISHED, delta_schema, published_schema
from conv_analytics.dataset.publish.delta_writes import Transaction
from conv_analytics.dataset.publish.published import Published, PublishedTable
from conv_analytics.dataset.publish.target import Target, parse_target
from conv_analytics.dataset.storage.application import application_of_runs, is_other
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.errors import ConfigError
from conv_analytics.tables import TABLES

if TYPE_CHECKING:
    from conv_analytics.dataset.handover.handover import HandOver

#: Called with each table of a commit when it is written.
OnTable = Callable[[PublishedTable], None]
#: Delta tables opened at a time: each takes a few requests.
_AT_ONCE = 8


def publish(
    dataset: HandOver,
    to: str,
    *,
    application_id: str | None = None,
    dry_run: bool = False,
    on_table: OnTable | None = None,
) -> Published:
    """Bring the Delta tables at a place up to the last commit of one application's dataset; see `Dataset.publish`."""
    if find_spec("deltalake") is None:
        raise ConfigError("publish needs deltalake, which is not installed: pip install 'conv-analytics[delta]'.")
    target = parse_target(to)
    target.require_apart(dataset)
    work = _Publication(dataset, target, _application(dataset, application_id))
    steps = work.steps()
    if dry_run:
        return Published(str(target), tuple(work.planned(steps)), dry_run=True)
    if steps:
        target.require_writable()
    done: list[PublishedTable] = []
    for each in work.written(steps):
        done.append(each)
        if on_table is not None:
            on_table(each)
    return Published(str(target), tuple(done))


def _application(dataset: HandOver, application_id: str | None) -> str:
    """The application of a dataset: the one that its runs recorded, else the given one."""
    recorded = application_of_runs(dataset.commits).id
    if is_other(application_id, recorded):
        raise ConfigError(f"{dataset.name} holds the application {recorded}, not {application_id}.")
    application = recorded or application_id
    if not application:
        raise ConfigError(
            f"No run of {dataset.name} recorded its application. Name it (--application-id, application_id=): it is a"
            " column of every Delta table."
        )
    return application.lower()


class _Step(NamedTuple):
    """One commit that the tables lack, as a whole or in part."""

    commit: Commit
    contained: Sequence[Commit]
    """The commits whose rows the step adds to the tables."""
    changes: Callable[[], Iterable[Change]]

    @property
    def position(self) -> Position:
        """The position of the tables that have the application."""
        return Position(self.commit.number, self.commit.run)


class _Publication:
    """The Delta tables of one application, and the commits that they lack."""

    def __init__(self, dataset: HandOver, target: Target, application_id: str) -> None:
        self._source, self._dataset, self._application = Source(dataset), dataset, application_id
        schemas = [*map(delta_schema, TABLES.values()), published_schema()]
        self._copies = {schema.name: DeltaCopy(target, schema, application_id) for schema in schemas}
        self._target = target
        self._positions = self._read_positions()

    def steps(self) -> list[_Step]:
        """The steps to take, commit by commit."""
        published = self._positions[PUBLISHED]
        if published is None:
            # The first time, all commits so far are one transaction per table.
            last = self._dataset.commits[-1]
            return [_Step(last, self._dataset.commits, partial(self._source.everything, last))]
        return [
            _Step(commit, [commit], partial(self._changes, commit, published.commit))
            for commit in self._source.after(published.commit)
        ]

    def planned(self, steps: Sequence[_Step]) -> Iterator[PublishedTable]:
        """The rows that the steps would write."""
        for step in steps:
            for change in step.changes():
                there = self._positions[change.table.name]
                if (there is None or there.commit < step.commit.number) and (change.count or there is not None):
                    yield self._row(step, change.table.name, change.action, change.count)

    def written(self, steps: Sequence[_Step]) -> Iterator[PublishedTable]:
        """Write the steps; return what each table received."""
        for step in steps:
            for change in step.changes():
                there = self._positions[change.table.name]
                if there is None and not change.count:
                    continue
                copy = self._copies[change.table.name]
                rows = Transaction(
                    change.action, copy.schema, self._application, change.rows, change.both_sources, change.days
                )
                version = copy.write(step.position, rows)
                if version is not None:
                    self._positions[change.table.name] = step.position
                    yield self._row(step, change.table.name, change.action, rows.sent, version)
            # Last, when the commit is in all tables as a whole.
            copy = self._copies[PUBLISHED]
            rows = Transaction(Action.APPEND, copy.schema, self._application, partial(_commit_rows, step.contained))
            version = copy.write(step.position, rows)
            if version is not None:
                yield self._row(step, PUBLISHED, Action.APPEND, rows.sent, version)

    def _changes(self, commit: Commit, published: int) -> Iterable[Change]:
        return () if self._source.adds_nothing(commit, published) else self._source.changes(commit)

    def _row(self, step: _Step, table: str, action: Action, rows: int, version: int | None = None) -> PublishedTable:
        return PublishedTable(self._application, step.commit.number, table, str(action), rows, version)

    def _read_positions(self) -> dict[str, Position | None]:
        """The position of each Delta table.

        Raises
        ------
        ConfigError
            If one has a commit that is not in the dataset.
        """
        with ThreadPoolExecutor(_AT_ONCE if self._target.in_bucket else 1) as pool:
            positions = dict(zip(self._copies, pool.map(DeltaCopy.position, self._copies.values()), strict=True))
        for name, position in positions.items():
            if position is not None and self._source.runs.get(position.commit) != position.run:
                raise ConfigError(self._foreign(name, position))
        return positions

    def _foreign(self, table: str, position: Position) -> str:
        last = max(self._source.runs)
        where = f"{self._target} has commit {position.commit} of the application {self._application} in {table}"
        if position.commit > last:
            why = f"and {self._dataset.name} ends with commit {last}: it is an older copy of what was published"
        else:
            why = f"and that of {self._dataset.name} is another one: it was published from another folder"
        return f"{where}, {why}. Publish that one, or name another place (--to)."


def _commit_rows(commits: Sequence[Commit]) -> Iterator[pa.Table]:
    """The rows of the table of commits."""
    schema = pa.schema([field for field in published_schema().schema if field.name != APPLICATION])
    rows = [
        {
            "commit": commit.number,
            "run": commit.run,
            "committed_at": datetime.fromisoformat(commit.committed_at),
            "rows": sum(file.rows for file in commit.files),
        }
        for commit in commits
    ]
    yield pa.Table.from_pylist(rows, schema=schema)


__all__ = ["OnTable", "publish"]
