"""The smallest set of descriptions that accounts for the bad calls: the best one, then what is left, and so on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from conv_analytics.analysis.maths.clustered import excess_z
from conv_analytics.analysis.problems import scan
from conv_analytics.analysis.problems.asked import Asked, rows_of
from conv_analytics.analysis.problems.candidates import PRICE, Candidate, cluster_columns
from conv_analytics.analysis.problems.case import VERSION_COLUMNS, Case
from conv_analytics.analysis.problems.groupings import GROUPINGS, Groups, representatives
from conv_analytics.analysis.problems.observations import Flags, Ints, Observations
from conv_analytics.analysis.problems.sample import counted, drawn

#: Maximum number of problems to look for.
MOST = 25
#: A window that holds so much of a group's excess is when it happens.
NARROW = 0.75
#: A group of which this share of the bad calls is in a problem holds the same calls.
OVERLAP = 0.4
#: Descriptions of which this share of the bad calls is the same are alike: the best known column is named.
ALIKE = 0.85
#: A group that has fewer calls than so many times those of its parts is described by itself.
WHOLE = 1.3
#: A place has at the most this share of all calls.
PLACE = 0.8
#: And at the least this share of the bad ones.
MOSTLY = 0.75
#: Or its share of bad calls is so many times as high.
PURER = 1.3
#: Of a group's calls, at the most this share is at a second condition that is named with it.
HALF = 0.6
#: Standard deviations by which the others of a version must be worse than usual, for it to be the version's.
REMAINS = 3.0
#: Candidates that share less than this of their bad calls with a problem stand apart from it.
APART = 0.05


@dataclass
class Explained:
    """A problem, and other candidates that hold the same calls."""

    candidate: Candidate
    same: list[Candidate] = field(default_factory=list)


def explain(
    seen: Observations,
    groups: Groups,
    cases: list[Case],
    direct: list[Candidate],
    *,
    fdr: float,
    least_excess: float,
    most: int = MOST,
) -> tuple[list[Explained], dict[int, Asked]]:
    """Problems in the order in which they explain most, and what was asked of each case at first."""
    clusters, first = cluster_columns(seen), representatives(seen)
    looked_at = drawn(seen)
    scale = 1.0 if looked_at is None else len(seen) / max(int(np.count_nonzero(looked_at)), 1)
    active = [np.ones(len(seen), dtype=bool) for _ in cases]
    asked: dict[int, Asked] = {}
    found: dict[int, list[Candidate]] = {}

    def ask(place: int) -> None:
        case = cases[place]
        every = rows_of(case, active[place], first)
        rows = every if looked_at is None else every[looked_at[every]]
        one = Asked.of(case, seen, groups, clusters, rows=rows, least_excess=least_excess)
        some = list(scan.candidates(one)) if one.y.sum() >= least_excess else []
        if looked_at is not None:
            sure = {(each.by, each.values) for each in some if _is_sure(each, fdr)}
            some = [counted(each, every, groups, scale) for each in some if (each.by, each.values) in sure]
        found[place] = some
        asked.setdefault(place, one)

    for place in range(len(cases)):
        ask(place)
    problems: list[Explained] = []
    while len(problems) < most:
        everything = [each for several in found.values() for each in several] + direct
        if not any(_is_sure(each, fdr) for each in everything):
            break
        best = _named(everything, fdr)
        problem = Explained(best)
        problems.append(problem)
        bad = np.zeros(int(seen.conversation.max(initial=0)) + 1, dtype=bool)
        bad[seen.conversation[best.bad]] = True
        touched = bad[seen.conversation]
        own = _own_rows(best, groups, seen)
        said = [each for each in direct if _told(each, best, touched, own)]
        problem.same += [each for each in said if each is not best and _is_sure(each, fdr)]
        direct = [each for each in direct if each not in said]
        for place, case in enumerate(cases):
            before = found[place]
            gone = touched | own if case.related == best.case.related else touched
            if not (gone & active[place] & case.known).any():
                continue
            active[place] &= ~gone
            # What has nothing in common with the problem stays as it was.
            if any(_is_sure(each, fdr) and gone[each.bad].mean() > APART for each in before):
                ask(place)
            left = {(each.by, each.values) for each in found[place] if _is_sure(each, fdr)}
            problem.same += [
                each
                for each in before
                if _is_sure(each, fdr)
                and (each.by, each.values) not in left
                and (each.by, each.values) != (best.by, best.values)
                and touched[each.bad].mean() >= OVERLAP
            ]
    return problems, asked


def _is_sure(candidate: Candidate, fdr: float) -> bool:
    """Whether it is no chance among all that was asked."""
    return candidate.q <= fdr


def _named(candidates: list[Candidate], fdr: float) -> Candidate:
    """The best description; of those that hold the same calls, the one that people know best."""
    certain = [each for each in candidates if _is_sure(each, fdr)]
    best = _split(max(certain, key=lambda each: each.gain), certain)
    best = _shared(_placed(_specific(best, certain), certain), certain)
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
    """The group and a second condition, where nearly all of the group's excess is at it, in far fewer calls."""
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
    """What says more about the same calls than that they are short, silent or dropped."""
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
    """Where nearly all of it is at one place, that place: not all calls, and not the codec that a route has."""
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


def _shared(best: Candidate, certain: list[Candidate]) -> Candidate:
    """Of a user whose version's other users are worse than usual, too: the version."""
    if len(best.by) != 1 or not GROUPINGS[best.by[0]].party:
        return best
    of_best = _flags(best, best.rows)
    larger = []
    for each in certain:
        if each.case.related != best.case.related or len(each.by) != 1 or each.by[0] not in VERSION_COLUMNS:
            continue
        if np.count_nonzero(of_best[each.rows]) < ALIKE * len(best.rows):
            continue
        others = ~of_best[each.rows]
        n, k = float(np.count_nonzero(others)), float(each.case.bad[each.rows[others]].sum())
        usual = each.expected / each.n
        if n and k - usual * n >= 3 and excess_z(k, n, usual * n, usual * n, odds=each.case.odds) >= REMAINS:  # noqa: PLR2004
            larger.append(each)
    return max(larger, key=lambda each: each.gain, default=best)


def _room(best: Candidate) -> float:
    """How large a place may be, by the size of what it stands for: all the larger, the more of its calls are bad."""
    if best.by:
        return 3.0
    return 1.5 if best.k > PLACE * best.n else PLACE


def _flags(candidate: Candidate, rows: Ints) -> Flags:
    """Some rows as flags over all legs."""
    flags = np.zeros(len(candidate.case.bad), dtype=bool)
    flags[rows] = True
    return flags


def _told(each: Candidate, best: Candidate, touched: Flags, own: Flags) -> bool:
    """Whether a candidate that is not asked again is about calls that a problem has already."""
    if each is best:
        return True
    share = touched[each.bad].mean()
    related = each.case.related == best.case.related
    return bool(share >= OVERLAP or (related and own[each.bad].mean() >= OVERLAP))


def _split(best: Candidate, candidates: list[Candidate]) -> Candidate:
    """One of its parts, where several parts that do not overlap say more than the whole."""
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
    # Where the parts are nearly all of it, the whole is the simpler description.
    enough = enough and best.n > WHOLE * sum(each.n for each in chosen)
    return chosen[0] if enough else best


def _narrowed(best: Candidate, candidates: list[Candidate]) -> Candidate:
    """The window of the group in which nearly all of its excess lies, if there is one."""
    if best.window:
        return best
    windows = [
        each for each in candidates
        if each.case is best.case and each.by == best.by and each.values == best.values and each.window
        and each.excess >= NARROW * best.excess and len(each.rows) <= 0.9 * len(best.rows)
    ]  # fmt: skip
    if not windows:
        return best
    # That there is a problem is as sure as it is of the whole group; the window says when.
    return replace(max(windows, key=lambda each: each.z), z=best.z, tests=best.tests)


def _own_rows(best: Candidate, groups: Groups, seen: Observations) -> Flags:
    """All calls of the group: what its window leaves is not asked again."""
    if not best.by:
        gone = np.ones(len(seen), dtype=bool) if best.lengths_s or best.hours else np.zeros(len(seen), dtype=bool)
        gone[best.rows] = True
        return gone
    if best.case.related == "redials":
        return np.isin(groups.of("to_address").codes, groups.of("to_address").codes[best.bad])
    gone = np.ones(len(seen), dtype=bool)
    for name in best.by:
        codes = groups.of(name).codes
        code = groups.of(name, best.case.unit).codes[best.rows[0]]
        gone &= (codes == code) | (_without_network(groups, codes, code) if name == "network_code" else False)
    return gone


def _without_network(groups: Groups, codes: Ints, code: int) -> Flags:
    """Legs whose network is not known, to numbers of which those that are known are mostly of this network."""
    unknown, gone = codes < 0, np.zeros(len(codes), dtype=bool)
    for length in (7, 6, 5, 4):
        prefix = groups.of(f"prefix{length}").codes
        of = (prefix >= 0) & ~unknown
        if not of.any():
            continue
        size = int(prefix.max()) + 1
        known = np.bincount(prefix[of], minlength=size)
        mine = np.bincount(prefix[of & (codes == code)], minlength=size)
        mostly = np.append((mine >= 3) & (mine >= 0.7 * known), False)  # noqa: PLR2004
        gone |= unknown & mostly[prefix]
    return gone


__all__ = ["Explained", "explain"]
