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

from conv_analytics.api.page import RawPage
from conv_analytics.errors import APIError, AuthError, NotFound
from conv_analytics.export.convert import Converter
from conv_analytics.export.ending import Ending
from conv_analytics.export.heads import Head, head_of, is_empty
from conv_analytics.export.options import Options
from conv_analytics.export.pace import Pace
from conv_analytics.export.probing import Finished, Probing, Wanted
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
            async for page in self._pages(self._options.listing()):
                self._warn(LIST, page)
                for record in records(page.body, "conversations"):
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
            if not is_empty(record):
                self._report.incomplete.setdefault(LIST, "it has a record without an id that can be read")
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
        told, learnt = head.last_event, Finished(head.changed, listed.head.mark)
        wanted = self._probing.wanted(listed.id, told)
        if wanted is Wanted.NOTHING:
            self._report.unchanged += self._probing.known(listed.id) is not None
            self._converter.finish(listed.id, told, learnt)
            return
        try:
            reasons = await self._members(listed.id) if wanted is Wanted.ALL and self._options.members else []
            if self._options.events:
                reasons += await self._events(listed.id, told)
        except NotFound:
            self._report.gone.append(listed.id)
            return
        except APIError:
            self._leave(listed.id, told)
            raise
        if reasons:
            self._report.incomplete[listed.id] = "; ".join(reasons)
            self._leave(listed.id, told)
            return
        self._converter.finish(listed.id, told, learnt, asked=self._options.events)

    def _leave(self, conversation_id: str, told: int | None) -> None:
        """Note that a list was not read to its end; of one read again in full, only where there was something new."""
        if self._probing.wanted(conversation_id, told, again=False) is not Wanted.NOTHING:
            self._roster.leave(conversation_id)

    async def _members(self, conversation_id: str) -> list[str]:
        """Read the members of a conversation; give the reasons why some may be missing."""
        reasons = []
        async for page in self._pages(endpoints.list_all_members(conversation_id, page_size=self._options.page_size)):
            reasons += [page.warning] if page.warning else []
            await self._converter.list_page("members", page.body, conversation_id)
        return reasons

    async def _events(self, conversation_id: str, last: int | None) -> list[str]:
        """Read the new events of a conversation; give the reasons why some may be missing."""
        known, size = self._probing.known(conversation_id), self._options.page_size
        start = following = None if known is None else known + 1
        listed = False
        while True:
            ending = Ending(size)
            listing = endpoints.list_all_events(conversation_id, start_id=following, page_size=size, order="asc")
            async for page in self._pages(listing):
                ending.add(page)
                await self._converter.event_page(conversation_id, page.body, last, start)
            listed |= ending.listed
            verdict = ending.verdict(last, following or 1)
            if verdict.following is None:
                break
            following = verdict.following
        if last and not listed and not known and self._probing.awaits(conversation_id, last):
            # A conversation that has events cannot list none at all, unless it has none but ephemeral ones.
            self._report.incomplete[conversation_id] = f"no events are listed, but its last one is {last}"
        return [*ending.warnings, *([verdict.reason] if verdict.reason else [])]

    async def _users(self) -> None:
        users = Users(self._user, self._report.incomplete)
        try:
            async for page in self._pages(endpoints.list_all_users(page_size=self._options.page_size)):
                self._warn("users", page)
                full = await users.in_full(page.body) if self._options.users_in_full else page.body
                await self._converter.list_page("users", full)
                if self._options.sessions:
                    for user in records(page.body, "users"):
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
                self._warn("sessions", page)
                await self._converter.list_page("sessions", page.body)
        except NotFound:
            # Not in the current reference of the API: absent for some applications (contract 9, no. 45).
            return

    def _warn(self, name: str, page: RawPage) -> None:
        if page.warning:
            self._report.incomplete[name] = page.warning

    async def _pages(self, listing: Listing[Any]) -> AsyncIterator[RawPage]:
        pages = self._client.raw_pages(listing)
        while (page := await self._asked(lambda: anext(pages, None))) is not None:
            yield page

    async def _asked(self, request: Callable[[], Awaitable[T]]) -> T:
        async with self._pace.slot():
            return await request()
