"""Problems as sentences: what, where, compared with what, what was ruled out, what to do, and the call to show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from conv_analytics.analysis.engine.zones import KEYS, labels
from conv_analytics.analysis.entities.sip import CODES
from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.groupings import GROUPINGS
from conv_analytics.analysis.problems.observations import Observations
from conv_analytics.instants import from_micros

#: The name of a group, by its column.
_WHERE = {
    "network_code": "network {}", "country": "country {}", "from_address": "calls from {}", "to_address": "calls to {}",
    "user_id": "user {}", "channel_type": "{} legs", "direction": "{} legs", "codec_guess": "codec {}",
    "remote_kind": "addresses of kind {}", "weekday": "{}s",
}  # fmt: skip
_ABBREVIATIONS = {"sip": "SIP", "vbc": "VBC"}
_SIDES = {"from_address": "caller", "to_address": "called party", "user_id": "called party"}
#: Cases that only the platform's own users can fix, wherever they occur.
_OWN = {"bad_number", "schedule"}
SAME = 4
#: A design effect from here on is mentioned.
CLUSTERED = 1.2


def where(candidate: Candidate, tz: str) -> str:
    """The group, and the hours or lengths if it covers only some. Beginning and end have separate columns."""
    if len(set(candidate.by)) < len(candidate.by):
        return f"calls to {len(candidate.by)} numbers"
    parts = [_group(name, value) for name, value in zip(candidate.by, candidate.values, strict=True)]
    text = ", ".join(parts) or "all calls"
    if candidate.hours is not None:
        text += f", {candidate.hours[0]:02d}:00-{candidate.hours[1]:02d}:00 ({tz})"
    if candidate.lengths_s is not None:
        text += f", calls of {candidate.lengths_s[0]:,.0f} s and more"
    return text


def _group(name: str, value: str) -> str:
    if name.startswith("prefix"):
        return f"numbers that begin with {value}"
    value = _ABBREVIATIONS.get(value, value) if name == "channel_type" else value
    return _WHERE[name].format(value) if name in _WHERE else f"{name.replace('_', ' ')} {value}"


def what(candidate: Candidate, legs: Observations, tz: str) -> str:
    """The problem in one sentence."""
    k, n = candidate.k, candidate.n
    place = where(candidate, tz)
    if candidate.case.name == "no_calls":
        since = "" if candidate.since_us is None else f" since {_local(candidate.since_us, tz)}"
        return f"{place[0].upper()}{place[1:]}: none{since}; about {k:,.0f} calls are missing."
    usual = candidate.expected / n
    text = f"{place[0].upper()}{place[1:]}: {k:,.0f} of {n:,.0f} {candidate.case.calls}"
    text += f" ({k / n:.0%}; usual {_share(usual)})"
    text += _codes(candidate, legs)
    if "shift" in candidate.extra:
        text += f"; they are placed {candidate.extra['shift']} from the hours of its other calls"
    if candidate.since_us is not None:
        text += f", since {_local(candidate.since_us, tz)}"
    if candidate.until_us is not None:
        text += f", until {_local(candidate.until_us, tz)}"
    return f"{text}."


def _share(rate: float) -> str:
    return f"{rate:.0%}" if rate >= 0.02 else f"{rate:.1%}"  # noqa: PLR2004


def _codes(candidate: Candidate, legs: Observations) -> str:
    """The SIP code that most of the bad calls ended with."""
    if candidate.case.name not in {"failed", "bad_number", "unanswered"}:
        return ""
    codes = legs.numbers["sip_code"][candidate.bad]
    codes = codes[~np.isnan(codes)].astype(int)
    if not len(codes):
        return ""
    values, counts = np.unique(codes, return_counts=True)
    code, count = int(values[counts.argmax()]), int(counts.max())
    if count < 0.5 * len(candidate.bad):
        return ""
    meaning = f", {CODES[code].meaning}" if code in CODES else ""
    return f", {'all' if count == len(candidate.bad) else f'{count:,}'} with SIP {code}{meaning}"


def _local(micros: int, tz: str) -> str:
    day, time = labels(tz, [micros])[0].split(" ")
    return f"{day} {time[: len('09:30')]} ({tz})"


def side(candidate: Candidate, legs: Observations) -> str:
    """Whose side it is on, as far as the group shows."""
    if candidate.case.name in _OWN:
        return "own application"
    if not candidate.by:
        return "platform" if candidate.case.name in {"failed", "silent"} else "unknown"
    name = candidate.by[0]
    if name == "user_id" and legs.texts["channel_type"].is_in("app")[candidate.rows].mean() > 0.5:  # noqa: PLR2004
        outbound = legs.outbound[candidate.rows].mean() > 0.5  # noqa: PLR2004
        return "called party" if outbound else "caller"
    return GROUPINGS[name].side


def compared_with(candidate: Candidate) -> str:
    """The source of the expected share."""
    adjusted = "calls of the same direction, channel and part of the day"
    if candidate.against == "the rest":
        return f"{adjusted} in all other groups"
    if candidate.against == "before and after":
        return "all calls before and after"
    if candidate.against == "others at the same time":
        return "calls of all other groups at the same time, and its own at other times"
    if candidate.against == "each of the two alone":
        return "calls that share one of the two conditions, but not both"
    if candidate.against == "its other calls":
        return "its own calls at other times, and those of other groups at the same time"
    return candidate.against


def ruled_out(candidate: Candidate) -> str:
    """The explanations that were ruled out."""
    said = ["chance, adjusted for all tests"]
    if not any(GROUPINGS[name].party for name in candidate.by):
        said.append("a single number, user or conversation")
    if candidate.since_us is None and candidate.until_us is None:
        said.append("a single day or half hour")
    if "structure" in candidate.case.adjust and not {"channel_type", "direction"} & set(candidate.by):
        said.append("direction, channel and side of the call")
    if "daypart" in candidate.case.adjust and candidate.hours is None:
        said.append("the part of the day")
    text = "; ".join(said)
    noise = (
        f" Calls that belong together were counted as {1 / candidate.deff:.0%} of their number."
        if candidate.deff > CLUSTERED
        else ""
    )
    return f"Not {text}.{noise}"


def same_calls(candidates: Sequence[Candidate], tz: str) -> str:
    """Other descriptions of the same calls."""
    said = []
    for each in sorted(candidates, key=lambda one: -one.gain):
        text = f"{where(each, tz)} ({each.case.name})"
        if text not in said:
            said.append(text)
    more = f" and {len(said) - SAME} more" if len(said) > SAME else ""
    return ", ".join(said[:SAME]) + more


def python(candidate: Candidate, tz: str) -> str:
    """The call of a single analysis function that shows it."""
    case, names = candidate.case, [name for name in candidate.by if not name.startswith("prefix")]
    by = repr(names[0]) if len(names) == 1 else repr(names)
    if candidate.hours is not None:
        names = [*names, "hour"]
        by = repr(names)
    local = f", tz={tz!r}" if tz != "UTC" and not set(KEYS).isdisjoint(names) else ""
    if case.kind == "timer_cliff":
        return f"timer_cliffs(data, by={by}, timers_s=[{case.words['timer']}]{local})"
    if case.kind == "post_dial_delay":
        return f"kpi_values(data, by={by}, measures='pdd_s'{local})"
    if case.name in _CASE_NAMES and candidate.by and not any(name.startswith("prefix") for name in candidate.by):
        name = _CASE_NAMES[case.name]
        if candidate.since_us is not None or candidate.until_us is not None:
            local = f", tz={tz!r}" if tz != "UTC" else ""
            return f"change_points(data, by={by}, case={name!r}{local})"
        return f"offenders(data, by={by}, case={name!r}{local})"
    conditions = [f"{name} == {value!r}" for name, value in zip(candidate.by, candidate.values, strict=True)
                  if not name.startswith("prefix")]  # fmt: skip
    conditions += [
        f"remote_address.str.lstrip('+').str.startswith({value!r})"
        for name, value in zip(candidate.by, candidate.values, strict=True) if name.startswith("prefix")
    ]  # fmt: skip
    query = f".query({' and '.join(conditions)!r})" if conditions else ""
    return f"legs(data){query}"


_CASE_NAMES = {"failed": "failed", "unanswered": "unanswered", "poor": "poor", "silent": "silent", "short": "short"}


def instant(micros: int | None) -> datetime | None:
    """Microseconds as an instant in UTC."""
    return None if micros is None else from_micros(micros).astimezone(UTC)


__all__ = ["compared_with", "instant", "python", "ruled_out", "same_calls", "side", "what", "where"]
