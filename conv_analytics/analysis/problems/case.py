"""A case: the calls that are bad in one way, those that could be, the groups to test, and the relevant difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import Flags, Observations

ROUTES = ("network_code", "country", "prefix2", "prefix3", "prefix4", "prefix5", "prefix6", "prefix7")
PARTIES = ("from_address", "to_address", "user_id")
VERSION_COLUMNS = ("app_version", "version", "client_version", "sdk_version")
ENDS = ("channel_type", "direction", "codec_guess", "remote_kind")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Bad calls of one sort.

    Attributes
    ----------
    kind, name
        The kind of the problem, and the name of the case.
    calls
        The bad calls in words, as "calls failed", for "12 of 40 ...".
    bad, known
        Per leg: whether it is bad, and whether that is known.
    unit
        ``leg``, or ``attempt``: legs that ring together are one, answered if any was.
    by
        Groupings that are tested.
    odds
        The odds ratio up to which a difference is not reported: healthy groups differ that much.
    structural_odds
        The same for channels and directions, which differ by nature.
    adjust
        Factors that may explain a difference: ``structure`` (direction, channel, side of the call), ``daypart``,
        ``country``.
    windows
        Windows that are scanned within each group: ``time``, ``hour``, ``length``.
    everywhere
        Whether a change of all calls together is a problem, too.
    strict
        Whether calls are compared only with others of the same part of the day, or not at all.
    family
        Cases of one family test the same fault, more or less strictly.
    ignores
        Clusterings that are the case itself, such as the half hour of a redial storm.
    advice
        The advice, as a sentence.
    words
        Further values for its sentences.
    """

    kind: str
    name: str
    calls: str
    bad: Flags
    known: Flags
    unit: str = "leg"
    by: tuple[str, ...] = (*ROUTES, *PARTIES, *VERSION_COLUMNS)
    odds: float = 1.5
    structural_odds: float = 3.0
    adjust: tuple[str, ...] = ("structure", "daypart")
    windows: tuple[str, ...] = ("time", "hour")
    everywhere: bool = True
    strict: bool = False
    family: str = ""
    ignores: tuple[str, ...] = ()
    advice: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def related(self) -> str:
        """Related cases are about the same calls: one problem per group is enough."""
        return self.family or self.name


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Attributes
    ----------
    name, title
        Its key, and its heading.
    needs
        The columns that it requires.
    cases
        The cases that are tested in every grouping.
    candidates
        For kinds that are not rates of groups: returns the candidates, from the minimum excess and the clusterings.
    """

    name: str
    needs: tuple[str, ...]
    title: str
    cases: Callable[[Observations, Groups], list[Case]] = lambda _seen, _groups: []
    candidates: Callable[[Observations, Groups, float], list[Any]] = lambda _seen, _groups, _least: []


__all__ = ["ENDS", "PARTIES", "ROUTES", "VERSION_COLUMNS", "Case", "Kind"]
