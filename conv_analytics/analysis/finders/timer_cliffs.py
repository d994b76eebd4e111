"""Calls cut by timers: sharp peaks in call durations, at known timers and anywhere else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.answers import ANSWERS
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.engine.rows import Rows, show_time_keys
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.finders.offenders import MIN_EXCESS
from conv_analytics.analysis.finders.sharp_peaks import (
    BIN_S,
    PER_SECOND,
    Windows,
    onset,
    peaks_anywhere,
    sharp,
    windows_at,
)
from conv_analytics.analysis.maths.stats import MIN_N, benjamini_hochberg, rates
from conv_analytics.analysis.maths.tails import hypergeometric_tail
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError
from conv_analytics.proportions import Floats

#: Timers that are known to end calls, and the likely cause of each. [s]
TIMERS: Mapping[float, str] = {
    20: "media gateways: no RTP for 20 s",
    30: "NAT: a UDP binding that is kept for 30 s; media gateways: no RTP for 30 s",
    32: "SIP: the ACK to the 200 never came, given up after 64 x T1 (RFC 3261, 13.3.1.4): Contact, NAT or firewall",
    60: "media gateways: no RTP for 60 s; NAT: a UDP binding that is kept for 60 s",
    64: "SIP: 64 x T1 with T1 of 1 s: the ACK to the 200 never came",
    90: "SIP session timer: the least that is allowed, 90 s (RFC 4028, 4)",
    120: "NAT: a UDP binding that is kept for the 2 minutes that RFC 4787 asks for",
    180: "NAT: a UDP binding that is kept for 3 minutes; a limit of 3 minutes",
    300: "NAT: a UDP binding that is kept for 5 minutes (RFC 4787); media gateways: no RTP for 5 minutes",
    600: "a limit of 10 minutes",
    900: "SIP session timer: the refresh at half of 30 minutes failed (RFC 4028, 7.2)",
    1800: "SIP session timer: no refresh within 30 minutes (RFC 4028, 4)",
    3600: "a limit of one hour",
}
#: Stricter than `offenders`: every group is tested for every timer, and densities are not quite smooth.
CLIFF_FDR = 0.05
#: Longer calls are counted, but not searched. [s]
LONGEST_S = 4 * 3600.0
_ELSEWHERE = "no known timer: a limit, a timer or a recording on the way of these calls only"


@question
def timer_cliffs(
    data: Any,
    by: str | Sequence[str] = "network_code",
    *,
    timers_s: Sequence[float] = tuple(TIMERS),
    before_s: float = 0.4,
    after_s: float = 1.6,
    anywhere: bool = True,
    scope: str = "all",
    unit: str = "leg",
    tz: str = "UTC",
    min_n: int = MIN_N,
    fdr: float = CLIFF_FDR,
    min_excess: float = MIN_EXCESS,
) -> Any:
    """Durations at which calls are cut: known timers, and others that are specific to a group.

    Parameters
    ----------
    data, by, scope, unit, tz
        As for `kpi`; ``by=()`` tests all calls together.
    timers_s
        Known timers. [s]
    before_s, after_s
        Window around a timer in which a call counts as ended by it: from `before_s` before (included) until `after_s`
        after (not included), in steps of 0.1 s, as an end is recorded after the last message's round trip. [s]
    anywhere
        Whether to search for cliffs at other durations, too: in groups whose calls end there more often than others'.
    min_n, fdr, min_excess
        As for `offenders`; `min_n` is of answered calls with a known length, and `fdr` is 0.05.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and timer with a call there, and per cliff elsewhere, cliffs first, then by excess: the keys;
        ``timer_s``, for other cliffs the time at which the first of their calls end, to half a second; ``k`` calls that
        end there of ``n``, ``rate``, ``lo``, ``hi``; ``around``, how many end in the time around it; ``shared``, how
        many of the k are legs of calls that a clearer cliff at this timer already has; ``expected``, how many would end
        at the timer if lengths were smoothly distributed; ``excess``, of the calls that are not shared; ``p``, ``q``;
        ``enough``; ``cliff``; ``likely``, the usual cause of such a timer. Of timers whose times overlap, the one with
        the smallest p stays.

    Notes
    -----
    Expected is the value of a parabola through blocks of calls on both sides, as long as the window or up to eight
    times as long where there are few. p is the tail of k at that number, which is an estimate itself (negative
    binomial). A cliff is sharp as well: nearly all of its excess lies within one second. So a peak of human behaviour,
    such as talk of half a minute, more or less, is not a cliff. Away from the known timers p also includes Fisher's
    test against the other groups: something that ends everybody's calls, such as a recording, is not a network's fault.
    Known timers and others are two families of tests, with half of `fdr` each.

    A timer that cuts a call ends all its legs, so the network of the other leg has a peak, too: where several groups
    have a cliff at one timer, the clearest keeps its calls, and the others are tested again without them. Something
    that lasts as long as a timer (a recording of exactly 30 s) looks like one: `likely` is a lead, not proof.

    Examples
    --------
    >>> import pandas as pd
    >>> lengths = [float(second) for second in range(5, 205)] + [32.2] * 25
    >>> calls = pd.DataFrame({"conversation_id": "CON-1", "leg_id": [str(n) for n in range(225)], "answered": True,
    ...                       "talk_s": lengths, "network_code": "23410"})
    >>> found = timer_cliffs(calls)
    >>> found.loc[found["cliff"], ["network_code", "timer_s", "k", "expected"]].round(1).values.tolist()
    [['23410', 32.0, 27, 2.1]]
    >>> found["likely"][0][:42]
    'SIP: the ACK to the 200 never came, given '
    """
    timers = [float(timer) for timer in timers_s]
    length = before_s + after_s
    if not timers or min(before_s, after_s) < 0 or length < 1 or min(timers) < before_s + 2 * length:
        raise ConfigError(
            f"timers_s={timers}, before_s={before_s}, after_s={after_s}: a window is a second or longer, and timers "
            f"have the calls of two windows before them: here they are {before_s + 2 * length:g} s or more."
        )
    if min_n < 1 or not 0 < fdr < 1:
        raise ConfigError(f"min_n={min_n}, fdr={fdr}: min_n is 1 or more, fdr between 0 and 1, such as 0.1.")
    source, keys = Source.of(data), keys_of(by, "timer_cliffs")

    def attempts_with(*more: str) -> Rows:
        needs = {"answered", "talk_s", *more}
        return scopes.attempts(source, scope=scope, unit=unit, needs=needs, by=keys).with_time_keys(keys, tz)

    timed, talk = is_true(nw.col("answered")) & is_true(nw.col("talk_s") >= 0), nw.col("talk_s")
    rows = attempts_with()
    bins = rows.filter(timed).select(*keys, _bin=(talk * PER_SECOND).floor())
    histograms = _Histograms(bins.grouped([*keys, "_bin"], [nw.len().alias("_calls")]), keys)
    window = (round(before_s * PER_SECOND), round((before_s + after_s) * PER_SECOND))
    tested = _at_timers(histograms, timers, window, min_n)
    if anywhere:
        tested = pd.concat([tested, _beside_timers(histograms, tested, window, min_n, min_excess)], ignore_index=True)
    cliffs = _judged(_most_prominent(tested, window[1] * BIN_S), fdr, min_excess)
    # The ids of the calls are rarely needed, and make the rows three times as long.
    shared = _shared_timers(cliffs)
    named = attempts_with("conversation_id") if shared else rows
    for timer in shared:
        first = float(cliffs.loc[cliffs["timer_s"] == timer, "_start"].iloc[0]) * BIN_S
        at_timer = named.filter(timed & _within(talk, first, first + window[1] * BIN_S))
        ends = show_time_keys(at_timer.select("conversation_id", *keys).collect(), keys)
        cliffs = _without_shared_calls(cliffs, timer, keys, ends, fdr, min_excess)
    cliffs = cliffs.assign(likely=[TIMERS.get(timer, "a timer of your own") if known else _ELSEWHERE
                                   for timer, known in zip(cliffs["timer_s"], cliffs["_known"], strict=True)],
                           ).astype({"likely": "str"})  # fmt: skip
    cliffs = cliffs.assign(_first=~cliffs["cliff"].astype(bool), _size=-cliffs["excess"])
    cliffs = cliffs.sort_values(["_first", "_size", *keys, "timer_s"], kind="stable", ignore_index=True)
    return source.result(cliffs[[*keys, *ANSWERS["timer_cliffs"]]])


class _Histograms:
    """Counts of durations per group: its keys, all its calls, and how many end in each bin."""

    def __init__(self, counts: pd.DataFrame, keys: Sequence[str]) -> None:
        groups = counts.groupby(list(keys), dropna=False, sort=True).ngroup() if keys else pd.Series(0, counts.index)
        number = groups.to_numpy("int64")
        self.keys = counts.assign(_group=number).drop_duplicates("_group").set_index("_group")[list(keys)].sort_index()
        place, calls = counts["_bin"].to_numpy("float64"), counts["_calls"].to_numpy("float64")
        self.n: Floats = np.bincount(number, weights=calls, minlength=len(self.keys)).astype("float64")
        order = np.argsort(number, kind="stable")
        edges = np.searchsorted(number[order], np.arange(len(self.keys) + 1))
        self._rows = [order[first:last] for first, last in itertools.pairwise(edges)]
        self._place, self._calls = place, calls

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, group: int) -> Floats:
        """The calls of a group per bin, up to its longest call that is searched."""
        rows = self._rows[group]
        rows = rows[self._place[rows] < LONGEST_S * PER_SECOND]
        place = self._place[rows].astype("int64")
        return np.bincount(place, weights=self._calls[rows]).astype("float64")

    def at(self, start: int, width: int) -> tuple[float, float]:
        """The calls of all groups that end in a window, and all calls."""
        inside = (self._place >= start) & (self._place < start + width)
        return float(self._calls[inside].sum()), float(self.n.sum())

    def rows(self, group: int, windows: Windows, **columns: Any) -> pd.DataFrame:
        """Windows of a group as rows of the answer."""
        n = self.n[group] if len(self) else 0.0
        rate = rates(windows.k, np.full(len(windows.k), n))
        part = pd.DataFrame({
            "k": windows.k, "n": n, **{name: rate[name] for name in ("rate", "lo", "hi")}, "around": windows.around,
            "shared": 0, "expected": windows.expected, "excess": windows.k - windows.expected, "_group": group,
            "_start": windows.start, "_variance": windows.variance, "_tests": 0, **columns,
        })  # fmt: skip
        return part.astype(dict.fromkeys(("k", "n", "around", "shared", "_start"), "Int64"))


def _at_timers(histograms: _Histograms, timers: Sequence[float], window: tuple[int, int], min_n: int) -> pd.DataFrame:
    starts = np.array([round(timer * PER_SECOND) - window[0] for timer in timers], dtype="int64")
    parts = [histograms.rows(0, windows_at(np.zeros(0), starts[:0], window[1]), timer_s=[], p=[], enough=[])]
    for group in range(len(histograms)):
        histogram, enough = histograms[group], bool(histograms.n[group] >= min_n)
        windows = windows_at(histogram, starts, window[1])
        p = np.where(sharp(histogram, windows, window[1]), windows.p(), 1.0)
        part = histograms.rows(group, windows, timer_s=np.array(timers), p=p if enough else np.nan, enough=enough)
        parts.append(part)
    done = pd.concat(parts, ignore_index=True)
    done = done.assign(_known=True).astype({"enough": "boolean", "timer_s": "float64"})
    done = done.join(histograms.keys, on="_group")
    return done[done["k"] > 0].reset_index(drop=True)


def _beside_timers(
    histograms: _Histograms, at_timers: pd.DataFrame, window: tuple[int, int], min_n: int, min_excess: float
) -> pd.DataFrame:
    """Peaks away from known timers, of groups whose calls end there more often than those of others."""
    parts, tests = [at_timers.head(0)], 0
    for group in range(len(histograms)):
        if histograms.n[group] < min_n:
            continue
        histogram = histograms[group]
        windows, p, looked = peaks_anywhere(histogram, window[1], min_excess)
        tests += looked
        if not len(p):
            continue
        whole = [histograms.at(int(start), window[1]) for start in windows.start]
        others = hypergeometric_tail(
            windows.k, histograms.n[group], [cases for cases, _ in whole], [total for _, total in whole]
        )
        begins = [round(2 * onset(histogram, int(start), window[1])) / 2 for start in windows.start]
        part = histograms.rows(group, windows, timer_s=begins, p=np.maximum(p, others), enough=True, _known=False)
        parts.append(part.astype({"enough": "boolean"}).join(histograms.keys, on="_group"))
    done = pd.concat(parts, ignore_index=True)
    # Groups whose calls end after the same time have one timer: that of the clearest group.
    for row in done.sort_values("p", kind="stable").index:
        near = (done["timer_s"] - done.loc[row, "timer_s"]).abs() * PER_SECOND < window[1]
        done.loc[near & (done["p"] >= done.loc[row, "p"]), ["timer_s", "_start"]] = (
            done.loc[row, "timer_s"], done.loc[row, "_start"]
        )  # fmt: skip
    return done.assign(_tests=tests)


def _most_prominent(rows: pd.DataFrame, reach: float) -> pd.DataFrame:
    """Of timers so close that they share calls, the most prominent; known timers take precedence."""
    keep: list[int] = []
    taken: dict[Any, list[float]] = {}
    ordered = rows.assign(_p=rows["p"].fillna(2.0), _other=~rows["_known"].astype(bool), _at=rows["_start"] * BIN_S)
    ordered = ordered.sort_values(["_p", "_other", "timer_s"], kind="stable")
    for row, group, at in zip(ordered.index, ordered["_group"], ordered["_at"].astype("float64"), strict=True):
        near = taken.setdefault(group, [])
        if all(abs(at - other) >= reach for other in near):
            near.append(at)
            keep.append(row)
    return rows.loc[sorted(keep)]


def _judged(rows: pd.DataFrame, fdr: float, min_excess: float) -> pd.DataFrame:
    q = _adjusted(rows, rows["p"].to_numpy("float64"))
    return rows.assign(q=q, cliff=pd.array((q <= fdr) & (rows["excess"] >= min_excess), "boolean"))


def _adjusted(rows: pd.DataFrame, p: Floats) -> Floats:
    """Adjusted p values, in two families with half of the false discoveries each: known timers and all others."""
    q, known = np.full(len(p), np.nan), rows["_known"].to_numpy(bool)
    q[known] = benjamini_hochberg(p[known])
    if not known.all():
        # Windows where nothing stood out were tested as well.
        unseen = np.ones(max(int(rows["_tests"].max()) - int((~known).sum()), 0))
        q[~known] = benjamini_hochberg(np.concatenate([p[~known], unseen]))[: int((~known).sum())]
    doubled: Floats = np.minimum(2 * q, 1.0)
    return doubled


def _shared_timers(rows: pd.DataFrame) -> list[float]:
    """Timers at which several groups have a cliff: legs of the same calls, perhaps."""
    counts = rows.loc[rows["cliff"].astype(bool), "timer_s"].value_counts()
    return sorted(float(timer) for timer in counts.index[counts > 1])


def _without_shared_calls(  # noqa: PLR0917 - a step of its own, for the length of `timer_cliffs`
    rows: pd.DataFrame, timer: float, keys: Sequence[str], ends: pd.DataFrame, fdr: float, min_excess: float
) -> pd.DataFrame:
    """The rows without double counting: calls of a clearer cliff are removed from other cliffs at the same timer.

    A timer that cuts a call ends all its legs. So the network of the other leg shows a cliff, too, without being its
    cause.
    """
    rows = rows.copy()
    first = rows["p"].to_numpy("float64")
    cliffs = rows[(rows["timer_s"] == timer) & rows["cliff"].astype(bool)].sort_values("p", kind="stable")
    group = _names(ends, keys)
    cut: set[Any] = set()
    for row, name in zip(cliffs.index, _names(cliffs, keys), strict=True):
        calls = ends.loc[group == name, "conversation_id"]
        shared = int(calls.isin(cut).sum())
        cut |= set(calls.dropna())
        if shared:
            each = rows.loc[[row]]
            columns = (each[name].to_numpy("float64") for name in ("k", "around", "expected", "_variance"))
            p = float(Windows(each["_start"].to_numpy("int64"), *columns).p(fewer=shared)[0])
            p = max(p, float(rows.loc[row, "p"]))
            # Adjusted among the original tests: an explained cliff makes no other one less significant.
            q = _adjusted(rows, np.where(rows.index == row, p, first))[rows.index.get_loc(row)]
            excess = int(rows.loc[row, "k"]) - shared - rows.loc[row, "expected"]
            changed = {"shared": shared, "excess": excess, "p": p, "q": q, "cliff": q <= fdr and excess >= min_excess}
            rows.loc[row, list(changed)] = list(changed.values())
    return rows


def _names(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Series[Any]:
    """A text per row that identifies its group."""
    texts = [frame[name].astype("object").map(repr).where(frame[name].notna(), "") for name in keys]
    joined: pd.Series[Any] = texts[0] if texts else pd.Series("", index=frame.index)
    for more in texts[1:]:
        joined = joined + "\t" + more
    return joined


def _within(talk: nw.Expr, low: float, high: float) -> nw.Expr:
    return is_true(talk >= low) & is_true(talk < high)


__all__ = ["TIMERS", "timer_cliffs"]
