"""False answer supervision: calls that are billed as answered at once, while nobody speaks."""

from __future__ import annotations

import numpy as np

from conv_analytics.analysis.problems.case import ROUTES, Case, Kind
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import HOUR_US, NO_INSTANT, Observations

#: Nobody answers within this time of the first ring. [s]
AT_ONCE_S = 1.0
#: Fewer bytes per second than this are not a voice; calls up to this length have no conversation.
SILENT_BYTES, NO_TALK_S = 200.0, 20.0
_SECOND = HOUR_US // 3600


def _cases(legs: Observations, _groups: Groups) -> list[Case]:
    talk, ring = legs.numbers["talk_s"], legs.numbers["ring_s"]
    waited = (legs.instants["answered_at"] - legs.started_us) / _SECOND
    at_once = (ring < AT_ONCE_S) | (np.isnan(ring) & (waited < 4 * AT_ONCE_S))
    silent = legs.numbers["byte_in"] < SILENT_BYTES * np.maximum(talk, 1.0)
    known = legs.outbound & legs.answered & ~legs.texts["channel_type"].is_in("app", "websocket")
    known &= legs.instants["answered_at"] != NO_INSTANT
    known &= (legs.started_us != NO_INSTANT) | ~np.isnan(ring)
    return [
        Case(kind="false_answer", name="false_answer",
             calls="calls were answered at once, and nothing was heard",
             bad=at_once & (silent | (talk <= NO_TALK_S)), known=known, by=ROUTES, odds=2.5, windows=("time",),
             advice="Call a few of these numbers; ask the carrier for a refund, and for another route."),
    ]  # fmt: skip


KIND = Kind("false_answer", ("talk_s", "byte_in"), "False answer supervision", _cases)
__all__ = ["KIND"]
