"""What own dimensions cost: rates by a column of a map, beside rates by a column that legs have. [s of processor]

python -m tests.benchmarks.dimensions [events] [folder]

Takes the dataset of `tests.benchmarks.analysis` (20 million events), or writes it. Each map is asked of a folder of
which nothing is kept, and once more of what the first question left there; beside it stands a question by columns that
need as much to be read: those that the map looks at. Then the same legs as one pandas frame.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from conv_analytics import open_dataset
from conv_analytics.analysis import enrich, kpi, legs
from tests.benchmarks.analysis import EVENTS, make

METRICS = ["asr", "ner"]


def maps() -> dict[str, tuple[pd.DataFrame, str, str]]:
    """Per map its table, the column that it adds, and a column that needs as much to be read."""
    dice = random.Random(1)
    prefixes = sorted({dice.choice(("4917", "4420")) + str(dice.randrange(10 ** dice.randrange(1, 8)))
                       for _ in range(1_000_000)})  # fmt: skip
    few = ["44", "4420", "49", "491", "4917", "49170", "491712", "491799", "1", "33"]
    numbers = pd.unique(pd.Series([f"4917{place * 104729 % 10**8:08d}" for place in range(0, 400_000, 2)]))
    users = [f"USR-{hashlib.md5(f'u{place}'.encode()).hexdigest()}" for place in range(5000)]
    codes = ["GB-FIXED", "23410", "23415", "26201", "26202", "20801", "22210", "31026"]
    periods = [("", "2026-01-10"), ("2026-01-10", "2026-01-20"), ("2026-01-20", "")]
    teams = [(user, f"team {place}", *ends) for user in users for place, ends in enumerate(periods)]
    return {
        "8 networks": (pd.DataFrame({"network_code": codes, "network": codes}), "network", "network_code"),
        "10 prefixes": (pd.DataFrame({"prefix": few, "carrier": few}), "carrier", "remote_kind"),
        f"{len(prefixes):,} prefixes": (_named("prefix", prefixes, "carrier"), "carrier", "remote_kind"),
        f"{len(numbers):,} numbers": (_named("number", list(numbers), "site"), "site", "remote_kind"),
        "5,000 agents in 3 teams each": (
            pd.DataFrame(teams, columns=["user_id", "team", "valid_from", "valid_to"]), "team", "user_id",
        ),
    }  # fmt: skip


def _named(key: str, values: list[str], column: str) -> pd.DataFrame:
    return pd.DataFrame({key: values, column: [f"{column} {place % 300}" for place in range(len(values))]})


def processor(ask: Callable[[], Any]) -> float:
    """Processor time of this process. [s]"""
    began = time.process_time()
    ask()
    return time.process_time() - began


def of_folder(root: Path) -> None:
    """A large folder: nothing kept, and kept."""
    kept = root / "_cache"
    costs: dict[tuple[str, bool], float] = {}

    def cost(by: str, table: pd.DataFrame | None, *, warm: bool) -> float:
        if table is None and (by, warm) in costs:
            return costs[by, warm]
        if not warm:
            shutil.rmtree(kept, ignore_errors=True)
        data: Any = open_dataset(root)
        data = data if table is None else enrich(data, table)
        took = min(processor(lambda: kpi(data, by=by, metrics=METRICS)) for _ in range(2 if warm else 1))
        if table is None:
            costs[by, warm] = took
        return took

    print("\n| map | first | by what it looks at | first / that | again | by what it looks at | again / that |")
    print("|---|---|---|---|---|---|---|")
    for name, (table, column, like) in maps().items():
        plain = [cost(like, None, warm=warm) for warm in (False, True)]
        own = [cost(column, table, warm=warm) for warm in (False, True)]
        cells = [f"{mine:.2f} | {other:.2f} | {mine / other:.2f}x" for mine, other in zip(own, plain, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def of_frame(root: Path) -> None:
    """The same legs as one frame, which is enriched once and asked then."""
    columns = ["remote_address", "network_code", "user_id", "started_at", "direction", "answered", "sip_code", "status",
               "reason", "reason_code"]  # fmt: skip
    frame = legs(open_dataset(root), columns)
    rates = processor(lambda: kpi(frame, by="network_code", metrics=METRICS))
    print(f"\n| map, {len(frame):,} legs in pandas | enrich | rates by network_code | of it |\n|---|---|---|---|")
    for name, (table, _, _) in maps().items():
        took = processor(lambda table=table: enrich(frame, table))  # type: ignore[misc]
        print(f"| {name} | {took:.2f} | {rates:.2f} | {took / rates:.2f}x |", flush=True)


def main() -> None:
    """Make the dataset if it is not there, ask, print."""
    events = int(sys.argv[1]) if sys.argv[1:] else EVENTS
    folder = Path(sys.argv[2]) if sys.argv[2:] else Path(tempfile.gettempdir()) / "conv-analytics-benchmark"
    root = folder / f"{events}"
    if not root.exists():
        make(root, events)
    of_folder(root)
    of_frame(root)


if __name__ == "__main__":
    main()
