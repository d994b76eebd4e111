"""All problems in the calls, each once: all finders over all groupings, as one family of tests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.options import in_utc
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.maths.stats import rates
from conv_analytics.analysis.problems import sentences
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.case import Case
from conv_analytics.analysis.problems.case_data import CaseData
from conv_analytics.analysis.problems.explain import Explained, explain
from conv_analytics.analysis.problems.groupings import GROUPINGS, Groups
from conv_analytics.analysis.problems.kinds.registry import KINDS
from conv_analytics.analysis.problems.observations import Codes, Ints, Observations
from conv_analytics.analysis.problems.problem import LOOKED_AT_DTYPES, PROBLEM_DTYPES, Findings
from conv_analytics.analysis.problems.reading import read_observations
from conv_analytics.analysis.problems.schedule import shift_h
from conv_analytics.errors import ConfigError

#: Probability that anything is reported where nothing is wrong.
FDR = 0.05
#: A smaller excess is not worth acting on.
MIN_EXCESS = 5.0
LIMIT = 10
#: Number of problems beyond `limit` to search for: the clearest are not always the largest.
SPARE = 5


def findings(
    data: Data,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tz: str = "UTC",
    profile: str | Profile = "recommended",
    units: Units | None = None,
    fdr: float = FDR,
    min_excess: float = MIN_EXCESS,
    limit: int = LIMIT,
) -> Findings:
    """Name the distinct problems in the calls, the one with the most excess calls first.

    Tests every kind of problem (failed and unanswered calls, post-dial delay, one-way or poor audio, short calls, timer
    cliffs, fraud, redials, ...) in every sensible grouping (network, country, prefix, number, user, version, channel,
    direction, hour, day, length of call, and pairs of them), and reports each problem once.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of tables, a DuckDB connection, or the frame that `legs` gives, in which a
        repeated leg counts once. A frame may have a column of the application's version: ``version`` or
        ``app_version``.
    since, until
        Calls that started from this instant on, and before that one; with a time zone.
    tz
        Time zone of hours and days.
    profile
        Rulebook of the verdict poor. A column ``verdict`` of the frame itself counts instead: see `quality`.
    units
        What `detect_units` found; detected when absent.
    fdr
        Accepted probability that anything is reported where nothing is wrong, 0..1.
    min_excess
        Minimum excess of a problem. [calls]
    limit
        Maximum number of problems.

    Returns
    -------
    Findings
        ``problems`` and ``looked_at``, frames of the caller's kind.

    Raises
    ------
    ConfigError
        If an option is out of its range, or an instant has no time zone.
    TableNotFound
        If no table has legs.

    Notes
    -----
    Set-up is tested on attempts: legs that ring together in one conversation are one, answered if any was; audio is
    tested on measured legs. A group is compared with calls of the same direction, channel, side and part of the day in
    other groups; a window of time against the group's other calls and against others at that time. Calls of one
    conversation, number, user or half hour are not independent: the variance is the largest of clustered estimates, and
    a group whose excess comes from one of these alone is not reported. Groups that differ without a cause widen the
    limits (variance between groups, an idea of DerSimonian and Laird). Legs whose start is far from all others (at most
    1 % at either end, by a week and by more than all others span) count, but their time is unknown: a clock was wrong.
    p values are adjusted for all tests (Bonferroni, split between families). Then the best description is chosen (log
    likelihood less a penalty for each condition), its calls are removed, and everything is tested again: candidates
    that are no longer a problem are in ``same_calls``.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=600) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0)
    >>> found = findings(frames)
    >>> bool((found.problems["q"] <= 0.05).all()), found.problems["problem"].is_unique
    (True, True)
    """
    if not 0 < fdr < 1 or min_excess < 1 or limit < 1:
        raise ConfigError(
            f"fdr={fdr}, min_excess={min_excess}, limit={limit}: fdr is between 0 and 1, such as 0.05; the others are "
            "1 or more."
        )
    since = None if since is None else in_utc("since", since)
    until = None if until is None else in_utc("until", until)
    source = Source.of(data)
    legs = read_observations(source, since=since, until=until, tz=tz, profile=profile, units=units)
    groups = Groups(legs)
    missing = {kind.name: [name for name in kind.needs if name not in legs.columns] for kind in KINDS}
    cases = [
        replace(case, by=tuple(dict.fromkeys((*case.by, *source.dimension_columns))))
        for kind in KINDS if not missing[kind.name] for case in kind.cases(legs, groups)
    ]  # fmt: skip
    direct = [each for kind in KINDS if not missing[kind.name] for each in kind.candidates(legs, groups, min_excess)]
    explained, case_data = explain(legs, groups, cases, direct, fdr=fdr, least_excess=min_excess, most=limit + SPARE)
    for each in explained:
        shift = shift_h(each.candidate, legs, groups)
        if shift is not None:
            each.candidate.extra["shift"] = f"{shift:+.0f} h"
    explained.sort(key=lambda each: -each.candidate.excess)
    rows = [_row(number, each, legs, tz, fdr) for number, each in enumerate(explained[:limit], 1)]
    problems = pd.DataFrame(rows, columns=list(PROBLEM_DTYPES)).astype(dict(PROBLEM_DTYPES))
    tests = _looked_at(cases, case_data, groups, missing)
    looked_at = pd.DataFrame(tests, columns=list(LOOKED_AT_DTYPES))
    return Findings(source.result(problems), source.result(looked_at.astype(dict(LOOKED_AT_DTYPES))))


def _row(number: int, explained: Explained, legs: Observations, tz: str, fdr: float) -> dict[str, Any]:
    one = explained.candidate
    # The interval is that of the equivalent number of independent calls.
    interval = rates(one.k / one.deff, one.n / one.deff)
    keys: dict[str, Any] = {}
    for name, value in zip((GROUPINGS[name].column for name in one.by), one.values, strict=True):
        keys[name] = value if name not in keys else [*np.atleast_1d(keys[name]).tolist(), value]
    if one.hours is not None:
        keys["hour"] = f"{one.hours[0]}-{one.hours[1]}"
    return {
        "problem": number, "kind": kind_of(one), "case": one.case.name, "where": sentences.where(one, tz),
        "keys": json.dumps(keys, ensure_ascii=False),
        "since": sentences.instant(one.since_us), "until": sentences.instant(one.until_us),
        "k": int(one.k), "n": int(one.n), "rate": one.k / one.n,
        "lo": float(interval["lo"]), "hi": float(interval["hi"]),
        "baseline": one.expected / one.n, "excess": one.excess, "p": one.p, "q": one.q, "sure": one.q <= fdr,
        "side": sentences.side(one, legs), "what": sentences.what(one, legs, tz),
        "compared_with": sentences.compared_with(one), "same_calls": sentences.same_calls(explained.same, tz),
        "ruled_out": sentences.ruled_out(one), "advice": one.case.advice,
        **_evidence(one, legs), "python": sentences.python(one, tz),
    }  # fmt: skip


def kind_of(candidate: Candidate) -> str:
    """The kind of a problem: that of its case, unless its window is more specific."""
    if candidate.case.kind != "group_rate":
        return candidate.case.kind
    if candidate.lengths_s is not None:
        return "jitter_by_length"
    if candidate.case.name == "short" and candidate.by and candidate.by[0].startswith(("country", "prefix")):
        return "short_call_fraud"
    if candidate.case.name == "unanswered" and candidate.extra.get("shift"):
        return "schedule_shift"
    return "change" if candidate.since_us is not None or candidate.until_us is not None else "group_rate"


def _evidence(candidate: Candidate, legs: Observations) -> dict[str, Any]:
    """Up to five bad legs of different conversations, the latest first, and the conversation of the first."""
    # Inverted, not negated: unknown instants, the smallest integer, come last.
    bad = candidate.bad[np.argsort(~legs.started_us[candidate.bad], kind="stable")]
    _, first = np.unique(legs.conversation[bad], return_index=True)
    chosen = bad[np.sort(first)[:5]]
    return {
        "leg_ids": ",".join(_labels(legs.texts["leg_id"], chosen)),
        "conversation_id": next(iter(_labels(legs.texts["conversation_id"], chosen)), None),
    }


def _labels(column: Codes, rows: Ints) -> list[str]:
    """The known texts of some rows."""
    return [str(column.labels[int(code)]) for code in column.codes[rows] if code >= 0]


def _looked_at(
    cases: list[Case], case_data: dict[int, CaseData], groups: Groups, missing: dict[str, list[str]]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place, case in enumerate(cases):
        data = case_data[place]
        for name in case.by:
            tested, calls, smallest = data.looked_at.get(name, (0, 0, np.nan))
            why = ""
            if not groups.has(name):
                why = "no such column, or nothing in it"
            elif not tested:
                why = "too few of these calls" if data.y.sum() < data.least_excess else "no group with 5 of them"
            rows.append({
                "kind": case.kind, "case": case.name, "by": GROUPINGS[name].name, "groups": tested, "calls": calls,
                "smallest_q": smallest, "why_not": why,
            })  # fmt: skip
    for kind, columns in missing.items():
        if columns:
            rows.append({
                "kind": kind, "case": "", "by": "", "groups": 0, "calls": 0, "smallest_q": np.nan,
                "why_not": f"no {', '.join(columns)}",
            })  # fmt: skip
    if groups.observations.misdated:
        rows.append({
            "kind": "wrong_clock", "case": "", "by": "", "groups": 0, "calls": groups.observations.misdated,
            "smallest_q": np.nan,
            "why_not": "their starts are far from all others, by a wrong clock: their time counts as unknown",
        })  # fmt: skip
    return rows


__all__ = ["findings"]
