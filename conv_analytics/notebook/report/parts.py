"""The parts of a report, one function each, computed from legs with their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis import heatmap
from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.engine.rows import time_keys
from conv_analytics.analysis.entities.cases import CASES, SHORT_S
from conv_analytics.analysis.entities.sip import FAILED_WORDS, explain
from conv_analytics.analysis.entities.sip import Code as Known
from conv_analytics.analysis.entities.verdicts import MEASURED, Verdict
from conv_analytics.analysis.rates.metrics import final_codes
from conv_analytics.glossary import term
from conv_analytics.notebook.report import sentences, statistics
from conv_analytics.notebook.report.legs import Slots
from conv_analytics.notebook.report.numbers import Bin, Cell, Code, Group, Grouping, Histogram, Leg, Slot
from conv_analytics.notebook.report.period import Period
from conv_analytics.privacy.display import Display
from conv_analytics.time_zones import on_clock

#: Maximum number of groups, codes and legs that are listed; the others are counted.
GROUPS, CODES, WORST = 12, 12, 50
#: The columns that legs are grouped by, and their headings.
BY = {
    "country": "By country of the far end",
    "network_code": "By network (MCC/MNC)",
    "channel_type": "By channel",
    "direction": "By direction",
}
#: The column with the hour, day or week of a leg.
SLOT = "slot"
_MOS_EDGES = tuple(round(1.0 + 0.25 * step, 2) for step in range(15))
_LOSS_EDGES = (0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
_JITTER_EDGES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
_PDD_EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 11.0, 20.0)
_TALK_EDGES = (0.0, 6.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

#: Cases that a report counts, besides the rates of `kpi`.
COUNTED = ("poor", "silent", "short", "measured")


def measured(rows: pd.DataFrame) -> pd.Series[Any]:
    """Which legs have a verdict."""
    return rows["verdict"].isin(MEASURED)


def masked(rows: pd.DataFrame, display: Display, own: Sequence[str] = ()) -> pd.DataFrame:
    """The legs with masked people; every distinct number is masked once."""
    done = rows.copy(deep=False)
    for name in (*BY, *own, "remote_address", "from_address", "to_address", "user_id", "conversation_id", "leg_id"):
        shown = {text: display.column(name, text) for text in done[name].dropna().unique()}
        done[name] = done[name].map(shown).astype("str")
    return done


def trend(rows: pd.DataFrame, slots: Slots, rates: statistics.Kpi, scope: str) -> tuple[Slot, ...]:
    """Hour by hour, day by day or week by week, with the slots without a call."""
    if not rows["started_at"].notna().any():
        return ()
    answered = rates.rates("asr", scope, SLOT)
    cases, known = CASES["poor"].flags(rows)
    poor = statistics.flag_rates(cases, known, slots.of)
    mos = statistics.values_by(rows["mos_emodel"].where(known), slots.of)
    legs = slots.of.value_counts()
    return tuple(
        Slot(label, length, int(legs.get(label, 0)), answered[label], poor[label], mos[label], covered)
        for label, length, covered in zip(slots.labels, slots.hours, slots.covered, strict=True)
    )  # fmt: skip


def histograms(rows: pd.DataFrame, book: Profile) -> tuple[Histogram, ...]:
    """The distributions of MOS, packet loss, jitter, post-dial delay and talk time, with the limits of the profile."""
    judged, up = measured(rows), int(rows["answered"].fillna(value=False).sum())
    return (
        _histogram("mos", rows.loc[judged, "mos_emodel"], _MOS_EDGES, up,
                   _limits(book, "mos_emodel"), top=4.5),
        _histogram("loss", rows.loc[judged, "loss_pct"], _LOSS_EDGES, up,
                   _limits(book, "loss_pct")),
        _histogram("jitter", rows.loc[judged, "jitter_sd_max_ms"],
                   _JITTER_EDGES, up, _limits(book, "jitter_sd_max_ms")),
        _histogram("pdd", rows["pdd_s"], _PDD_EDGES, len(rows), ()),
        _histogram("talk", rows["talk_s"], _TALK_EDGES, up, ((f"short: {SHORT_S:g} s", SHORT_S),)),
    )  # fmt: skip


def _limits(book: Profile, column: str) -> tuple[tuple[str, float], ...]:
    return tuple(book.limits(column).items())


def _histogram(
    name: str, numbers: pd.Series[Any], edges: tuple[float, ...], of: int,
    limits: tuple[tuple[str, float], ...], *, top: float | None = None,
) -> Histogram:  # fmt: skip
    values = numbers.dropna().to_numpy("float64")
    # A value below the first edge goes into the first bin, a MOS of 4.5 into the last.
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 1)
    if top is not None:
        place = np.where(values >= top, len(edges) - 2, place)
        edges = (*edges[:-1], top)
    counts = np.bincount(place, minlength=len(edges))
    ends: list[float | None] = [*edges[1:]]
    if top is None:
        ends.append(None)
    bins = tuple(Bin(low, high, int(n)) for low, high, n in zip(edges, ends, counts, strict=False))
    return Histogram(name, term(name).title, term(name).unit, len(values), of, bins, limits)


def week(rows: pd.DataFrame, period: Period) -> tuple[Cell, ...]:
    """The hours of the week: starts per hour of the period, and poor legs."""
    timed = rows[rows["started_at"].notna()]
    if timed.empty or period.empty:
        return ()
    cells: Any = heatmap(timed, tz=period.zone.key, since=period.since, until=period.until)
    local = time_keys(timed, ["weekday", "hour"], period.zone.key)
    keys = local["weekday"] * 24 + local["hour"]
    poor = statistics.flag_rates(*CASES["poor"].flags(timed), keys)
    return tuple(
        Cell(int(row.weekday), int(row.hour), float(row.hours), int(row.starts),
             None if pd.isna(row.per_hour) else float(row.per_hour),
             poor[str(int(row.weekday) * 24 + int(row.hour))])
        for row in cells.itertuples(index=False)
    )  # fmt: skip


def groupings(rows: pd.DataFrame, rates: statistics.Kpi, scope: str, own: Sequence[str] = ()) -> tuple[Grouping, ...]:
    """The legs by shared values, and by custom columns; the largest groups first."""
    judged, flags = measured(rows), tuple(CASES[name].flags(rows) for name in ("poor", "silent"))
    # Combined with the others, custom columns might make as many groups as there are legs.
    titles = {name: f"By {name.replace('_', ' ')}" for name in own} | BY
    return tuple(
        _grouping(rows[name], title, (statistics.Kpi(rows, [name]) if name in own else rates).rates(
                      "asr", "all" if name == "direction" else scope, name), flags,
                  {column: rows[column].where(judged) for column in ("mos_emodel", "loss_pct")})
        for name, title in titles.items() if rows[name].notna().any()
    )  # fmt: skip


def _grouping(
    keys: pd.Series[Any], title: str, answered: statistics.Rates,
    flags: Sequence[tuple[pd.Series[Any], pd.Series[Any]]],
    measures: dict[str, pd.Series[Any]],
) -> Grouping:  # fmt: skip
    poor, silent = (statistics.flag_rates(*each, keys) for each in flags)
    mos, loss = (statistics.values_by(numbers, keys) for numbers in measures.values())
    codes, names = statistics.grouped(keys)
    sizes = sorted(zip(names, np.bincount(codes).tolist(), strict=True), key=lambda each: (-each[1], each[0]))
    groups = tuple(
        Group(key, n, answered[key], poor[key], silent[key], mos[key], loss[key]) for key, n in sizes[:GROUPS]
    )
    others = [n for _, n in sizes[GROUPS:]]
    return Grouping(str(keys.name), title, groups, len(others), sum(others))


def codes(rows: pd.DataFrame, scope: str) -> tuple[tuple[Code, ...], int]:
    """How unanswered attempts ended: SIP codes, else the meaning of the platform's words; and how many are open.

    An attempt without an end, code or reason may still be ringing: it did not end in any way.
    """
    attempts = rows if scope == "all" else rows[rows["direction"] == scope]
    lost = attempts[~attempts["answered"].fillna(value=False).astype(bool)]
    final = final_codes(lost)
    failed = lost["reason"].isin(FAILED_WORDS) | lost["status"].isin(FAILED_WORDS)
    number = final.where((final != 0) | failed, -1)
    still = lost["open"].fillna(value=False).astype(bool) & (number == -1)
    counted = number[~still].value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    listed = []
    for code, n in zip(counted.index.to_numpy("int64").tolist(), counted.tolist(), strict=True):
        share = statistics.rate(n, len(attempts))
        known = _explained(code)
        if known is None:
            nothing = explain("failed")
            listed.append(Code(None, "neither code nor reason", "unknown", "you", nothing.advice, n, share))
        else:
            listed.append(Code(code or None, known.meaning, known.outcome, known.owner, known.advice, n, share))
    return tuple(listed[:CODES]), int(still.sum())


def _explained(code: int) -> Known | None:
    """The meaning of a code; 0 stands for a word that only says that the call failed."""
    if code == 0:
        return explain("failed")
    return explain(code) if 200 <= code <= 699 else None  # noqa: PLR2004 - no others end a call


def worst(rows: pd.DataFrame, period: Period, book: Profile) -> tuple[Leg, ...]:
    """The worst legs: the worst of each reason first, so that one reason does not fill the list."""
    poor = rows[rows["verdict"] == Verdict.POOR].copy()
    if poor.empty:
        return ()
    poor["_mos"] = poor["mos_emodel"].astype("Float64").fillna(9.0)
    poor["_sure"] = -poor["confidence"].astype("Float64").fillna(0.0)
    poor["_talk"] = -poor["talk_s"].astype("Float64").fillna(0.0)
    poor = poor.sort_values(["_mos", "_sure", "_talk", "conversation_id", "leg_id"], kind="stable")
    poor["_place"] = poor.groupby("rule", dropna=False).cumcount()
    order = {rule.id: place for place, rule in enumerate(book.rules)}
    poor["_rule"] = poor["rule"].map(order)
    poor = poor.sort_values(["_place", "_rule"], kind="stable").head(WORST)
    return tuple(
        Leg(
            row["conversation_id"], row["leg_id"],
            "" if pd.isna(row["started_at"])
            else on_clock(row["started_at"].to_pydatetime(), period.zone).isoformat(" ", "seconds"),
            _text(row["remote_address"]), _text(row["network_code"]),
            sentences.reason(_text(row["rule"]), _float(row["value"]), _float(row["limit"]), book),
            _float(row["loss_pct"]), _float(row["jitter_sd_max_ms"]), _float(row["mos_emodel"]), _float(row["talk_s"]),
            _float(row["confidence"]),
            command=sentences.timeline_command(str(row["conversation_id"])),
        )
        for row in poor.to_dict("records")
    )  # fmt: skip


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _float(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


__all__ = ["BY", "COUNTED", "SLOT", "codes", "groupings", "histograms", "masked", "measured", "trend", "week", "worst"]
