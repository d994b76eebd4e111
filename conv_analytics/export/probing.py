"""Which conversations are worth a request, and what is kept so that the next run can tell. Pure decisions.

Without a lookback every conversation that is listed is asked for its last event: one request each. With one, those that
have long been quiet are passed over, unless the list tells that something changed; a sweep asks for all now and then,
because lists of this API tell little (contract 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from conv_analytics.export.heads import Head
from conv_analytics.export.options import Options

#: A nightly job that starts a little earlier than a week ago is a week after it all the same.
_EARLY = timedelta(hours=1)


@dataclass(frozen=True)
class Past:
    """What earlier runs of a folder know; nothing, of a new one."""

    watermarks: Mapping[str, int] = field(default_factory=dict)
    """Per conversation, the last event that the folder holds."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Per conversation that it holds to its end: see `conv_analytics.dataset.commit.Commit.settled`."""
    swept_at: datetime | None = None
    """Start of the last run that asked for every conversation."""


class Finished(NamedTuple):
    """What a run learnt of a conversation that it read to its end."""

    changed: datetime | None
    """The instant of its last event or change, as far as the records tell."""
    mark: str
    """`Head.mark` of its record in the list."""

    @property
    def text(self) -> str:
        """Both as `Commit.settled` has them, with nothing before the space where no instant is known.

        Less than half of the memory: a run keeps one for every conversation.
        """
        return f"{text_of(self.changed) if self.changed else ''} {self.mark}"


@dataclass(frozen=True)
class Probing:
    """The decision for each conversation of one run.

    Examples
    --------
    >>> head = Head(id="CON-1", timestamp={"created": "2026-11-01T10:00:00Z"})
    >>> past = Past({"CON-1": 41}, {"CON-1": f"2026-11-01T10:07:00Z {head.mark}"})
    >>> Probing(past).worth(head), Probing(past).known("CON-1")
    (True, 41)
    >>> week = Probing(past, quiet_before="2026-11-15T00:00:00Z")
    >>> week.worth(head), week.worth(Head(id="CON-2"))
    (False, True)
    >>> week.worth(Head(id="CON-1", timestamp={"created": "2026-11-01T10:00:00Z", "updated": "2026-11-21T10:00:00Z"}))
    True
    """

    past: Past
    full: bool = False
    quiet_before: str | None = None
    """Conversations without a change since this instant are passed over; none are when absent."""

    def known(self, conversation_id: str) -> int | None:
        """The last event that need not be asked for again; None when all of them are wanted."""
        return None if self.full else self.past.watermarks.get(conversation_id)

    def worth(self, listed: Head) -> bool:
        """Whether a conversation is asked for its last event, given its record in the list."""
        settled = self.past.settled.get(listed.name or "")
        if self.full or self.quiet_before is None or settled is None:
            return True
        changed, _, mark = settled.partition(" ")
        last, held = listed.last_event, self.past.watermarks.get(listed.name or "", 0)
        return changed >= self.quiet_before or mark != listed.mark or (last is not None and last > held)


def probing(past: Past, options: Options, now: datetime) -> Probing:
    """The decisions of a run that starts now: with a lookback unless a sweep is due."""
    if options.lookback is None or options.full or sweep_due(past.swept_at, options.sweep, now):
        return Probing(past, options.full)
    try:
        return Probing(past, quiet_before=text_of(now - options.lookback))
    except OverflowError:
        # Before the first year: nothing has been quiet for so long.
        return Probing(past)


def sweep_due(swept_at: datetime | None, every: timedelta, now: datetime) -> bool:
    """Whether it is time to ask for every conversation again.

    >>> sunday = datetime(2026, 11, 1, 3, tzinfo=UTC)
    >>> [sweep_due(sunday, timedelta(days=7), sunday + timedelta(days=day)) for day in (1, 6, 7, 8)]
    [False, False, True, True]
    >>> sweep_due(None, timedelta(days=7), sunday)
    True
    """
    return swept_at is None or now - swept_at >= every - _EARLY


def last_sweep(reports: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the last run began that asked for every conversation, from the reports of all runs, oldest first.

    Runs of versions that knew no lookback asked for all whenever they were complete.
    """
    last: datetime | None = None
    for report in reports:
        told = report.get("swept_at")
        if "swept_at" not in report and swept(report) and report.get("started_at"):
            told = report["started_at"]
        if told:
            moment = datetime.fromisoformat(told)
            last = moment if last is None else max(last, moment)
    return last


def swept(report: Mapping[str, Any]) -> bool:
    """Whether a run asked for every conversation, and got an answer."""
    bounded = report.get("since") or report.get("until")
    asked = report.get("status") == "complete" and report.get("requests") != 0
    return asked and not bounded and not report.get("not_probed")


def to_settle(past: Past, reached: Mapping[str, int], finished: Mapping[str, str], started: datetime) -> dict[str, str]:
    """What a commit keeps of the conversations that its run read to their end; nothing of those it knows already.

    The first time a conversation is met, its last event tells since when it is quiet. Later, a change is as old as the
    run that saw it: events may come with times of long ago.

    >>> past = Past({"CON-1": 41, "CON-2": 7}, {"CON-1": "2026-11-01T10:07:00Z aa", "CON-2": "2026-11-01T11:00:00Z bb"})
    >>> at = datetime(2026, 11, 2, tzinfo=UTC)
    >>> finished = {f"CON-{number}": Finished(at, mark).text for number, mark in ((1, "aa"), (2, "bb"), (3, "cc"))}
    >>> to_settle(past, {"CON-1": 41, "CON-2": 9, "CON-3": 5}, finished, datetime(2026, 11, 21, 3, tzinfo=UTC))
    {'CON-2': '2026-11-21T03:00:00Z bb', 'CON-3': '2026-11-02T00:00:00Z cc'}
    """
    result = {}
    for name, learnt in finished.items():
        changed, _, mark = learnt.partition(" ")
        held, before = past.watermarks.get(name), past.settled.get(name, "")
        if held is not None and reached.get(name, held) <= held and before.endswith(f" {mark}"):
            continue
        result[name] = learnt if held is None and changed else f"{text_of(started)} {mark}"
    return result


def text_of(moment: datetime) -> str:
    """An instant to the second; such texts are in the order of the instants."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
