"""What was named in a world, set against what was planted; and the table of many worlds."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from tests._helpers.worlds import CAUSES, CLEAN, Made, make
from tests._helpers.worlds.planted import keys_of, place_of, right_words

#: What names problems in tables, or in a frame of legs.
Find = Callable[[Any], pd.DataFrame]
#: Causes of fewer excess calls are not held against a finder.
ENOUGH = 20
Row = dict[str, Any]


def named_in(kind: str, seed: int, find: Find, *, frame: bool = False) -> Row:
    """One world: what is wrong in it, what was named, and what that is worth.

    ``rank`` is the place of the first problem that names cause and place; ``repeated`` counts those that name the same
    calls once more, or a part of them; ``others`` those that have nothing to do with it.
    """
    made = make(kind, seed)
    given = made.legs() if frame else made.tables
    before = time.process_time()
    problems = find(given)
    seconds = time.process_time() - before
    judged = [_judged(made, row) for row in problems.to_dict("records")]
    rank = next((place for place, each in enumerate(judged, 1) if each["place"] == "right" and each["words"]), None)
    same = [each for each in judged if each["place"] == "right" or (each["place"] == "part" and each["words"])]
    return {
        "kind": kind, "seed": seed, "shape": made.shape, "cpu_s": round(seconds, 2),
        "excess": made.cause.excess if made.cause else 0, "cause": made.cause.description if made.cause else "",
        "rank": rank, "repeated": max(len(same) - 1, 0), "others": len(judged) - len(same), "named": judged,
    }  # fmt: skip


def _judged(made: Made, row: Mapping[Any, Any]) -> Row:
    keys, kind, case = keys_of(row.get("keys")), str(row.get("kind")), str(row.get("case"))
    since, until = (_seconds(row.get(name)) for name in ("since", "until"))
    problem = {
        "kind": kind, "case": case, "keys": keys, "what": str(row.get("what", "")), "since": str(row.get("since")),
        "until": str(row.get("until")), "excess": float(row.get("excess") or 0), "q": row.get("q"),
    }  # fmt: skip
    if made.cause is None:
        return problem | {"place": "other", "words": False}
    try:
        place = place_of(made.cause, made.groups, keys, since, until)
    except (KeyError, ValueError) as error:
        return problem | {"place": "unknown", "words": False, "why": repr(error)}
    return problem | {"place": place, "words": right_words(made.cause, kind, case)}


def _seconds(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(pd.Timestamp(value).timestamp())


def table(rows: Iterable[Row]) -> str:
    """The worlds of each kind, as Markdown."""
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    lines = [
        "| cause | worlds | 20 or more | excess, median | first | in the first three | repeated | other things | s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    total = [0, 0, 0]
    for kind in CAUSES:
        if kind not in by_kind:
            continue
        worlds = by_kind[kind]
        large = [row for row in worlds if row["excess"] >= ENOUGH]
        first, three = (sum((row["rank"] or 99) <= most for row in large) for most in (1, 3))
        total = [total[0] + len(large), total[1] + first, total[2] + three]
        excess = statistics.median(row["excess"] for row in worlds)
        twice, wrong = (sum(row[name] > 0 for row in worlds) for name in ("repeated", "others"))
        lines.append(
            f"| `{kind}` | {len(worlds)} | {len(large)} | {excess:.0f} | {_share(first, large)} "
            f"| {_share(three, large)} | {twice} | {wrong} | {statistics.mean(row['cpu_s'] for row in worlds):.1f} |"
        )
    if total[0]:
        lines.append(f"| all | | {total[0]} | | {total[1] / total[0]:.3f} | {total[2] / total[0]:.3f} | | | |")
    quiet = [kind for kind in (f"clean:{name}" for name in CLEAN) if kind in by_kind]
    if quiet:
        lines += ["", "| clean world | worlds | that name anything | named | s |", "|---|---|---|---|---|"]
        lines += [_clean(kind, by_kind[kind]) for kind in quiet]
        loud = sum(bool(row["named"]) for kind in quiet for row in by_kind[kind])
        every = sum(len(by_kind[kind]) for kind in quiet)
        lines.append(f"| all | {every} | {loud} ({loud / every:.1%}) | | |")
    return "\n".join(lines)


def _clean(kind: str, worlds: list[Row]) -> str:
    words: dict[str, int] = defaultdict(int)
    for row in worlds:
        for each in row["named"]:
            words[f"{each['kind']}/{each['case']}"] += 1
    names = ", ".join(f"{name} {count}" for name, count in sorted(words.items(), key=lambda pair: -pair[1])[:4])
    loud = sum(bool(row["named"]) for row in worlds)
    seconds = statistics.mean(row["cpu_s"] for row in worlds)
    return f"| `{kind.removeprefix('clean:')}` | {len(worlds)} | {loud} | {names} | {seconds:.1f} |"


def _share(count: int, rows: list[Row]) -> str:
    return f"{count / len(rows):.2f}" if rows else "-"


__all__ = ["ENOUGH", "Find", "Row", "named_in", "table"]
