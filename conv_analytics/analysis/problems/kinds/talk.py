"""Answered calls that are over too soon."""

from __future__ import annotations

from conv_analytics.analysis.problems.case import ENDS, PARTIES, ROUTES, VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Observations

#: Calls up to this length are short. [s]
SHORT_S = 6.0
#: SIP codes from here on do not end a call normally.
REFUSED = 400


def _cases(legs: Observations, _groups: Groups) -> list[Case]:
    talk = legs.numbers["talk_s"]
    cut = legs.texts["hung_up_by"].is_in("network", "platform")
    return [
        Case(kind="group_rate", name="short", calls="answered calls lasted 6 s or less", bad=talk <= SHORT_S,
             known=legs.answered & (talk >= 0), by=(*ROUTES, *PARTIES, *VERSION_COLUMNS), odds=1.8,
             advice="Listen to a few: no audio, a wrong announcement, or calls that are made to be short."),
        Case(kind="group_rate", name="dropped", calls="answered calls were dropped",
             bad=legs.answered & (cut | (legs.numbers["sip_code"] >= REFUSED)),
             known=legs.answered & (talk >= 0), by=(*ROUTES, *PARTIES, *VERSION_COLUMNS, *ENDS), odds=1.8,
             advice="Ask the carrier why these calls were released, with a few call times and numbers."),
    ]  # fmt: skip


KIND = Kind("short_calls", ("talk_s",), "Short and dropped calls", _cases)
__all__ = ["KIND"]
