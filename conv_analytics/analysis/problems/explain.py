"""The smallest set of descriptions that accounts for the bad calls: the best one, then what is left, and so on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from conv_analytics.analysis.problems import scan
from conv_analytics.analysis.problems.candidates import Candidate, cluster_columns
from conv_analytics.analysis.problems.case import Case
from conv_analytics.analysis.problems.case_data import CaseData, rows_of
from conv_analytics.analysis.problems.descriptions import (
    ALIKE,
    AS_BAD,
    OVERLAP,
    best_description,
    comparable,
    is_part,
    is_sure,
    is_whole,
)
from conv_analytics.analysis.problems.groupings import Groups, representatives
from conv_analytics.analysis.problems.observations import Flags, Ints, Observations
from conv_analytics.analysis.problems.sample import sampled_legs, with_all_calls

#: Maximum number of problems to look for.
MOST = 25
#: Candidates that share less than this of their bad calls with a problem are independent of it.
APART = 0.05


@dataclass
class Explained:
    """A problem, and other candidates with the same calls."""

    candidate: Candidate
    same: list[Candidate] = field(default_factory=list)


def explain(
    legs: Observations,
    groups: Groups,
    cases: list[Case],
    direct: list[Candidate],
    *,
    fdr: float,
    least_excess: float,
    most: int = MOST,
) -> tuple[list[Explained], dict[int, CaseData]]:
    """Problems, those that explain most first, and the data that each case was first tested on."""
    clusters, first = cluster_columns(legs), representatives(legs)
    looked_at = sampled_legs(legs)
    scale = 1.0 if looked_at is None else len(legs) / max(int(np.count_nonzero(looked_at)), 1)
    active = [np.ones(len(legs), dtype=bool) for _ in cases]
    case_data: dict[int, CaseData] = {}
    candidates: dict[int, list[Candidate]] = {}

    def test(place: int) -> None:
        case = cases[place]
        every = rows_of(case, active[place], first)
        rows = every if looked_at is None else every[looked_at[every]]
        data = CaseData.of(case, legs, groups, clusters, rows=rows, least_excess=least_excess)
        some = list(scan.candidates(data)) if data.y.sum() >= least_excess else []
        if looked_at is not None:
            sure = {(each.by, each.values) for each in some if is_sure(each, fdr)}
            some = [with_all_calls(each, every, groups, scale) for each in some if (each.by, each.values) in sure]
        candidates[place] = some
        case_data.setdefault(place, data)

    for place in range(len(cases)):
        test(place)
    problems: list[Explained] = []
    while len(problems) < most:
        everything = [each for several in candidates.values() for each in several] + direct
        if not any(is_sure(each, fdr) for each in everything):
            break
        best = best_description(everything, fdr, legs)
        problem = Explained(best)
        problems.append(problem)
        bad = np.zeros(int(legs.conversation.max(initial=0)) + 1, dtype=bool)
        bad[legs.conversation[best.bad]] = True
        touched = bad[legs.conversation]
        own = _own_rows(best, groups, legs)
        explained = [each for each in direct if _is_explained(each, best, touched, own)]
        problem.same += [each for each in explained if each is not best and is_sure(each, fdr)]
        direct = [each for each in direct if each not in explained]
        for place, case in enumerate(cases):
            before = candidates[place]
            # False answers do not count in answer rates.
            whole = case.related == best.case.related or best.case.kind == "false_answer"
            gone = touched | own if whole else touched
            if not (gone & active[place] & case.known).any():
                continue
            active[place] &= ~gone
            # Candidates that share nothing with the problem stay unchanged.
            if any(
                is_sure(each, fdr) and (gone[each.bad].mean() > APART or best.case.kind == "false_answer")
                for each in before
            ):
                test(place)
            left = {(each.by, each.values) for each in candidates[place] if is_sure(each, fdr)}
            problem.same += [
                each
                for each in before
                if is_sure(each, fdr)
                and (each.by, each.values) not in left
                and (each.by, each.values) != (best.by, best.values)
                and touched[each.bad].mean() >= OVERLAP
            ]
        problems = _joined(problems, groups, legs)
    return problems, case_data


def _joined(problems: list[Explained], groups: Groups, legs: Observations) -> list[Explained]:
    """The problems without users, numbers or prefixes that belong to a route or version found later."""
    whole, remaining = problems[-1], []
    best = whole.candidate
    if len(best.by) != 1 or not is_whole(best.by[0]):
        return problems
    code = groups.of(best.by[0], best.case.unit).codes[best.rows[0]]
    codes = groups.of(best.by[0]).codes
    for each in problems[:-1]:
        part = each.candidate
        theirs = best.rows[comparable(part, legs)[best.rows]]
        usual = best.expected / best.n
        if (
            part.case.related == best.case.related
            and len(part.by) == 1
            and is_part(part.by[0])
            and not any((part.hours, part.lengths_s, best.hours, best.lengths_s))
            and np.mean(codes[part.bad] == code) >= ALIKE
            and len(theirs)
            and np.mean(best.case.bad[theirs]) - usual >= AS_BAD * (part.k / part.n - usual)
        ):
            whole.candidate = best = _merged(best, part)
            whole.same += [part, *each.same]
        else:
            remaining.append(each)
    return [*remaining, whole]


def _merged(whole: Candidate, part: Candidate) -> Candidate:
    """A problem merged with another one about other calls."""
    rows, bad = np.union1d(whole.rows, part.rows), np.union1d(whole.bad, part.bad)
    surer = max(whole, part, key=lambda each: -each.q)
    return replace(
        whole, rows=rows, bad=bad, k=whole.k + part.k, n=whole.n + part.n, expected=whole.expected + part.expected,
        z=surer.z, tests=surer.tests, since_us=_outer(min, whole.since_us, part.since_us),
        until_us=_outer(max, whole.until_us, part.until_us),
    )  # fmt: skip


def _outer(which: Callable[[int, int], int], first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else which(first, second)


def _is_explained(each: Candidate, best: Candidate, touched: Flags, own: Flags) -> bool:
    """Whether a candidate that is not tested again is about calls of a known problem."""
    if each is best:
        return True
    share = touched[each.bad].mean()
    related = each.case.related == best.case.related
    return bool(share >= OVERLAP or (related and own[each.bad].mean() >= OVERLAP))


def _own_rows(best: Candidate, groups: Groups, legs: Observations) -> Flags:
    """All calls of the group: those outside its window are not tested again."""
    if not best.by:
        gone = np.ones(len(legs), dtype=bool) if best.lengths_s or best.hours else np.zeros(len(legs), dtype=bool)
        gone[best.rows] = True
        return gone
    if best.case.related == "redials":
        return np.isin(groups.of("to_address").codes, groups.of("to_address").codes[best.bad])
    gone = np.ones(len(legs), dtype=bool)
    for name in best.by:
        codes = groups.of(name).codes
        code = groups.of(name, best.case.unit).codes[best.rows[0]]
        gone &= (codes == code) | (_without_network(groups, codes, code) if name == "network_code" else False)
    return gone


def _without_network(groups: Groups, codes: Ints, code: int) -> Flags:
    """Legs of unknown network, to numbers whose known legs are mostly on this network."""
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
