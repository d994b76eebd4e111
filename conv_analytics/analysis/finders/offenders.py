"""Groups that are worse than the rest, ranked by excess calls, so that small groups do not lead the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.finders.case_counts import case_rows, counts_of
from conv_analytics.analysis.finders.design_effects import with_design_effects
from conv_analytics.analysis.maths.stats import MIN_N, benjamini_hochberg, rates
from conv_analytics.analysis.maths.tails import hypergeometric_tail
from conv_analytics.errors import ConfigError

Floats = npt.NDArray[np.float64]

#: Default false discovery rate: one offender in ten may be chance.
FDR = 0.1
#: A smaller excess is not worth acting on.
MIN_EXCESS = 3.0


@question
def offenders(
    data: Any,
    by: str | Sequence[str] = "network_code",
    case: str = "poor",
    *,
    scope: str | None = None,
    tz: str = "UTC",
    profile: str | Profile = "recommended",
    units: Units | None = None,
    min_n: int = MIN_N,
    fdr: float = FDR,
    min_excess: float = MIN_EXCESS,
) -> Any:
    """Groups with more bad calls than the rest, ranked by their excess.

    Parameters
    ----------
    data
        As for `kpi`; or any frame with the keys and a boolean column, such as ``mos_audit(data).legs``.
    by
        Keys to group by: columns of legs (``network_code``, ``country``, ``user_id``, ``to_address``, ...), and
        ``hour``, ``weekday``, ``day``, ``week`` of the start in `tz`.
    case
        ``poor`` (verdict of measured legs), ``silent`` (no audio one way or both), ``failed`` (outbound legs that the
        network, the signalling or the platform failed; a redirection, 3xx, is not a failure), ``unanswered``,
        ``answered``, ``pdd`` (post-dial delay above that of nine in ten of all), ``short`` (up to 6 s); or a column of
        the frame, in which null counts neither as bad nor as good.
    scope
        ``outbound``, ``inbound`` or ``all``; that of `case` when absent.
    profile
        Rulebook of ``poor``. A column ``verdict`` of the frame itself counts instead: see `quality`.
    units
        What `detect_units` found; detected when absent.
    min_n
        Smaller groups are shown, but not tested: they are never offenders.
    fdr
        Accepted share of false positives among the offenders, 0..1.
    min_excess
        Minimum excess of an offender. [cases]

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group, offenders first, then by excess: the keys; ``k`` bad of ``n``, ``rate``, ``lo``, ``hi`` (Wilson,
        95 %); ``rest_rate`` of all other groups; ``excess`` = k - n x rest_rate, the bad calls that would be missing if
        this group were like the rest; ``shrunk``, the rate shrunk towards the overall mean, the more the fewer its
        cases; ``clusters``, the column whose repeated values make calls correlated (``conversation_id``,
        ``from_address``, ``to_address`` or ``user_id``; null if none is), and ``deff``, by how much that multiplies the
        variance, at least 1; ``p``, ``q`` (adjusted) of the test, null if not tested; ``enough``; ``offender``. A group
        with an unknown key is shown last and not compared: it is neither an offender nor part of another group's rest.

    Notes
    -----
    Test: Fisher's exact test, one-sided, of k among n against the rest (hypergeometric: the rest is as noisy as the
    group), with its variance multiplied by the design effect. That is estimated from the correlation of calls within
    clusters, each group's own rate taken out: see `conv_analytics.analysis.maths.clusters`; the clustering with the
    largest effect counts, if it has ten clusters more than groups; groups that are users or numbers are clusters
    themselves, and only conversations count then. A group is also tested without its worst cluster, and the larger p
    counts: what one number does is not the fault of its network. False discoveries: Benjamini and Hochberg. Shrinkage:
    a beta prior whose mean is the rate of all and whose weight is the moment estimate of the variance between groups
    (C. Morris, JASA 78 (1983) 47). For ``answered``, ``unanswered`` and ``failed``, legs of one conversation and group
    that ring in parallel count as one attempt: answered if one of them was, unanswered or failed if all were.

    Examples
    --------
    A route with one bad call of one does not head the list:

    >>> import pandas as pd
    >>> calls = pd.DataFrame({"route": ["a"] * 200 + ["b"] * 100 + ["c"], "bad": [True] * 4 + [False] * 196
    ...                       + [True] * 20 + [False] * 80 + [True]})
    >>> offenders(calls, by="route", case="bad")[["route", "k", "n", "excess", "shrunk", "offender"]].round(2)
      route   k    n  excess  shrunk  offender
    0     b  20  100   17.51    0.20      True
    1     c   1    1    0.92    0.34     False
    2     a   4  200  -37.58    0.02     False
    """
    keys = keys_of(by, "offenders")
    if not keys:
        raise ConfigError("by names no column: offenders are groups. Give one, such as by='network_code'.")
    if min_n < 1 or not 0 < fdr < 1:
        raise ConfigError(f"min_n={min_n}, fdr={fdr}: min_n is 1 or more, fdr between 0 and 1, such as 0.1.")
    rows = case_rows(data, keys, case, scope=scope, tz=tz, profile=profile, units=units, clusters=True).materialized()
    counts = with_design_effects(counts_of(rows, keys), rows, keys)
    return rows.source.result(ranked(counts, min_n=min_n, fdr=fdr, min_excess=min_excess))


def ranked(counts: pd.DataFrame, *, min_n: int, fdr: float, min_excess: float) -> pd.DataFrame:
    """The table of offenders from the keys with ``k`` and ``n``, and what `with_design_effects` adds."""
    keys = [str(name) for name in counts if name not in {"k", "n", "clusters", "deff", "least_p"}]
    if "deff" not in counts:
        counts = counts.assign(clusters=pd.Series(None, index=counts.index, dtype="str"), deff=1.0, least_p=0.0)
    has_keys = counts[keys].notna().all(axis=1).to_numpy()
    k, n, deff = (counts[name].to_numpy("float64") for name in ("k", "n", "deff"))
    rate = rates(k, n)
    cases, total = k[has_keys].sum(), n[has_keys].sum()
    rest = np.where(has_keys, _share(cases - k, total - n), np.nan)
    excess = k - n * rest
    p = np.full(len(k), np.nan)
    tested = has_keys & (n >= min_n) & (total - n > 0)
    p[tested] = hypergeometric_tail(k[tested], n[tested], cases, total, deff=deff[tested])
    p[tested] = np.maximum(p[tested], counts["least_p"].to_numpy("float64")[tested])
    q = benjamini_hochberg(np.clip(p, 0, 1))
    drawn = np.full(len(k), np.nan)
    drawn[has_keys] = shrunk(k[has_keys], n[has_keys])
    table = counts[[*keys, "k", "n"]].assign(
        **{name: rate[name] for name in ("rate", "lo", "hi")},
        rest_rate=rest, excess=excess, shrunk=drawn, clusters=counts["clusters"], deff=deff, p=p, q=q,
        enough=pd.array(n >= min_n, "boolean"),
        offender=pd.array((q <= fdr) & (excess >= min_excess), "boolean"),
    )  # fmt: skip
    table = table.assign(_first=~table["offender"].astype(bool), _size=-np.nan_to_num(excess, nan=-np.inf))
    table = table.sort_values(["_first", "_size", *keys], kind="stable", ignore_index=True)
    return table.drop(columns=["_first", "_size"])


def shrunk(k: Floats, n: Floats) -> Floats:
    """Rates shrunk towards the overall rate: the fewer cases, the more.

    Examples
    --------
    >>> shrunk(np.array([10.0, 14.0, 1.0]), np.array([100.0, 100.0, 1.0])).round(3).tolist()
    [0.103, 0.138, 0.175]
    """
    if not len(k) or not n.sum():
        return np.full(len(k), np.nan)
    mean, size = k.sum() / n.sum(), n.sum()
    within = mean * (1 - mean)
    spread = float(np.sum(n * (_share(k, n) - mean) ** 2, where=n > 0)) - (np.count_nonzero(n) - 1) * within
    scale = size - float(np.sum(n * n)) / size
    between = max(spread / scale, 0.0) if scale > 0 else 0.0
    if not between or not within:
        return np.full(len(k), mean)
    weight = max(within / between - 1, 0.0)
    result: Floats = (k + weight * mean) / np.maximum(n + weight, 1e-300)
    return result


def _share(k: Floats, n: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(n > 0, k / n, np.nan)
    return result


__all__ = ["FDR", "MIN_EXCESS", "offenders", "ranked", "shrunk"]
