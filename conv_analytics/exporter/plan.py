"""What an export would cost, before it runs: the list is read, a few conversations are looked at, none is exported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from conv_analytics import markup
from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.api.notices import Notice, RequestSent, ResponseReceived
from conv_analytics.dataset.memory.watermarks import Known
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.history import every
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import AuthError, ConfigError, NotFound
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter import kept_estimate as planned
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.estimate import Range, allot, seconds, spread, total
from conv_analytics.exporter.options import SWEEP, Options, options
from conv_analytics.exporter.pacing.pace import Pace
from conv_analytics.exporter.probing import Past, Probing, Wanted, last_sweep, probing, text_of
from conv_analytics.exporter.summaries import Head, head_of
from conv_analytics.exporter.targets import same_tables
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables.pages import records

#: Conversations that are looked at, by default.
SAMPLE = 20
#: There are up to three kinds of them, and of each some must be seen.
_LEAST_SAMPLE = 6
#: Of so many of them a page of members and one of events is read, too, to see how large they are.
_OPENED = 3
#: New events of a conversation that has any, where none was seen that has.
_FEW = 10


@dataclass(frozen=True, repr=False)
class Plan:
    """What an export would cost.

    Each `Range` has what is expected, and bounds. Those of requests hold nine times of ten or more where few
    conversations are long; ``events`` and ``bytes``, which hang on those few, are rougher.
    """

    made_at: str
    """UTC, ISO 8601."""
    listed: int
    """Conversations listed."""
    new: int
    """Those that the folder does not know."""
    not_probed: int
    """Those that a lookback passes over."""
    list_requests: Range
    """Requests for lists of the application: conversations and, where these tables are wanted, users and sessions, with
    one request per user for each of the two."""
    get_requests: Range
    """Requests for single conversations."""
    member_requests: Range
    event_requests: Range
    """Requests for pages of members and of events."""
    events: Range
    """New events."""
    seconds: Range
    """At the pace that was given. [s]"""
    bytes: Range
    """Bodies of answers, decompressed. [B]"""
    evidence: tuple[str, ...]
    """What the estimate rests on."""
    sent: int
    """Requests that the plan itself sent."""

    @property
    def requests(self) -> Range:
        """All requests that the export would send, without repetitions."""
        return self.list_requests + self.get_requests + self.member_requests + self.event_requests

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values: what ``conv-analytics plan --json`` prints."""
        values: dict[str, Any] = {"requests": self.requests.whole(), **asdict(self)}
        ranges = {
            name: value.whole() for name in self.__dataclass_fields__ if isinstance(value := getattr(self, name), Range)
        }
        return values | ranges | {"evidence": list(self.evidence)}

    def __str__(self) -> str:
        """A few lines for people."""
        lines = [f"{name:<14} {value}" for name, value in self._figures().items()]
        return "\n".join([*lines, "", *(f"- {what}" for what in self.evidence)])

    @safe_repr
    def __repr__(self) -> str:
        return f"Plan({self.listed:,} conversations, {self.requests} requests)"

    def _repr_html_(self) -> str:
        figures = {name.strip(): value for name, value in self._figures().items()}
        return markup.block("Plan", f"of {self.made_at}", markup.facts(figures), markup.notes(self.evidence))

    def _figures(self) -> dict[str, str]:
        asked = self.listed - self.not_probed
        return {
            "conversations": f"{self.listed:,} listed, {self.new:,} of them new; {asked:,} are asked for",
            "requests": f"{self.requests}",
            "  lists": f"{self.list_requests}",
            "  one each": f"{self.get_requests}",
            "  members": f"{self.member_requests}",
            "  events": f"{self.event_requests}",
            "new events": f"{self.events}",
            "time": f"{self.seconds} s",
            "download": f"{self.bytes.times(1e-6)} MB",
        }


def plan(
    client: Conversations,
    destination: str | Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tables: Collection[str] | str | None = None,
    concurrency: int = 20,
    rate: float = 10.0,
    full: bool = False,
    lookback: timedelta | None = None,
    sweep: timedelta = SWEEP,
    sample: int = SAMPLE,
) -> Plan:
    """Estimate what an `export` with the same arguments would cost.

    The conversations are listed, and some of them, spread over the list, are asked for the number of their last event;
    of three, a page of members and one of events is read. The estimate is kept in the folder, which is made when
    absent; the next export within a day, with the same options, reports how far off it was (``.report.planned``).

    Parameters
    ----------
    client, destination, since, until, tables, concurrency, rate, full, lookback, sweep
        As of `conv_analytics.export`.
    sample
        Conversations to ask for; 6 or more.

    Returns
    -------
    Plan
        Conversations, requests, events, time and bytes, most of them with bounds.

    Raises
    ------
    ConfigError
        If an argument is wrong.
    APIError
        If the list or a conversation cannot be read.
    DatasetError
        If the folder cannot be written, or is damaged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     found = plan(client, folder, rate=0)
    >>> found.listed, found.new, str(found.requests)
    (3, 3, '10')
    """
    if sample < _LEAST_SAMPLE:
        raise ConfigError(f"sample is {sample}; fewer than {_LEAST_SAMPLE} conversations tell too little.")
    chosen = options(
        tables=tables,
        since=since,
        until=until,
        concurrency=concurrency,
        rate=rate,
        full=full,
        lookback=lookback,
        sweep=sweep,
    )
    root, now = Path(destination), datetime.now(UTC)
    names = same_tables(root, chosen.tables if tables is not None else None)
    chosen = replace(chosen, tables=names or chosen.tables)
    layout = Layout(root)
    layout.prepare()
    history = list(commits(layout))
    with closing(Known(root, history)) as known:
        past = Past(known, last_sweep(commit.report for commit in every(history)))
        decisions = probing(past, chosen, now)

        async def main() -> Plan:
            looking = _Looking(client, chosen, decisions, now)
            async with looking.client:
                return await looking.run(sample)

        found = run_blocking(main)
    planned.save(layout.work, found.to_dict(), chosen)
    return found


@dataclass(frozen=True)
class _Look:
    """What a conversation would cost, beside the request for itself."""

    id: str
    start: int | None
    events: int
    members: int
    pages: int


class _Looking:
    """The requests of a plan."""

    def __init__(self, client: Conversations, chosen: Options, decisions: Probing, now: datetime) -> None:
        self._pace = Pace(chosen.rate, chosen.concurrency)
        self.client: AsyncConversations = client.bulk(gate=self._pace, on_event=self._noticed)
        self._options, self._probing, self._now = chosen, decisions, now
        self._sent = 0
        self._answers: list[tuple[int, float]] = []

    async def run(self, sample: int) -> Plan:
        """List, look, and estimate."""
        groups, passed, warnings = await self._list()
        pages, page_bytes = len(self._answers), sum(size for size, _ in self._answers)
        lists = Range.exactly(pages) + await self._users()
        listed = sum(map(len, groups)) + passed
        places = allot([len(group) for group in groups], sample)
        samples = [[await self._look(one) for one in spread(group, n)] for group, n in zip(groups, places, strict=True)]
        got = self._answers[len(self._answers) - sum(places) :]
        opened = await self._open([look for found in samples for look in found if look.pages or look.members])

        def of(values: Callable[[_Look], int], usual: int) -> Range:
            sums = (
                total(list(map(values, found)), len(group), usual) for group, found in zip(groups, samples, strict=True)
            )
            return sum(sums, Range.exactly(0))

        members = of(lambda look: look.members, int(self._options.members))
        events = of(lambda look: look.pages, int(self._options.events))
        new = of(lambda look: look.events, _FEW * int(self._options.events))
        gets = Range.exactly(listed - passed)
        requests = lists + gets + members + events
        latency = fmean(took for _, took in self._answers) if self._answers else 0.0
        each = fmean(size for size, _ in got) if got else 0.0
        size = Range.exactly(page_bytes) + gets.times(each) + members.times(opened[0]) + new.times(opened[1])
        took = seconds(
            requests, pages, rate=self._options.rate, latency_s=latency, concurrency=self._options.concurrency
        )
        return Plan(
            text_of(self._now), listed, len(groups[0]), passed, lists, gets, members, events, new, took, size,
            (*warnings, *self._evidence(groups, places, latency)), self._sent,
        )  # fmt: skip

    async def _list(self) -> tuple[list[list[Head]], int, list[str]]:
        """The conversations: new ones, those that the list tells changed, the others; how many are passed over."""
        new: list[Head] = []
        told: list[Head] = []
        rest: list[Head] = []
        known, passed, warnings = set(), 0, []
        async for page in self.client.raw_pages(self._options.listing()):
            if page.warning:
                warnings.append(page.warning)
            for record in records(page.body, "conversations"):
                head = head_of(record)
                if head.name in known or not fits_path(head.name) or not self._options.covers(head.created):
                    continue
                known.add(head.name)
                if not self._probing.worth(head):
                    passed += 1
                elif (mark := self._probing.past.known.get(head.name)) is None:
                    new.append(head)
                else:
                    told_otherwise = mark.settled and not mark.settled.endswith(f" {head.mark}")
                    (told if told_otherwise else rest).append(head)
        return [new, told, rest], passed, warnings

    async def _users(self) -> Range:
        """Requests for the lists of users, for each user in full, and for the sessions of each."""
        if not self._options.users:
            return Range.exactly(0)
        pages = users = 0
        async for page in self.client.raw_pages(endpoints.list_all_users(page_size=self._options.page_size)):
            pages += 1
            users += len(records(page.body, "users"))
        return Range.exactly(pages + users * (self._options.users_in_full + self._options.sessions))

    async def _look(self, listed: Head) -> _Look:
        name = listed.name or ""
        known = self._probing.known(name)
        try:
            last = head_of(await self.client.raw(endpoints.get_conversation(name))).last_event
        except (NotFound, AuthError):
            # Expired, or closed to this application: the export goes on with the next one.
            last = 0
        wanted = self._probing.wanted(name, last)
        if wanted is Wanted.NOTHING:
            return _Look(name, known, 0, 0, 0)
        lacking = 1 if last is None or wanted is Wanted.TAIL else max(1, last - (known or 0))
        pages = -(-lacking // self._options.page_size) if self._options.events else 0
        return _Look(name, known, lacking, int(self._options.members and wanted is Wanted.ALL), pages)

    async def _open(self, looks: Sequence[_Look]) -> tuple[float, float]:
        """Bytes of a page of members and of an event, as a few conversations have them."""
        members, sizes, events = [], 0, 0
        size = self._options.page_size
        for look in spread(looks, min(_OPENED, len(looks))):
            with suppress(NotFound, AuthError):
                if self._options.members:
                    page = await self.client.raw_page(endpoints.list_all_members(look.id, page_size=size))
                    members.append(len(page.body))
                if self._options.events:
                    start = None if look.start is None else look.start + 1
                    listing = endpoints.list_all_events(look.id, start_id=start, page_size=size)
                    page = await self.client.raw_page(listing)
                    sizes, events = sizes + len(page.body), events + len(records(page.body, "events"))
        return fmean(members) if members else 0.0, sizes / events if events else 0.0

    def _evidence(self, groups: Sequence[Sequence[Head]], places: Sequence[int], latency: float) -> list[str]:
        kinds = ("new ones", "known ones that the list says changed", "other known ones")
        looked = [
            f"{n:,} of {len(group):,} {kind}" for kind, group, n in zip(kinds, groups, places, strict=True) if group
        ]
        rate = f"{self._options.rate:g} requests/s" if self._options.rate else "no limit of requests/s"
        answer = f"{1000 * latency:,.0f} ms per answer, {self._options.concurrency} at a time, {rate}"
        found = [f"looked at {', '.join(looked)}"] if looked else ["nothing is listed that would be asked for"]
        if self._probing.quiet_before:
            found.append(f"conversations without a change since {self._probing.quiet_before} are passed over")
        elif self._options.lookback:
            found.append("all conversations are asked for: a sweep is due, or nothing has been quiet for so long")
        return [*found, answer, f"this plan sent {self._sent:,} requests; repetitions of failed ones are not planned"]

    def _noticed(self, notice: Notice) -> None:
        self._pace.noticed(notice)
        match notice:
            case RequestSent():
                self._sent += 1
            case ResponseReceived(size_bytes=size, elapsed_s=took):
                self._answers.append((size, took))
