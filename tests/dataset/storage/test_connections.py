"""DuckDB never spills into the working directory, and the day of a row is a column like any other."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from conv_analytics import Dataset, ingest, open_dataset
from conv_analytics.dataset import map_conversations
from conv_analytics.dataset.maintenance import prune as prune_module
from conv_analytics.dataset.parts.part import Part
from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.errors import ColumnNotFound

WORKER = """
import multiprocessing, pathlib, sys
from conv_analytics.dataset.storage.connections import connect_duckdb
def folder():
    connection = connect_duckdb()
    print(pathlib.Path(connection.sql("select current_setting('temp_directory')").fetchall()[0][0]).parent, flush=True)
if __name__ == "__main__":
    folder()
    process = multiprocessing.get_context("spawn").Process(target=folder)
    process.start()
    process.join()
"""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    events = [
        {"type": "sip:hangup", "id": day, "conversation_id": "CON-1", "timestamp": f"2025-03-0{day}T09:00:00Z"}
        for day in (1, 2)
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, events)))
    ingest(tmp_path / "exports", tmp_path / "events.jsonl")
    return open_dataset(tmp_path / "exports")


def spill(connection: Any) -> Path:
    return Path(connection.execute("select current_setting('temp_directory')").fetchall()[0][0])


def is_private(folder: Path) -> bool:
    above = folder.parent
    return above.parent == Path(tempfile.gettempdir()) and stat.S_IMODE(above.stat().st_mode) == 0o700


def of_part(part: Part) -> Any:
    with part.duckdb() as connection:
        return spill(connection)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(
    "folder_of",
    [
        lambda dataset: spill(dataset.duckdb()),
        lambda dataset: spill(dataset.to_duckdb()),
        lambda dataset: next(iter(map_conversations(of_part, dataset, parts=1))),
    ],
    ids=["duckdb", "to_duckdb", "part"],
)
def test_connections_spill_to_private_folders(folder_of: Callable[[Dataset], Path], dataset: Dataset) -> None:
    one, other = folder_of(dataset), folder_of(dataset)
    assert is_private(one)
    assert is_private(other)
    assert one != other


def test_a_connection_of_the_caller_stays_as_it_is(dataset: Dataset) -> None:
    with duckdb.connect() as mine:
        before = spill(mine)
        dataset.to_duckdb(mine)
        assert spill(mine) == before


def test_what_was_spilled_is_removed() -> None:
    connection = connect_duckdb()
    folder = spill(connection)
    assert not folder.exists()
    connection.execute("set memory_limit = '50MB'")
    connection.execute("create table many as select md5(range::varchar) as x from range(2000000)")
    assert list(folder.iterdir())
    connection.close()
    assert not folder.exists()


@pytest.mark.slow
def test_folders_go_with_their_processes(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    done = subprocess.run(
        [sys.executable, tmp_path / "worker.py"], capture_output=True, text=True, check=True, timeout=120
    )
    folders = done.stdout.split()
    assert len(set(folders)) == 2
    assert not [folder for folder in folders if Path(folder).exists()]


def test_prune_spills_there_too(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []

    def connect() -> Any:
        connection = connect_duckdb()
        folders.append(spill(connection))
        return connection

    monkeypatch.setattr(prune_module, "connect_duckdb", connect)
    assert dataset.expired(date(2025, 3, 3)).conversations == 1
    assert len(folders) == 1


@pytest.mark.parametrize("columns", [["date"], ["event_id", "date"], ["date", "at"], ["event_id"]])
def test_the_day_is_a_column_that_can_be_selected(columns: list[str], dataset: Dataset) -> None:
    rows = dataset.selected("events", columns)
    assert rows.column_names == columns
    assert rows.to_pandas().equals(dataset["events"][columns])


@pytest.mark.parametrize("name", ["events", "conversations"])
def test_a_column_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    lines = [{"id": "CON-1"}, {"type": "sip:ringing", "id": 1, "conversation_id": "CON-1", "body": {}}]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, lines)))
    ingest(tmp_path / "exports", tmp_path / "events.jsonl")
    with pytest.raises(ColumnNotFound, match="nothing"):
        open_dataset(tmp_path / "exports").selected(name, ["nothing"])
