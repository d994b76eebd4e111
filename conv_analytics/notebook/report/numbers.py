"""The numbers of a report as frozen values, which are also the JSON next to the page. Nothing is computed here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from conv_analytics.notebook.report.estimates import Bin, Change, Rate, Values


@dataclass(frozen=True)
class Figure:
    """A key figure: a rate or a distribution, now and before.

    Attributes
    ----------
    name
        Its name in rules and JSON.
    term
        Its name in `conv_analytics.glossary`.
    good
        The direction of an improvement: ``up`` or ``down``; "" if neither.
    """

    name: str
    term: str
    title: str
    meaning: str
    unit: str
    good: str
    now: Rate | Values
    before: Rate | Values | None = None
    change: Change | None = None


@dataclass(frozen=True)
class Slot:
    """An hour, day, week or year of the trend."""

    label: str
    hours: float
    """Its length [h]; a day has 23 or 25 where clocks change."""
    legs: int
    answered: Rate
    poor: Rate
    mos: Values
    covered_hours: float
    """How much of it lies in the period [h]: less than its length at the ends."""


@dataclass(frozen=True)
class Histogram:
    """A histogram with the limits of the profile."""

    name: str
    title: str
    unit: str
    n: int
    of: int
    bins: tuple[Bin, ...]
    limits: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Cell:
    """An hour of the week."""

    weekday: int
    hour: int
    hours: float
    legs: int
    per_hour: float | None
    poor: Rate


@dataclass(frozen=True)
class Group:
    """A group of legs with a common value."""

    key: str
    legs: int
    answered: Rate
    poor: Rate
    silent: Rate
    mos: Values
    loss: Values


@dataclass(frozen=True)
class Grouping:
    """The groups of one column, largest first; `others` counts the unlisted groups, `others_legs` their legs."""

    name: str
    title: str
    groups: tuple[Group, ...]
    others: int = 0
    others_legs: int = 0


@dataclass(frozen=True)
class Code:
    """A code with which unanswered legs ended, and its meaning."""

    code: int | None
    meaning: str
    outcome: str
    owner: str
    advice: str
    n: int
    share: Rate


@dataclass(frozen=True)
class FindingSlot:
    """An hour, day or week of a problem."""

    label: str
    rate: Rate


@dataclass(frozen=True)
class Finding:
    """A distinct problem, as `conv_analytics.analysis.findings` names it; its texts are masked if the report is.

    Attributes
    ----------
    title
        The standard term for the calls.
    rate
        Bad calls of all calls; the interval allows for calls that are not independent.
    expected
        The share that it is compared with, 0..1.
    excess
        Bad calls beyond that share.
    trend
        Its rate by hour, day or week, if it began or ended within the period.
    """

    problem: int
    kind: str
    case: str
    title: str
    what: str
    where: str
    keys: dict[str, str]
    since: str | None
    until: str | None
    rate: Rate
    expected: float
    excess: float
    q: float
    side: str
    compared_with: str
    same_calls: str
    ruled_out: str
    advice: str
    leg_ids: tuple[str, ...]
    conversation_id: str
    python: str
    trend: tuple[FindingSlot, ...] = ()


@dataclass(frozen=True)
class Questions:
    """What was tested for one case: the groupings, the number of groups, and what could not be tested."""

    case: str
    title: str
    by: tuple[str, ...]
    groups: int
    calls: int
    not_asked: dict[str, str]


@dataclass(frozen=True)
class Findings:
    """The problems of a period, the one with the most excess calls first, and what was tested."""

    problems: tuple[Finding, ...]
    questions: tuple[Questions, ...]

    @property
    def groups(self) -> int:
        """How many groups of calls were compared."""
        return sum(each.groups for each in self.questions)


@dataclass(frozen=True)
class Leg:
    """One of the worst legs, and the command that shows it."""

    conversation_id: str
    leg_id: str
    started_at: str
    remote: str
    network: str
    why: str
    loss_pct: float | None
    jitter_ms: float | None
    mos: float | None
    talk_s: float | None
    confidence: float | None
    command: str


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: values missing, odd, imputed or unmeasured."""

    metric: str
    n: int
    missing: int
    odd: int
    imputed: int
    unmeasured: int
    why: str


@dataclass(frozen=True)
class CoveredDay:
    """The coverage of the calls of a day."""

    day: str
    share: Rate
    """Legs that the folder has, of those in the Voice API's call list that it could have."""
    not_counted: int
    """Legs that had not ended, or were for the next export to read."""


@dataclass(frozen=True)
class CallCoverage:
    """The coverage of the calls of the period."""

    share: Rate
    days: tuple[CoveredDay, ...]
    """The days covered by runs of coverage."""
    unknown_days: int
    """The days not covered, or only in part."""


@dataclass(frozen=True)
class Ledger:
    """How complete the data of the report are."""

    complete: bool | None
    """Whether the last run of the export was complete; None if that is not known."""
    runs: int
    last_run: str | None
    quarantined: int
    warning: str
    untimed: int
    """Legs without a start, which are in no period."""
    entries: tuple[Entry, ...] = ()
    coverage: CallCoverage | None = None
    """None if it is unknown which calls the folder lacks."""


@dataclass(frozen=True)
class Unit:
    """The unit in which some numbers of the data were read, and the evidence for it."""

    what: str
    decided: str
    n: int
    """Values that were examined."""
    odd: int
    """Values that are impossible in this unit, and are treated as unmeasured."""
    assumed: bool
    why: str


@dataclass(frozen=True)
class Method:
    """How the numbers were computed."""

    version: str
    profile: str
    rules: tuple[str, ...]
    scope: str
    units: tuple[Unit, ...]
    doubts: tuple[str, ...]
    """A sentence for each unit that is not known, is assumed, or has odd values."""
    scores: str
    """The model of the reported scores."""
    masked: bool


@dataclass(frozen=True)
class Replies:
    """How long one side took to reply to another, in seconds.

    Attributes
    ----------
    at_least
        Values that are lower bounds, because only recognition tells when the other side had ended.
    """

    by: str
    to: str
    latency: Values
    at_least: int


@dataclass(frozen=True)
class Turns:
    """Turn-taking in the conversations with a voice agent, or with prompts; see `conv_analytics.analysis.turns`.

    Attributes
    ----------
    barge_ins, stopped
        Turns of bots that a customer spoke into; of those, the ones that were stopped.
    dead_air
        Conversations with a silence of `dead_air_s` or longer.
    """

    conversations: int
    turns: int
    open_turns: int
    replies: tuple[Replies, ...]
    bins: tuple[Bin, ...]
    barge_ins: Rate
    stopped: Rate
    dead_air: Rate
    dead_air_s: float


@dataclass(frozen=True)
class Numbers:
    """All the numbers of a report.

    Attributes
    ----------
    sentence, details
        The verdict in words, and what goes with it.
    verdict
        ``good``, ``poor``, ``unclear``, ``unmeasured`` or ``empty``.
    open_attempts
        Unanswered attempts without an end, code or reason: `codes` do not count them.
    """

    sentence: str
    details: tuple[str, ...]
    verdict: str
    tz: str
    since: str | None
    until: str | None
    before: str | None
    legs: int
    conversations: int
    unit: str
    figures: tuple[Figure, ...] = ()
    trend: tuple[Slot, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    week: tuple[Cell, ...] = ()
    groupings: tuple[Grouping, ...] = ()
    codes: tuple[Code, ...] = ()
    open_attempts: int = 0
    findings: Findings | None = None
    worst: tuple[Leg, ...] = ()
    poor_legs: int = 0
    turns: Turns | None = None
    ledger: Ledger = field(default_factory=lambda: Ledger(None, 0, None, 0, "", 0))
    method: Method | None = None

    @property
    def masked(self) -> bool:
        """Whether people are masked."""
        return self.method is None or self.method.masked

    def figure(self, name: str) -> Figure | None:
        """The figure of that name."""
        return next((each for each in self.figures if each.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON values; NaN and infinity are null."""
        values: dict[str, Any] = _plain(asdict(self))
        return values


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


__all__ = ["Bin", "CallCoverage", "Cell", "Change", "Code", "CoveredDay", "Entry", "Figure", "Finding",
           "FindingSlot", "Findings", "Group",
           "Grouping", "Histogram", "Ledger", "Leg",
           "Method", "Numbers", "Questions", "Rate", "Replies", "Slot", "Turns", "Unit", "Values"]  # fmt: skip
