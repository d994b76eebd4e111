"""The exporter: list conversations, read each, hand every page on. Asynchronous, bounded, and never asks twice.

::

    list ──> queue ──> workers: GET conversation ──> members, events ──> Converter ──> sink
             bounded   at most `concurrency` requests in flight

One GET per conversation tells its ``sequence_number``: nothing more is asked when there is nothing new, and no events
of one that has none. A conversation that fails, or is refused, costs no other one; a run that is refused everything
ends with the refusal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from conv_analytics.api.page import RawPage
from conv_analytics.api.patience import Patience
from conv_analytics.errors import APIError, AuthError, NotFound
from conv_analytics.exporter.convert import Converter
from conv_analytics.exporter.list_end import Ending, still_missing
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.pacing.pace import Pace
from conv_analytics.exporter.probing import Finished, Probing, Wanted
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.roster import Roster
from conv_analytics.exporter.source import Asked
from conv_analytics.exporter.summaries import Head, head_of, is_empty
from conv_analytics.exporter.users import Users
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import Listing, fits_path
from conv_analytics.tables.pages import records

T = TypeVar("T")

#: So many conversations in a row may fail before the run stops asking: the API is down, not the conversations.
FAILURES = 20
#: A list of events or members may have so many pages more than the conversation has events: some come meanwhile.
SPARE_PAGES = 200

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
        self._failures = self._sessions_failed = 0
        self._outcomes: Counter[Literal["read", "refused", "failed"]] = Counter()
        self._refusal: AuthError | None = None

    async def run(self) -> None:
        """Read everything; what fails is noted in the report.

        Raises what no repetition can mend: an `AuthError` when the list, or each of several conversations, was refused.
        """
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
        # One that is refused may be alone with that; with a key that may read none, all of them are.
        if self._refusal is not None and self._outcomes.keys() == {"refused"} and self._outcomes["refused"] > 1:
            raise self._refusal

    async def _list(self) -> None:
        listing = self._options.listing()
        patience = Patience(listing.target)
        try:
            async for page in self._pages(listing):
                self._warn(LIST, page)
                found = records(page.body, "conversations")
                patience.page(new=any([await self._listed(bytes(record)) for record in found]))
                if self._failures >= FAILURES:
                    break
        except APIError as error:
            if not self._report.listed:
                raise
            self._report.incomplete[LIST] = str(error)
        self.listing_done = True
        for _ in range(self._options.concurrency):
            await self._queue.put(None)

    async def _listed(self, record: bytes) -> bool:
        """Take a record of the list; say whether it was not there before."""
        head = head_of(record)
        conversation_id = head.name
        if not self._options.covers(head.created):
            return True
        if conversation_id is None:
            # Without an id nothing can be asked; the record itself goes to the quarantine.
            await self._converter.conversation(record)
            if not is_empty(record):
                self._report.incomplete.setdefault(LIST, "it has a record without an id that can be read")
        elif not fits_path(conversation_id):
            self._report.incomplete[ascii(conversation_id)] = "its id cannot be asked for"
            await self._converter.conversation(record)
        elif self._roster.meet(conversation_id):
            self._report.listed += 1
            if self._probing.worth(head):
                await self._queue.put(_Listed(conversation_id, record, head))
            else:
                self._report.not_probed += 1
                self.done += 1
            self._moved()
            return True
        return False

    async def _work(self) -> None:
        while (listed := await self._queue.get()) is not None:
            if self._failures >= FAILURES:
                self._report.incomplete[listed.id] = "not asked: too many failures before it"
                continue
            try:
                await self._conversation(listed)
                self._failures = 0
                self._outcomes["read"] += 1
            except APIError as error:
                self._failed(listed.id, error)
            self.done += 1
            self._moved()

    def _failed(self, conversation_id: str, error: APIError) -> None:
        self._report.incomplete[conversation_id] = str(error)
        refused = isinstance(error, AuthError)
        self._outcomes["refused" if refused else "failed"] += 1
        if isinstance(error, AuthError):
            self._refusal = self._refusal or error
            if error.status == HTTPStatus.FORBIDDEN and self._outcomes["read"]:
                # The key is good, so it is about this conversation; the next ones may be as old, and as closed.
                return
        self._failures += 1
        if self._failures == FAILURES:
            why = f"stopped after {FAILURES} conversations in a row could not be read, the last one because: {error}"
            self._report.incomplete[LIST] = why

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
            reasons = await self._members(listed.id, told) if wanted is Wanted.ALL and self._options.members else []
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

    async def _members(self, conversation_id: str, last: int | None) -> list[str]:
        """Read the members of a conversation; give the reasons why some may be missing."""
        reasons = []
        listing = endpoints.list_all_members(conversation_id, page_size=self._options.page_size)
        async for page in self._pages(listing, last):
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
            async for page in self._pages(listing, last):
                ending.add(page)
                await self._converter.event_page(conversation_id, page.body, last, start)
            listed |= ending.listed
            verdict = ending.verdict(last, following or 1)
            if verdict.following is None:
                break
            following = verdict.following
        reason = verdict.reason
        if verdict.gap is not None and (reason := await self._gap(conversation_id, verdict.gap)):
            self._converter.skips(conversation_id)
        if last and not listed and not known and self._probing.awaits(conversation_id, last):
            # A conversation that has events cannot list none at all, unless it has none but ephemeral ones.
            self._report.incomplete[conversation_id] = f"no events are listed, but its last one is {last}"
        return [*ending.warnings, *([reason] if reason else [])]

    async def _gap(self, conversation_id: str, gap: range) -> str | None:
        """Ask for the events that a list skips; give the reason why they may be missing."""
        ids = {"start_id": gap.start, "end_id": gap.stop - 1}
        listing = endpoints.list_all_events(conversation_id, **ids, page_size=self._options.page_size)
        reasons = [still_missing(gap, page) async for page in self._pages(listing, len(gap))]
        return next((reason for reason in reasons if reason), None)

    async def _users(self) -> None:
        users = Users(self._user, self._report.incomplete)
        listing = endpoints.list_all_users(page_size=self._options.page_size)
        patience, met = Patience(listing.target), set[str | None]()
        try:
            async for page in self._pages(listing):
                self._warn("users", page)
                full = await users.in_full(page.body) if self._options.users_in_full else page.body
                await self._converter.list_page("users", full)
                names = [head_of(user).name for user in records(page.body, "users")]
                new = [name for name in dict.fromkeys(names) if name not in met]
                met.update(new)
                patience.page(new=bool(new))
                if self._options.sessions:
                    for name in new:
                        await self._sessions(name)
        except APIError as error:
            self._report.incomplete["users"] = str(error)

    async def _user(self, user_id: str) -> bytes:
        return await self._asked(lambda: self._client.raw(endpoints.get_user(user_id)))

    async def _sessions(self, user_id: str | None) -> None:
        if user_id is None:
            return
        if self._sessions_failed >= FAILURES:
            self._report.incomplete["sessions"] = f"stopped after those of {FAILURES} users in a row could not be read"
            return
        if not fits_path(user_id):
            self._report.incomplete[ascii(user_id)] = "its id cannot be asked for"
            return
        listing = endpoints.list_all_user_sessions(user_id, page_size=self._options.page_size)
        try:
            async for page in self._pages(listing, 0):
                self._warn("sessions", page)
                await self._converter.list_page("sessions", page.body)
        except NotFound:
            # Not in the current reference of the API: absent for some applications (contract 9, no. 45).
            return
        except APIError as error:
            self._report.incomplete[listing.path] = str(error)
            self._sessions_failed += 1
            return
        self._sessions_failed = 0

    def _warn(self, name: str, page: RawPage) -> None:
        if page.warning:
            self._report.incomplete[name] = page.warning

    async def _pages(self, listing: Listing[Any], most: int | None = None) -> AsyncIterator[RawPage]:
        """The pages of a list that has about so many records at most, if anybody knows."""
        patience = Patience(listing.target, None if most is None else most + SPARE_PAGES)
        pages = self._client.raw_pages(listing)
        while (page := await self._asked(lambda: anext(pages, None))) is not None:
            patience.page(new=True)
            yield page

    async def _asked(self, request: Callable[[], Awaitable[T]]) -> T:
        async with self._pace.slot():
            return await request()
