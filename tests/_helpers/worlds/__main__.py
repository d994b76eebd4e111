"""Judge `findings` by worlds: what it names where something was planted, and where nothing was.

    python -m tests._helpers.worlds --seeds 60 --json worlds.jsonl

With --json, worlds that the file has are not made again: the run can be stopped and continued.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tests._helpers.worlds import CAUSES, CLEAN, KINDS
from tests._helpers.worlds.scores import Row, named_in, table

#: What the table stands between in a page.
MARKS = ("<!-- worlds -->", "<!-- /worlds -->")


def problems_of(tables: Any) -> pd.DataFrame:
    """The problems that `findings` gives."""
    from conv_analytics.analysis import findings

    problems: pd.DataFrame = findings(tables).problems
    return problems


def _one(world: tuple[str, int], *, frame: bool) -> Row:
    return named_in(*world, problems_of, frame=frame)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests._helpers.worlds", description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--seeds", type=int, default=60, help="worlds of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", default="all", help="names with commas; all, causes, or clean")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where what was named is kept, a line a world")
    parser.add_argument("--page", type=Path, help="the page whose table is to be written anew")
    parser.add_argument("--frame", action="store_true", help="give the frame of legs instead of the tables")
    parser.add_argument("--failures", action="store_true", help="list the worlds that went wrong")
    options = parser.parse_args()
    kinds = chosen(options.kinds)
    known = {}
    if options.json and options.json.exists():
        lines = map(json.loads, options.json.read_text(encoding="utf-8").splitlines())
        known = {(line["kind"], line["seed"]): line for line in lines}
    seeds = range(options.first, options.first + options.seeds)
    wanted = [(kind, seed) for seed in seeds for kind in kinds]
    todo = [world for world in wanted if world not in known]
    with ProcessPoolExecutor(options.processes) as pool:
        for row in pool.map(partial(_one, frame=options.frame), todo, chunksize=4):
            known[row["kind"], row["seed"]] = row
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, default=str) + "\n")
    rows = [known[world] for world in wanted]
    sys.stdout.write(table(rows) + "\n")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        before, _, rest = page.partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        made = f"{before}{MARKS[0]}\n{table(rows)}\n{MARKS[1]}{after}"
        options.page.write_text(made, encoding="utf-8")
    if options.failures:
        sys.stdout.write("\n".join(failures(rows)) + "\n")


def chosen(text: str) -> list[str]:
    """The kinds that a text names."""
    causes, clean = list(CAUSES), [f"clean:{name}" for name in CLEAN]
    groups = {"all": causes + clean, "causes": causes, "clean": clean}
    if text in groups:
        return groups[text]
    kinds = text.split(",")
    for kind in kinds:
        if kind not in KINDS:
            message = f"There is no world {kind!r}. Known: {', '.join(KINDS)}."
            raise SystemExit(message)
    return kinds


def failures(rows: list[Row]) -> list[str]:
    """A line per world in which the cause was not named, something else was, or anything where nothing was planted."""
    lines = []
    for row in rows:
        planted = not row["kind"].startswith("clean:")
        missed = planted and row["excess"] >= 20 and (row["rank"] or 99) > 3
        if not (missed or row["others"] or row["repeated"] or (row["named"] and not planted)):
            continue
        named = "; ".join(
            f"{each['kind']}/{each['case']} {json.dumps(each['keys'])} excess {each['excess']:.0f} [{each['place']}"
            f"{'' if each['words'] else ', other words'}]" for each in row["named"][:6]
        )  # fmt: skip
        why = "missed" if missed else "named"
        lines.append(
            f"{why} {row['kind']} seed {row['seed']} ({row['shape']}; {row['cause']}; excess {row['excess']}): {named}"
        )
    return lines


if __name__ == "__main__":
    main()

__all__ = ["chosen", "failures", "problems_of"]
