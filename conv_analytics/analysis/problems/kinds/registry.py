"""Every kind of problem that `findings` knows, in the order in which they are asked."""

from __future__ import annotations

from conv_analytics.analysis.problems.case import Kind
from conv_analytics.analysis.problems.kinds import delay, media, setup, talk

KINDS: tuple[Kind, ...] = (setup.KIND, delay.KIND, media.KIND, talk.KIND)

__all__ = ["KINDS"]
