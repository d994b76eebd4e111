"""Do the finders find what was planted, and are they silent where nothing was? Precision and recall over many worlds.

    python tests/benchmarks/causes.py --seeds 100

Each seed is two worlds of 1,500 conversations: one with every cause, on networks, agents and hours that the seed draws,
and one with none. Their records go through the flattening of exports, without HTTP, and the finders get the legs only.
A network or agent that is named and was not planted, in either world, is a false one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics.analysis import legs
from conv_analytics.sandbox import World
from tests._helpers.world_tables import frames_of
from tests.analysis.finding import FINDERS, find

CONVERSATIONS = 1_500


def asked(seed: int, *, planted: bool, conversations: int) -> dict[str, Any]:
    """One world, what is wrong with it, and what the finders named."""
    world = World(seed, conversations, causes="all" if planted else (), clean=True)
    frames = frames_of(world)
    middle = pd.Timestamp((world.start_ms + world.end_ms) // 2, unit="ms", tz="UTC")
    found = find(legs(frames), frames["audio_events"], middle)
    causes = {cause.kind: cause.network_code or cause.user_id for cause in world.causes}
    return {"seed": seed, "causes": causes, "named": dict(found.named)}


def scored(told: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Per kind: planted, found, found first, false ones in planted worlds, clean worlds with any, precision, recall."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in FINDERS}
    for world in told:
        for kind, count in counts.items():
            named, place = world["named"][kind], world["causes"].get(kind)
            others = [name for name in dict.fromkeys(named) if name != place]
            if place is None:
                count["clean"] += 1
                count["clean_loud"] += bool(others)
                count["false_clean"] += len(others)
            else:
                count["planted"] += 1
                count["found"] += place in named
                count["first"] += bool(named) and named[0] == place
                count["false_planted"] += len(others)
    table = {}
    for kind, count in counts.items():
        false = count["false_planted"] + count["false_clean"]
        table[kind] = {
            **count,
            "recall": count["found"] / max(count["planted"], 1),
            "precision": count["found"] / max(count["found"] + false, 1),
        }
    return table


def shown(table: dict[str, dict[str, float]]) -> str:
    """The scores as Markdown."""
    lines = [
        "| cause | finder | planted | found | first | precision | recall | false, planted | clean worlds with any |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in table.items():
        get = {**dict.fromkeys(("found", "first", "false_planted", "clean_loud", "clean", "planted"), 0), **row}
        lines.append(
            f"| `{kind}` | `{FINDERS[kind]}` | {get['planted']} | {get['found']} | {get['first']} "
            f"| {get['precision']:.3f} | {get['recall']:.3f} | {get['false_planted']} "
            f"| {get['clean_loud']} of {get['clean']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where to keep what was named")
    options = parser.parse_args()
    told: list[dict[str, Any]] = []
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.processes) as pool:
        for planted in (True, False):
            told += pool.map(partial(asked, planted=planted, conversations=options.conversations), seeds)
    if options.json:
        options.json.write_text(json.dumps(told), encoding="utf-8")
    print(shown(scored(told)))


if __name__ == "__main__":
    main()
