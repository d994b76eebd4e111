"""Premium-rate fraud: long or expensive calls to a rarely called destination, within a short time."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case, Kind
from conv_analytics.analysis.problems.groupings import GROUPINGS, Groups
from conv_analytics.analysis.problems.observations import DAY_US, HOUR_US, NO_INSTANT, Flags, Floats, Ints, Observations

#: A place with a larger share of the calls is not rare.
RARE = 0.15
#: Minimum number of calls, minimum length or price relative to others, and their maximum share of the time.
LEAST, LONGER, DEARER, TOGETHER = 12, 2.5, 4.0, 0.25
#: Minimum z of their being longer.
LEAST_Z = 4.0
#: Stands in for a test, as a z; less where a longer prefix says the same.
CERTAIN = 12.0
_PLACES = ("country", "prefix3", "prefix4", "prefix5", "prefix6")


def _candidates(legs: Observations, groups: Groups, least_excess: float) -> list[Candidate]:
    talk = legs.numbers["talk_s"]
    rows = np.flatnonzero(legs.outbound & legs.answered & (talk > 0) & (legs.started_us != NO_INSTANT))
    rows = rows[legs.texts["channel_type"].is_in("phone", "sip")[rows]]
    if len(rows) < 5 * LEAST:
        return []
    price = legs.numbers["price"][rows] / np.maximum(talk[rows], 1.0)
    span = max(int(np.ptp(legs.started_us[rows])), 1)
    candidates = []
    for name in _PLACES:
        codes = groups.of(name).codes[rows]
        counts = np.bincount(codes[codes >= 0])
        rare = np.flatnonzero((counts >= max(LEAST, least_excess)) & (counts <= RARE * len(rows)))
        order = np.argsort(codes, kind="stable")
        begins = np.searchsorted(codes, rare, sorter=order)
        for code, begin in zip(rare, begins, strict=True):
            mine = order[begin : begin + counts[code]]
            # Hardly any place has concentrated calls: the comparison with all other calls is made only for those.
            if not _concentrated(legs.started_us[rows[mine]], span):
                continue
            inside = np.zeros(len(rows), dtype=bool)
            inside[mine] = True
            longer = float(np.mean(talk[rows][inside])) / max(float(np.mean(talk[rows][~inside])), 1.0)
            dearer = _ratio(price, inside)
            lasting = longer >= LONGER and _longer_z(talk[rows], inside) >= LEAST_Z
            if lasting or (dearer >= DEARER and longer >= 1):
                candidates.append(_candidate(legs, groups, name, int(code), bad=rows[inside], times=(longer, dearer)))
    return candidates


def _concentrated(at: Ints, span: int) -> bool:
    """Whether calls are concentrated in a few hours and days, with several a day."""
    hours, days = (len(np.unique(at // unit)) for unit in (HOUR_US, DAY_US))
    return hours * HOUR_US / span <= TOGETHER / 8 and days * DAY_US / span <= TOGETHER and days <= len(at) / 2


def _longer_z(talk: Floats, inside: Flags) -> float:
    """Significance of calls being longer than others, by log duration: a few long ones do not count."""
    logs = np.log(np.maximum(talk, 1.0))
    mine, others = logs[inside], logs[~inside]
    return float((mine.mean() - others.mean()) / max(others.std(), 0.1) * np.sqrt(len(mine)))


def _ratio(price: Floats, inside: Flags) -> float:
    known = ~np.isnan(price)
    if not (known & inside).any() or not (known & ~inside).any():
        return 0.0
    return float(np.median(price[known & inside])) / max(float(np.median(price[known & ~inside])), 1e-9)


def _candidate(
    legs: Observations, groups: Groups, name: str, code: int, *, bad: Ints, times: tuple[float, float]
) -> Candidate:  # fmt: skip
    flag = np.zeros(len(legs), dtype=bool)
    flag[bad] = True
    dear = f" and {times[1]:.0f} times as dear" if times[1] > 1 else ""
    case = Case(
        kind="premium_prefix",
        name="premium",
        bad=flag,
        known=legs.outbound & legs.answered,
        family="fraud",
        calls=f"calls, {times[0]:.1f} times as long as others{dear}",
        advice="Block this destination now, look at who placed the calls, and change the credentials that were used.",
    )
    at = legs.started_us[bad]
    label = str(groups.of(name).labels[code])
    return Candidate(
        case, (name,), (label,), bad, bad, float(len(bad)), float(len(bad)), 0.0, CERTAIN - GROUPINGS[name].rank / 10,
        100.0, raw_z=CERTAIN, since_us=int(at.min()), until_us=int(at.max()),
        against="a destination that is hardly called otherwise",
    )  # fmt: skip


KIND = Kind("premium_prefix", ("talk_s", "country"), "Premium-rate fraud", candidates=_candidates)
__all__ = ["KIND"]
