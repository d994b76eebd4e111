"""Audio: poor, one-way or none, and jitter that grows with the length of a call."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import ENDS, PARTIES, ROUTES, VERSION_COLUMNS, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Observations

_EVERY = (*ROUTES, *PARTIES, *VERSION_COLUMNS, *ENDS)


def _cases(legs: Observations, _groups: Groups) -> list[Case]:
    verdict = legs.texts["verdict"]
    silent = np.nan_to_num(legs.numbers["silent_directions"]) > 0
    heard = verdict.is_in("good", "fair", "poor") & ~silent
    # Worse than usual is relative to everybody's audio: a quantile, and never audio that a rulebook calls good.
    windows = ("time", "hour", "length")
    return [
        Case(kind="group_rate", name="silent", calls="legs had no audio in one direction or both", bad=silent,
             known=legs.answered & (legs.texts["flow"].codes >= 0), by=_EVERY, odds=1.6, structural_odds=2.0,
             advice="Look at NAT, firewall and codec on this route: RTP does not arrive."),
        Case(kind="group_rate", name="poor", calls="legs had poor audio", bad=verdict.is_in("poor") & ~silent,
             known=heard, by=(*_EVERY, "weekday"), windows=windows, family="audio",
             structural_odds=2.0,
             advice="Look at packet loss and jitter on this route, and at the network of the far end."),
        Case(kind="group_rate", name="not_good", calls="legs had poor or fair audio",
             bad=verdict.is_in("poor", "fair") & ~silent, known=heard, by=(*_EVERY, "weekday"), windows=windows,
             family="audio", odds=1.7,
             advice="Look at packet loss and jitter on this route, and at the network of the far end."),
    ]  # fmt: skip


KIND = Kind("media", ("verdict",), "Poor audio, one-way or no audio", _cases)
__all__ = ["KIND"]
