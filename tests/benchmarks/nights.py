"""What two thousand nights cost: opening their dataset against reading the same commits as JSON, and against one night.

Run it with ``python tests/benchmarks/nights.py``.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.sandbox import Sandbox

NIGHTS = 2000
TURNS = 5


def least(work: Callable[[], object]) -> float:
    """Least time of some turns. [s]"""
    times = []
    for _ in range(TURNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Measure, and print."""
    with Sandbox(conversations=40) as sandbox, tempfile.TemporaryDirectory() as folder:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0, progress=False)
        one = least(lambda: open_dataset(folder))
        commits = Path(folder) / "_commits"
        first = json.loads((commits / "000001.json").read_text())
        for number in range(2, NIGHTS + 1):
            # As many conversations, and a file of each table: that is what a quiet night adds.
            night = {**first, "number": number, "files": first["files"][:12], "quarantine": None}
            (commits / f"{number:06d}.json").write_text(json.dumps(night, indent=1))
        floor = least(lambda: [json.loads(path.read_bytes()) for path in sorted(commits.iterdir())])
        opened = least(lambda: open_dataset(folder))
    size = len(json.dumps(first, indent=1))
    print(f"one night: {one * 1000:.1f} ms; {NIGHTS:,} nights of about {size:,} bytes: {opened * 1000:.0f} ms")
    print(f"that is {opened / floor:.2f} times json.loads of the same files ({floor * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
