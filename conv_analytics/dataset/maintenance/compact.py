"""Copy a dataset to a new folder: few large files instead of some per run, of each record only the latest row.

With `replay`, what can be read of the quarantine by now takes the place of the empty cells it left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.maintenance.latest import Rows, latest_rows
from conv_analytics.dataset.maintenance.quarantine_copy import Second
from conv_analytics.dataset.maintenance.replay import Replayed, selected_tables
from conv_analytics.dataset.memory.watermarks import Known
from conv_analytics.dataset.reader import Dataset, day_of, open_dataset
from conv_analytics.dataset.storage import history
from conv_analytics.dataset.storage.commit import File, promised
from conv_analytics.dataset.storage.layout import COMMITS, QUARANTINE, WORK, Layout
from conv_analytics.dataset.storage.marks import Mark, of
from conv_analytics.dataset.storage.parquet import as_recorded, first_line, open_file
from conv_analytics.dataset.storage.quarantine import LINES
from conv_analytics.dataset.storage.recorded import CARRIED
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.errors import ConfigError, CorruptFile, DatasetError, SchemaChanged
from conv_analytics.instants import utc_text
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.kinds import as_declared

#: Rows that are copied at a time.
_BATCH_ROWS = 2**14


@dataclass
class Compacted:
    """What a copy holds, and what it was made from."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows per table."""
    superseded: int = 0
    """Rows of conversations, members, users and sessions that were left out: a later one has the same key."""
    files: int = 0
    """Parquet files of the copy."""
    files_before: int = 0
    bytes: int = 0
    bytes_before: int = 0
    quarantined: int = 0
    """Records in the quarantine of the copy."""
    replayed: Replayed = field(default_factory=Replayed)
    """What came of the quarantine; only with `replay`."""
    commit: int = 0
    """Number of the copy's commit: it goes on counting where the folder ended."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {"replayed": self.replayed.to_dict(), "seconds": round(self.seconds, 3)}


def compact(source: str | Path, target: str | Path, *, replay: bool = False) -> Compacted:
    """Copy a dataset to a new folder, in few large files.

    Every file is checked before it is copied. Of records as last seen (conversations, members) the latest row is
    copied, of everything else every row. The copy goes on where the folder ended: `export` asks only for what is new,
    and the history of runs is there. The folder itself is only read.

    Parameters
    ----------
    source
        The folder that `export` wrote. What a run adds to it meanwhile is not copied.
    target
        A folder that does not exist, or is empty.
    replay
        Read the quarantine again, and put what can be read by now in the place of the empty cells it left.

    Raises
    ------
    ConfigError
        If the target holds something, or lies in the source.
    CorruptFile
        If a file of the source is not as it was recorded.
    DatasetError
        If the source cannot be read or the target cannot be written; the target then holds no commit.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> from tempfile import TemporaryDirectory
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     for _ in range(2):
    ...         done = export(client, f"{folder}/exports", rate=0)
    ...     copied = compact(f"{folder}/exports", f"{folder}/copy")
    ...     len(open_dataset(f"{folder}/copy")["conversations"]), copied.superseded
    (3, 3)
    """
    begin, started = time.monotonic(), datetime.now(UTC)
    dataset = open_dataset(source)
    _check(dataset, Path(target))
    selected = selected_tables(dataset)
    writer = DatasetWriter(Path(target), started.date(), {*selected, *dataset.tables})
    writer.number = dataset.commits[-1].number + 1
    result = Compacted()
    try:
        second = Second(dataset, writer, replay=replay)
        for name in dataset.tables:
            result.superseded += _copy(dataset, name, second, writer)
        before = [file for commit in dataset.commits for file in commit.files]
        result.files_before, result.bytes_before = len(before), sum(file.bytes for file in before)
        result.replayed, result.quarantined = second.result, second.quarantined
        result.seconds = time.monotonic() - begin
        report = {
            "command": "replay" if replay else "compact",
            "status": "compacted",
            "started_at": utc_text(started),
            "requests": 0,
            "tables": {},
            "seconds": round(result.seconds, 3),
            "selected": list(selected),
            "superseded": result.superseded,
            "replayed": second.result.to_dict(),
            LINES: second.quarantined,
            CARRIED: history.carry(dataset.commits),
        }
        with closing(Known(dataset.path, dataset.commits)) as known:
            commit = writer.commit(_marks(known, second.watermarks), report)
    except BaseException:
        writer.abandon()
        raise
    result.commit, result.rows, result.files = commit.number, commit.rows, len(commit.files)
    result.bytes = sum(file.bytes for file in commit.files)
    return result


def _marks(known: Known, added: Mapping[str, int]) -> Iterator[Mark]:
    """What the folder knew, and the events that were added."""
    for mark in known.marks():
        yield mark._replace(last_event=known.reached(mark.conversation_id, added.get(mark.conversation_id)))
    yield from of({name: last for name, last in added.items() if name not in known})


def _check(dataset: Dataset, target: Path) -> None:
    """Refuse what would lose or overwrite something."""
    here, there = dataset.path.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ConfigError(f"{target} lies in {dataset.path}, or around it. Name another folder for the copy.")
    if there.is_dir():
        layout = Layout(there)
        if any(promised(staging) for staging in layout.runs()):
            message = f"{target} was left unfinished by a run that was killed. Delete the folder, then run this again."
            raise ConfigError(message)
        others = [path for path in there.iterdir() if path.name not in {COMMITS, WORK, QUARANTINE}]
        if others or any(layout.commits.glob("*")):
            raise ConfigError(f"{target} is not empty. Name a folder that does not exist yet.")
    unknown = {file.table for commit in dataset.commits for file in commit.files} - TABLES.keys()
    if unknown:
        message = f"{dataset.path} holds tables that this version does not know: {', '.join(sorted(unknown))}."
        raise DatasetError(f"{message} Upgrade conv_analytics, so that the copy has them, too.")


class _Rows:
    """The rows of one file, in batches; may be gone through again and again."""

    def __init__(self, layout: Layout, file: File, columns: Sequence[str]) -> None:
        self.path, self.file, self._columns = layout.file(file.path), file, columns
        self._layout = layout

    def __iter__(self) -> Iterator[pa.Table]:
        try:
            with pq.ParquetFile(self.path) as held:
                for batch in held.iter_batches(_BATCH_ROWS, columns=list(self._columns)):
                    rows = pa.Table.from_batches([batch]).select(self._columns)
                    yield as_declared(rows, TABLES[self.file.table].schema)
        except (OSError, pa.ArrowException) as error:
            raise CorruptFile(self.path, first_line(error)) from error

    def check(self, table: Table) -> None:
        """Raise unless the file is as it was recorded, and has the columns that its table has today."""
        with open_file(self._layout, self.file) as found:
            held = found.schema_arrow.names
        try:
            what = as_recorded(self._layout, self.file)
        except OSError as error:
            raise CorruptFile(self.path, first_line(error)) from error
        if what:
            raise CorruptFile(self.path, f"it {what}")
        if more := [name for name in held if name not in table.schema.names]:
            raise SchemaChanged(table.name, more[0], f"is not in {self.file.path} as it is declared")


def _copy(dataset: Dataset, name: str, second: Second, writer: DatasetWriter) -> int:
    """Copy one table, day by day; give the number of rows that were left out."""
    table, patch = TABLES[name], second.patch(name)
    # One day after the other, so that each file is closed before the next is opened; runs in their order.
    found = sorted(dataset.numbered(name), key=lambda pair: day_of(pair[1]))
    layout = Layout(dataset.path)
    sources = [_Rows(layout, file, table.schema.names) for _, file in found]
    for source in sources:
        source.check(table)
    masks: list[Any] = []
    if table.latest:
        slim = [Rows(number, _Rows(layout, file, [*table.key, table.latest])) for number, file in found]
        total = sum(file.rows for _, file in found) + len(patch.new)
        masks = latest_rows(table, [*slim, *second.new(name)], total)
    dropped = 0
    for number, source in enumerate(sources):
        day, first = day_of(source.file), 0
        for batch in source:
            rows = batch
            if table.latest:
                mine = masks[number][first : first + len(batch)]
                first += len(batch)
                rows = batch.filter(pa.array(mine))
                dropped += len(batch) - len(rows)
            for where, part in patch.apply(rows, day):
                writer.place(name, where, part)
    writer.write(name, patch.new.filter(pa.array(_joined(masks[len(sources) :]))) if table.latest else patch.rest())
    return dropped


def _joined(masks: Sequence[Any]) -> Any:
    return np.concatenate([np.zeros(0, dtype=bool), *masks])
