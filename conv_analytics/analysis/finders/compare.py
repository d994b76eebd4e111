"""Why a rate differs between two periods: calls moved elsewhere (mix), or the same routes changed (rate)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.finders.case_counts import case_counts
from conv_analytics.analysis.finders.offenders import FDR
from conv_analytics.analysis.maths.stats import CONFIDENCE, MIN_N, benjamini_hochberg, newcombe
from conv_analytics.analysis.maths.tails import hypergeometric_tail
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr

Floats = npt.NDArray[np.float64]

_PARTS = ("total", "mix", "rate")


@dataclass(frozen=True)
class Comparison:
    """How a rate changed, and why.

    Attributes
    ----------
    total
        Three rows, ``part`` = total, mix, rate: ``change`` (0.01 is a percentage point), ``lo``, ``hi``, ``clear``
        (0 is not between them); of the total also ``k0``, ``n0``, ``k1``, ``n1``, ``rate0``, ``rate1``.
    groups
        A row per group, largest contribution first: the keys; ``k0``, ``n0``, ``k1``, ``n1``, ``rate0``, ``rate1``;
        ``share0``, ``share1`` of all calls; ``mix``, ``rate``, its contribution to each part; ``change`` of its own
        rate with ``lo``, ``hi`` (Newcombe), ``p``, ``q`` (Fisher's exact test), ``enough`` and ``changed``.
    why
        ``mix``, ``rate`` or ``both``, the parts that are clear, else ``none``. A mix can be clear while the total is
        not: shares of calls are known better than rates, and a rate that moved the other way may hide it.
    """

    total: Any
    groups: Any
    why: str

    @safe_repr
    def __repr__(self) -> str:
        return f"Comparison: {self.why}\n{self.total}\n\n{self.groups}"

    def _repr_html_(self) -> str:
        parts = (getattr(frame, "_repr_html_", None) for frame in (self.total, self.groups))
        return f"<p>Why: {html.escape(self.why)}</p>" + "".join(show() for show in parts if show)


def compare(
    before: Data,
    after: Data,
    by: str | Sequence[str] = "network_code",
    case: str = "answered",
    *,
    scope: str | None = None,
    tz: str = "UTC",
    profile: str | Profile = "recommended",
    units: Units | None = None,
    min_n: int = MIN_N,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Split the change of a rate between two periods into a mix effect and a rate effect.

    Parameters
    ----------
    before, after
        Data of each period, as for `kpi`; both of the same kind.
    by, scope, tz, profile, units
        As for `offenders`.
    case
        The case to count: one of `offenders` (``answered``, ``poor``, ...), or a boolean column.
    min_n
        Groups smaller than this in either period are not tested.
    confidence
        Coverage of the intervals, 0..1.

    Returns
    -------
    Comparison
        Frames of the caller's kind.

    Notes
    -----
    With a group's share of calls s and its rate r, before (0) and after (1), bars for means of both, and R the mean of
    the two total rates:

    - mix = sum of (s1 - s0) (r_bar - R): what changed because calls moved between groups;
    - rate = sum of s_bar (r1 - r0): what changed within groups.

    They add up to the total change exactly, and change their sign when the periods are swapped. A group seen in one
    period only has the same rate in the other: a new route is mix. Intervals: of the total and of each group Newcombe's
    (method 10); of the parts by normal approximation, rates fixed for mix, shares fixed for rate, each rate's variance
    from (k + 1) / (n + 2). Midpoint weights: E. M. Kitagawa, JASA 50 (1955) 1168.

    ``p`` is Fisher's exact test of a group's two rates, as twice its smaller tail (R. A. Fisher, J. R. Stat. Soc. 98
    (1935) 39; M. P. Fay, Biostatistics 11 (2010) 373): exact for rare cases and for a short period, and the same when
    the periods are swapped. ``q`` is adjusted by Benjamini and Hochberg, and ``changed`` is q up to 0.1. Calls count as
    independent, in tests and intervals: the design effect of `offenders` is not applied, so calls that one number or
    conversation repeats look like a clearer change than they are.

    Examples
    --------
    Fewer calls are answered, though both routes improved:

    >>> import pandas as pd
    >>> def calls(**routes):
    ...     rows = [(route, i < k) for route, (k, n) in routes.items() for i in range(n)]
    ...     return pd.DataFrame(rows, columns=["route", "ok"])
    >>> told = compare(calls(A=(640, 800), B=(60, 200)), calls(A=(410, 500), B=(160, 500)), by="route", case="ok")
    >>> told.total[["part", "change"]].round(3).values.tolist()
    [['total', -0.13], ['mix', -0.15], ['rate', 0.02]]
    >>> told.why, told.groups[["route", "rate0", "rate1"]].values.tolist()
    ('mix', [['B', 0.3, 0.32], ['A', 0.8, 0.82]])
    """
    keys = keys_of(by, "compare")
    if not keys:
        raise ConfigError("by names no column: a mix needs groups. Give one, such as by='network_code'.")
    if min_n < 1 or not 0 < confidence < 1:
        raise ConfigError(f"min_n={min_n}, confidence={confidence}: min_n is 1 or more, confidence 0..1, such as 0.95.")
    (source, one), (other, two) = (
        case_counts(data, keys, case, scope=scope, tz=tz, profile=profile, units=units) for data in (before, after)
    )
    if source.kind != other.kind:
        raise ConfigError(f"before is {source.kind} and after is {other.kind}: give both as one kind.")
    joined = one.merge(two, on=keys, how="outer", suffixes=("0", "1"))
    for name in ("k0", "n0", "k1", "n1"):
        joined[name] = joined[name].fillna(0).astype("Int64")
    total, groups, why = decomposed(joined, keys, min_n=min_n, confidence=confidence)
    return Comparison(source.result(total), source.result(groups), why)


def decomposed(
    counts: pd.DataFrame, keys: Sequence[str], *, min_n: int = MIN_N, confidence: float = CONFIDENCE
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The total, the groups and the reason, from the keys with ``k0, n0, k1, n1``."""
    k0, n0, k1, n1 = (counts[name].to_numpy("float64") for name in ("k0", "n0", "k1", "n1"))
    share0, share1 = _ratio(n0, n0.sum()), _ratio(n1, n1.sum())
    rate0, rate1 = _ratio(k0, n0), _ratio(k1, n1)
    whole = np.array([k0.sum(), n0.sum(), k1.sum(), n1.sum()])
    overall = float((_ratio(whole[0], whole[1]) + _ratio(whole[2], whole[3])) / 2)
    # If one period lacks a group, its rate in the other shows no change; if both lack it, there is no rate at all.
    lacking = np.where(n0 + n1 > 0, np.where(n0 > 0, rate0, rate1), overall)
    known0, known1 = (np.where(np.isnan(rate), lacking, rate) for rate in (rate0, rate1))
    centred = (known0 + known1) / 2 - overall
    mix, part = (share1 - share0) * centred, (share0 + share1) / 2 * (known1 - known0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    mix_half = z * np.sqrt(_variance(centred, share0, n0.sum()) + _variance(centred, share1, n1.sum()))
    both = (n0 > 0) & (n1 > 0)
    rate_half = z * np.sqrt(np.sum(((share0 + share1) / 2) ** 2 * (_noise(k0, n0) + _noise(k1, n1)), where=both))
    change, lo, hi = newcombe(whole[2], whole[3], whole[0], whole[1], confidence=confidence)
    total = pd.DataFrame({
        "part": pd.array(_PARTS, "str"),
        "change": [float(change), mix.sum() if whole[1] and whole[3] else np.nan,
                   part.sum() if whole[1] and whole[3] else np.nan],
        "lo": [float(lo), mix.sum() - mix_half, part.sum() - rate_half],
        "hi": [float(hi), mix.sum() + mix_half, part.sum() + rate_half],
    })  # fmt: skip
    total.loc[total["change"].isna(), ["lo", "hi"]] = np.nan
    total["clear"] = ((total["lo"] > 0) | (total["hi"] < 0)).astype("boolean")
    for place, name in enumerate(("k0", "n0", "k1", "n1")):
        total[name] = pd.array([int(whole[place]), None, None], "Int64")
    for name, k, n in (("rate0", whole[0], whole[1]), ("rate1", whole[2], whole[3])):
        total[name] = [float(_ratio(k, n)), np.nan, np.nan]
    own, own_lo, own_hi = newcombe(k1, n1, k0, n0, confidence=confidence)
    p = np.where((n0 >= min_n) & (n1 >= min_n), _two_sided(k0, n0, k1, n1), np.nan)
    q = benjamini_hochberg(p)
    groups = counts.assign(
        rate0=rate0, rate1=rate1, share0=share0, share1=share1, mix=mix, rate=part,
        change=own, lo=own_lo, hi=own_hi, p=p, q=q,
        enough=pd.array((n0 >= min_n) & (n1 >= min_n), "boolean"), changed=pd.array(q <= FDR, "boolean"),
    )  # fmt: skip
    groups = groups.assign(_size=-np.nan_to_num(np.abs(mix) + np.abs(part)))
    groups = groups.sort_values(["_size", *keys], kind="stable", ignore_index=True).drop(columns="_size")
    return total, groups, _why(total)


def _why(total: pd.DataFrame) -> str:
    clear = [part for part, sure in zip(_PARTS[1:], total["clear"].iloc[1:], strict=True) if sure]
    return "both" if len(clear) > 1 else clear[0] if clear else "none"


def _variance(values: Floats, shares: Floats, size: float) -> float:
    """The variance of the mean of values drawn with these shares."""
    mean = float(np.sum(shares * values, where=shares > 0))
    spread = float(np.sum(shares * values**2, where=shares > 0)) - mean**2
    return max(spread, 0.0) / size if size else np.nan


def _noise(k: Floats, n: Floats) -> Floats:
    """The variance of a rate, with the rate kept away from 0 and 1."""
    p = (k + 1) / (n + 2)
    return _ratio(p * (1 - p), n)


def _two_sided(k0: Floats, n0: Floats, k1: Floats, n1: Floats) -> Floats:
    """Fisher's exact test for equal rates: twice the smaller tail, and NaN without calls in one period."""
    k, n = k0 + k1, n0 + n1
    smaller = np.minimum(hypergeometric_tail(k1, n1, k, n), hypergeometric_tail(k0, n0, k, n))
    return np.where((n0 > 0) & (n1 > 0), np.minimum(2 * smaller, 1.0), np.nan)


def _ratio(k: Any, n: Any) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(np.asarray(n) > 0, np.asarray(k) / np.asarray(n), np.nan)
    return result


__all__ = ["Comparison", "compare", "decomposed"]
