"""Chooses the description of a problem: of all that cover the same calls, the simplest and most familiar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conv_analytics.analysis.maths.clustered import excess_z
from conv_analytics.analysis.problems.candidates import PRICE, Candidate
from conv_analytics.analysis.problems.case import VERSION_COLUMNS
from conv_analytics.analysis.problems.groupings import GROUPINGS
from conv_analytics.analysis.problems.observations import NO_INSTANT, Flags, Ints, Observations

#: Share of a group's excess from which a window counts as the time of the problem.
NARROW = 0.75
#: If this share of a group's bad calls is in a problem, the group has the same calls.
OVERLAP = 0.4
#: Descriptions that share this part of their bad calls are alike: the most familiar column is named.
ALIKE = 0.85
#: A group with fewer calls than this multiple of its parts' calls is described by itself.
WHOLE = 1.3
#: Maximum share of all calls in a place.
PLACE = 0.8
#: Minimum share of the bad ones in it.
MOSTLY = 0.75
#: Alternatively, its share of bad calls is this many times as high.
PURER = 1.3
#: Maximum share of a group's calls that meet a second condition that is named with it.
HALF = 0.6
#: Standard deviations by which a version's other users must be worse than usual for the problem to be the version's.
REMAINS = 3.0
#: The other calls of a route are as bad as a user's if their excess rate is at least this share of it.
AS_BAD = 0.35


def is_sure(candidate: Candidate, fdr: float) -> bool:
    """Whether it is significant among all tests."""
    return candidate.q <= fdr


def best_description(candidates: list[Candidate], fdr: float, legs: Observations) -> Candidate:
    """The best description; of those that cover the same calls, the most familiar."""
    certain = [each for each in candidates if is_sure(each, fdr)]
    best = _split(max(certain, key=lambda each: each.gain), certain)
    best = _shared(_placed(_specific(best, certain), certain), certain, legs)
    of_best = _flags(best, best.bad)
    alike = [
        each for each in certain
        if each.case is best.case and each.z >= 0.6 * best.z and bool(each.by) == bool(best.by)
        and np.count_nonzero(of_best[each.bad]) >= ALIKE * max(len(each.bad), len(best.bad))
        and each.n <= 1.6 * best.n
    ]  # fmt: skip
    best = min(
        alike or [best],
        key=lambda each: (len(each.by), sum(GROUPINGS[name].rank for name in each.by), each.window),
    )
    return _narrowed(_paired(best, certain), candidates)


def _paired(best: Candidate, certain: list[Candidate]) -> Candidate:
    """The group with a second condition, if nearly all of its excess meets it, in far fewer calls."""
    if len(best.by) != 1 or best.window:
        return best
    pairs = [
        each for each in certain
        if each.case is best.case and len(each.by) == 2 and not each.window  # noqa: PLR2004
        and (best.by[0], best.values[0]) in zip(each.by, each.values, strict=True)
        and each.excess >= ALIKE * best.excess and each.n <= HALF * best.n
    ]  # fmt: skip
    return max(pairs, key=lambda each: each.excess, default=best)


def _specific(best: Candidate, certain: list[Candidate]) -> Candidate:
    """A candidate that says more about the same calls than that they are short, silent or dropped."""
    if best.case.kind != "group_rate":
        return best
    of_best = _flags(best, best.bad)
    more = [
        each for each in certain
        if each.case.kind not in {"group_rate", "drift"} and each.excess >= OVERLAP * best.excess
        and of_best[each.bad].mean() >= OVERLAP
    ]  # fmt: skip
    return max(more, key=lambda each: each.gain, default=best)


def _placed(best: Candidate, certain: list[Candidate]) -> Candidate:
    """The place with nearly all of the excess, if there is one: not all calls, and not a route's own codec."""
    if best.by and best.by != ("codec_guess",):
        return best
    of_best, mostly = _flags(best, best.bad), (MOSTLY if not best.by else ALIKE) * len(best.bad)
    places = [
        each for each in certain
        if each.case.related == best.case.related and each.case.kind == best.case.kind and each.by
        and "codec_guess" not in each.by
        and (each.n <= _room(best) * best.n or each.k / each.n >= PURER * best.k / best.n)
        and np.count_nonzero(of_best[each.bad]) >= mostly
    ]  # fmt: skip
    return max(places, key=lambda each: each.excess if not best.by else each.gain, default=best)


def _shared(best: Candidate, certain: list[Candidate], legs: Observations) -> Candidate:
    """For a user, number or prefix: the version or route whose other calls are bad, too."""
    if len(best.by) != 1 or not is_part(best.by[0]):
        return best
    larger = []
    for each in certain:
        if each.case.related != best.case.related or len(each.by) != 1 or not is_whole(each.by[0]):
            continue
        of_each = _flags(each, each.rows)
        if np.count_nonzero(of_each[best.bad]) < ALIKE * len(best.bad):
            continue
        others = of_each & ~_flags(best, best.rows) & comparable(best, legs)
        n, k = float(np.count_nonzero(others)), float(np.count_nonzero(each.case.bad & others))
        usual = each.expected / each.n
        if n and k - usual * n >= 3 and excess_z(k, n, usual * n, usual * n, odds=each.case.odds) >= REMAINS:  # noqa: PLR2004
            like = k / n - usual >= AS_BAD * (best.k / best.n - usual)
            if like or each.by[0] in VERSION_COLUMNS:
                larger.append(each)
    return max(larger, key=lambda each: each.gain, default=best)


def is_part(name: str) -> bool:
    """Whether groups of a column are parts of routes or versions: people, numbers, prefixes."""
    return GROUPINGS[name].party or GROUPINGS[name].column == "prefix"


def is_whole(name: str) -> bool:
    """Whether groups of a column are routes or versions, which many people and numbers share."""
    return name in {*VERSION_COLUMNS, "network_code", "country"}


def comparable(candidate: Candidate, legs: Observations) -> Flags:
    """Legs in the period of a candidate, with the directions and channels of its bad calls."""
    at = legs.started_us
    like = np.isin(legs.structure, np.unique(legs.structure[candidate.bad]))
    if candidate.since_us is not None:
        like &= at >= candidate.since_us
    if candidate.until_us is not None:
        like &= (at <= candidate.until_us) & (at != NO_INSTANT)
    return like


def _room(best: Candidate) -> float:
    """The largest allowed size of a place, from the size of the candidate: larger if more of its calls are bad."""
    if best.by:
        return 3.0
    return 1.5 if best.k > PLACE * best.n else PLACE


def _flags(candidate: Candidate, rows: Ints) -> Flags:
    """Some rows as flags over all legs."""
    flags = np.zeros(len(candidate.case.bad), dtype=bool)
    flags[rows] = True
    return flags


def _split(best: Candidate, candidates: list[Candidate]) -> Candidate:
    """One of its parts, if several disjoint parts describe the calls better than the whole."""
    if best.case.kind != "group_rate":
        return best
    of_best = _flags(best, best.bad)
    parts = [
        each for each in candidates
        if each.case is best.case and each is not best
        and len(each.rows) < len(best.rows) and not each.lengths_s and of_best[each.bad].all()
    ]  # fmt: skip
    chosen: list[Candidate] = []
    taken = np.zeros(len(best.case.bad), dtype=bool)
    for each in sorted(parts, key=lambda part: -part.gain):
        if not taken[each.rows].any():
            chosen.append(each)
            taken[each.rows] = True
    enough = len(chosen) > 1 and sum(each.gain for each in chosen) > best.gain + PRICE
    # Where the parts are nearly the whole group, the group is the simpler description.
    enough = enough and best.n > WHOLE * sum(each.n for each in chosen)
    return chosen[0] if enough else best


def _narrowed(best: Candidate, candidates: list[Candidate]) -> Candidate:
    """The window of the group with nearly all of its excess, if there is one."""
    if best.window:
        return best
    windows = [
        each for each in candidates
        if each.case is best.case and each.by == best.by and each.values == best.values and each.window
        and each.excess >= NARROW * best.excess and len(each.rows) <= 0.9 * len(best.rows)
    ]  # fmt: skip
    if not windows:
        return best
    # The significance is that of the whole group; the window says when.
    return replace(max(windows, key=lambda each: each.z), z=best.z, tests=best.tests)


__all__ = ["ALIKE", "AS_BAD", "OVERLAP", "best_description", "comparable", "is_part", "is_sure", "is_whole"]
