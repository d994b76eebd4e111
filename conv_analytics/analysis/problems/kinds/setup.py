"""Calls that are not set up: failed, to numbers that do not exist, without an answer."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import ENDS, PARTIES, ROUTES, VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Flags, Observations

#: A ring timer as short as this gives up before people answer. [s]
SOON_S = 12.0
_FAILED = ("network", "signalling", "platform", "policy")


def _cases(legs: Observations, _groups: Groups) -> list[Case]:
    outcome = legs.texts["outcome_class"]
    failed, bad_number = outcome.is_in(*_FAILED), outcome.is_in("number")
    every = (*ROUTES, *PARTIES, *VERSION_COLUMNS)
    answered = _by_attempt(legs, legs.answered)
    over = ~_by_attempt(legs, failed | bad_number) | answered
    return [
        Case(kind="group_rate", name="failed", calls="calls failed", bad=failed & ~legs.answered,
             known=legs.outbound | legs.texts["direction"].is_in("inbound"), by=(*every, *ENDS, "weekday"), odds=1.6,
             advice="Send the carrier the times, numbers and SIP codes of a few of these calls."),
        Case(kind="group_rate", name="bad_number", calls="calls went to numbers that do not exist", bad=bad_number,
             known=legs.outbound, by=every, odds=1.8,
             advice="Check the list of numbers and their format (E.164)."),
        Case(kind="group_rate", name="unanswered", calls="calls were not answered", bad=~answered,
             known=legs.outbound & over, unit="attempt", by=every, odds=1.3, everywhere=False,
             strict=True, windows=("time",),
             advice="Call a few of these numbers by hand, and check how the calling number is shown."),
        Case(kind="group_rate", name="unanswered", calls=f"calls were given up within {SOON_S:.0f} s of ringing",
             bad=~answered & legs.texts["reason_code"].is_in("RING_TIMER") & (legs.numbers["ring_s"] <= SOON_S),
             known=legs.outbound & over, unit="attempt", by=every, odds=2.0, family="unanswered",
             advice="Let it ring for 30 s and more: the application's ring timer is too short."),
    ]  # fmt: skip


def _by_attempt(legs: Observations, flag: Flags) -> Flags:
    """Whether any leg of the attempt has a flag; for other legs, whether they have it."""
    done = flag.copy()
    rows = np.flatnonzero(legs.attempt >= 0)
    if len(rows):
        some = np.bincount(legs.attempt[rows], flag[rows].astype("float64")) > 0
        done[rows] = some[legs.attempt[rows]]
    return done


KIND = Kind("setup", ("outcome_class",), "Failed or unanswered calls", _cases)
__all__ = ["KIND"]
