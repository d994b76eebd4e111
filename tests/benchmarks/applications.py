"""Four applications are written for some minutes while a reader opens all of them as one; prints what was read.

``.venv/bin/python tests/benchmarks/applications.py [MINUTES] [CONVERSATIONS]``
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.dataset import Applications
from conv_analytics.errors import DatasetError
from conv_analytics.sandbox import Sandbox

WRITERS = 4


def write(folder: str, base_url: str, application: str, key: str, until: float) -> None:
    """Read one application again and again: each run is a commit."""
    while time.time() < until:
        with Conversations(application, key, base_url=base_url) as client:
            export(client, folder, rate=0, progress=None, full=True, processes=1)


def main(minutes: float = 10, conversations: int = 20) -> int:
    """Write and read; return how many reads were wrong."""
    reads: Counter[str] = Counter()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worlds = [stack.enter_context(Sandbox(seed=seed, conversations=conversations)) for seed in range(WRITERS)]
        wanted = {each.application_id: each.truth().rows["events"] for each in worlds}
        until = time.time() + minutes * 60
        spawn = multiprocessing.get_context("spawn")
        writers = [
            spawn.Process(target=write, args=(str(root / f"application_id={each.application_id}"), each.base_url,
                                              each.application_id, each.private_key, until))
            for each in worlds
        ]  # fmt: skip
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            try:
                dataset = open_dataset(root)
                with dataset.duckdb() as connection:
                    query = "select application_id, count(*) from events group by 1"
                    in_duckdb = dict(connection.sql(query).fetchall())
                in_memory = dataset["events"]["application_id"].value_counts().to_dict()
            except DatasetError:
                time.sleep(0.1)
                continue
            right = in_duckdb == in_memory and in_duckdb.items() <= wanted.items()
            reads["right" if right else "wrong"] += 1
        failed = sum(writer.exitcode != 0 for writer in writers)
        dataset = open_dataset(root)
        assert isinstance(dataset, Applications)
        commits = sum(len(each.commits) for each in dataset.applications.values())
    print(f"{minutes:g} minutes, {WRITERS} writers ({failed} failed), {commits:,} commits; reads: {dict(reads)}")
    return reads["wrong"] + failed


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(float(given[0]) if given else 10, int(given[1]) if given[1:] else 20))
