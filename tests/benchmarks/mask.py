"""What masking costs, against converting the same pages; prints ratios.

``.venv/bin/python tests/benchmarks/mask.py [CONVERSATIONS]``
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import run

from conv_analytics.dataset import DatasetWriter
from conv_analytics.privacy import Mask
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import flatten_events
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents

ROUNDS = 7


def cpu(call: Callable[[], Any]) -> float:
    """Seconds of this process, so that what else runs on the machine counts less."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def main() -> None:
    with run.served(int(sys.argv[1]) if len(sys.argv) > 1 else 600) as server:
        found = asyncio.run(run.download(server))
    plain = [Page(conversation, body) for kind, conversation, body in found if kind == "events"]
    root = Path(tempfile.mkdtemp())
    events = 0

    def convert(pages: list[Page]) -> None:
        nonlocal events
        shutil.rmtree(root, ignore_errors=True)
        writer, seen = DatasetWriter(root, date(2026, 11, 22), list(TABLES)), SeenEvents()
        events = 0
        for start in range(0, len(pages), 300):
            rows = flatten_events(pages[start : start + 300], seen)
            events += rows.tables["events"].num_rows
            for name, table in rows.tables.items():
                writer.write(name, table)
        writer.commit({}, {})

    def mask() -> list[Page]:
        # A new one each time: nothing is remembered from the round before.
        fresh = Mask(b"sixteen bytes or more")
        return [Page(page.conversation_id, fresh.page(page.body)) for page in plain]

    def copy() -> None:
        for page in plain:
            msgspec.json.encode(msgspec.json.decode(page.body))

    masked = mask()
    turns = [(cpu(lambda: convert(plain)), cpu(mask), cpu(lambda: convert(masked)), cpu(copy)) for _ in range(ROUNDS)]
    shutil.rmtree(root, ignore_errors=True)
    bare, cost, after, copied = (statistics.median(column) for column in zip(*turns, strict=True))
    ratios = [(cost + after) / bare for bare, cost, after, _ in turns]
    print(f"{events:,} events, {sum(len(page.body) for page in plain) / 1e6:.0f} MB, {ROUNDS} rounds, seconds of CPU")
    print(f"pages -> tables -> Parquet {bare:.2f}; mask {cost:.2f}; masked pages -> Parquet {after:.2f}")
    print(f"masked against plain: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"mask against decoding and encoding again: {cost / copied:.1f}x; {events / cost:,.0f} events/s")


if __name__ == "__main__":
    main()
