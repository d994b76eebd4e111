"""Copy a dataset to a new folder: few large files instead of some per run, and only the latest row of each record.

With `replay`, the quarantine is read again, and what can be read now fills the empty cells that it left.
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

from conv_analytics.dataset.maintenance.file_rows import FileRows, is_nested
from conv_analytics.dataset.maintenance.latest_rows import RunRows, latest_rows
from conv_analytics.dataset.maintenance.quarantine_copy import QuarantineCopy
from conv_analytics.dataset.maintenance.replaced_events import ReplacedEvents
from conv_analytics.dataset.maintenance.replay import Replayed, selected_tables
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.snapshot import Snapshot, day_of
from conv_analytics.dataset.storage import history
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.backlog import backlog
from conv_analytics.dataset.storage.commit import promised
from conv_analytics.dataset.storage.layout import COMMITS, QUARANTINE, WORK, Layout
from conv_analytics.dataset.storage.quarantine import LINES
from conv_analytics.dataset.storage.report_schema import CARRIED
from conv_analytics.dataset.storage.views import replaces_rows
from conv_analytics.dataset.storage.watermarks import Watermark, watermarks_from
from conv_analytics.dataset.store.work_folder import BUCKET, dataset_folder
from conv_analytics.dataset.writer import DatasetWriter
from conv_analytics.errors import ConfigError, DatasetError
from conv_analytics.instants import utc_text
from conv_analytics.tables import TABLES
from conv_analytics.tables.event_sources import EVENT_SOURCES


@dataclass
class Compacted:
    """The contents of a compacted copy, and its source."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows per table."""
    superseded: int = 0
    """Rows that were left out: of conversations, members, users and sessions, where a later one has the same key; of
    events, where a list's version replaces that of a webhook."""
    files: int = 0
    """Parquet files of the copy."""
    files_before: int = 0
    bytes: int = 0
    bytes_before: int = 0
    quarantined: int = 0
    """Records in the quarantine of the copy."""
    waiting: int = 0
    """Live events that stay in the inbox of the folder, because no run has folded them in yet."""
    replayed: Replayed = field(default_factory=Replayed)
    """The outcome for the quarantined records; only with `replay`."""
    commit: int = 0
    """Number of the copy's commit: the count continues where the folder ended."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {"replayed": self.replayed.to_dict(), "seconds": round(self.seconds, 3)}


def compact(source: str | Path, target: str | Path, *, replay: bool = False) -> Compacted:
    """Copy a dataset to a new folder, in few large files.

    Every file is checked before it is copied. Of records as last seen (conversations, members) the latest row is
    copied, of everything else every row. The copy continues where the folder ended: `export` requests only new data,
    and the history of runs is kept. The folder itself is only read.

    Parameters
    ----------
    source
        The folder that `export` wrote. Rows that a run adds meanwhile are not copied.
    target
        A folder that does not exist, or is empty.
    replay
        Also read the quarantine again, and fill the empty cells that it left.

    Raises
    ------
    ConfigError
        If the target is not empty, or is inside the source.
    CorruptFile
        If a file of the source differs from its record.
    DatasetError
        If the source cannot be read or the target cannot be written; the target then holds no commit.

    Examples
    --------
    >>> from conv_analytics import Conversations, export, open_dataset
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
    dataset, folder = Snapshot.open(source), dataset_folder(target)
    _check(dataset, folder)
    selected = selected_tables(dataset)
    writer = DatasetWriter(folder, started.date(), {*selected, *dataset.tables})
    writer.number = dataset.commits[-1].number + 1
    result = Compacted()
    try:
        quarantine = QuarantineCopy(dataset, writer, replay=replay)
        for name in dataset.tables:
            result.superseded += _copy(dataset, name, quarantine, writer)
        before = [file for commit in dataset.commits for file in commit.files]
        result.files_before, result.bytes_before = len(before), sum(file.bytes for file in before)
        result.replayed, result.quarantined = quarantine.result, quarantine.quarantined
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
            "replayed": quarantine.result.to_dict(),
            LINES: quarantine.quarantined,
            CARRIED: history.carry(dataset.commits),
        }
        with closing(WatermarkIndex(dataset.path, dataset.commits)) as index:
            commit = writer.commit(_watermarks(index, quarantine.last_added), report)
    except BaseException:
        writer.abandon()
        raise
    result.waiting = backlog(Layout(dataset.path), dataset.commits).receipts
    result.commit, result.rows, result.files = commit.number, commit.rows, len(commit.files)
    result.bytes = sum(file.bytes for file in commit.files)
    Snapshot.open(folder).index_conversations()
    return result


def _watermarks(index: WatermarkIndex, last_added: Mapping[str, int]) -> Iterator[Watermark]:
    """The watermarks of the folder, raised to the events that were added."""
    for each in index.watermarks():
        yield each._replace(last_event=index.reached(each.conversation_id, last_added.get(each.conversation_id)))
    yield from watermarks_from({name: last for name, last in last_added.items() if name not in index})


def _check(dataset: Snapshot, target: Path) -> None:
    """Refuse a copy that would lose or overwrite something."""
    layout = Layout(target)
    if is_nested(Layout(dataset.path), layout):
        raise ConfigError(f"{layout.name} is inside {dataset.name}, or contains it. Name another folder for the copy.")
    if target.is_dir():
        if any(promised(staging) for staging in layout.runs()):
            message = (
                f"{layout.name} was left unfinished by a run that was killed. Delete the folder, then run this again."
            )
            raise ConfigError(message)
        others = [path for path in target.iterdir() if path.name not in {COMMITS, WORK, QUARANTINE, BUCKET}]
        if others or any(layout.commits.glob("*.json")) or (layout.bucket and backend_of(layout).files("")):
            raise ConfigError(f"{layout.name} is not empty. Name a folder that does not exist yet.")
    unknown = {file.table for commit in dataset.commits for file in commit.files} - TABLES.keys()
    if unknown:
        message = f"{dataset.path} holds tables that this version does not know: {', '.join(sorted(unknown))}."
        raise DatasetError(f"{message} Upgrade conv_analytics, so that the copy has them too.")


def _copy(dataset: Snapshot, name: str, quarantine: QuarantineCopy, writer: DatasetWriter) -> int:
    """Copy one table, day by day, and return the number of rows that were left out."""
    table, patch = TABLES[name], quarantine.patch(name)
    # One day after the other, so that each file is closed before the next is opened; runs in their order.
    files = sorted(dataset.numbered(name), key=lambda pair: day_of(pair[1]))
    layout = Layout(dataset.path)
    sources = [FileRows(layout, file, table.schema.names) for _, file in files]
    for source in sources:
        source.check(table)
    masks: list[Any] = []
    replaced = ReplacedEvents(dataset.stored_files(EVENT_SOURCES.name) if EVENT_SOURCES.name in dataset.tables else ())
    if table.latest:
        slim = [RunRows(number, FileRows(layout, file, [*table.key, table.latest])) for number, file in files]
        total = sum(file.rows for _, file in files) + len(patch.new)
        masks = latest_rows(table, [*slim, *quarantine.new(name)], total)
    dropped = 0
    for number, source in enumerate(sources):
        day, first = day_of(source.file), 0
        for batch in source:
            rows = batch
            if table.latest:
                mine = masks[number][first : first + len(batch)]
                first += len(batch)
                rows = batch.filter(pa.array(mine))
            elif replaces_rows(table):
                rows = replaced.without(batch)
            dropped += len(batch) - len(rows)
            for part_day, part in patch.apply(rows, day):
                writer.place(name, part_day, part)
    writer.write(name, patch.new.filter(pa.array(_joined(masks[len(sources) :]))) if table.latest else patch.rest())
    return dropped


def _joined(masks: Sequence[Any]) -> Any:
    return np.concatenate([np.zeros(0, dtype=bool), *masks])
