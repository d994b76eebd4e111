"""The long fuzz: mutated pages and bodies through every function that an export hands them to, on two cores.

Run it with ``python tests/benchmarks/fuzz.py --examples 100000``. Each number is one mutated page, the same everywhere;
``--start`` moves on to others. It prints what became of them, and the number of each that broke a rule. With
``--list-records`` it mutates records of the list of conversations instead.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests._helpers import list_fuzzing
from tests._helpers.record_fuzzing import Tally, answers, check

#: Pages that are read together, as an export reads them.
TOGETHER = 200


def batch(start: int) -> tuple[Tally, dict[int, str]]:
    """Check some pages together; when a rule is broken, one by one."""
    numbers = range(start, start + TOGETHER)
    try:
        return check(numbers), {}
    except BaseException:  # noqa: BLE001  told by number
        tally, broken = Tally(pages=TOGETHER), dict(_broken(numbers))
        return tally, broken or {start: f"only together with the next {TOGETHER}: {traceback.format_exc(limit=-3)}"}


def _broken(numbers: range) -> Iterator[tuple[int, str]]:
    for number in numbers:
        try:
            check([number])
        except BaseException:  # noqa: BLE001  told by number
            yield number, traceback.format_exc(limit=-3)


def main() -> int:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list-records", action="store_true")
    chosen = parser.parse_args()
    if chosen.list_records:
        print(list_fuzzing.check(range(chosen.start, chosen.start + chosen.examples)))
        return 0
    starts = range(chosen.start, chosen.start + chosen.examples, TOGETHER)
    began, total, broken = time.monotonic(), Tally(), 0
    with ProcessPoolExecutor(chosen.processes, initializer=answers) as pool:
        for tally, findings in pool.map(batch, starts, chunksize=1):
            total += tally
            broken += len(findings)
            for number, text in findings.items():
                print(f"page {number}:\n{text}", flush=True)
    print(f"{total}\n{broken} broke a rule; {time.monotonic() - began:.0f} s on {chosen.processes} processes")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
