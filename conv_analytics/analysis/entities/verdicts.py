"""Verdicts on the audio of a leg, and their order."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The verdict of a rulebook on the audio of a leg, the worst first. In frames and files it is plain text.

    >>> f"{Verdict.POOR}", Verdict.POOR == "poor"
    ('poor', True)
    """

    POOR = "poor"
    FAIR = "fair"
    GOOD = "good"
    UNMEASURED = "unmeasured"


#: Verdicts on legs that were measured, the best first.
MEASURED = (Verdict.GOOD, Verdict.FAIR, Verdict.POOR)
#: How a verdict ranks; worse is larger.
RANK = {str(verdict): rank for rank, verdict in enumerate((Verdict.UNMEASURED, *MEASURED))}

__all__ = ["MEASURED", "RANK", "Verdict"]
