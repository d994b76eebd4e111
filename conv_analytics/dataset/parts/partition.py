"""Write the tables of a dataset to a file per table and part, in one pass over its files.

The alternative, reading all files once for each part and keeping its rows, takes as much processor time at eight parts
and four times as much at 32, and requests every byte of a bucket once per part.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conv_analytics.dataset.applications import APPLICATION, Applications
from conv_analytics.dataset.dataset import Dataset
from conv_analytics.dataset.handover.handover import latest_rows
from conv_analytics.dataset.parts.assignment import CONVERSATION, FROM, LEG, Assignment, linked
from conv_analytics.dataset.parts.part import Part, PartOfApplications, file_name
from conv_analytics.dataset.storage.staged_files import disk_errors
from conv_analytics.tables import TABLES

#: Rows are buffered up to this size before they are written as a row group of each part. [B]
BUFFER_BYTES = 64 * 2**20
#: Memory that DuckDB may use to find the legs of several conversations before it spills to disk.
_MEMORY = "600MB"
#: The files only live as long as the call: fast writing matters more than a small size.
_COMPRESSION = "lz4"
#: The number of the run that wrote a row, until the latest row is chosen by it.
_RUN = "conv_analytics_run"


def partition(dataset: Dataset, folder: Path, parts: int, tables: Collection[str]) -> list[Part]:
    """Write some tables of a dataset to a folder, and return the parts.

    Tables that name no conversation (users, sessions) are in every part as they are.

    Raises
    ------
    DestinationError
        If the folder cannot be written.
    """
    assignment = linked(legs_of_several(dataset, folder), parts)
    kind = PartOfApplications if isinstance(dataset, Applications) else Part
    rows: list[dict[str, int]] = [{} for _ in range(parts)]
    with disk_errors(folder):
        for name in tables:
            write = _write_latest if TABLES[name].latest is not None else _write
            for number, count in enumerate(write(dataset, name, folder, assignment)):
                rows[number][name] = count
    return [kind(folder, number, parts, counted) for number, counted in enumerate(rows)]


def legs_of_several(dataset: Dataset, folder: Path) -> pa.Table:
    """The legs that are in several conversations or in some rows without one, each with its conversations.

    All tables are read: the conversations of a part do not depend on the tables that it has.
    """
    names = [name for name in dataset.tables if {CONVERSATION, LEG} <= set(TABLES[name].schema.names)]
    nothing = pa.table({LEG: pa.array([], pa.string()), CONVERSATION: pa.array([], pa.string())})
    if not names:
        return nothing
    with dataset.duckdb() as connection:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set enable_progress_bar = false")
        spill = str(folder / "spill").replace("'", "''")
        connection.execute(f"set temp_directory = '{spill}'")
        pairs = " union all ".join(_pairs(names))
        # By their hashes first: the ids themselves would take ten times the memory.
        connection.execute(
            f"create temp table several as select leg from (select hash({LEG}) as leg, hash({CONVERSATION}) as owner "  # noqa: S608
            f"from ({pairs})) group by leg having min(owner) <> max(owner)"
        )
        if not connection.sql("select count(*) from several").fetchall()[0][0]:
            return nothing
        query = f"select distinct {LEG}, {CONVERSATION} from ({pairs}) where hash({LEG}) in (from several)"  # noqa: S608
        table: pa.Table = connection.sql(query).to_arrow_table()
        return table


def _pairs(names: Collection[str]) -> Iterator[str]:
    """Statements that select legs with their conversations."""
    for name in names:
        leg, owner = f"replace({LEG}, '-', '')", f"coalesce({CONVERSATION}, '')"
        yield f'select {leg} as {LEG}, {owner} as {CONVERSATION} from "{name}" where {LEG} is not null'  # noqa: S608
        if FROM in TABLES[name].schema.names:
            # A transfer names the original conversation of its leg, which may have no other event of the leg.
            for owner in (FROM, CONVERSATION):
                yield f"select '{FROM} ' || {FROM}, {owner} from \"{name}\" where {FROM} is not null"  # noqa: S608


def _write(dataset: Dataset, name: str, folder: Path, assignment: Assignment) -> list[int]:
    """Write a table of events, whose rows are unique already; return the number of rows of each part."""
    table = dataset.table(name)
    with _Files(folder, name, table.schema, assignment) as files:
        for batch in table.reader():
            files.write(pa.Table.from_batches([batch]))
        return files.finish()


def _write_latest(dataset: Dataset, name: str, folder: Path, assignment: Assignment) -> list[int]:
    """Write a table of records as last seen: which row is the latest is decided in each part."""
    schema = dataset.table(name).schema
    # Rows without a conversation are decided once, for all parts.
    deciding = assignment if CONVERSATION in schema.names else Assignment(1)
    several = isinstance(dataset, Applications)
    applications = dataset.applications if isinstance(dataset, Applications) else {"": dataset}
    unsorted = f"{name}-of-runs"
    with _Files(folder, unsorted, schema.append(pa.field(_RUN, pa.int64())), deciding) as files:
        for application, each in applications.items():
            for number, rows in each.rows_of_runs(name) if name in each.tables else ():
                named = rows
                if several:
                    named = rows.append_column(APPLICATION, pa.repeat(pa.scalar(application), len(rows)))
                runs = pa.repeat(pa.scalar(number, pa.int64()), len(rows))
                files.write(named.append_column(_RUN, runs))
        files.finish()
    counts: list[int] = []
    for number in range(assignment.parts):
        path = folder / file_name(name, number)
        if number >= deciding.parts:
            shutil.copyfile(folder / file_name(name, 0), path)
            counts.append(counts[0])
            continue
        with pq.ParquetFile(folder / file_name(unsorted, number)) as file:
            rows = file.read().unify_dictionaries()
        latest = _latest(name, rows, several=several).select(schema.names)
        pq.write_table(latest, path, compression=_COMPRESSION)
        (folder / file_name(unsorted, number)).unlink()
        counts.append(len(latest))
    return counts


def _latest(name: str, rows: pa.Table, *, several: bool) -> pa.Table:
    """The latest row of each key; the runs of different applications are independent."""
    if not several:
        return latest_rows(TABLES[name], rows, rows[_RUN].to_numpy())
    own = [rows.filter(pc.equal(rows[APPLICATION], each)) for each in pc.unique(rows[APPLICATION])]
    return pa.concat_tables([latest_rows(TABLES[name], each, each[_RUN].to_numpy()) for each in own] or [rows])


class _Files:
    """The files of one table, one for each part; rows wait until there are enough for a row group of each."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, assignment: Assignment) -> None:
        self._schema, self._assignment = schema, assignment
        words = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._open = ExitStack()
        self._writers = [
            self._open.enter_context(
                pq.ParquetWriter(
                    folder / file_name(name, number), schema, compression=_COMPRESSION, use_dictionary=words
                )
            )
            for number in range(assignment.parts)
        ]
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._rows = np.zeros(assignment.parts, dtype=np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._open.close()

    def write(self, rows: pa.Table) -> None:
        """Add rows of any conversations."""
        self._waiting.append(rows.cast(self._schema))
        self._bytes += rows.nbytes
        if self._bytes > BUFFER_BYTES:
            self._flush()

    def finish(self) -> list[int]:
        """Write the remaining rows, and return the number of rows of each part."""
        self._flush()
        self._open.close()
        return [int(count) for count in self._rows]

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting).unify_dictionaries()
        self._waiting, self._bytes = [], 0
        places = np.zeros(len(rows), np.intp) if self._assignment.parts == 1 else self._assignment.places(rows)
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(self._assignment.parts + 1))
        rows = rows.take(pa.array(order))
        for number, (begin, end) in enumerate(itertools.pairwise(bounds.tolist())):
            if end > begin:
                self._writers[number].write_table(rows.slice(begin, end - begin))
        self._rows += np.diff(bounds)


__all__ = ["legs_of_several", "partition"]
