"""Answered calls that are over too soon."""

from __future__ import annotations

from conv_analytics.analysis.problems.case import PARTIES, ROUTES, VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Observations

#: Calls up to this length are short. [s]
SHORT_S = 6.0


def _cases(seen: Observations, groups: Groups) -> list[Case]:
    talk = seen.numbers["talk_s"]
    return [
        Case(kind="group_rate", name="short", calls="answered calls were over within 6 s", bad=talk <= SHORT_S,
             known=seen.answered & (talk >= 0), by=(*ROUTES, *PARTIES, *VERSION_COLUMNS), odds=1.8,
             advice="Listen to a few: no audio, a wrong announcement, or calls that are made to be short."),
    ]  # fmt: skip


KIND = Kind("short_calls", ("talk_s",), _cases, "Short calls")
__all__ = ["KIND"]
