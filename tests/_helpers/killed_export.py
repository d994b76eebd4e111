"""Runs of the exporter in processes of their own, to be killed at any instant."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from conv_analytics import Conversations, export
from conv_analytics.dataset import open_dataset
from conv_analytics.exporter import convert
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.disk_changes import changes_made, die_at
from tests._helpers.fork_server import fork_server

SMALL_BATCH = 20_000
#: What a run writes that is killed at every change of the disk: records as last seen, events, their bodies and items.
FEW_TABLES = ("conversations", "members", "events", "hangups", "member_events", "leg_statuses")
#: What tells when a run was, not what it saw.
_WHEN = ["exported_at", "date"]


def _export(where: tuple[str, str, str], dest: Path, concurrency: int, processes: int, **options: Any) -> None:
    application, key, host = where
    client = Conversations(application, key, base_url=host)
    if processes > 1:
        # Several batches of a small world.
        convert.BATCH_BYTES = SMALL_BATCH
    export(client, dest, rate=0, concurrency=concurrency, processes=processes, **options)


def start(sandbox: Sandbox, dest: Path, *, concurrency: int, processes: int = 1) -> BaseProcess:
    """An export in a process of its own."""
    where = (sandbox.application_id, sandbox.private_key, sandbox.base_url)
    process = fork_server().Process(target=_export, args=(where, dest, concurrency, processes), daemon=True)
    process.start()
    return process


def _export_until(where: tuple[str, str, str], dest: Path, concurrency: int, change: int, changes: Any) -> None:
    die_at(change, changes)
    _export(where, dest, concurrency, 1, tables=FEW_TABLES)


def export_until(sandbox: Sandbox, dest: Path, change: int, *, concurrency: int) -> bool:
    """Export a few tables in a process that dies right before a change of the disk, counted from 1.

    Return whether it came to it.
    """
    where, changes = (
        (sandbox.application_id, sandbox.private_key, sandbox.base_url),
        fork_server().Value("i", 0, lock=False),
    )
    process = fork_server().Process(target=_export_until, args=(where, dest, concurrency, change, changes), daemon=True)
    process.start()
    return changes_made(process, change, changes) == change


def kill(process: BaseProcess) -> None:
    """End a process without a word to it."""
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)


def content(dest: Path) -> dict[str, pa.Table]:
    """All that a folder holds but when it was seen, as texts, in one order.

    Of conversations and members the latest row, because each run that sees one writes one; of the rest, what any reader
    of the plain files finds.
    """
    dataset = open_dataset(dest)
    latest = {
        name: pa.Table.from_pandas(dataset[name], preserve_index=False) for name in dataset if TABLES[name].latest
    }
    return {name: _ordered_texts(latest[name] if name in latest else pq.read_table(dest / name)) for name in dataset}


def _ordered_texts(table: pa.Table) -> pa.Table:
    """The rows of a table as texts, sorted by all columns."""
    columns = {}
    for name in table.column_names:
        if name not in _WHEN:
            column = table[name].combine_chunks()
            plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            columns[name] = pa.array(map(str, plain.to_pylist())) if _is_nested(plain.type) else plain.cast(pa.string())
    texts = pa.table(columns)
    return texts.sort_by([(name, "ascending") for name in columns])


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def same(found: Mapping[str, pa.Table], wanted: Mapping[str, pa.Table]) -> None:
    """Both hold the same rows, each as often."""
    assert found.keys() == wanted.keys()
    for name, table in wanted.items():
        if not found[name].equals(table):  # a tenth of the time of the assertion, which says where they differ
            pd.testing.assert_frame_equal(found[name].to_pandas(), table.to_pandas(), obj=name)
            raise AssertionError(f"{name} differs in what pandas does not see")


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Opened once: it takes longer than to count the rows of a small folder."""
    return duckdb.connect()


class Reader:
    """Somebody who reads a folder all the while, in every usual way."""

    def __init__(self, dest: Path, rows: int = 0) -> None:
        self.reads, self.rows = 0, rows
        self._dest = dest
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._read_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failed is not None:
            raise AssertionError("the reader met something that no reader may meet") from self._failed

    def _read_on(self) -> None:
        try:
            while not self._over.is_set() or not self.reads:
                self.read()
        except BaseException as error:  # noqa: BLE001  told by the thread that waits
            self._failed = error

    def read(self) -> None:
        """Look into the folder once."""
        key = ["conversation_id", "event_id"]
        files = f"{self._dest}/hangups/*/*.parquet"
        opened, plain = open_dataset(self._dest)["hangups"], pd.read_parquet(self._dest / "hangups", columns=key)
        query = f"select count(*), count(distinct (conversation_id, event_id)) from read_parquet('{files}')"
        scanned = pl.read_parquet(files, columns=key)
        for rows, distinct in (
            (len(opened), len(opened.drop_duplicates(key))),
            (len(plain), len(plain.drop_duplicates(key))),
            _database().cursor().sql(query).fetchall()[0],
            (len(scanned), scanned.n_unique()),
        ):
            assert rows == distinct
            # What was there once stays there.
            assert rows >= self.rows
        self.rows = len(opened)
        self.reads += 1


def at_request(number: int, act: Callable[[], None]) -> Callable[[object], bool]:
    """What a sandbox asks about each request; acts at one of them, and never answers itself."""
    seen = 0

    def look(_request: object) -> bool:
        nonlocal seen
        seen += 1
        if seen == number:
            act()
        return False

    return look
