"""What looking through many calls costs: to open the explorer, and from a click to what the browser is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics import Conversations, Filters, explore, export
from conv_analytics.analysis import legs
from conv_analytics.sandbox import Sandbox


def many(count: int) -> pd.DataFrame:
    """So many legs: those of a sandbox again and again, each conversation and number another one."""
    with Sandbox(seed=7, conversations=200) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        once = legs(export(client, rate=0, progress=False))
    times = count // len(once) + 1
    frame = pd.concat([once] * times, ignore_index=True)
    round_ = np.repeat(np.arange(times), len(once)).astype(str)
    dice = np.random.default_rng(7)
    for name in ("conversation_id", "leg_id"):
        frame[name] = (frame[name] + "-" + pd.Series(round_, dtype="str")).astype("str")
    for name in ("from_address", "to_address"):
        frame[name] = pd.Series(dice.integers(10**11, 10**12, len(frame)).astype(str)).astype("str")
    return frame


def took(act: Callable[[], Any]) -> float:
    """How long something takes. [s]"""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def main() -> None:
    """Print one line per thing that a reader does."""
    frame = many(int(sys.argv[1]) if len(sys.argv) > 1 else 160_000)
    begin = time.perf_counter()
    x = explore(frame)
    print(f"{len(frame):,} legs, {len(x.calls):,} calls: opened in {time.perf_counter() - begin:.1f} s")
    table: Any = x.widget.children[0]
    asked = {
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
    for name, message in asked.items():
        seconds = took(lambda message=message: table._handle_custom_msg(message, []))
        print(f"{name:>14}: {seconds * 1000:7.1f} ms, {len(x.calls):>9,} calls, {len(table.shown) / 1000:5.1f} kB")
    assert x.filters == Filters()


if __name__ == "__main__":
    main()
