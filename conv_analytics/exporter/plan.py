"""Estimate what an export would cost: the list is read and a few conversations are sampled, none is exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Unpack

from conv_analytics import markup
from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.api.notices import Notice, RequestSent, ResponseReceived
from conv_analytics.api.page import RawPage
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.defaults import SAMPLE
from conv_analytics.errors import AuthError, ConfigError, NotFound
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.exporter.application_checks import require_same_application
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.estimate import Range, allocate, estimate_seconds, estimate_total, evenly_spaced
from conv_analytics.exporter.folder_checks import resolve_tables
from conv_analytics.exporter.incremental import (
    FolderState,
    IncrementalPolicy,
    ListsToRead,
    incremental_policy,
    last_sweep,
)
from conv_analytics.exporter.options import Options, ReadOptions, expand_options
from conv_analytics.exporter.pacing.pacer import Pacer
from conv_analytics.exporter.saved_plan import save_plan
from conv_analytics.exporter.summaries import Summary, summary_of
from conv_analytics.instants import utc_text
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables.pages import records

#: There are up to three groups, and each needs some.
_MIN_SAMPLE = 6
#: Sampled conversations of which a page of members and one of events are read, for their sizes.
_PAGES_READ = 3
#: New events of a conversation that has any, if no sampled one has.
_USUAL_EVENTS = 10


@dataclass(frozen=True, repr=False)
class Plan:
    """The estimated cost of an export.

    Each `Range` has an expected value and bounds. Bounds of requests hold nine times out of ten or more where few
    conversations are long; those of ``events`` and ``bytes``, which depend on these few, are rougher.
    """

    made_at: str
    """UTC, ISO 8601."""
    listed: int
    """Conversations listed."""
    new: int
    """Conversations that the folder does not have."""
    not_probed: int
    """Conversations that a lookback skips."""
    list_requests: Range
    """Requests for lists of the application: conversations and, if these tables are selected, users and sessions, with
    one request per user for each of the two."""
    get_requests: Range
    """Requests for single conversations."""
    member_requests: Range
    event_requests: Range
    """Requests for pages of members and of events; for lists of members that may be cut off, a second request each."""
    events: Range
    """New events."""
    seconds: Range
    """At the given rate and concurrency. [s]"""
    bytes: Range
    """Response bodies, decompressed. [B]"""
    evidence: tuple[str, ...]
    """The basis of the estimate."""
    sent: int
    """Requests sent to make the plan."""

    @property
    def requests(self) -> Range:
        """All requests that the export would send, without retries."""
        return self.list_requests + self.get_requests + self.member_requests + self.event_requests

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values: what ``conv-analytics plan --json`` prints."""
        values: dict[str, Any] = {"requests": self.requests.rounded(), **asdict(self)}
        ranges = {
            name: value.rounded()
            for name in self.__dataclass_fields__
            if isinstance(value := getattr(self, name), Range)
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
        requested = self.listed - self.not_probed
        return {
            "conversations": f"{self.listed:,} listed, {self.new:,} of them new; {requested:,} will be requested",
            "requests": f"{self.requests}",
            "  lists": f"{self.list_requests}",
            "  one each": f"{self.get_requests}",
            "  members": f"{self.member_requests}",
            "  events": f"{self.event_requests}",
            "new events": f"{self.events}",
            "time": f"{self.seconds} s",
            "download": f"{self.bytes.times(1e-6)} MB",
        }


@expand_options(ReadOptions)
def plan(
    client: Conversations, destination: str | Path, *, sample: int = SAMPLE, **options: Unpack[ReadOptions]
) -> Plan:
    """Estimate what an `export` with the same arguments would cost.

    The conversations are listed, and some of them, spread over the list, are requested for the number of their last
    event; of three, a page of members and one of events is read. The folder, which is made when absent, keeps the
    estimate; the next export within a day and with the same options reports its error (``.report.planned``).

    Parameters
    ----------
    client, destination
        As for `conv_analytics.export`.
    sample : int, default 20
        Conversations to request; 6 or more.
    since, until, tables, concurrency, rate, full, lookback, sweep, work
        As for `conv_analytics.export`, with the same defaults.

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
    ...     estimate = plan(client, folder, rate=0)
    >>> estimate.listed, estimate.new, str(estimate.requests)
    (3, 3, '10')
    """
    if sample < _MIN_SAMPLE:
        raise ConfigError(f"sample is {sample}; fewer than {_MIN_SAMPLE} conversations tell too little.")
    chosen = Options.checked("plan", options)
    root, now = dataset_folder(destination, chosen.work), datetime.now(UTC)
    require_same_application(root, client)
    chosen = replace(chosen, tables=resolve_tables(root, chosen.tables))
    layout = Layout(root)
    layout.prepare()
    history = list(commits(layout))
    with closing(WatermarkIndex(root, history)) as watermarks:
        state = FolderState(watermarks, last_sweep(commit.report for commit in with_carried(history)))
        policy = incremental_policy(state, chosen, now)

        async def main() -> Plan:
            sampler = _Sampler(client, chosen, policy, now)
            async with sampler.client:
                return await sampler.run(sample)

        estimate = run_blocking(main)
    save_plan(layout.work, estimate.to_dict(), chosen)
    return estimate


@dataclass(frozen=True)
class _Sample:
    """The cost of a sampled conversation in addition to its own request."""

    id: str
    start: int | None
    events: int
    members: int
    pages: int


class _Sampler:
    """Lists the conversations, samples some, and estimates the rest."""

    def __init__(self, client: Conversations, chosen: Options, policy: IncrementalPolicy, now: datetime) -> None:
        self._pacer = Pacer(chosen.rate, chosen.concurrency)
        self.client: AsyncConversations = client.bulk(gate=self._pacer, on_event=self._observe)
        self._options, self._policy, self._now = chosen, policy, now
        self._sent = 0
        self._sizes_differ = False
        self._responses: list[tuple[int, float]] = []

    async def run(self, sample: int) -> Plan:
        """Make the plan."""
        groups, skipped, warnings = await self._list()
        pages, page_bytes = len(self._responses), sum(size for size, _ in self._responses)
        lists = Range.exactly(pages) + await self._users()
        listed = sum(map(len, groups)) + skipped
        sizes = allocate([len(group) for group in groups], sample)
        samples = [
            [await self._sample(listed) for listed in evenly_spaced(group, size)]
            for group, size in zip(groups, sizes, strict=True)
        ]
        sampled = self._responses[len(self._responses) - sum(sizes) :]
        sizes_of, member_lists = await self._read_pages(
            [one for group in samples for one in group if one.pages or one.members]
        )

        def estimate(value: Callable[[_Sample], int], usual: int) -> Range:
            totals = (
                estimate_total(list(map(value, sample)), len(group), usual)
                for group, sample in zip(groups, samples, strict=True)
            )
            return sum(totals, Range.exactly(0))

        members = estimate(lambda one: one.members, int(self._options.members))
        members += self._further(member_lists, members)
        events = estimate(lambda one: one.pages, int(self._options.events))
        new = estimate(lambda one: one.events, _USUAL_EVENTS * int(self._options.events))
        gets = Range.exactly(listed - skipped)
        requests = lists + gets + members + events
        latency = fmean(took for _, took in self._responses) if self._responses else 0.0
        get_bytes = fmean(size for size, _ in sampled) if sampled else 0.0
        size = Range.exactly(page_bytes) + gets.times(get_bytes) + members.times(sizes_of[0]) + new.times(sizes_of[1])
        took = estimate_seconds(
            requests, pages, rate=self._options.rate, latency_s=latency, concurrency=self._options.concurrency
        )
        return Plan(
            utc_text(self._now, "seconds"), listed, len(groups[0]), skipped, lists, gets, members, events, new, took,
            size, (*warnings, *self._evidence(groups, sizes, latency)), self._sent,
        )  # fmt: skip

    async def _list(self) -> tuple[list[list[Summary]], int, list[str]]:
        """The new conversations, those changed according to the list, and the others; the number skipped; warnings."""
        new: list[Summary] = []
        changed: list[Summary] = []
        others: list[Summary] = []
        seen, skipped, warnings = set(), 0, []
        async for page in self.client.raw_pages(self._options.listing()):
            self._differs(page)
            if page.warning:
                warnings.append(page.warning)
            for record in records(page.body, "conversations"):
                listed = summary_of(record)
                name = listed.record_id
                if name in seen or not fits_path(name) or not self._options.covers(listed.created):
                    continue
                seen.add(name)
                if not self._policy.needs_request(listed):
                    skipped += 1
                elif (watermark := self._policy.folder.watermarks.get(name)) is None:
                    new.append(listed)
                elif watermark.settled and not watermark.settled.endswith(f" {listed.fingerprint}"):
                    changed.append(listed)
                else:
                    others.append(listed)
        return [new, changed, others], skipped, warnings

    def _further(self, lists: Sequence[RawPage], members: Range) -> Range:
        """Requests for lists of members after the first page of each, from those that were read."""
        unread = max(0.0, members.high - len(lists))
        following = [page.next_cursor is not None for page in lists]
        further = estimate_total(following, round(members.expected), 1) if any(following) else Range.exactly(0)
        if not self._sizes_differ:
            return further
        # A list that may be cut off is asked for again, once or twice, until the server has linked a second page.
        doubtful = sum(page.next_cursor is None and self._differs(page) for page in lists)
        most = 2 * (doubtful + min(unread, self._options.concurrency))
        return further + Range(doubtful, min(doubtful, 1), most)

    def _differs(self, page: RawPage) -> bool:
        """Whether a page does not say that it has the requested size; remembered."""
        differs = page.page_size is None or page.page_size < self._options.page_size
        self._sizes_differ |= differs
        return differs

    async def _users(self) -> Range:
        """Requests for the lists of users, for each user in full, and for the sessions of each."""
        if not self._options.users:
            return Range.exactly(0)
        pages = users = 0
        async for page in self.client.raw_pages(endpoints.list_all_users(page_size=self._options.page_size)):
            pages += 1
            users += len(records(page.body, "users"))
        return Range.exactly(pages + users * (self._options.users_in_full + self._options.sessions))

    async def _sample(self, listed: Summary) -> _Sample:
        """Request a conversation, and count what it would cost."""
        name = listed.record_id or ""
        last_known = self._policy.last_known_event(name)
        try:
            last = summary_of(await self.client.raw(endpoints.get_conversation(name))).last_event
        except (NotFound, AuthError):
            # Expired, or closed to this application: an export continues with the next one.
            last = 0
        lists = self._policy.lists_to_read(name, last)
        if lists is ListsToRead.NOTHING:
            return _Sample(name, last_known, 0, 0, 0)
        events = 1 if last is None or lists is ListsToRead.EVENTS else max(1, last - (last_known or 0))
        pages = -(-events // self._options.page_size) if self._options.events else 0
        return _Sample(name, last_known, events, int(self._options.members and lists is ListsToRead.ALL), pages)

    async def _read_pages(self, samples: Sequence[_Sample]) -> tuple[tuple[float, float], list[RawPage]]:
        """Mean size of a page of members and of an event [B], from a few conversations, and what an export reads.

        The latter are the pages of members that the export of these conversations will read, too.
        """
        lists: list[RawPage] = []
        members, event_bytes, events = [], 0, 0
        size = self._options.page_size
        for sample in evenly_spaced(samples, min(_PAGES_READ, len(samples))):
            with suppress(NotFound, AuthError):
                if self._options.members:
                    page = await self.client.raw_page(endpoints.list_all_members(sample.id, page_size=size))
                    self._differs(page)
                    members.append(len(page.body))
                    if sample.members:
                        lists.append(page)
                if self._options.events:
                    start = None if sample.start is None else sample.start + 1
                    listing = endpoints.list_all_events(sample.id, start_id=start, page_size=size)
                    page = await self.client.raw_page(listing)
                    self._differs(page)
                    event_bytes, events = event_bytes + len(page.body), events + len(records(page.body, "events"))
        sizes = fmean(members) if members else 0.0, event_bytes / events if events else 0.0
        return sizes, lists

    def _evidence(self, groups: Sequence[Sequence[Summary]], sizes: Sequence[int], latency: float) -> list[str]:
        kinds = ("new ones", "known ones that the list says changed", "other known ones")
        sampled = [
            f"{size:,} of {len(group):,} {kind}"
            for kind, group, size in zip(kinds, groups, sizes, strict=True)
            if group
        ]
        rate = f"{self._options.rate:g} requests/s" if self._options.rate else "no limit of requests/s"
        answer = f"{1000 * latency:,.0f} ms per answer, {self._options.concurrency} at a time, {rate}"
        lines = [f"looked at {', '.join(sampled)}"] if sampled else ["nothing is listed that would be requested"]
        if self._policy.quiet_before:
            lines.append(f"conversations without a change since {self._policy.quiet_before} are skipped")
        elif self._options.lookback:
            lines.append("all conversations will be requested: a sweep is due, or none has been quiet for that long")
        return [*lines, answer, f"this plan sent {self._sent:,} requests; repetitions of failed ones are not planned"]

    def _observe(self, notice: Notice) -> None:
        self._pacer.observe(notice)
        match notice:
            case RequestSent():
                self._sent += 1
            case ResponseReceived(size_bytes=size, elapsed_s=took):
                self._responses.append((size, took))
