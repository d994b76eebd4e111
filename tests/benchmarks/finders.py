"""How often do the single finders name something where nothing is wrong, and how often do they find what is?

    python tests/benchmarks/finders.py --seeds 200
    python tests/benchmarks/finders.py --only change_points

A row per kind of world. Clean ones have no cause: what is named there is a false alarm. Planted ones have one: it is
found if its place is named, and what else is named is false. Worlds are frames of legs with what the finder looks at.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics.analysis import change_points, offenders, timer_cliffs

START = pd.Timestamp("2026-09-07T00:00Z")  # A Monday.
DAYS = 56
Dice = np.random.Generator
#: What a finder named, and what was planted: a place, or None in a clean world.
Answer = tuple[set[str], str | None]


# -- groups


def _legs(dice: Dice, network: np.ndarray, bad: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    names = pd.Series(np.arange(len(network)).astype("str"))
    frame = pd.DataFrame({"conversation_id": names, "leg_id": names, "network_code": network,
                          "bad": pd.array(bad.astype(bool), "boolean"), **columns})  # fmt: skip
    return frame.sample(frac=1, random_state=int(dice.integers(2**31)))


def _named(legs: pd.DataFrame, by: str = "network_code", **options: object) -> set[str]:
    found = offenders(legs, by=by, **{"case": "bad", **options})
    return {str(name) for name in found.loc[found["offender"].astype(bool), by]}


def _groups(dice: Dice, sizes: list[int], rate: float, *, worse: float = 0.0) -> Answer:
    network = np.repeat([f"n{place}" for place in range(len(sizes))], sizes)
    p = np.where(network == "n0", worse or rate, rate)
    return _named(_legs(dice, network, dice.random(len(network)) < p)), "n0" if worse else None


def _callers(dice: Dice, networks: int, callers: int, each: int, *, worse: float = 0.0) -> Answer:
    """Each number calls about so often, is on one network, and fails as often as it does."""
    home = dice.integers(0, networks, callers)
    p = np.where(home == 0, worse or 0.2, 0.2)
    own = dice.beta(p * 2, (1 - p) * 2)
    number = np.repeat(np.arange(callers), np.maximum(dice.poisson(each, callers), 1))
    legs = _legs(
        dice, np.array([f"n{place}" for place in range(networks)])[home[number]],
        dice.random(len(number)) < own[number],
        from_address=(4420 * 10**8 + number).astype("str"),
    )  # fmt: skip
    return _named(legs), "n0" if worse else None


def _pairs(dice: Dice) -> Answer:
    """Both legs of a conversation are bad together, mostly, and on one network."""
    calls = 600
    home, bad = dice.integers(0, 5, calls), dice.random(calls) < 0.1
    both = np.repeat(np.arange(calls), 2)
    flipped = dice.random(len(both)) < 0.03
    legs = _legs(dice, np.array([f"n{place}" for place in range(5)])[home[both]], bad[both] ^ flipped)
    return _named(legs.assign(conversation_id=pd.Series(both.astype("str")).reindex(legs.index))), None


def _storm(dice: Dice) -> Answer:
    """One number redials 200 times in vain: no network is worse for it."""
    network = np.concatenate([dice.integers(0, 5, 2000), np.zeros(200, int)])
    bad = np.concatenate([dice.random(2000) < 0.1, np.ones(200, bool)])
    number = np.concatenate([np.arange(2000), np.full(200, 5000)])
    names = np.array([f"n{place}" for place in range(5)])[network]
    return _named(_legs(dice, names, bad, from_address=number.astype("str"))), None


def _unknown(dice: Dice, *, worse: float = 0.0) -> Answer:
    """Legs in an application have no network, and are far better than phone legs."""
    network = np.array([*(f"n{place}" for place in range(5)), None], object)[dice.choice(6, 3000, p=[0.1] * 5 + [0.5])]
    known = np.array([name is not None for name in network])
    p = np.where(known, np.where(network == "n0", worse or 0.1, 0.1), 0.01)
    named = _named(_legs(dice, network, dice.random(3000) < p))
    return named, "n0" if worse else None


def _ring_all(dice: Dice) -> Answer:
    """Customers' legs to five countries, and agents of GB of whom four ring at once: 85 % are answered anywhere."""
    rows = []
    for place in range(700):
        at = float(place * 60)
        answered = dice.random() < 0.85
        if place % 2:
            rows.append((place, ["US", "FR", "DE", "IN", "GB"][dice.integers(5)], at, answered, 8.0))
            continue
        winner = dice.integers(4)
        rows += [(place, "GB", at + agent * 0.02, answered and agent == winner, 6.0) for agent in range(4)]
    legs = pd.DataFrame(rows, columns=["conversation_id", "country", "at", "answered", "rings"])
    start = START + pd.to_timedelta(legs.pop("at"), unit="s")
    until = start + pd.to_timedelta(legs.pop("rings"), unit="s")
    instants = {"started_at": start, "answered_at": until.where(legs["answered"]), "ended_at": until}
    legs = legs.assign(
        **{name: each.dt.as_unit("us") for name, each in instants.items()}, direction="outbound",
        conversation_id=legs["conversation_id"].astype("str"), leg_id=[str(row) for row in range(len(legs))],
    )  # fmt: skip
    return _named(legs, "country", case="unanswered"), None


# -- days


def _days(counts: np.ndarray, bad: np.ndarray) -> pd.DataFrame:
    days = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(days)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = (START + pd.to_timedelta(days * 86400 + 40_000 + rank, unit="s")).as_unit("us")
    return pd.DataFrame({"started_at": at, "bad": pd.array(rank < np.repeat(bad, counts), "boolean")})


def _flagged(counts: np.ndarray, p: np.ndarray, dice: Dice) -> set[str]:
    chart = change_points(_days(counts, dice.binomial(counts, p)), case="bad")
    return set(chart.loc[chart["flag"] != "", "period"])


def _date(day: int) -> str:
    return (START + pd.Timedelta(days=day)).strftime("%Y-%m-%d")


def _steady(dice: Dice, calls: int, rate: float, *, weekend: float = 1.0, busy: float = 1.0) -> Answer:
    """Days alike, but for weekends: `weekend` times the rate, `busy` times the calls."""
    off = np.arange(DAYS) % 7 >= 5
    counts = dice.poisson(np.where(off, calls * busy, calls))
    return _flagged(counts, np.where(off, rate * weekend, rate), dice), None


def _correlated(dice: Dice, phi: float) -> Answer:
    """The rate of a day is near that of the day before: logit AR(1)."""
    level, levels = 0.0, []
    for _ in range(DAYS):
        level = phi * level + dice.normal(0, 0.25 * np.sqrt(1 - phi**2))
        levels.append(level)
    return _flagged(np.full(DAYS, 1000), 1 / (1 + np.exp(1.4 - np.array(levels))), dice), None


def _spread(dice: Dice) -> Answer:
    """Days differ by more than chance."""
    return _flagged(np.full(DAYS, 2000), dice.beta(0.3 * 150, 0.7 * 150, DAYS), dice), None


def _changed(dice: Dice, calls: int, rate: float, worse: float, first: int, last: int) -> Answer:  # noqa: PLR0917
    """The rate is another one from one day to another; a hit is a flag within the first week of it."""
    counts = dice.poisson(calls, DAYS)
    day = np.arange(DAYS)
    flagged = _flagged(counts, np.where((day >= first) & (day <= last), worse, rate), dice)
    within = {_date(each) for each in range(first, min(first + 7, last + 1))}
    return ({"change"} if flagged & within else set()) | {each for each in flagged if each < _date(first)}, "change"


def _drift(dice: Dice) -> Answer:
    """From the fourth week on, up by two fifths in five weeks."""
    day = np.arange(DAYS)
    flagged = _flagged(dice.poisson(1000, DAYS), 0.1 * (1 + 0.4 * np.maximum(day - 21, 0) / 35), dice)
    late = {each for each in flagged if each >= _date(22)}
    return ({"change"} if late else set()) | (flagged - late), "change"


# -- lengths of calls


def _cliffs(dice: Dice, talk: np.ndarray, network: np.ndarray, timers: tuple[float, ...] = (), by: str = "network_code",
            ) -> set[str]:  # fmt: skip
    legs = _legs(dice, network, np.zeros(len(talk), bool), talk_s=talk, answered=np.full(len(talk), fill_value=True))
    found = timer_cliffs(legs, by=by)
    found = found[found["cliff"].astype(bool)]
    return {f"{row.network_code}" if timers and min(abs(row.timer_s - each) for each in timers) < 1.5
            else f"{row.network_code} at {row.timer_s:g} s" for row in found.itertuples()}  # fmt: skip


def _lengths(dice: Dice, kind: str, *, cut: float = 0.0, share: float = 0.15, calls: int = 3000) -> Answer:
    """Eight networks, and calls whose lengths are of a kind; `cut` ends some of network n0 at an instant."""
    network = np.array([f"n{place}" for place in dice.integers(0, 8, calls)])
    talk = {
        "exponential": lambda: dice.exponential(120, calls),
        "lognormal": lambda: dice.lognormal(np.log(60), 0.9, calls),
        "peak": lambda: np.maximum(dice.normal(31, 6, calls), 1),
        "narrow": lambda: np.maximum(dice.normal(31, 3, calls), 1),
        "prompt": lambda: np.where(dice.random(calls) < 0.4, 29.5 + dice.normal(0, 0.1, calls),
                                   dice.exponential(90, calls)),
        "prompt and reaction": lambda: np.where(dice.random(calls) < 0.4, 29.5 + dice.gamma(2, 0.6, calls),
                                                dice.exponential(90, calls)),
        "whole seconds": lambda: np.ceil(dice.lognormal(np.log(60), 0.9, calls)),
    }[kind]()  # fmt: skip
    if cut:
        ended = (network == "n0") & (talk > cut) & (dice.random(calls) < share)
        talk = np.where(ended, cut + dice.uniform(-0.1, 0.5, calls), talk)
    return _cliffs(dice, talk, network, (cut,) if cut else ()), "n0" if cut else None


WORLDS: dict[str, dict[str, Callable[[Dice], Answer]]] = {
    "offenders": {
        "two equal groups, 30 %": partial(_groups, sizes=[1000, 1000], rate=0.3),
        "two groups, 90 to 10, 30 %": partial(_groups, sizes=[1800, 200], rate=0.3),
        "five groups, 2 %": partial(_groups, sizes=[400] * 5, rate=0.02),
        "200 small groups, 5 %": partial(_groups, sizes=[60] * 200, rate=0.05),
        "one dominant group, 5 %": partial(_groups, sizes=[5000] + [60] * 20, rate=0.05),
        "30 calls a number, 2 groups": partial(_callers, networks=2, callers=60, each=30),
        "30 calls a number, 5 groups": partial(_callers, networks=5, callers=150, each=30),
        "3 calls a number": partial(_callers, networks=5, callers=800, each=3),
        "both legs of a conversation": _pairs,
        "a storm of one number": _storm,
        "legs without a network": _unknown,
        "ring-all agents": _ring_all,
        "planted: 5 % against 2 %": partial(_groups, sizes=[400] * 5, rate=0.02, worse=0.06),
        "planted: 40 % against 30 %": partial(_groups, sizes=[500] * 4, rate=0.3, worse=0.4),
        "planted: 30 calls a number, 50 against 20 %": partial(_callers, networks=5, callers=150, each=30, worse=0.5),
        "planted: among legs without a network": partial(_unknown, worse=0.2),
    },
    "change_points": {
        "steady, 200 calls a day, 30 %": partial(_steady, calls=200, rate=0.3),
        "steady, 2000 calls a day, 30 %": partial(_steady, calls=2000, rate=0.3),
        "rare, 200 calls a day, 2 %": partial(_steady, calls=200, rate=0.02),
        "rare, 1000 calls a day, 0.5 %": partial(_steady, calls=1000, rate=0.005),
        "weekends other": partial(_steady, calls=500, rate=0.3, weekend=1.4, busy=0.3),
        "days differ": _spread,
        "days follow each other, 0.5": partial(_correlated, phi=0.5),
        "days follow each other, 0.8": partial(_correlated, phi=0.8),
        "planted: a day of 45 % against 30 %": partial(_changed, calls=200, rate=0.3, worse=0.45, first=40, last=40),
        "planted: a day of 8 % against 2 %": partial(_changed, calls=200, rate=0.02, worse=0.08, first=40, last=40),
        "planted: from day 40, 3 % for 2 %": partial(_changed, calls=1000, rate=0.02, worse=0.032, first=40, last=99),
        "planted: from day 40, 36 % for 30 %": partial(_changed, calls=500, rate=0.3, worse=0.36, first=40, last=99),
        "planted: drift": _drift,
    },
    "timer_cliffs": {
        **{kind: partial(_lengths, kind=kind)
           for kind in ("exponential", "lognormal", "peak", "narrow", "prompt", "prompt and reaction",
                        "whole seconds")},
        **{f"planted: {cut:g} s, {kind}": partial(_lengths, kind=kind, cut=cut)
           for cut, kind in ((32.0, "lognormal"), (45.0, "lognormal"), (30.0, "prompt"), (32.0, "peak"),
                             (75.0, "exponential"))},
    },
}  # fmt: skip


def _asked(finder: str, kind: str, seed: int) -> Answer:
    return WORLDS[finder][kind](np.random.default_rng([seed, len(kind), sum(map(ord, kind))]))


def scores(finder: str, kind: str, seeds: range, run: Callable[..., object] = map) -> tuple[int, int, int, bool]:
    """Worlds, worlds with something false, worlds in which the planted place was named, and whether one was planted."""
    told: list[Answer] = list(run(partial(_asked, finder, kind), seeds))  # type: ignore[call-overload]
    false = sum(bool(named - {place}) for named, place in told)
    return len(told), false, sum(place in named for named, place in told), told[0][1] is not None


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", choices=tuple(WORLDS), action="append")
    parser.add_argument("--kind", help="only worlds with this in their name")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print("| finder | world | worlds | false alarms | found |\n|---|---|---|---|---|")
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        for finder in options.only or WORLDS:
            for kind in WORLDS[finder]:
                if options.kind and options.kind not in kind:
                    continue
                count, false, hits, planted = scores(finder, kind, range(options.seeds), pool.map)
                told = f"{hits / count:.0%}" if planted else ""
                print(f"| `{finder}` | {kind} | {count} | {false / count:.0%} | {told} |", flush=True)
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
