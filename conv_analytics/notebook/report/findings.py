"""The findings of a report: distinct problems, each with the days on which it occurred, and what was tested."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from conv_analytics.analysis import findings
from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.entities.cases import CASES
from conv_analytics.glossary import is_term, term
from conv_analytics.notebook.clock import on_clock_column
from conv_analytics.notebook.report import statistics
from conv_analytics.notebook.report.legs import JudgedLegs, Slots, slots_of
from conv_analytics.notebook.report.numbers import Finding, Findings, FindingSlot, Questions, Rate
from conv_analytics.notebook.report.period import Period
from conv_analytics.privacy.display import Display
from conv_analytics.time_zones import on_clock

#: Maximum number of reported problems.
MOST = 10
#: Columns whose values the sentences of findings may quote.
_QUOTED = ("network_code", "country", "channel_type", "direction", "user_id", "from_address", "to_address",
           "remote_address", "remote_kind")  # fmt: skip
_SENTENCES = ("where", "what", "compared_with", "same_calls", "ruled_out", "advice", "python")


def findings_of(
    data: Any, judged: JudgedLegs, period: Period, *, display: Display, profile: Profile, limited: bool, compared: bool
) -> Findings | None:
    """The problems that `analysis.findings` reports for a period and the one before, masked; None without legs.

    The period before shows what is new: a single day has nothing to be compared with. Problems that had ended when the
    period began are left out.

    Parameters
    ----------
    data
        The data of the report.
    judged
        Its legs, not masked.
    limited
        Whether the caller limited the period: legs without a start are only in all data.
    compared
        Whether there are legs from the period before.
    """
    span = replace(period, since=period.before) if compared else period
    since, until = (span.since, span.until) if limited else (None, None)
    legs = judged.within(since, until) if limited and not span.empty else judged.legs
    if legs.empty or (limited and span.empty):
        return None
    named = findings(
        data, since=since, until=until, tz=period.zone.key, profile=profile, units=judged.units, limit=MOST
    )
    problems = [row for row in _records(named.problems) if not _is_over(row, period)]
    slots, words = slots_of(legs, span), _masked_words(problems, legs, display)
    return Findings(
        problems=tuple(
            _finding(row | {"problem": number}, legs, slots, period, display, words)
            for number, row in enumerate(problems, 1)
        ),
        questions=_questions(_records(named.looked_at)),
    )


def _is_over(row: Mapping[str, Any], period: Period) -> bool:
    """Whether a problem had ended when the period began."""
    return not pd.isna(row["until"]) and period.since is not None and row["until"] <= period.since


def _records(frame: Any) -> list[dict[str, Any]]:
    """The rows of a short frame of any kind."""
    if not isinstance(frame, pd.DataFrame):
        frame = frame.to_pandas() if hasattr(frame, "to_pandas") else frame.df()
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _masked_words(problems: list[dict[str, Any]], legs: pd.DataFrame, display: Display) -> dict[str, str]:
    """Values of the legs that the sentences quote, and how each is shown."""
    text = "\n".join(str(row[name]) for row in problems for name in (*_SENTENCES, "keys"))
    return {
        value: shown
        for name in _QUOTED if name in legs
        for value in legs[name].dropna().astype("str").unique()
        if value and value in text and (shown := str(display.column(name, value))) != value
    }  # fmt: skip


def _finding(  # noqa: PLR0917
    row: Mapping[str, Any], legs: pd.DataFrame, slots: Slots, period: Period, display: Display, words: Mapping[str, str]
) -> Finding:
    def masked(text: Any) -> str:
        """A sentence without personal data: masks the values that it quotes, then whatever looks personal."""
        if not words:
            return display.text(str(text))
        quoted = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        return display.text(re.sub(rf"(?<!\w)(?:{quoted})(?!\w)", lambda match: words[match[0]], str(text)))

    keys = json.loads(row["keys"])
    conversation = row["conversation_id"]
    return Finding(
        problem=int(row["problem"]), kind=row["kind"], case=row["case"], title=title_of(row["case"]),
        **{name: masked(row[name]) for name in _SENTENCES},
        keys={name: str(display.column(name, value)) for name, value in keys.items()},
        since=_local(row["since"], period), until=_local(row["until"], period),
        rate=Rate(int(row["k"]), int(row["n"]), float(row["rate"]), float(row["lo"]), float(row["hi"]), enough=True),
        expected=float(row["baseline"]), excess=float(row["excess"]), q=float(row["q"]), side=row["side"],
        leg_ids=tuple(display.identifier(each) for each in str(row["leg_ids"]).split(",") if each),
        conversation_id="" if pd.isna(conversation) else str(display.column("conversation_id", conversation)),
        trend=_trend(row, keys, legs, slots, period.zone),
    )  # fmt: skip


def title_of(case: str) -> str:
    """The standard term for the calls of a problem."""
    return term(case).title if is_term(case) else case.replace("_", " ").capitalize()


def _local(at: Any, period: Period) -> str | None:
    return None if pd.isna(at) else on_clock(pd.Timestamp(at).to_pydatetime(), period.zone).isoformat()


def _trend(
    row: Mapping[str, Any], keys: Mapping[str, str], legs: pd.DataFrame, slots: Slots, zone: ZoneInfo
) -> tuple[FindingSlot, ...]:
    """The rate of a group by hour, day or week, of a problem that began or ended."""
    case = CASES.get(row["case"])
    if case is None or (pd.isna(row["since"]) and pd.isna(row["until"])) or len(slots.labels) < 2:  # noqa: PLR2004
        return ()
    here = _having(legs, keys, scope=case.scope, zone=zone)
    if here is None:
        return ()
    rates = statistics.flag_rates(*case.flags(legs[here]), slots.of[here])
    return tuple(FindingSlot(label, rates[label]) for label in slots.labels)


def _having(legs: pd.DataFrame, keys: Mapping[str, str], *, scope: str, zone: ZoneInfo) -> pd.Series[Any] | None:
    """Which legs are in a group; None where the legs do not have its column."""
    here = pd.Series(data=True, index=legs.index) if scope == "all" else legs["direction"] == scope
    for name, value in keys.items():
        if name == "prefix":
            digits = legs["remote_address"].astype("str").str.lstrip("+")
            here &= digits.str.startswith(value).fillna(value=False)
        elif name == "hour":
            # Like "22-6": from the first hour up to but not including the last, maybe over midnight.
            first, last = map(int, value.split("-"))
            hours = on_clock_column(legs["started_at"], zone).dt.hour
            here &= ((hours - first) % 24) < ((last - first) % 24 or 24)
        elif name in legs:
            here &= legs[name].astype("str") == value
        else:
            return None
    return here.fillna(value=False).astype(bool)


def _questions(rows: Iterable[Mapping[str, Any]]) -> tuple[Questions, ...]:
    """What was tested, a line per case."""
    rows_of_case: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        rows_of_case.setdefault(row["case"] or row["kind"], []).append(row)
    return tuple(
        Questions(
            case=case, title=title_of(case),
            by=tuple(dict.fromkeys(row["by"] for row in some if row["groups"])),
            groups=sum(int(row["groups"]) for row in some), calls=max(int(row["calls"]) for row in some),
            not_asked={row["by"]: row["why_not"] for row in some if not row["groups"]},
        )
        for case, some in rows_of_case.items()
    )  # fmt: skip


__all__ = ["findings_of", "title_of"]
