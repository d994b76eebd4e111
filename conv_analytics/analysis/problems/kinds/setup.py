"""Calls that are not set up: failed, to numbers that do not exist, without an answer."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import ENDS, PARTIES, ROUTES, VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Flags, Observations

#: A ring timer of so few seconds gives up before people answer.
SOON_S = 12.0
_FAILED = ("network", "signalling", "platform", "policy")


def _cases(seen: Observations, _groups: Groups) -> list[Case]:
    outcome = seen.texts["outcome_class"]
    failed, bad_number = outcome.is_in(*_FAILED), outcome.is_in("number")
    every = (*ROUTES, *PARTIES, *VERSION_COLUMNS)
    answered = _by_attempt(seen, seen.answered)
    over = ~_by_attempt(seen, failed | bad_number) | answered
    return [
        Case(kind="group_rate", name="failed", calls="calls failed", bad=failed & ~seen.answered,
             known=seen.outbound | seen.texts["direction"].is_in("inbound"), by=(*every, *ENDS, "weekday"), odds=1.6,
             advice="Send the carrier the times, numbers and SIP codes of a few of these calls."),
        Case(kind="group_rate", name="bad_number", calls="calls went to numbers that do not exist", bad=bad_number,
             known=seen.outbound, by=every, odds=1.8,
             advice="Check the list of numbers and their format (E.164)."),
        Case(kind="group_rate", name="unanswered", calls="calls were not answered", bad=~answered,
             known=seen.outbound & over, unit="attempt", by=every, odds=1.3, everywhere=False,
             strict=True, windows=("time",),
             advice="Call a few of these numbers by hand, and check how the calling number is shown."),
        Case(kind="group_rate", name="unanswered", calls=f"calls were given up within {SOON_S:.0f} s of ringing",
             bad=~answered & seen.texts["reason_code"].is_in("RING_TIMER") & (seen.numbers["ring_s"] <= SOON_S),
             known=seen.outbound & over, unit="attempt", by=every, odds=2.0, family="unanswered",
             advice="Let it ring for 30 s and more: the application's ring timer is too short."),
    ]  # fmt: skip


def _by_attempt(seen: Observations, flag: Flags) -> Flags:
    """Whether any leg of the attempt has a flag; of legs that are no attempt, whether they have it."""
    done = flag.copy()
    rows = np.flatnonzero(seen.attempt >= 0)
    if len(rows):
        some = np.bincount(seen.attempt[rows], flag[rows].astype("float64")) > 0
        done[rows] = some[seen.attempt[rows]]
    return done


KIND = Kind("setup", ("outcome_class",), "Failed or unanswered calls", _cases)
__all__ = ["KIND"]
