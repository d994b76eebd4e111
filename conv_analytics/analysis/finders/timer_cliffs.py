"""Calls that end when a timer says so: spikes in how long calls last, against those a little shorter or longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.engine.rows import Rows, show_time_keys
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.finders.offenders import MIN_EXCESS
from conv_analytics.analysis.maths.stats import MIN_N, benjamini_hochberg, binomial_tail, rates
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.analysis.rates.counting import count
from conv_analytics.errors import ConfigError

#: Timers that are known to end calls, and what is likely behind each. [s]
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
#: Less than `offenders` puts up with: every group is asked for every timer, and densities are not quite even.
CLIFF_FDR = 0.05
_COLUMNS = (
    "timer_s", "k", "n", "rate", "lo", "hi", "around", "shared", "expected", "excess", "p", "q", "enough", "cliff",
    "likely",
)  # fmt: skip
#: The calls that a spike is held against last this share of the timer less, or more; at least so many seconds.
AROUND, LEAST_AROUND_S = 0.4, 8.0


@question
def timer_cliffs(
    data: Any,
    by: str | Sequence[str] = "network_code",
    *,
    timers_s: Sequence[float] = tuple(TIMERS),
    before_s: float = 1.0,
    after_s: float = 2.0,
    scope: str = "all",
    unit: str = "leg",
    tz: str = "UTC",
    min_n: int = MIN_N,
    fdr: float = CLIFF_FDR,
    min_excess: float = MIN_EXCESS,
) -> Any:
    """Timers at which more calls end than around them.

    Parameters
    ----------
    data, by, scope, unit, tz
        As for `kpi`; ``by=()`` asks all calls together.
    timers_s
        Durations to look at. [s]
    before_s, after_s
        A call ends at a timer from so long before it (included) until so long after it (not included): the end is
        noted when the last message has gone round. [s]
    min_n, fdr, min_excess
        As for `offenders`; `min_n` is of answered calls with a known length, and `fdr` is 0.05.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and timer with a call there, cliffs first, then by excess: the keys; ``timer_s``; ``k`` calls that
        end there of ``n``, ``rate``, ``lo``, ``hi``; ``around``, how many end in the time around it; ``shared``, how
        many of the k are legs of calls that a clearer cliff at this timer has already; ``expected``, how many would end
        at the timer if they were spread evenly; ``excess``, of those that are not shared; ``p``, ``q``; ``enough``;
        ``cliff``; ``likely``, what such timers are known for. Of timers whose times overlap, the one with the smallest
        p stays.

    Notes
    -----
    The time around a timer t goes from t - w to t + w, w = 0.4 t and at least 8 s, without the window of the timer
    itself. p is the one-sided binomial tail of k among k + around at the window's share of that time: exact for an even
    density, and for one that is a straight line when the window is in the middle. A timer that cuts a call ends all its
    legs, so the network of the other leg has a spike, too: where several groups have a cliff at one timer, the clearest
    keeps its calls, and the others are tested again without them. Round talk times that people choose
    (a play of 30 s) make a spike, too: `likely` is a lead, no proof.

    Examples
    --------
    >>> import pandas as pd
    >>> lengths = [float(second) for second in range(5, 205)] + [32.2] * 25
    >>> calls = pd.DataFrame({"conversation_id": "CON-1", "leg_id": [str(n) for n in range(225)], "answered": True,
    ...                       "talk_s": lengths, "network_code": "23410"})
    >>> found = timer_cliffs(calls)
    >>> found.loc[found["cliff"], ["network_code", "timer_s", "k", "expected"]].round(1).values.tolist()
    [['23410', 32.0, 28, 2.9]]
    >>> found["likely"][0][:42]
    'SIP: the ACK to the 200 never came, given '
    """
    timers = [float(timer) for timer in timers_s]
    if not timers or min(timers) <= before_s or min(before_s, after_s) < 0 or before_s + after_s <= 0:
        raise ConfigError(
            f"timers_s={timers}, before_s={before_s}, after_s={after_s}: timers are seconds above before_s, and the "
            "window has a length."
        )
    if min_n < 1 or not 0 < fdr < 1:
        raise ConfigError(f"min_n={min_n}, fdr={fdr}: min_n is 1 or more, fdr between 0 and 1, such as 0.1.")
    source, keys = Source.of(data), keys_of(by)

    def asked(*more: str) -> Rows:
        needs = {"answered", "talk_s", *more}
        return scopes.attempts(source, scope=scope, unit=unit, needs=needs, by=keys).with_time_keys(keys, tz)

    rows = asked()
    told, talk = is_true(nw.col("answered")) & is_true(nw.col("talk_s") >= 0), nw.col("talk_s")
    conditions = {"n": told}
    for place, timer in enumerate(timers):
        wide = _around(timer)
        conditions[f"k{place}"] = told & _within(talk, timer - before_s, timer + after_s)
        conditions[f"w{place}"] = told & _within(talk, timer - wide, timer + wide)
    counts = count(rows, keys, conditions)
    done = _apart(_tested(counts, keys, timers, (before_s, after_s), min_n), max(before_s, after_s))
    done = _judged(done, fdr, min_excess)
    # Which calls they are is rarely asked, and makes the rows three times as long.
    shared = _told_twice(done)
    named = asked("conversation_id") if shared else rows
    for timer in shared:
        at_timer = named.filter(told & _within(talk, timer - before_s, timer + after_s))
        ends = show_time_keys(at_timer.select("conversation_id", *keys).collect(), keys)
        done = _explained(done, timer, keys, ends, fdr, min_excess)
    done = done.assign(
        likely=[TIMERS.get(timer, "a timer of your own") for timer in done["timer_s"]],
    ).astype({"likely": "str"})
    done = done.assign(_first=~done["cliff"].astype(bool), _size=-done["excess"])
    done = done.sort_values(["_first", "_size", *keys, "timer_s"], kind="stable", ignore_index=True)
    return source.result(done[[*keys, *_COLUMNS]])


def _tested(
    counts: pd.DataFrame, keys: Sequence[str], timers: Sequence[float], window: tuple[float, float], min_n: int
) -> pd.DataFrame:
    n = counts["_n"].to_numpy("float64")
    parts = []
    for place, timer in enumerate(timers):
        k, wide = (counts[f"_{name}{place}"].to_numpy("float64") for name in ("k", "w"))
        length = sum(window)
        share = min(length / (2 * _around(timer)), 1.0)
        around = wide - k
        odds = length / max(2 * _around(timer) - length, 1e-9)
        enough = n >= min_n
        p = np.where(enough, binomial_tail(k, wide, share), np.nan)
        told = rates(k, n)
        part = counts[list(keys)].assign(
            timer_s=timer, k=k, n=n, **{name: told[name] for name in ("rate", "lo", "hi")}, around=around, shared=0,
            expected=around * odds, excess=k - around * odds, p=p, enough=enough, _group=counts.index, _share=share,
        )  # fmt: skip
        kinds = dict.fromkeys(("k", "n", "around", "shared"), "Int64") | {"enough": "boolean"}
        parts.append(part.astype(kinds))
    done = pd.concat(parts, ignore_index=True)
    return done[done["k"] > 0].reset_index(drop=True)


def _apart(rows: pd.DataFrame, reach: float) -> pd.DataFrame:
    """Of timers so close that they share calls, the one that stands out most."""
    keep: list[int] = []
    taken: dict[Any, list[float]] = {}
    ordered = rows.assign(_p=rows["p"].fillna(2.0)).sort_values(["_p", "timer_s"], kind="stable")
    for row, group, timer in zip(ordered.index, ordered["_group"], ordered["timer_s"], strict=True):
        near = taken.setdefault(group, [])
        if all(abs(timer - other) >= 2 * reach for other in near):
            near.append(timer)
            keep.append(row)
    return rows.loc[sorted(keep)]


def _judged(rows: pd.DataFrame, fdr: float, min_excess: float) -> pd.DataFrame:
    q = benjamini_hochberg(rows["p"].to_numpy("float64"))
    return rows.assign(q=q, cliff=pd.array((q <= fdr) & (rows["excess"] >= min_excess), "boolean"))


def _told_twice(rows: pd.DataFrame) -> list[float]:
    """Timers at which several groups have a cliff: legs of the same calls, perhaps."""
    counts = rows.loc[rows["cliff"].astype(bool), "timer_s"].value_counts()
    return sorted(float(timer) for timer in counts.index[counts > 1])


def _explained(  # noqa: PLR0917 - a step of its own, for the length of `timer_cliffs`
    rows: pd.DataFrame, timer: float, keys: Sequence[str], ends: pd.DataFrame, fdr: float, min_excess: float
) -> pd.DataFrame:
    """The rows, where the cliffs at a timer count no call twice: what a clearer cliff has is taken out of the others.

    A timer that cuts a call ends all its legs. So the network of the other leg shows a cliff, too, and did nothing.
    """
    rows = rows.copy()
    first = rows["p"].to_numpy("float64")
    here = rows[(rows["timer_s"] == timer) & rows["cliff"].astype(bool)].sort_values("p", kind="stable")
    group = _names(ends, keys)
    cut: set[Any] = set()
    for row, name in zip(here.index, _names(here, keys), strict=True):
        calls = ends.loc[group == name, "conversation_id"]
        shared = int(calls.isin(cut).sum())
        cut |= set(calls.dropna())
        if shared:
            k, around = int(rows.loc[row, "k"]) - shared, int(rows.loc[row, "around"])
            p = float(binomial_tail(k, k + around, rows.loc[row, "_share"]))
            # Among the other tests as they were: what is explained makes nothing else less sure.
            q = benjamini_hochberg(np.where(rows.index == row, p, first))[rows.index.get_loc(row)]
            excess = k - rows.loc[row, "expected"]
            changed = {"shared": shared, "excess": excess, "p": p, "q": q, "cliff": q <= fdr and excess >= min_excess}
            rows.loc[row, list(changed)] = list(changed.values())
    return rows


def _names(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Series[Any]:
    """A text per row that tells groups apart."""
    texts = [frame[name].astype("object").map(repr).where(frame[name].notna(), "") for name in keys]
    joined: pd.Series[Any] = texts[0] if texts else pd.Series("", index=frame.index)
    for more in texts[1:]:
        joined = joined + "\t" + more
    return joined


def _around(timer: float) -> float:
    """How far the time around a timer goes, but never below 0 s."""
    return min(max(AROUND * timer, LEAST_AROUND_S), timer)


def _within(talk: nw.Expr, low: float, high: float) -> nw.Expr:
    return is_true(talk >= low) & is_true(talk < high)


__all__ = ["TIMERS", "timer_cliffs"]
