"""Requests to the hosts of the API: for their call lists, for conversations, for single calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.api.notices import Notice, RequestSent, Retried
from conv_analytics.errors import APIError, AuthError, NotFound
from conv_analytics.exporter.coverage.matching import Matching
from conv_analytics.exporter.coverage.window import OVERLAP, Window
from conv_analytics.exporter.journalled_client import RawClient
from conv_analytics.exporter.masked_client import MaskedClient
from conv_analytics.exporter.options import MAX_CONSECUTIVE_FAILURES, Options
from conv_analytics.exporter.pacing.pacer import Pacer
from conv_analytics.exporter.summaries import summary_of
from conv_analytics.privacy import Mask
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables.broken_records import BrokenRecord
from conv_analytics.tables.flatten import Rows, flatten_calls
from conv_analytics.tables.pages import records

#: Pages that are read before their calls become rows.
_PAGES = 20
#: Conversations that are requested before their answers are recorded.
_ANSWERS = 2000
_PAGE_SIZE = 100


@dataclass
class Log:
    """Counts and failures of a run."""

    requests: int = 0
    retries: int = 0
    incomplete: dict[str, str] = field(default_factory=dict)
    """Everything that could not be read to its end, and why."""
    read_until: datetime | None = None
    """Where the first gap in the call list begins; None when there is none."""
    listed: int = 0
    """Calls in the lists."""
    broken: list[BrokenRecord] = field(default_factory=list)

    def observe(self, notice: Notice) -> None:
        """Count requests and retries."""
        self.requests += isinstance(notice, RequestSent)
        self.retries += isinstance(notice, Retried)


@dataclass(frozen=True)
class Host:
    """A host of the API, with its client."""

    name: str
    client: RawClient


class Hosts:
    """The hosts of a run; the first is the one that was exported from.

    Parameters
    ----------
    hosts
        At least one.
    matching
        Receives the legs.
    log
        Records requests and failures.
    started
        When the run began.
    concurrency
        Requests in flight.
    """

    def __init__(
        self, hosts: Sequence[Host], matching: Matching, log: Log, started: datetime, *, concurrency: int
    ) -> None:
        self._hosts, self._matching, self._log, self._started = hosts, matching, log, started
        self._concurrency = concurrency

    async def list_calls(self, window: Window) -> None:
        """Read the call lists of all hosts; raise the first host's error when none of them returned anything."""
        failures = [error for host in self._hosts for error in await self._list(host, window)]
        if failures and not self._log.listed:
            raise failures[0]

    async def _list(self, host: Host, window: Window) -> list[APIError]:
        """Read one host's list, part by part; return what went wrong."""
        failures = []
        for part in window.parts():
            listing = endpoints.list_all_calls(
                date_start=part.since - OVERLAP, date_end=part.until, order="asc", page_size=_PAGE_SIZE
            )
            try:
                async for bodies in _grouped(host.client, listing, lambda why: self._gap(host, part, why)):  # noqa: B023
                    self._take(flatten_calls(bodies, self._started, host=host.name), part)
            except AuthError:
                # The other parts would be refused as well.
                raise
            except APIError as error:
                self._gap(host, part, str(error))
                failures.append(error)
        return failures

    def _gap(self, host: Host, part: Window, why: str) -> None:
        log, name = self._log, f"calls of {host.name} from {part.since.isoformat()}"
        log.incomplete.setdefault(name, why)
        log.read_until = min(log.read_until or part.since, part.since)

    def _take(self, rows: Rows, part: Window) -> None:
        calls = rows.tables["voice_calls"]
        self._matching.add(calls, part.since)
        self._log.listed += len(calls)
        self._log.broken += rows.broken

    async def renew(self, legs: Sequence[str]) -> None:
        """Request single calls: those of earlier runs that had not ended then."""

        async def ask(leg: str) -> None:
            why = None
            for host in self._hosts:
                try:
                    body = await host.client.raw(endpoints.get_call(leg))
                except NotFound:
                    continue
                rows = flatten_calls([b'{"_embedded":{"calls":[' + body + b"]}}"], self._started, host=host.name)
                self._log.broken += rows.broken
                found = rows.tables["voice_calls"]
                ids = found["leg_id"].to_pylist()
                if [_plain(each) for each in ids] == [_plain(leg)]:
                    self._matching.renew(found)
                    return
                if ids:
                    why = f"the answer to the request for leg {leg} is of another leg"
            if why is not None:
                self._log.incomplete.setdefault("calls", why)

        await self._each("calls", [leg for leg in legs if fits_path(leg)], ask)

    async def look_for(self, listed: int) -> None:
        """Find out which conversations can still be read: one by one, or by their list where that is shorter.

        `listed` is how many conversations the last export listed.
        """
        skip = 0
        if listed // _PAGE_SIZE + 1 < self._matching.count_unmatched() and await self._list_conversations():
            self._matching.answer_alive()
            skip = 1
            if len(self._hosts) == 1:
                return
        while pairs := self._matching.unmatched(_ANSWERS):
            await self._ask(pairs, skip)

    async def _list_conversations(self) -> bool:
        """Read the list of conversations of the first host; return whether it was read to its end."""
        warnings: list[str] = []
        listing = endpoints.list_all_conversations(page_size=_PAGE_SIZE)
        try:
            async for bodies in _grouped(self._hosts[0].client, listing, warnings.append):
                for body in bodies:
                    names = (summary_of(record).record_id for record in records(body, "conversations"))
                    self._matching.alive(name for name in names if name is not None)
        except AuthError:
            raise
        except APIError:
            return False
        return not warnings

    async def _ask(self, pairs: Sequence[tuple[str, str | None]], skip: int) -> None:
        """Request conversations: from the first host, then from the one that listed the legs, then from the others."""
        outcomes: dict[tuple[str, str | None], list[str]] = {}

        async def ask(pair: tuple[str, str | None]) -> None:
            name, lister = pair
            outcome: tuple[str, str | None] = ("unknown", None)
            try:
                outcome = await self._outcome(name, lister, skip)
            finally:
                outcomes.setdefault(outcome, []).append(name)

        await self._each("conversations", pairs, ask)
        asked = {name for names in outcomes.values() for name in names}
        outcomes.setdefault(("unknown", None), []).extend(name for name, _ in pairs if name not in asked)
        for (outcome, host), names in outcomes.items():
            self._matching.answer(names, outcome, host)

    async def _outcome(self, name: str, lister: str | None, skip: int) -> tuple[str, str | None]:
        if not fits_path(name):
            return "gone", None
        first, *others = self._hosts
        for host in [first, *sorted(others, key=lambda each: each.name != lister)][skip:]:
            try:
                await host.client.raw(endpoints.get_conversation(name))
            except NotFound:
                continue
            return ("here", None) if host is first else ("elsewhere", host.name)
        return "gone", None

    async def _each(self, what: str, items: Sequence[Any], ask: Callable[[Any], Awaitable[None]]) -> None:
        """Request each item, several at a time; failures are recorded, and too many in a row end it."""
        waiting, failures = iter(items), 0

        async def work() -> None:
            nonlocal failures
            for item in waiting:
                if failures >= MAX_CONSECUTIVE_FAILURES:
                    # The API is down, not the records.
                    return
                try:
                    await ask(item)
                    failures = 0
                except AuthError:
                    raise
                except APIError as error:
                    failures += 1
                    self._log.incomplete.setdefault(what, str(error))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._concurrency, len(items))):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            # The first failure is the cause; the others are tasks that it cancelled.
            raise errors.exceptions[0] from None


def _plain(leg: str) -> str:
    """A leg id in the form in which they are compared."""
    return leg.replace("-", "").lower()


async def _grouped(client: RawClient, listing: Any, warn: Callable[[str], object]) -> AsyncIterator[list[bytes]]:
    """The bodies of a list's pages, some at a time; including those before a page that cannot be read."""
    bodies: list[bytes] = []
    try:
        async for page in client.raw_pages(listing):
            if page.warning:
                warn(page.warning)
            bodies.append(page.body)
            if len(bodies) >= _PAGES:
                yield bodies
                bodies = []
    except APIError:
        if bodies:
            yield bodies
        raise
    if bodies:
        yield bodies


@asynccontextmanager
async def connected(
    client: Conversations | AsyncConversations, base_urls: Sequence[str], options: Options, log: Log
) -> AsyncIterator[list[Host]]:
    """The client's own host and others, each with its own pacer."""
    async with AsyncExitStack() as stack:
        hosts: list[Host] = []
        for each in [client, *(client.at_host(url) for url in base_urls)]:
            if any(host.name == each.base_url for host in hosts):
                continue
            pacer = Pacer(options.rate, options.concurrency)
            hosts.append(Host(each.base_url, await stack.enter_async_context(_paced(each, pacer, log, options.mask))))
        yield hosts


@asynccontextmanager
async def _paced(
    client: Conversations | AsyncConversations, pacer: Pacer, log: Log, mask: Mask | None
) -> AsyncIterator[RawClient]:
    def observe(notice: Notice) -> None:
        pacer.observe(notice)
        log.observe(notice)

    async with client.bulk(gate=pacer, on_event=observe) as bulk:
        yield bulk if mask is None else MaskedClient(bulk, mask)


__all__ = ["Host", "Hosts", "Log", "connected"]
