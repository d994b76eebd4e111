"""What looking through many calls costs: to open the explorer, and from a click to what the browser is told.

Seconds are those of the processor, and ratios are within the run: to sorting the texts of one column, which everybody
knows to be fast, and of what is done again to what was done first.

python -m tests.benchmarks.explorer [legs] [large folder]
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics import Conversations, Filters, explore, export, open_dataset
from conv_analytics.analysis import legs
from conv_analytics.sandbox import Sandbox
from tests._helpers.anywidget_host import Wire


def many(count: int) -> pd.DataFrame:
    """Legs of so many calls: those of a sandbox again and again, each conversation and number another one."""
    with Sandbox(seed=7, conversations=200) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        once = legs(export(client, rate=0, progress=False))
    # Two legs are about one call.
    times = 2 * count // len(once) + 1
    frame = pd.concat([once] * times, ignore_index=True)
    round_ = np.repeat(np.arange(times), len(once)).astype(str)
    dice = np.random.default_rng(7)
    for name in ("conversation_id", "leg_id"):
        frame[name] = (frame[name] + "-" + pd.Series(round_, dtype="str")).astype("str")
    for name in ("from_address", "to_address"):
        frame[name] = pd.Series(dice.integers(10**11, 10**12, len(frame)).astype(str)).astype("str")
    return frame


def took(act: Callable[[], Any]) -> float:
    """Processor time of something. [s]"""
    begin = time.process_time()
    act()
    return time.process_time() - begin


ASKED: dict[str, dict[str, Any]] = {
    "outcome": {"do": "filter", "filters": {"outcomes": ["busy"]}},
    "verdict": {"do": "filter", "filters": {"verdicts": ["poor", "fair"]}},
    "days": {"do": "filter", "filters": {"since": "2026-11-14", "until": "2026-11-16"}},
    "first search": {"do": "filter", "filters": {"text": "1234"}},
    "search": {"do": "filter", "filters": {"text": "447700"}},
    "none": {"do": "filter", "filters": {}},
    "sort": {"do": "sort", "column": "to_address", "descending": False},
    "sort again": {"do": "sort", "column": "to_address", "descending": True},
    "next page": {"do": "turn", "first": 100},
    "select all": {"do": "all"},
}


def main() -> None:
    """Print one line per thing that a reader does."""
    frame = many(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    floor = min(took(lambda: sorted(frame["to_address"].tolist())) for _ in range(3))
    made: list[Any] = []
    opened = took(lambda: made.append(explore(frame)))
    x = made[0]
    print(f"{len(frame):,} legs, {len(x.calls):,} calls; sorting the numbers of all legs in Python: {floor:.3f} s")
    print(f"{'opened':>14}: {opened:7.3f} s {opened / floor:7.2f} x")
    sent: list[dict[str, Any]] = []
    x.comm = Wire(sent)
    for n, (name, message) in enumerate(ASKED.items(), start=1):
        sent.clear()
        seconds = took(lambda n=n, message=message: x.set_state({"requests": [{"n": n, **message}]}))
        size = f"{len(x.calls):>9,} calls, {len(sent)} message of {len(json.dumps(sent)) / 1000:5.1f} kB"
        print(f"{name:>14}: {seconds:7.3f} s {seconds / floor:7.2f} x, {size}")
    assert x.filters == Filters()
    clicks()
    if sys.argv[2:]:
        large(Path(sys.argv[2]))


def large(folder: Path) -> None:
    """Print what a large folder costs: with nothing kept, and in a later session."""
    shutil.rmtree(folder / "_cache", ignore_errors=True)
    for session in ("nothing kept", "a later session"):
        made: list[Any] = []
        opened = took(lambda made=made: made.append(explore(open_dataset(folder))))
        x = made[0]
        ids = x.calls["conversation_id"].drop_duplicates().head(6).to_list()
        seconds = [took(lambda x=x, one=one: x.select(one)) for one in ids]
        searched = took(lambda x=x: x.filter(text="1234"))
        print(f"{session}, {len(x._view.frame):,} calls: opened in {opened:.3f} s; a click {seconds[0]:.3f} s, then "
              f"{float(np.median(seconds[1:])):.3f} s; the first search {searched:.3f} s")  # fmt: skip


def clicks(conversations: int = 600) -> None:
    """Print what a folder costs: opened, opened again, and clicks."""
    with TemporaryDirectory() as folder, Sandbox(seed=7, conversations=conversations) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0, progress=False)
        dataset, made = open_dataset(folder), []
        first, again = (took(lambda: made.append(explore(dataset))) for _ in range(2))
        print(
            f"a folder of {conversations} conversations: opened in {first:.3f} s, again {again / first:.2f} x of that"
        )
        ids = made[0].calls["conversation_id"].drop_duplicates().head(6).to_list()
        seconds = [took(lambda one=one: made[0].select(one)) for one in ids]
        middle = float(np.median(seconds[1:]))
        print(f"{'click':>14}: {middle:7.3f} s, the first {seconds[0] / middle:.2f} x of that")


if __name__ == "__main__":
    main()
