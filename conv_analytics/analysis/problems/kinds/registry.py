"""Every kind of problem that `findings` knows, in the order of testing."""

from __future__ import annotations

from conv_analytics.analysis.problems.case import Kind
from conv_analytics.analysis.problems.kinds import (
    cliffs,
    delay,
    drift,
    false_answer,
    fraud,
    media,
    redials,
    schedule_shift,
    score,
    setup,
    talk,
    volume,
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    setup.KIND, delay.KIND, media.KIND, talk.KIND, score.KIND, false_answer.KIND, cliffs.KIND, fraud.KIND,
    redials.KIND, volume.KIND, schedule_shift.KIND, drift.KIND,
)  # fmt: skip

__all__ = ["KINDS"]
