"""Applies a function to a dataset part by part; no part splits a conversation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from conv_analytics.dataset.dataset import Dataset
from conv_analytics.dataset.parts.frame_parts import frame_parts, frames_of
from conv_analytics.dataset.parts.part_worker import call
from conv_analytics.dataset.parts.partition import partition
from conv_analytics.dataset.parts.workers import by_dask, in_processes
from conv_analytics.dataset.storage.staged_files import disk_errors
from conv_analytics.errors import ConfigError, TableNotFound
from conv_analytics.paths import expand_user

T = TypeVar("T")

#: Rows of a part when the number of parts is not given: half a gigabyte of events with their bodies.
ROWS = 1_000_000


def map_conversations(
    func: Callable[[Any], T],
    data: Dataset | Mapping[str, Any],
    *,
    parts: int | None = None,
    tables: Collection[str] | None = None,
    processes: int = 1,
    client: Any = None,
    scratch: str | Path | None = None,
) -> list[T]:
    """Call a function with the tables of each part of a dataset, and return its results in the order of the parts.

    All rows of a conversation are in the same part, in every table; so are conversations that share a leg, which was
    transferred from one to the other. Results per conversation, leg or event are therefore the same as for the whole,
    and counts of parts add up.

    Parameters
    ----------
    func
        Takes the tables of a part, a mapping of table name to frame, as every question does, such as
        ``functools.partial(kpi, by="country")``. A table of a dataset is read on first access.
    data
        A `Dataset`, of one application or several, in a folder or a bucket; or tables in memory, of pandas, Polars or
        pyarrow, by name.
    parts
        Number of parts, 1 or more; by default a million rows each. More parts take less memory.
    tables
        Names of the tables that are needed, or the name of one; all when absent. Only these are read.
    processes
        Processes of this machine that work on parts, each in its own memory; 1 is this process. A function from a
        notebook cell needs cloudpickle, which the extra ``dask`` installs.
    client
        A ``dask.distributed.Client``, or a cluster such as ``LocalCluster``: its workers call the function (extra
        ``dask``).
    scratch
        Folder for the rows of a dataset, part by part, until the call ends, two to three times the size of the tables;
        by default the folder for temporary files. The workers of `client` need it under the same path.

    Returns
    -------
    list
        The results of the function, in the order of the parts. Results of other processes are pickled.

    Raises
    ------
    ConfigError
        If an option does not fit, or the function cannot be sent to another process.
    TableNotFound
        If the data has no such table.
    DestinationError
        If the folder for temporary files cannot be written.
    DatasetError
        If a process ended in the middle of its work.
    Exception
        The first error that the function raised, with the number of its part as a note.

    Notes
    -----
    Counts add up; most other numbers do not. A median, a percentile, a mean without its n, a distinct count across
    parts, and the interval of a rate cannot be computed from those of the parts: let the function return counts or
    rows, and compute the others from these. Questions across conversations (`redials`, `concurrency`, `busy_hour`,
    `findings`) are for the whole. `quality` detects the units of the data that it gets: call `detect_units` on the
    whole, and pass the result to each part. Tables without a ``conversation_id`` (users, sessions) are in every part.
    See `scale.md`.

    The rows of a dataset are written to a file per table and part first, in one pass: reading all files for each part
    takes as much processor time at 8 parts, and four times as much at 32.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.dataset import map_conversations
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=9) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     dataset = export(client, folder, rate=0).dataset
    ...     counts = map_conversations(lambda part: len(part["conversations"]), dataset, parts=4)
    >>> len(counts), sum(counts)
    (4, 9)
    """
    for name, value in (("parts", parts), ("processes", processes)):
        if value is not None and value < 1:
            raise ConfigError(f"{name}={value} is not a number of {name}: it must be 1 or more.")
    if client is not None and processes > 1:
        raise ConfigError("Give either client= or processes=, not both.")
    if not isinstance(data, Dataset):
        if not isinstance(data, Mapping):
            raise ConfigError(f"data is a {type(data).__name__}: give a Dataset, or tables in memory by name.")
        frames = frames_of(data)
        made = parts or _number_of_parts(sum(map(len, frames.values())), processes)
        return _work(func, frame_parts(frames, made, _wanted(tables)), processes, client)
    wanted = _checked_tables(data, tables)
    made = parts or _number_of_parts(sum(map(data.rows, wanted)), processes)
    where = tempfile.gettempdir() if scratch is None else expand_user(str(scratch))
    with disk_errors(Path(where)):
        folder = tempfile.TemporaryDirectory(prefix="conv-analytics-parts-", dir=where, ignore_cleanup_errors=True)
    with folder as path:
        return _work(func, partition(data, Path(path), made, wanted), processes, client)


def _work(func: Callable[[Any], T], parts: Sequence[Any], processes: int, client: Any) -> list[T]:
    if client is not None:
        return by_dask(func, parts, client)
    if processes > 1:
        return in_processes(func, parts, processes)
    return [call(func, part) for part in parts]


def _number_of_parts(rows: int, processes: int) -> int:
    """The number of parts at which each is small enough."""
    return max(processes, -(-rows // ROWS), 1)


def _wanted(tables: Collection[str] | None) -> list[str] | None:
    """The requested tables, each once; one name is one table."""
    return [tables] if isinstance(tables, str) else None if tables is None else list(dict.fromkeys(tables))


def _checked_tables(dataset: Dataset, tables: Collection[str] | None) -> list[str]:
    """The requested tables, in their order, each once; all by default."""
    wanted = _wanted(tables)
    if wanted is None:
        return list(dataset.tables)
    for name in wanted:
        if name not in dataset.tables:
            raise TableNotFound(name, dataset.tables, where=dataset.name)
    return wanted


__all__ = ["map_conversations"]
