"""Timer cliffs: calls of a route that all end at the same second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conv_analytics.analysis.finders.timer_cliffs import TIMERS
from conv_analytics.analysis.maths.clustered import excess_z, share_z
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.case_data import FEW
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Flags, Floats, Ints, Observations, sums

#: Width of a cliff, and of the windows on either side that show what is usual. [s]
WIDTH_S, LEAST_AROUND_S, AROUND = 1.0, 5.0, 0.2
#: Shorter calls have other peaks. [s]
LEAST_S = 8.0
#: Minimum number of calls at a cliff, and their minimum density relative to the calls around it.
LEAST_K, ODDS, LEAST_Z = 6, 1.8, 3.5
#: Effective number of independent windows of one group.
WINDOWS = 100
_PLACES = ("all", "network_code", "country", "channel_type", "direction", "user_id", "from_address", "to_address",
           *VERSION_COLUMNS)  # fmt: skip
#: Routes, which have their own timers.
_ROUTES = frozenset({"network_code", "country"})
#: Platforms and applications have timers, too; but a script may be used with only one of them.
_ENDS = frozenset({"channel_type", "direction", *VERSION_COLUMNS})
#: Minimum share of calls for whose own number there are calls at another place to compare with.
LEAST_COMPARABLE = 0.5
#: Share from which the calls at a cliff have one direction; it is named unless more than this share of the others has
#: it.
ONE_WAY, MOST_ROWS = 0.85, 0.7
#: Groupings in which a prompt or a script, not a timer, may end all calls alike.
_SCRIPTED = frozenset({"from_address", "to_address", "user_id"})


def _candidates(legs: Observations, groups: Groups, least_excess: float) -> list[Candidate]:
    talk = legs.numbers["talk_s"]
    rows = np.flatnonzero(legs.answered & (talk >= LEAST_S))
    if len(rows) < 20:  # noqa: PLR2004
        return []
    rows = rows[np.argsort(talk[rows], kind="stable")]
    cut = legs.texts["hung_up_by"].is_in("network", "platform") | (legs.numbers["sip_code"] >= 400)  # noqa: PLR2004
    cliffs = [
        each for name in _PLACES if groups.has(name)
        for each in _of_grouping(legs, groups, name, rows, least_excess=least_excess)
    ]  # fmt: skip
    return [_directed(each, legs) for each in _without_peaks_of_parties(cliffs, cut, legs)]


def _of_grouping(
    legs: Observations, groups: Groups, name: str, rows: Ints, *, least_excess: float
) -> Iterator[Candidate]:
    """The peaks of one grouping; rows are sorted by talk time."""
    talk = legs.numbers["talk_s"]
    lengths = talk[rows]
    codes = groups.of(name).codes[rows]
    counts = np.bincount(codes[codes >= 0])
    large_groups = np.flatnonzero(counts >= 2 * LEAST_K)
    # Most numbers have few calls: these are not sorted.
    enough = np.append(counts >= 2 * LEAST_K, False)[codes]
    rows, codes = rows[enough], codes[enough]
    # Integers of one or two bytes are sorted many times as fast.
    rows = rows[np.argsort(codes.astype(np.min_scalar_type(len(counts))), kind="stable")]
    ends_of_groups = np.cumsum(counts[large_groups])
    for code, high in zip(large_groups, ends_of_groups, strict=True):
        own = rows[high - counts[code] : high]
        for begin, end, around in _peaks(talk[own]):
            k = end - begin
            first, last = float(talk[own[begin]]), float(talk[own[end - 1]])
            width, reach = WIDTH_S, max(LEAST_AROUND_S, AROUND * first)
            share = width / (2 * reach + width)
            z = float(share_z(k, k + around, share, odds=ODDS))
            expected = around * width / (2 * reach)
            ends_as_usual = None
            if name != "all":
                # Number of other calls that end here: a habit of all calls is not a cliff.
                longer = len(lengths) - np.searchsorted(lengths, first)
                ends = np.searchsorted(lengths, last, side="right") - np.searchsorted(lengths, first)
                own_longer = len(own) - begin
                rest_n, rest_k = longer - own_longer, ends - k
                if rest_n > 0:
                    usual = own_longer * (rest_k + 0.5) / (rest_n + 1)
                    ends_as_usual = own_longer, usual, usual**2 / (rest_k + 0.5)
                    expected = max(expected, usual)
            if k - expected < least_excess:
                continue
            if ends_as_usual is not None:
                own_longer, usual, noise = ends_as_usual
                z = min(z, float(excess_z(k, own_longer, min(usual, own_longer * 0.98), noise, odds=2.0)))
            if z < LEAST_Z:
                continue
            yield _candidate(
                legs, groups, name, int(code), own, window=(begin, end), expected=expected, z=z, tests=len(large_groups)
            )


def _peaks(talk: Floats) -> Iterator[tuple[int, int, int]]:
    """The densest windows of sorted durations, as index ranges, and the calls around them; the clearest first."""
    end = np.searchsorted(talk, talk + WIDTH_S, side="right")
    k = end - np.arange(len(talk))
    reach = np.maximum(LEAST_AROUND_S, AROUND * talk)
    around = np.searchsorted(talk, talk + WIDTH_S + reach, side="right") - np.searchsorted(talk, talk - reach) - k
    z = share_z(k, k + around, WIDTH_S / (2 * reach + WIDTH_S), odds=ODDS)
    z = np.where(k >= LEAST_K, z, -np.inf)
    taken = np.zeros(len(talk), dtype=bool)
    for _ in range(3):
        at = int(np.argmax(np.where(taken, -np.inf, z)))
        if taken[at] or z[at] < LEAST_Z:
            return
        yield at, int(end[at]), int(around[at])
        taken |= np.abs(talk - talk[at]) < 3 * WIDTH_S


def _candidate(
    legs: Observations, groups: Groups, name: str, code: int, own: Ints, *, window: tuple[int, int], expected: float,
    z: float, tests: int,
) -> Candidate:  # fmt: skip
    begin, end = window
    talk = legs.numbers["talk_s"]
    bad, rows = own[begin:end], own[begin:]
    at = float(np.median(talk[bad]))
    flag = np.zeros(len(legs), dtype=bool)
    flag[bad] = True
    near = min(TIMERS, key=lambda timer: abs(timer - at))
    likely = TIMERS[near] if abs(near - at) <= 1.5 else "no timer of a standard: a limit of a switch or an account"  # noqa: PLR2004
    case = Case(
        kind="timer_cliff",
        name="cliff",
        calls=f"calls that lasted as long ended after {at:.1f} s",
        bad=flag,
        known=legs.answered & (talk >= at - WIDTH_S),
        family=f"cliff {at:.0f}",
        advice=f"Look for a timer of {at:.0f} s ({likely}).",
        words={"timer": f"{at:.1f}"},
    )
    by, values = ((), ()) if name == "all" else ((name,), (str(groups.of(name).labels[code]),))
    return Candidate(
        case, by, values, rows, bad, float(len(bad)), float(len(rows)), expected, z, tests * WINDOWS * FEW, raw_z=z,
        against="calls that are a little shorter or longer, and those of other groups",
    )  # fmt: skip


def _directed(candidate: Candidate, legs: Observations) -> Candidate:
    """The candidate with the direction of its calls, if only one direction of a channel or version ends there."""
    if not candidate.by or candidate.by[0] not in _ENDS - {"direction"}:
        return candidate
    codes = legs.texts["direction"].codes
    of_bad = codes[candidate.bad]
    code = int(np.bincount(of_bad[of_bad >= 0], minlength=1).argmax())
    same = codes[candidate.rows] == code
    if np.mean(of_bad == code) < ONE_WAY or np.mean(same) > MOST_ROWS:
        return candidate
    bad = candidate.bad[of_bad == code]
    return replace(
        candidate, by=(*candidate.by, "direction"), values=(*candidate.values, legs.texts["direction"].labels[code]),
        rows=candidate.rows[same], bad=bad, k=float(len(bad)), n=float(np.count_nonzero(same)),
        expected=candidate.expected * float(np.mean(same)),
    )  # fmt: skip


def _without_peaks_of_parties(cliffs: list[Candidate], cut: Flags, legs: Observations) -> list[Candidate]:
    """The peaks without those caused by the parties: the same everywhere, or of one script or person."""
    remaining = []
    for each in cliffs:
        forced = float(cut[each.bad].mean()) >= 0.5  # noqa: PLR2004
        if forced:
            remaining.append(each)
            continue
        if not each.by or each.by[0] not in _ROUTES | _ENDS:
            continue
        if each.by[0] in _ENDS:
            z = min(each.z, *(_z_by_own_number(each, legs, without) for without in (-1, _most(each, legs))))
            if z > LEAST_Z:
                remaining.append(replace(each, z=z))
            continue
        rivals = [
            other.z for other in cliffs
            if other.by and other.by[0] in _SCRIPTED and np.isin(other.bad, each.bad).mean() >= 0.5  # noqa: PLR2004
        ]  # fmt: skip
        if each.z > max(rivals, default=0.0):
            remaining.append(each)
    return remaining


def _most(candidate: Candidate, legs: Observations) -> int:
    """The user with the most calls of a peak; -1 if all of its calls have one user, or none."""
    users = legs.texts["user_id"].codes
    of_peak = users[candidate.bad]
    of_peak = of_peak[of_peak >= 0]
    if not len(of_peak) or len(np.unique(users[candidate.rows])) < 2:  # noqa: PLR2004
        return -1
    return int(np.bincount(of_peak).argmax())


def _z_by_own_number(candidate: Candidate, legs: Observations, without: int = -1) -> float:
    """Significance of a peak for its place, rather than for the scripts spoken on the own numbers used there.

    Without the calls of one user, if one is given.
    """
    talk, first, last = legs.numbers["talk_s"], *np.quantile(legs.numbers["talk_s"][candidate.bad], [0, 1])
    from_, to = (legs.texts[name] for name in ("from_address", "to_address"))
    number = np.where(legs.outbound, from_.codes, len(from_.labels) + to.codes)
    unknown = np.where(legs.outbound, from_.codes, to.codes) < 0
    unknown |= (legs.texts["user_id"].codes == without) & (without >= 0)
    longer = np.flatnonzero(legs.answered & (talk >= first) & ~unknown)
    mine = np.zeros(len(legs), dtype=bool)
    mine[candidate.rows] = True
    mine, ends, number = mine[longer], talk[longer] <= last, number[longer]
    size = len(from_.labels) + len(to.labels)
    n, k = sums(number[mine], size=size), sums(number[mine & ends], size=size)
    n_rest, k_rest = sums(number[~mine], size=size), sums(number[~mine & ends], size=size)
    comparable = n_rest >= LEAST_K
    if n[comparable].sum() < LEAST_COMPARABLE * max(n.sum(), 1.0):
        return 0.0
    expected = float((n * k_rest / np.maximum(n_rest, 1.0))[comparable].sum())
    of_mine, others = float(n[comparable].sum()), float(k_rest[comparable].sum())
    expected = min(max(expected, 0.5 * of_mine / max(float(n_rest[comparable].sum()), 1.0)), 0.98 * of_mine)
    noise = expected**2 / (others + 0.5)
    return float(excess_z(k[comparable].sum(), of_mine, expected, noise, odds=2.0))


KIND = Kind("timer_cliff", ("talk_s",), "Timer cliffs", candidates=_candidates)
__all__ = ["KIND"]
