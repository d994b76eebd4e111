"""How questions grow with the number of events, on one machine: processor time and memory of a process of its own.

python -m tests.benchmarks.scale FOLDER [MILLIONS ...]    such as 1 10 50 100
python -m tests.benchmarks.scale FOLDER s3 MILLIONS       the same from an S3 server of this machine, against the folder
python -m tests.benchmarks.scale FOLDER parts MILLIONS    kpi part by part (map_conversations), against the whole

The datasets of `tests.benchmarks.analysis` are written into FOLDER, or taken from an earlier run. Nothing is kept in
their folders: each question is asked for the first time. Times are of the processor, since the machine may be busy.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from conv_analytics import analysis, open_dataset
from conv_analytics.dataset import map_conversations
from tests._helpers.object_stores import BUCKET, Proxy, s3_server, variables
from tests.benchmarks.analysis import QUESTIONS, make, measured

ASKED = ("kpi", "quality", "offenders")
COUNTS = ["k", "n", "unknown"]


def dataset_of(folder: Path, millions: int) -> Path:
    """The dataset of some millions of events, made when it is not there."""
    root = folder / f"e{millions}000000"
    if not root.is_dir():
        make(root, millions * 1_000_000)
    return root


def grows(folder: Path, sizes: list[int]) -> None:
    """A line for each size and question."""
    print("| events | on disk | question | processor | peak memory | of 1 million |\n|---|---|---|---|---|---|")
    first: dict[str, float] = {}
    for millions in sizes:
        root = dataset_of(folder, millions)
        size = sum(file.bytes for commit in open_dataset(root).commits for file in commit.files)
        for name in ASKED:
            shutil.rmtree(root / "_cache", ignore_errors=True)
            done = measured(name, root)
            if "failed" in done:
                print(f"| {millions} M | {size / 1e9:.2f} GB | {name} | failed: {done['failed']} | | |", flush=True)
                continue
            per_million = done["cpu"] / millions
            ratio = per_million / first.setdefault(name, per_million)
            print(
                f"| {millions} M | {size / 1e9:.2f} GB | {name} | {done['cpu']:.1f} s | {done['peak']:.0f} MB |"
                f" {ratio:.2f}x per event |",
                flush=True,
            )
        shutil.rmtree(root / "_cache", ignore_errors=True)


def from_s3(folder: Path, millions: int) -> None:
    """Each question from a bucket and from the folder, nothing kept; the server's processor time is not counted."""
    root = dataset_of(folder, millions)
    with tempfile.TemporaryDirectory() as state, s3_server() as address, Proxy(address) as proxy:
        os.environ |= variables(proxy.address) | {"XDG_STATE_HOME": state}
        url = f"s3://{BUCKET}/scale"
        copied = open_dataset(root).copy_to(url)
        print(f"copied {copied.files} files, {copied.bytes / 1e6:,.0f} MB in {copied.seconds:.0f} s")
        print("| question | folder | bucket | ratio | requests | MB |\n|---|---|---|---|---|---|")
        for name in ASKED:
            shutil.rmtree(root / "_cache", ignore_errors=True)
            shutil.rmtree(open_dataset(url).path / "_cache", ignore_errors=True)
            local = _asked(name, str(root))
            proxy.requests.clear()
            proxy.sent = 0
            remote = _asked(name, url)
            assert remote["answer"] == local["answer"], name
            print(
                f"| {name} | {local['cpu']:.1f} s, {local['s']:.1f} s by the clock | {remote['cpu']:.1f} s,"
                f" {remote['s']:.1f} s by the clock | {remote['cpu'] / local['cpu']:.2f}x,"
                f" {remote['s'] / local['s']:.2f}x | {len(proxy.requests):,} | {proxy.sent / 1e6:,.0f} |",
                flush=True,
            )


def _asked(name: str, place: str) -> dict[str, Any]:
    """What `tests.benchmarks.analysis` measures, of a folder or a URL."""
    command = [sys.executable, "-m", "tests.benchmarks.analysis", name, place]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_parts(folder: Path, millions: int) -> None:
    """The counts of `kpi` added up over parts, against those of the whole."""
    dataset = open_dataset(dataset_of(folder, millions))
    ask = partial(analysis.kpi, by="network_code")
    began = time.process_time()
    whole = ask(dataset)
    took = time.process_time() - began
    tables = ["leg_statuses", "call_events", "hangups", "call_records"]
    for processes in (1, 2):
        began, children = time.process_time(), _of_children()
        parts = map_conversations(ask, dataset, tables=tables, processes=processes)
        used = time.process_time() - began + _of_children() - children
        keys = ["network_code", "metric"]
        added = pd.concat(parts).groupby(keys, sort=False)[COUNTS].sum().sort_index()
        same = added.astype("Int64").equals(whole.set_index(keys)[COUNTS].sort_index().astype("Int64"))
        print(
            f"{millions} M events, {len(parts)} parts, {processes} process(es): {used:.1f} s of processor, whole"
            f" {took:.1f} s: {used / took:.1f}x, counts {'equal' if same else 'DIFFER'};"
            f" peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
            flush=True,
        )


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print."""
    folder, rest = Path(sys.argv[1]), sys.argv[2:]
    assert set(ASKED) <= set(QUESTIONS)
    match rest:
        case ["s3", millions]:
            from_s3(folder, int(millions))
        case ["parts", millions]:
            in_parts(folder, int(millions))
        case _:
            grows(folder, [int(each) for each in rest] or [1, 10])


if __name__ == "__main__":
    main()
