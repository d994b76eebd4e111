"""The transactions of a Delta table, one function per kind; each commits all of its rows or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from conv_analytics.dataset.publish.changes import Action
from conv_analytics.dataset.publish.delta_schema import APPLICATION, DeltaSchema, to_delta
from conv_analytics.dataset.storage.views import text_literal
from conv_analytics.tables.envelope import EVENT_KEY, SOURCE, EventSource
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.frame import DATE

if TYPE_CHECKING:
    from datetime import date

    from deltalake import CommitProperties, DeltaTable, WriterProperties

#: The kind of a row in a correction: a new one, or an event whose rows from a webhook or a file are confirmed or
#: replaced.
_KIND, _NEW, _SAME, _DIFFERS = "conv_analytics_kind", "new", "same", "differs"
#: Rows of a row group: a writer keeps one in memory for each day that it writes.
_ROWS = 2**17


@dataclass
class Transaction:
    """The rows of one transaction."""

    action: Action
    schema: DeltaSchema
    application_id: str
    rows: Callable[[], Iterator[pa.Table]]
    """As the dataset has them."""
    both_sources: pa.Table | None = None
    """For a correction: the events from both sources, and whether the two versions differ."""
    days: Sequence[date] = ()
    """For a correction: the days of their rows."""
    sent: int = 0
    """Rows passed to the Delta client so far."""
    failed: Exception | None = None
    """The error of reading the dataset: the Delta client passes on only its text."""

    def write(self, table: DeltaTable, properties: CommitProperties) -> None:
        """Commit the rows to a Delta table."""
        _WRITES[self.action](self, table, properties)

    def parts(self) -> Iterator[pa.Table]:
        """The rows in the types of Delta, part by part."""
        self.sent, self.failed = 0, None
        try:
            for part in self.rows():
                self.sent += len(part)
                yield to_delta(part, self.schema.schema, self.application_id)
        except Exception as error:
            self.failed = error
            raise

    def reader(self) -> pa.RecordBatchReader:
        """The rows in the types of Delta, as a stream."""
        batches = (batch for part in self.parts() for batch in part.to_batches())
        return pa.RecordBatchReader.from_batches(self.schema.schema, batches)

    @property
    def of_application(self) -> str:
        """The condition for rows of the application: other writers' partitions are not read."""
        return f"{APPLICATION} = {text_literal(self.application_id)}"


def _append(rows: Transaction, table: DeltaTable, properties: CommitProperties) -> None:
    from deltalake import write_deltalake  # noqa: PLC0415  an extra

    write_deltalake(
        table,
        rows.reader(),
        mode="append",
        writer_properties=_compressed(),
        commit_properties=properties,
    )


def _replace(rows: Transaction, table: DeltaTable, properties: CommitProperties) -> None:
    from deltalake import write_deltalake  # noqa: PLC0415  an extra

    write_deltalake(
        table,
        rows.reader(),
        mode="overwrite",
        predicate=rows.of_application,
        writer_properties=_compressed(),
        commit_properties=properties,
    )


def _merge(rows: Transaction, table: DeltaTable, properties: CommitProperties) -> None:
    # Two records without an id are one record, as in the dataset.
    same = " and ".join(f"(old.{name} is not distinct from new.{name})" for name in rows.schema.key)
    merger = table.merge(
        rows.reader(),
        f"old.{rows.of_application} and {same}",
        source_alias="new",
        target_alias="old",
        writer_properties=_compressed(),
        commit_properties=properties,
    )
    values = _values(rows.schema.schema.names)
    merger.when_matched_update(values).when_not_matched_insert(values).execute()


def _correct(rows: Transaction, table: DeltaTable, properties: CommitProperties) -> None:
    assert rows.both_sources is not None
    names = rows.schema.schema.names
    new = pa.concat_tables([rows.schema.schema.empty_table(), *rows.parts()])
    kinds = pa.array(
        [_DIFFERS if differs else _SAME for differs in rows.both_sources["differs"].to_pylist()], pa.string()
    )
    corrections = rows.both_sources.select(list(EVENT_KEY)).append_column(_KIND, kinds)
    source = pa.concat_tables(
        [new.append_column(_KIND, pa.repeat(pa.scalar(_NEW), len(new))), corrections], promote_options="default"
    )
    days = ", ".join(text_literal(day.isoformat()) for day in rows.days)
    same = " and ".join(f"old.{name} = new.{name}" for name in EVENT_KEY)
    merger = table.merge(
        source,
        f"old.{rows.of_application} and old.{DATE} in ({days}) and new.{_KIND} <> '{_NEW}' and {same}",
        source_alias="new",
        target_alias="old",
        writer_properties=_compressed(),
        commit_properties=properties,
    )
    delivered = f"old.{SOURCE.name} in ('{EventSource.LIVE}', '{EventSource.FILE}')"
    merger = merger.when_matched_delete(f"new.{_KIND} = '{_DIFFERS}' and {delivered}")
    if rows.schema.name == EVENTS.name:
        merger = merger.when_matched_update({SOURCE.name: f"'{EventSource.BOTH}'"})
    merger.when_not_matched_insert(_values(names), predicate=f"new.{_KIND} = '{_NEW}'").execute()


_Write: TypeAlias = Callable[[Transaction, "DeltaTable", "CommitProperties"], None]
_WRITES: Mapping[Action, _Write] = {
    Action.APPEND: _append,
    Action.REPLACE: _replace,
    Action.MERGE: _merge,
    Action.CORRECT: _correct,
}


def _compressed() -> WriterProperties:
    """The compression of dataset files."""
    from deltalake import WriterProperties  # noqa: PLC0415  an extra

    return WriterProperties(compression="ZSTD", max_row_group_size=_ROWS)


def _values(names: Sequence[str]) -> dict[str, str]:
    return {f"`{name}`": f"new.`{name}`" for name in names}


__all__ = ["Transaction"]
