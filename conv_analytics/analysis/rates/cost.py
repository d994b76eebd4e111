"""The cost of calls, a check of the prices, and the cost of bad calls (M31)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.options import keys_of
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.cases import CASES, SHORT_S, short
from conv_analytics.analysis.rates import scope as scopes

#: Tolerance of a price: this amount, or this share of it.
_OFF, _OFF_SHARE = 1e-6, 0.01
#: Usual billing increments. [s]
INCREMENTS_S = (1, 6, 10, 30, 60)


@question
def cost(data: Any, by: str | Sequence[str] = (), *, scope: str = "all", tz: str = "UTC") -> Any:
    """Spend, and spend per minute of talk.

    Parameters
    ----------
    data, by, scope, tz
        As for `kpi`; legs only, as those are billed. With a frame of `quality`, ``by="verdict"`` gives the cost of poor
        legs.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per group and currency: the keys, ``currency`` (null: the account's), ``legs``, ``unpriced`` (without a price,
        as is usual for unanswered ones), ``unpriced_answered``, ``spend``, ``spend_unanswered``, ``talk_min``
        (minutes of answered legs), ``untimed`` (answered legs whose minutes are not known: still up, or their end or
        answer was lost), ``per_answered_min`` (spend per minute of the answered legs for which both are known; null
        without any).

    Notes
    -----
    Amounts of different currencies are never summed. A missing price is not 0. A leg with a price but no minutes, or
    minutes but no price, would distort the price per minute: it is in the sums, not in that price.

    Examples
    --------
    >>> import pandas as pd
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "answered": [True, False],
    ...                     "talk_s": [120.0, None], "price": [0.01, None], "currency": "EUR"})
    >>> cost(two)[["legs", "unpriced", "spend", "per_answered_min"]].values.tolist()
    [[2, 1, 0.01, 0.005]]
    """
    source, group_keys = Source.of(data), keys_of(by, "cost")
    keys = [name for name in group_keys if name != "currency"] + ["currency"]
    rows = scopes.attempts(
        source, scope=scope, unit="leg", needs={"answered", "talk_s", "price"}, by=group_keys, reads=["currency"]
    )
    rows = rows.with_time_keys(keys, tz)
    answered, unpriced = is_true(nw.col("answered")), nw.col("price").is_null()
    untimed = nw.col("talk_s").is_null()
    both = answered & ~unpriced & ~untimed
    measures = rows.select(
        *keys,
        nw.lit(1).alias("legs"),
        one_if(unpriced).alias("unpriced"),
        one_if(unpriced & answered).alias("unpriced_answered"),
        nw.col("price").alias("spend"),
        nw.when(~answered).then(nw.col("price")).alias("spend_unanswered"),
        nw.when(answered).then(nw.col("talk_s")).alias("_talk_s"),
        one_if(answered & untimed).alias("untimed"),
        nw.when(both).then(nw.col("price")).alias("_known_spend"),
        nw.when(both).then(nw.col("talk_s")).alias("_known_s"),
    )
    names = ("legs", "unpriced", "unpriced_answered", "spend", "spend_unanswered", "_talk_s", "untimed", "_known_spend",
             "_known_s")  # fmt: skip
    totals = measures.grouped(keys, [nw.col(name).sum() for name in names])
    minutes, untimed_legs = totals.pop("_talk_s").fillna(0.0) / 60, totals.pop("untimed")
    priced_min, spent = totals.pop("_known_s").fillna(0.0) / 60, totals.pop("_known_spend")
    totals = totals.assign(spend=totals["spend"].fillna(0.0), spend_unanswered=totals["spend_unanswered"].fillna(0.0))
    totals["talk_min"] = minutes
    totals["untimed"] = untimed_legs
    totals["per_answered_min"] = (spent / priced_min).where(priced_min > 0)
    return source.result(totals)


@question
def price_audit(data: Any) -> Any:
    """Prices against rate and duration, in clusters of the same rule.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per ``country``, ``network_code``, ``currency``, ``rate`` and ``rule``: ``legs``, ``billed_s``, ``spend``,
        ``expected`` (rate / 60 for every second), ``difference``, ``example_leg_id``. The rules: ``exact`` (price =
        rate x duration, give or take 1 %), ``rounded up to N s`` (of 6, 10, 30, 60), ``differs``,
        ``unpriced`` (a duration without a price or rate).

    Notes
    -----
    ``rate`` is per minute: 0.0045 for 2 s is 0.00015. Rounding and minimum charges differ by country, so a cluster that
    is not exact calls for a look at the price list, and is not a mistake by itself. Unanswered legs of no duration are
    left out.

    Examples
    --------
    >>> import pandas as pd
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "rate": [0.0045, 0.0045],
    ...                     "billed_s": [2.0, 61.0], "price": [0.00015, 0.009]})
    >>> price_audit(two)[["rule", "legs"]].values.tolist()
    [['exact', 1], ['rounded up to 60 s', 1]]
    """
    source = Source.of(data)
    keys = ["country", "network_code", "currency", "rate"]
    needs = {"leg_id", "price", "rate", "billed_s"}
    rows = scopes.attempts(source, scope="all", unit="leg", needs=needs, reads=keys)
    billed_rows = rows.filter(is_true(nw.col("billed_s") > 0) | is_true(nw.col("price") > 0))
    columns = ("leg_id", "billed_s", "price")
    # One row per billed leg: numpy detects the rounding, with the same result on every engine.
    legs = billed_rows.select(*keys, *columns).collect()
    legs["expected"] = legs["rate"] * legs["billed_s"] / 60
    legs["rule"] = _rules(legs)
    groups = legs.groupby([*keys, "rule"], dropna=False, sort=True)
    done = groups.agg(
        legs=("leg_id", "size"), billed_s=("billed_s", "sum"), spend=("price", "sum"), expected=("expected", "sum"),
        example_leg_id=("leg_id", "min"),
    ).reset_index()  # fmt: skip
    done.insert(len(done.columns) - 1, "difference", done["spend"] - done["expected"])
    done["legs"] = done["legs"].astype("Int64")
    return source.result(done.astype({"rule": "str"}))


def _rules(legs: pd.DataFrame) -> pd.Series[Any]:
    price, rate, billed = (legs[name].to_numpy("float64") for name in ("price", "rate", "billed_s"))
    rule = np.full(len(legs), "differs", dtype=object)
    for increment in reversed(INCREMENTS_S[1:]):
        rounded = np.ceil(billed / increment) * increment
        rule[_close(price, rate * rounded / 60)] = f"rounded up to {increment} s"
    rule[_close(price, rate * billed / 60)] = "exact"
    rule[np.isnan(price) | np.isnan(rate) | np.isnan(billed)] = "unpriced"
    return pd.Series(rule, index=legs.index, dtype="str")


def _close(price: Any, expected: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.abs(price - expected) <= np.maximum(_OFF, _OFF_SHARE * np.abs(expected))


@question
def waste(data: Any, *, scope: str = "all", short_s: float = SHORT_S) -> Any:
    """The money spent on useless calls.

    Parameters
    ----------
    data, scope
        As for `cost`. With a column ``verdict``, as in a frame of `quality`, poor legs are counted, too.
    short_s
        Longest answered call that counts as short, in seconds.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Per currency and ``kind`` (``poor``, ``no_media``: answered, and no byte either way, ``short``,
        ``unanswered``, ``any``: each leg once, ``all``: the whole spend): ``legs``, ``spend``, ``share`` of the
        whole spend. Kinds may overlap.

    Examples
    --------
    >>> import pandas as pd
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "answered": True,
    ...                     "talk_s": [4.0, 60.0], "price": [0.01, 0.03], "currency": "EUR"})
    >>> waste(two).query("kind == 'short'")[["legs", "spend", "share"]].values.tolist()
    [[1, 0.01, 0.25]]
    """
    source = Source.of(data)
    verdicts = ["verdict"] if source.single and "verdict" in source.columns() else []
    needs, reads = {"answered", "talk_s", "price"}, ("currency", "byte_in", "byte_out")
    rows = scopes.attempts(source, scope=scope, unit="leg", needs=needs, by=verdicts, reads=reads)
    answered = is_true(nw.col("answered"))
    kinds = {
        **({"poor": CASES["poor"].holds} if verdicts else {}),
        "no_media": answered & is_true((nw.col("byte_in") == 0) & (nw.col("byte_out") == 0)),
        "short": short(short_s),
        "unanswered": CASES["unanswered"].holds,
    }
    kinds["any"] = nw.any_horizontal(*kinds.values(), ignore_nulls=True)
    kinds["all"] = answered | ~answered
    priced = rows.filter(~nw.col("price").is_null())
    shown = priced.select("currency", *(
        column for name, holds in kinds.items() for column in (
            one_if(holds).alias(f"{name}_legs"),
            nw.when(holds).then(nw.col("price")).alias(f"{name}_spend"),
        )
    ))  # fmt: skip
    sums = [nw.col(f"{name}_{what}").sum() for name in kinds for what in ("legs", "spend")]
    totals = shown.grouped(["currency"], sums)
    whole = totals["all_spend"].astype("float64")
    parts = []
    for name in kinds:
        spend = totals[f"{name}_spend"].fillna(0.0).astype("float64")
        part = totals[["currency"]].assign(kind=name, legs=totals[f"{name}_legs"].astype("Int64"), spend=spend)
        parts.append(part.assign(share=(spend / whole).where(whole > 0)))
    done = pd.concat(parts).assign(_row=lambda part: part.index)
    done = done.sort_values("_row", kind="stable", ignore_index=True).drop(columns="_row")
    return source.result(done.astype({"kind": "str"}))


__all__ = ["cost", "price_audit", "waste"]
