"""The report of a million events on disk, beside a bare scan of the same files. Prints ratios; asserts nothing.

python -m tests.benchmarks.report [events]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.notebook.report import quality_report
from conv_analytics.sandbox import Sandbox

TABLES = ("leg_statuses", "call_events", "hangups", "call_records")
FEW = 400


class Folder:
    """Parquet files that are asked like a dataset."""

    def __init__(self, path: Path, tables: tuple[str, ...]) -> None:
        self.path, self.tables = path, tables

    def duckdb(self) -> Any:
        connection = duckdb.connect()
        for name in self.tables:
            connection.execute(f"create view {name} as from read_parquet('{self.path / name}.parquet')")
        return connection

    def scan(self) -> int:
        """All values of all rows, read and hashed."""
        with self.duckdb() as connection:
            return sum(
                connection.execute(f"select count(*), bit_xor(hash(t)) from {name} t").fetchone()[0]
                for name in self.tables
            )


def main() -> None:
    """Export a little, repeat it until it is as much as asked for, ask, print."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = repeated(Path(name), events)
        rows = folder.scan()
        bare = _timed(folder.scan)
        print(f"{events:,} events, {rows:,} rows that tell of legs")
        print(f"{'bare scan':28} {bare:6.2f} s   1.0x")
        report = quality_report(folder, tz="Europe/London")
        asked: dict[str, Callable[[], Any]] = {
            "numbers": lambda: quality_report(folder, tz="Europe/London"),
            "page": lambda: report.html,
            "files": lambda: report.write(Path(name) / "report.html"),
        }
        for what, ask in asked.items():
            took = _timed(ask)
            print(f"{what:28} {took:6.2f} s  {took / bare:4.1f}x")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{report.numbers.legs:,} legs; page {len(report.html.encode()) / 1e3:,.0f} kB; peak {peak:,.0f} MB")


def repeated(path: Path, events: int) -> Folder:
    """A small export again and again, each time with other ids and a day later."""
    with Sandbox(conversations=FEW) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, path / "small", rate=0, progress=False)
    dataset = open_dataset(path / "small")
    times = -(-events // dataset.rows("events"))
    with dataset.duckdb() as connection:
        for table in TABLES:
            columns = dict(connection.execute(f"select column_name, column_type from (describe {table})").fetchall())
            made = ", ".join(_again(column, kind) for column, kind in columns.items())
            connection.execute(f"copy (select {made} from {table}, range({times}) r(i)) to '{path / table}.parquet'")
    return Folder(path, TABLES)


def _again(column: str, kind: str) -> str:
    if column in {"conversation_id", "leg_id", "member_id", "leg_conversation_id", "from_member_id"}:
        return f'"{column}" || \'-\' || i as "{column}"'
    return f'"{column}" + to_days(i::int) as "{column}"' if kind.startswith("TIMESTAMP") else f'"{column}"'


def _timed(ask: Callable[[], Any]) -> float:
    took = []
    for _ in range(3):
        started = time.perf_counter()
        ask()
        took.append(time.perf_counter() - started)
    return min(took)


if __name__ == "__main__":
    main()
