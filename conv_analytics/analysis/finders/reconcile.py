"""Compares bills with the legs of an export: what is missing on either side, and where price or duration differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from conv_analytics import markup
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.legs import legs
from conv_analytics.analysis.finders.listed_legs import with_listed_legs
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.tables.report_files import leg_keys, read_reports

#: Two records of one leg start within this time of each other. [s]
START_S = 5.0
#: Billed durations are whole seconds, rounded either way. [s]
DURATION_S = 1.0
#: Bills may have six decimals, where events have eight: the last digit of six may differ.
PRICE = 1e-6

#: Outcomes of a row, worst first.
OUTCOMES = ("unreadable", "billed_not_seen", "seen_not_billed", "conflict", "differs", "not_in_folder", "not_compared",
            "same")  # fmt: skip
#: The product that bills a leg, by how the leg is connected; a failed phone leg has a separate product.
_BILLED_AS = {"phone": "VOICE-CALL", "sip": "VOICE-CALL", "vbc": "VOICE-CALL", "websocket": "WEBSOCKET-CALL"}
_IN_APP = "IN-APP-VOICE"
_LEG_COLUMNS = (
    "channel_type", "direction", "network_code", "started_at", "answered_at", "answered", "open", "billed_s", "price",
    "currency",
)  # fmt: skip
#: Required columns of a frame of legs; without the others less is compared.
_NEEDED = ("conversation_id", "leg_id", "started_at", "answered", "billed_s", "price")
#: Columns with few distinct values.
_WORDS = ("channel_type", "direction", "network_code", "network_name", "country", "currency", "product", "problem",
          "seen_in")  # fmt: skip
_COLUMNS = (
    "outcome", "differences", "seen_in", "leg_id", "conversation_id", "call_id", "product", "direction", "started_at",
    "billed_started_at", "duration_s", "billed_duration_s", "price", "billed_price", "price_difference", "currency",
    "billed_currency", "network_code", "network_name", "records", "problem",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Reconciliation:
    """The comparison of bills and a folder, leg by leg.

    Attributes
    ----------
    legs
        A row per leg of either side, worst first: ``outcome``, ``differences`` (``duration``, ``price``, ``currency``,
        ``direction``, ``start``), ``seen_in`` (``folder``, or ``call_list`` for a leg that only the table
        ``voice_calls`` has), the leg and the record with their starts [UTC], durations [s], prices and currencies,
        ``price_difference`` (billed minus seen), ``network_name``, ``records`` (bills of the leg) and ``problem``.
    days
        A row per day (UTC) and currency, of all rows but those that are ``not_compared``: ``records``, ``legs``,
        ``billed`` and ``seen`` (sums of prices), ``difference``, how many are ``billed_not_seen``, ``seen_not_billed``,
        ``conflict``, ``differs``, ``not_in_folder`` and ``unreadable``, and the prices of bills that the folder has no
        leg of: ``billed_not_seen_price`` and ``not_in_folder_price``.
    networks
        ``network_code``, ``network_name``, ``country`` and ``records``: the carrier's name of each network.
    counts
        How many rows have each outcome.
    """

    legs: Any
    days: Any
    networks: Any
    counts: dict[str, int]
    _names: dict[str, str]

    def share(self, outcome: str) -> float:
        """The share of an outcome in all compared rows, 0..1; NaN without any."""
        compared = sum(self.counts.values()) - self.counts["not_compared"]
        return self.counts[outcome] / compared if compared else float("nan")

    def with_network_names(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A pandas frame with a column ``network_name`` beside its ``network_code``, to group by.

        ``kpi(result.with_network_names(legs(data)), by="network_name")`` gives the rates of each carrier.
        """
        return frame.assign(network_name=frame["network_code"].map(self._names).astype("str"))

    @safe_repr
    def __repr__(self) -> str:
        return f"Reconciliation({', '.join(f'{name}: {count:,}' for name, count in self.counts.items() if count)})"

    def _repr_html_(self) -> str:
        rows = [(name, count) for name, count in self.counts.items()]
        days = getattr(self.days, "_repr_html_", None)
        return markup.block("Reconciliation", "", markup.grid(("outcome", "legs"), rows), days() if days else "")


def reconcile(
    data: Data,
    reports: pd.DataFrame | str | Path | Iterable[str | Path],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Reconciliation:
    """Compare bills, which the user downloaded from the Reports API, with the legs of an export.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, or the frame that `legs` gives.
    reports
        The files, or the result of `read_reports`. The Reports API itself is never called: its records cost money.
    since, until
        The period to compare, by the start of a leg; by default the days (UTC) from the first to the last on which both
        sides have data. Pass `until` if the export ended in the middle of a day.

    Returns
    -------
    Reconciliation
        Its frames are of the kind of `data`.

    Raises
    ------
    ConfigError
        If a file cannot be read, `reports` is not a frame of `read_reports`, or an instant has no time zone.

    Notes
    -----
    Outcomes: ``same``; ``differs`` (in duration by more than 1 s, in price by more than the last of six decimals, or in
    currency, where both sides know it); ``not_in_folder`` (the Voice API's call list says the same as the bill, and the
    folder has no events of the leg: see `coverage`, which keeps that list); ``conflict`` (the same id, but another
    direction, or starts more than 5 s apart); ``billed_not_seen``; ``seen_not_billed`` (an answered leg, of a product
    that the reports hold); ``not_compared`` (before or after the period, or not billed by the products in the reports);
    ``unreadable`` (a record whose id, start or price cannot be read). Bills of calls name no application:
    ``billed_not_seen`` also holds the calls of the account's other applications, and, where `coverage` never ran, those
    of transient conversations that nobody recorded. An account has one currency: where events name just one, every leg
    has it. Several bills of one leg and direction are summed. Prices of bills are totals (``total_price``; the field
    called price is per minute).

    Examples
    --------
    >>> seen = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["4b7e1c90-2d3f-4a58-9c61-70e8d2f5a3b6", "2" * 32],
    ...                      "channel_type": "phone", "answered": True, "billed_s": [152.0, 9.0],
    ...                      "price": [0.03217333, 0.01],
    ...                      "started_at": pd.to_datetime(["2026-11-20T09:15:10Z", "2026-11-20T09:15:20Z"])})
    >>> bills = pd.DataFrame({"product": "VOICE-CALL", "call_id": ["4B7E1C902D3F4A589C6170E8D2F5A3B6-1", "3" * 32],
    ...                       "duration_s": [152.0, 5.0], "price": [0.032173, 0.01],
    ...                       "started_at": pd.to_datetime(["2026-11-20T09:15:10Z", "2026-11-20T09:15:30Z"])})
    >>> reconcile(seen, bills)
    Reconciliation(billed_not_seen: 1, seen_not_billed: 1, same: 1)
    """
    source = Source.of(data)
    bills = _bills(reports if isinstance(reports, pd.DataFrame) else read_reports(reports))
    seen = _in_one_currency(_with_words(with_listed_legs(_compared_legs(source), source)))
    networks = _networks(bills)
    name_of = dict(zip(networks["network_code"], networks["network_name"], strict=True))
    rows = _paired(seen, _added_up(bills))
    period = [at and in_utc(name, at) for name, at in (("since", since), ("until", until))]
    rows = _judged(rows, set(bills["product"].dropna()), *period)
    of_code = rows["network_code"].map(name_of).astype("str").astype("category")
    rows["network_name"] = _first(rows["billed_network_name"], of_code)
    rows = rows.sort_values(["outcome", "day_at"], kind="stable", ignore_index=True)
    counts = rows["outcome"].value_counts()
    shown = rows[list(_COLUMNS)]
    texts = [name for name in shown.columns if isinstance(shown[name].dtype, pd.CategoricalDtype)]
    return Reconciliation(
        source.result(shown.astype(dict.fromkeys(texts, "str"))),
        source.result(_days(rows)),
        source.result(networks),
        {name: int(counts.get(name, 0)) for name in OUTCOMES},
        name_of,
    )


def _compared_legs(source: Source) -> pd.DataFrame:
    """The legs of the data, with the compared columns."""
    opened = Source.of(source if source.single else legs(source, columns=list(_LEG_COLUMNS)))
    rows = read_each_once(opened, LEGS, needed=_NEEDED, maker="legs()")
    frame = rows.with_nulls({name: _kind_of(name) for name in _LEG_COLUMNS}).collect()
    frame = frame[["conversation_id", "leg_id", *_LEG_COLUMNS]]
    frame = frame.rename(columns={"billed_s": "duration_s"})
    frame = _with_words(frame.assign(leg_key=leg_keys(frame["leg_id"])))
    if frame["leg_key"].is_unique:
        return frame
    # A transferred leg may be in two conversations; it is billed once.
    frame = frame.sort_values("duration_s", kind="stable", na_position="first")
    return frame.drop_duplicates("leg_key", keep="last")


def _in_one_currency(legs: pd.DataFrame) -> pd.DataFrame:
    """The legs with the account's currency, where events state it: events of phone legs do not."""
    named = legs["currency"].cat.categories
    if len(named) != 1:
        return legs
    unnamed = legs["currency"].isna() & legs["price"].notna()
    return legs.assign(currency=legs["currency"].mask(unnamed, named[0]))


def _with_words(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with categories for columns of few words, so that steps do not copy a million texts."""
    return frame.astype({name: "category" for name in _WORDS if name in frame.columns})


def _kind_of(name: str) -> Any:
    return next(column.kind for column in LEGS if column.name == name)


def _bills(reports: pd.DataFrame) -> pd.DataFrame:
    """The records, with every column that is compared."""
    if "call_id" not in reports.columns or "started_at" not in reports.columns:
        raise ConfigError("reports has no columns call_id and started_at: give files, or what read_reports returns.")
    reports = reports.reset_index(drop=True)
    texts = ("product", "direction", "network_code", "network_name", "country", "currency", "problem")
    bills = reports.assign(**{name: pd.Series(pd.NA, index=reports.index, dtype="str") for name in texts
                              if name not in reports.columns})  # fmt: skip
    kinds = {"duration_s": float, "price": float, "started_at": datetime}
    bills = bills.assign(**coerce.pandas_columns("reports", bills, kinds))
    if "leg_key" not in bills.columns:
        bills["leg_key"] = leg_keys(bills["call_id"])
    return _with_words(bills)


def _added_up(bills: pd.DataFrame) -> pd.DataFrame:
    """One row per leg and direction: sums over several bills, and the earliest start."""
    bills = bills.assign(records=1)
    # Unreadable rows stay separate.
    key = bills["leg_key"].fillna(pd.Series(bills.index.astype(str), index=bills.index).radd("row "))
    bills = bills.assign(leg_key=key, _direction=bills["direction"].cat.codes)
    keys = ["leg_key", "_direction"]
    if bills["leg_key"].is_unique:
        return bills
    repeated = bills.duplicated(keys, keep=False)
    grouped = bills[repeated].sort_values("started_at", kind="stable").groupby(keys, sort=False, as_index=False)
    first = grouped.first()
    sums = grouped[["duration_s", "price", "records"]].sum(min_count=1)
    for name in ("duration_s", "price", "records"):
        first[name] = sums[name]
    return pd.concat([bills[~repeated], first])


def _paired(seen: pd.DataFrame, bills: pd.DataFrame) -> pd.DataFrame:
    """The rows of both sides, joined by id."""
    billed = bills[
        ["leg_key", "call_id", "product", "direction", "started_at", "duration_s", "price", "currency", "network_code",
         "network_name", "records", "problem"]
    ].rename(columns={name: f"billed_{name}" for name in (
        "direction", "started_at", "duration_s", "price", "currency", "network_code", "network_name",
    )})  # fmt: skip
    # Two bills of one id in different directions are two calls: the leg is matched with the bill of its direction.
    if billed["leg_key"].duplicated().any():
        own = billed[["leg_key", "billed_direction"]].merge(seen[["leg_key", "direction"]], on="leg_key", how="left")
        fits = ~_unequal(own["billed_direction"], own["direction"]).to_numpy(bool)
        ranked = billed.assign(_fits=fits).sort_values("_fits", ascending=False, kind="stable")
        spare = ranked.duplicated("leg_key")
        alone = ranked[spare].assign(leg_key=ranked.loc[spare, "leg_key"] + " again")
        billed = pd.concat([ranked[~spare], alone]).drop(columns="_fits")
    # Numbers in place of the ids: a join of numbers takes a fifth of the time.
    numbers = pd.factorize(pd.concat([seen["leg_key"], billed["leg_key"]]))[0]
    seen = seen.drop(columns="leg_key").assign(_key=numbers[: len(seen)])
    billed = billed.drop(columns="leg_key").assign(_key=numbers[len(seen) :])
    return seen.merge(billed, on="_key", how="outer", indicator="_side")


def _judged(rows: pd.DataFrame, products: set[str], since: datetime | None, until: datetime | None) -> pd.DataFrame:
    """The rows with their outcome, and the columns that differ."""
    both, only_bill, only_leg = (rows["_side"].eq(name) for name in ("both", "right_only", "left_only"))
    wrong_way = both & _unequal(rows["direction"], rows["billed_direction"])
    billed_at = rows["billed_started_at"]
    apart = pd.concat(
        [(rows[name] - billed_at).abs().dt.total_seconds() for name in ("started_at", "answered_at")], axis=1
    ).min(axis=1)
    elsewhen = both & apart.gt(START_S)
    duration = both & (rows["duration_s"] - rows["billed_duration_s"]).abs().gt(DURATION_S + 1e-9)
    difference = rows["billed_price"] - rows["price"]
    allowed = PRICE * rows["records"].fillna(1).clip(lower=1) * (1 + 1e-9) + 1e-12
    price = both & difference.abs().gt(allowed)
    currency = both & _unequal(rows["currency"], rows["billed_currency"])
    marks = {"direction": wrong_way, "start": elsewhen, "duration": duration, "price": price, "currency": currency}
    differences = pd.Series(None, index=rows.index, dtype="str")
    differing = pd.concat(marks, axis=1)
    differing = differing[differing.any(axis=1)]
    differences.loc[differing.index] = [
        ", ".join(name for name, mark in zip(marks, row, strict=True) if mark) for row in differing.to_numpy()
    ]
    day_at = billed_at.fillna(rows["started_at"])
    inside = _inside(rows, day_at, since, until)
    words = rows["problem"].cat.categories
    lost = rows["problem"].isin(words[words.str.contains(r"\b(?:call_id|date_start|total_price|row)\b")])
    outcome = np.select(
        [
            lost,
            ~inside,
            only_bill,
            only_leg & _expected(rows, products),
            only_leg,
            wrong_way | elsewhen,
            duration | price | currency,
            both & rows["seen_in"].eq("call_list"),
        ],
        [
            "unreadable",
            "not_compared",
            "billed_not_seen",
            "seen_not_billed",
            "not_compared",
            "conflict",
            "differs",
            "not_in_folder",
        ],
        "same",
    )
    return rows.assign(
        outcome=pd.Categorical(outcome, OUTCOMES, ordered=True),
        differences=differences,
        price_difference=difference,
        day_at=day_at,
        direction=_first(rows["direction"], rows["billed_direction"]),
        network_code=_first(rows["network_code"], rows["billed_network_code"]),
    )


def _first(one: pd.Series[Any], other: pd.Series[Any]) -> pd.Series[Any]:
    """The first of two words that is not null."""
    both = union_categoricals([one, other])
    codes, others = both.codes[: len(one)], both.codes[len(one) :]
    return pd.Series(pd.Categorical.from_codes(np.where(codes < 0, others, codes), dtype=both.dtype), index=one.index)


def _unequal(one: pd.Series[Any], other: pd.Series[Any]) -> pd.Series[bool]:
    """Whether two words differ, where both are known."""
    codes = union_categoricals([one, other]).codes
    mine, others = codes[: len(one)], codes[len(one) :]
    return pd.Series((mine != others) & (mine >= 0) & (others >= 0), index=one.index)


def _inside(rows: pd.DataFrame, at: pd.Series[Any], since: datetime | None, until: datetime | None) -> pd.Series[bool]:
    """Whether a row lies in the period: the requested one, or the one that both sides cover."""
    sides = [rows["started_at"].dropna(), rows["billed_started_at"].dropna()]
    known = all(len(side) for side in sides)
    first = since or (max(side.min() for side in sides).floor("D") if known else None)
    last = until or (min(side.max() for side in sides).floor("D") + pd.Timedelta(days=1) if known else None)
    inside = pd.Series(data=True, index=rows.index)
    if first is not None:
        inside &= ~at.lt(pd.Timestamp(first))
    if last is not None:
        inside &= ~at.ge(pd.Timestamp(last))
    # A pair is always compared, unless a period was requested.
    return inside if since or until else inside | rows["_side"].eq("both")


def _expected(rows: pd.DataFrame, products: set[str]) -> pd.Series[bool]:
    """Whether a leg should be on a bill: it was answered, has ended, and the reports include its product."""
    kinds = rows["channel_type"].cat.categories
    billed = rows["channel_type"].isin([kind for kind in kinds if _BILLED_AS.get(kind, _IN_APP) in products])
    billed |= rows["channel_type"].isna() & (_IN_APP in products)
    answered = rows["answered"].fillna(value=False).astype(bool) | rows["duration_s"].gt(0) | rows["price"].gt(0)
    return billed & answered & ~rows["open"].fillna(value=False).astype(bool)


def _days(rows: pd.DataFrame) -> pd.DataFrame:
    """The sums of each day and currency."""
    rows = rows[rows["outcome"] != "not_compared"]
    day = rows["day_at"].dt.floor("D")
    currency = _first(rows["billed_currency"], rows["currency"]).astype("str")
    counted = {
        name: rows["outcome"].eq(name).astype("int64")
        for name in ("billed_not_seen", "seen_not_billed", "conflict", "differs", "not_in_folder", "unreadable")
    }
    table = pd.DataFrame({
        "day": day, "currency": currency,
        "records": rows["records"].fillna(0).astype("int64"), "legs": rows["leg_id"].notna().astype("int64"),
        "billed": rows["billed_price"].fillna(0.0), "seen": rows["price"].fillna(0.0), **counted,
        **{f"{name}_price": rows["billed_price"].where(rows["outcome"].eq(name), 0.0).fillna(0.0)
           for name in ("billed_not_seen", "not_in_folder")},
    })  # fmt: skip
    sums = table.groupby(["day", "currency"], dropna=False, sort=True).sum().reset_index()
    sums.insert(list(sums.columns).index("seen") + 1, "difference", sums["billed"] - sums["seen"])
    return sums


def _networks(bills: pd.DataFrame) -> pd.DataFrame:
    """The name of each network: the most frequent one in the records."""
    bills = bills[["network_code", "network_name", "country"]].astype("object")
    named = bills[bills["network_code"].notna() & bills["network_name"].notna()]
    keys = ["network_code", "network_name", "country"]
    counts = named.groupby(keys, dropna=False, sort=True).size().rename("records").reset_index()
    counts = counts.sort_values("records", ascending=False, kind="stable").drop_duplicates("network_code")
    return counts.sort_values("network_code", ignore_index=True).astype({"records": "int64"})


__all__ = ["OUTCOMES", "Reconciliation", "reconcile"]
