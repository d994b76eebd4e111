"""The exporter: list conversations, read each, hand every page on. Asynchronous, bounded, and never asks twice.

::

    list ──> queue ──> workers: GET conversation ──> members, events ──> Converter ──> sink
             bounded   at most `concurrency` requests in flight

One GET per conversation tells its ``sequence_number``: nothing more is asked when there is nothing new, and no events
of one that has none. A conversation that fails costs no other one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from conv_analytics.errors import APIError, AuthError, NotFound
from conv_analytics.export.convert import Converter
from conv_analytics.export.heads import Head, head_of
from conv_analytics.export.options import Options
from conv_analytics.export.pace import Pace
from conv_analytics.export.probing import Finished, Probing
from conv_analytics.export.report import Report
from conv_analytics.export.roster import Roster
from conv_analytics.export.source import Asked
from conv_analytics.export.users import Users
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import Listing
from conv_analytics.tables.pages import records

T = TypeVar("T")

#: So many conversations in a row may fail before the run stops asking: the API is down, not the conversations.
FAILURES = 20

#: The key of `Report.incomplete` for lists that are not a conversation's.
LIST = "conversations"


@dataclass
class _Listed:
    id: str
    record: bytes
    head: Head


class Exporter:
    """One run.

    Parameters
    ----------
    client
        What gives the answers.
    converter
        Takes the pages.
    options
        What to read.
    probing
        Which conversations are worth a request, and from which event on they are wanted.
    report
        Filled as the run goes on.
    roster
        Who was listed.
    pace
        How many requests may be in flight.
    moved
        Called whenever something changed, to show progress.
    """

    def __init__(
        self,
        client: Asked,
        converter: Converter,
        options: Options,
        probing: Probing,
        report: Report,
        *,
        roster: Roster,
        pace: Pace,
        moved: Callable[[], None],
    ) -> None:
        self.done = 0
        self.listing_done = False
        self._client, self._converter, self._options = client, converter, options
        self._probing, self._report, self._moved = probing, report, moved
        self._roster, self._pace = roster, pace
        self._queue: asyncio.Queue[_Listed | None] = asyncio.Queue(4 * options.concurrency)
        self._failures = 0

    async def run(self) -> None:
        """Read everything; what fails is noted in the report. Raises what no repetition can mend."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._list())
                for _ in range(self._options.concurrency):
                    group.create_task(self._work())
                if self._options.users:
                    group.create_task(self._users())
        except BaseExceptionGroup as errors:
            # The first failure is the cause; the others are tasks that it cancelled.
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        await self._converter.drain()

    async def _list(self) -> None:
        try:
            async for body in self._pages(self._options.listing()):
                for record in records(body, "conversations"):
                    await self._listed(bytes(record))
                if self._failures >= FAILURES:
                    self._report.incomplete[LIST] = f"stopped after {FAILURES} conversations in a row could not be read"
                    break
        except AuthError:
            raise
        except APIError as error:
            if not self._report.listed:
                raise
            self._report.incomplete[LIST] = str(error)
        self.listing_done = True
        for _ in range(self._options.concurrency):
            await self._queue.put(None)

    async def _listed(self, record: bytes) -> None:
        head = head_of(record)
        conversation_id = head.name
        if not self._options.covers(head.created):
            return
        if conversation_id is None:
            # Without an id nothing can be asked; the record itself goes to the quarantine.
            await self._converter.conversation(record)
        elif self._roster.meet(conversation_id):
            self._report.listed += 1
            if self._probing.worth(head):
                await self._queue.put(_Listed(conversation_id, record, head))
            else:
                self._report.not_probed += 1
                self.done += 1
            self._moved()

    async def _work(self) -> None:
        while (listed := await self._queue.get()) is not None:
            if self._failures >= FAILURES:
                self._report.incomplete[listed.id] = "not asked: too many failures before it"
                continue
            try:
                await self._conversation(listed)
                self._failures = 0
            except AuthError:
                raise
            except APIError as error:
                self._failures += 1
                self._report.incomplete[listed.id] = str(error)
            self.done += 1
            self._moved()

    async def _conversation(self, listed: _Listed) -> None:
        try:
            body = await self._asked(lambda: self._client.raw(endpoints.get_conversation(listed.id)))
        except NotFound:
            # Expired since it was listed: normal, conversations live for two days by default.
            self._report.gone.append(listed.id)
            await self._converter.conversation(listed.record, gone=True)
            return
        head = head_of(body)
        if head.name not in {None, listed.id}:
            # Kept under its own id it would hide that this one was not read.
            self._report.incomplete[listed.id] = "the API answered with another conversation"
            return
        await self._converter.conversation(body)
        last, known = head.last_event, self._probing.known(listed.id)
        learnt = Finished(head.changed, listed.head.mark)
        if last == 0 or (last is not None and known is not None and last <= known):
            self._report.unchanged += known is not None
            self._converter.finish(listed.id, last, learnt)
            return
        try:
            if self._options.members:
                members = endpoints.list_all_members(listed.id, page_size=self._options.page_size)
                async for page in self._pages(members):
                    await self._converter.list_page("members", page, listed.id)
            if self._options.events:
                start = None if known is None else known + 1
                events = endpoints.list_all_events(
                    listed.id, start_id=start, page_size=self._options.page_size, order="asc"
                )
                page, count = b"", 0
                async for page in self._pages(events):
                    await self._converter.event_page(listed.id, page, last)
                    count += 1
                if (reached := self._ends_short(page, last, first=count == 1 and known is None)) is not None:
                    listed_to = f"its events end at {reached}" if reached else "no events are listed"
                    self._report.incomplete[listed.id] = f"{listed_to}, but its last one is {last}"
                    return
        except NotFound:
            self._report.gone.append(listed.id)
            return
        self._converter.finish(listed.id, last, learnt, asked=self._options.events)

    def _ends_short(self, page: bytes, last: int | None, *, first: bool) -> int | None:
        """Where a list of events ends, when it cannot end there; given its last page.

        A full page before the last event lacks its link, and a conversation that has events cannot list none at all.
        Fewer events than their numbers tell are normal: some are never stored (contract 2.7).
        """
        if last is None:
            return None
        found = records(page, "events")
        if not found and first:
            return 0
        if len(found) < self._options.page_size:
            return None
        ids = [head.id for record in found if isinstance((head := head_of(record)).id, int)]
        return max(ids) if ids and last is not None and max(ids) < last else None

    async def _users(self) -> None:
        users = Users(self._user, self._report.incomplete)
        try:
            async for page in self._pages(endpoints.list_all_users(page_size=self._options.page_size)):
                full = await users.in_full(page) if self._options.users_in_full else page
                await self._converter.list_page("users", full)
                if self._options.sessions:
                    for user in records(page, "users"):
                        await self._sessions(head_of(user).name)
        except AuthError:
            raise
        except APIError as error:
            self._report.incomplete["users"] = str(error)

    async def _user(self, user_id: str) -> bytes:
        return await self._asked(lambda: self._client.raw(endpoints.get_user(user_id)))

    async def _sessions(self, user_id: str | None) -> None:
        if user_id is None:
            return
        try:
            async for page in self._pages(endpoints.list_all_user_sessions(user_id, page_size=self._options.page_size)):
                await self._converter.list_page("sessions", page)
        except NotFound:
            # Not in the current reference of the API: absent for some applications (contract 9, no. 45).
            return

    async def _pages(self, listing: Listing[Any]) -> AsyncIterator[bytes]:
        pages = self._client.raw_pages(listing)
        while (page := await self._asked(lambda: anext(pages, None))) is not None:
            if page.warning:
                self._report.incomplete[listing.path] = page.warning
            yield page.body

    async def _asked(self, request: Callable[[], Awaitable[T]]) -> T:
        async with self._pace.slot():
            return await request()
