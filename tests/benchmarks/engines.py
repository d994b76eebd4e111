"""The same questions in DuckDB and in Spark on this machine, from the files of one folder to the answer.

python -m tests.benchmarks.engines [events] [folder]

Writes a dataset (a million events) into the folder, or takes what `tests.benchmarks.analysis` left there. Each question
runs in a process of its own: DuckDB on a connection, Spark in a session ``local[*]`` of 2 GB, with nothing kept. Times,
processor time and peak memory are of this process and, of Spark, of its Java; what starting Spark takes is told
apart. The answers are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from conv_analytics import analysis
from conv_analytics.dataset import open_dataset
from tests.benchmarks.analysis import make

EVENTS = 1_000_000
MEMORY = "2g"
#: Per question how it is asked; of `quality`, which has a row per leg, the legs per network and verdict.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "kpi": lambda data: analysis.kpi(data, by="network_code"),
    "quality": lambda data: _counted(analysis.quality(data, columns=["network_code", "verdict"])),
    "offenders": lambda data: analysis.offenders(data, by="network_code"),
}
ENGINES = ("duckdb", "spark")
_TICKS = os.sysconf("SC_CLK_TCK")


def _counted(legs: Any) -> Any:
    keys = ("network_code", "verdict")
    if hasattr(legs, "groupBy"):
        return legs.groupBy(*keys).count()
    return legs.aggregate(f"{', '.join(keys)}, count(*) as count", ", ".join(keys))


def _processes() -> list[int]:
    """This process and all below it."""
    found = [os.getpid()]
    for pid in found:
        for thread in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in thread.read_text().split()]
    return found


def _processor() -> float:
    """Processor time of all processes. [s]"""
    ticks = 0
    for pid in _processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _peak() -> float:
    """The peaks of all processes together. [MB]"""
    statuses = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in _processes())
    peaks = (int(line.split()[1]) for lines in statuses for line in lines if line.startswith("VmHWM"))
    return sum(peaks) / 1024


def _session() -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[*]").config("spark.driver.memory", MEMORY)
    # Of 200, the default, each is a task that costs more than its rows on one machine.
    builder = builder.config("spark.sql.shuffle.partitions", 2 * (os.cpu_count() or 1))
    return builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false").getOrCreate()


def ask(engine: str, question: str, folder: Path) -> None:
    """Ask, and print what it took as JSON."""
    began, before = time.perf_counter(), _processor()
    dataset = open_dataset(folder)
    data: Any = dataset.to_spark(_session()) if engine == "spark" else dataset.to_duckdb()
    ready, started = time.perf_counter(), _processor()
    answer = QUESTIONS[question](data)
    table = answer.toArrow() if hasattr(answer, "toArrow") else answer.to_arrow_table()
    print(json.dumps({
        "start_s": ready - began, "start_cpu_s": started - before, "s": time.perf_counter() - ready,
        "cpu_s": _processor() - started, "mb": _peak(), "answer": _values(table),
    }), flush=True)  # fmt: skip


def _values(table: pa.Table) -> list[list[str]]:
    """Rows in an order of their own; numbers to ten digits."""
    rows = zip(*(table[name].to_pylist() for name in sorted(table.column_names)), strict=True)
    return sorted([f"{value:.10g}" if isinstance(value, float) else str(value) for value in row] for row in rows)


def main() -> None:
    """Measure, and print."""
    events = int(sys.argv[1]) if sys.argv[1:] else EVENTS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2]) if sys.argv[2:] else Path(temporary) / "exports"
        if not folder.is_dir():
            make(folder, events)
        print("| events | question | engine | start | answer | processor | of DuckDB's | peak memory | same |")
        print("|---|---|---|---|---|---|---|---|---|")
        for question in QUESTIONS:
            floor: dict[str, Any] = {}
            for engine in ENGINES:
                command = [sys.executable, "-W", "ignore", "-m", __spec__.name, "--ask", engine, question, str(folder)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                found = json.loads(done.stdout.splitlines()[-1])
                floor = floor or found
                print(
                    f"| {events:,} | {question} | {engine} | {found['start_s']:.1f} s | {found['s']:.1f} s"
                    f" | {found['cpu_s']:.1f} s | {found['cpu_s'] / floor['cpu_s']:.1f}x | {found['mb']:,.0f} MB"
                    f" | {'yes' if found['answer'] == floor['answer'] else 'NO'} |",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        ask(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
