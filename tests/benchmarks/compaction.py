"""Compaction of a million events out of 60 nightly runs: time and peak memory, against plainly reading the same rows.

Run it with ``python tests/benchmarks/compaction.py``, and the number of rounds (3). Both sides run in turns, each in a
process of its own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import run

from conv_analytics.dataset import DatasetWriter, open_dataset
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.storage.watermarks import watermarks_from
from conv_analytics.tables.flatten import flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents

NIGHTS = 60
CONVERSATIONS = 250
ROUNDS = 3
FIRST = datetime(2026, 9, 1, 3, tzinfo=UTC)


def make(root: Path) -> int:
    """Nights of equal size, each a day later and of other conversations; a third of these is seen again."""
    with run.served(CONVERSATIONS) as server:
        found = asyncio.run(run.download(server))
    pages = [Page(owner, body) for kind, owner, body in found if kind == "events"]
    members = [Page(owner, body) for kind, owner, body in found if kind == "members"]
    details = [body for kind, owner, body in found if kind == "conversations" and owner]
    rows = flatten_events(pages, SeenEvents()).tables
    for night in range(NIGHTS):
        begin = FIRST + timedelta(days=night)
        seen = {
            "conversations": flatten_conversations(details, begin).tables["conversations"],
            "members": flatten_records("members", members, begin).tables["members"],
        }
        writer = DatasetWriter(root, begin.date(), [*rows, *seen])
        for name, table in (rows | seen).items():
            again = table.slice(0, len(table) // 3) if name in seen else table.slice(0, 0)
            writer.write(name, pa.concat_tables([shifted(table, night), shifted(again, night - 1)]))
        ends = {f"{owner}-{night}": 1_000_000 for owner in rows["events"]["conversation_id"].unique().to_pylist()}
        report = {"started_at": begin.isoformat(), "status": "complete", "requests": 1, "selected": [*rows, *seen]}
        writer.commit(watermarks_from(ends), report)
    return NIGHTS * len(rows["events"])


def shifted(table: pa.Table, night: int) -> pa.Table:
    """The same rows of other conversations, some days later."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if name in {"conversation_id", "member_id"}:
            column = pc.binary_join_element_wise(column, str(night), "-")
        elif name == "at":
            column = pc.add(column, pa.scalar(timedelta(days=night), pa.duration("us")))
        table = table.set_column(place, table.schema.field(place), column)
    return table


def read(root: str, _target: str) -> None:
    """Every row of every file, a batch at a time."""
    dataset = open_dataset(root)
    for name in dataset.tables:
        for path in dataset.files(name):
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches(2**14):
                    pass


def copy(root: str, target: str) -> None:
    """What is measured."""
    compact(root, target)


def measured(what: str, root: Path, target: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process of its own, its imports left out of the time."""
    folder = str(Path(__file__).parent)
    code = (
        f"import json, sys, time; sys.path.insert(0, {folder!r}); import compaction; from pathlib import Path\n"
        f"begin = time.perf_counter(); compaction.{what}(*sys.argv[1:]); took = time.perf_counter() - begin\n"
        "peak = next(l.split()[1] for l in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in l)\n"
        "print(json.dumps([took, int(peak) / 1024]))"
    )
    command = [sys.executable, "-c", code, str(root), str(target)]
    took, peak = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return took, peak


def main() -> None:
    """Print the table."""
    work = Path(tempfile.mkdtemp())
    try:
        root, target = work / "exports", work / "compacted"
        events = make(root)
        rounds = []
        for _ in range(int(sys.argv[1]) if sys.argv[1:] else ROUNDS):
            shutil.rmtree(target, ignore_errors=True)
            rounds.append(
                (measured("copy", root, target), measured("read", root, target), measured("read", target, root))
            )
        before, after = files_of(root), files_of(target)
        times = statistics.median(mine[0] / floor[0] for mine, floor, _ in rounds)
        peaks = statistics.median(mine[1] / floor[1] for mine, floor, _ in rounds)
        later = statistics.median(new[0] / floor[0] for _, floor, new in rounds)
        took, peak = (statistics.median(mine[place] for mine, _, _ in rounds) for place in (0, 1))
        print(f"{events:,} events, {NIGHTS} commits, {before:,} files -> {after:,} files")
        print(f"| compaction | reading the same rows | {times:.1f}x | {took:.1f} s |")
        print(f"| its peak memory | of reading the same rows | {peaks:.2f}x | {peak:.0f} MB |")
        print(f"| reading the copy | reading the folder | {later:.2f}x | |")
    finally:
        shutil.rmtree(work)


def files_of(folder: Path) -> int:
    return sum(len(commit.files) for commit in open_dataset(folder).commits)


if __name__ == "__main__":
    main()
