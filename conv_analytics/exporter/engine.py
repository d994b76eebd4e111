"""The exporter: lists conversations, reads each, passes every page on. Bounded in memory, no request made twice.

::

    list ──> queue ──> workers: GET conversation ──> members, events ──> Converter ──> sink
             bounded   at most `concurrency` requests in flight

One GET per conversation gives its ``sequence_number``; without a new event nothing else is requested. A conversation
that fails or is refused does not affect the others; a run that is refused everything ends with the refusal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from conv_analytics.api.list_guard import ListGuard
from conv_analytics.api.page import RawPage
from conv_analytics.errors import APIError, AuthError, NotFound
from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.convert import Converter
from conv_analytics.exporter.incremental import IncrementalPolicy, ListsToRead
from conv_analytics.exporter.journalled_client import RawClient
from conv_analytics.exporter.last_events import LastChange
from conv_analytics.exporter.list_end import EventListEnd, still_missing
from conv_analytics.exporter.options import MAX_CONSECUTIVE_FAILURES, Options
from conv_analytics.exporter.pacing.pacer import Pacer
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.summaries import Summary, is_empty, summary_of
from conv_analytics.exporter.users import UserReader
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import Listing, fits_path
from conv_analytics.tables.pages import records

T = TypeVar("T")

#: Pages that a list of events or members may have beyond the conversation's number of events: more may arrive.
MAX_EXTRA_PAGES = 200

#: The key of `Report.incomplete` for lists that are not a conversation's.
LIST_KEY = "conversations"


@dataclass
class _Listed:
    id: str
    record: bytes
    summary: Summary


class Exporter:
    """One run.

    Parameters
    ----------
    client
        Client for the requests.
    converter
        Takes the pages.
    options
        What to read.
    policy
        Which conversations and lists to request.
    report
        Filled as the run goes on.
    states
        How far the run came with each conversation.
    pacer
        How many requests may be in flight.
    changed
        Called after every change, to show progress.
    """

    def __init__(
        self,
        client: RawClient,
        converter: Converter,
        options: Options,
        policy: IncrementalPolicy,
        report: Report,
        *,
        states: ConversationStates,
        pacer: Pacer,
        changed: Callable[[], None],
    ) -> None:
        self.done = 0
        self.listing_done = False
        self._client, self._converter, self._options = client, converter, options
        self._policy, self._report, self._changed = policy, report, changed
        self._states, self._pacer = states, pacer
        self._queue: asyncio.Queue[_Listed | None] = asyncio.Queue(4 * options.concurrency)
        self._failures = self._sessions_failed = 0
        self._outcomes: Counter[Literal["read", "refused", "failed"]] = Counter()
        self._refusal: AuthError | None = None

    async def run(self) -> None:
        """Read everything; failures go to the report.

        Raises errors that no retry can fix: an `AuthError` when the list, or each of several conversations, was
        refused.
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
        # A single conversation may be closed to a key; a key without any access is refused all of them.
        if self._refusal is not None and self._outcomes.keys() == {"refused"} and self._outcomes["refused"] > 1:
            raise self._refusal

    async def _list(self) -> None:
        listing = self._options.listing()
        guard = ListGuard(listing.target)
        try:
            async for page in self._pages(listing):
                self._warn(LIST_KEY, page)
                new = [await self._add(bytes(record)) for record in records(page.body, "conversations")]
                guard.count(new=any(new))
                if self._failures >= MAX_CONSECUTIVE_FAILURES:
                    break
        except APIError as error:
            if not self._report.listed:
                raise
            self._report.incomplete[LIST_KEY] = str(error)
        self.listing_done = True
        for _ in range(self._options.concurrency):
            await self._queue.put(None)

    async def _add(self, record: bytes) -> bool:
        """Queue a record of the list; return whether it is new."""
        summary = summary_of(record)
        conversation_id = summary.record_id
        if not self._options.covers(summary.created):
            return True
        if conversation_id is None:
            # Without an id there is nothing to request; the record itself goes to the quarantine.
            await self._converter.conversation(record)
            if not is_empty(record):
                self._report.incomplete.setdefault(LIST_KEY, "it has a record without an id that can be read")
        elif not fits_path(conversation_id):
            self._report.incomplete[ascii(conversation_id)] = "its id cannot be part of a URL path"
            await self._converter.conversation(record)
        elif self._states.add(conversation_id):
            self._report.listed += 1
            if self._policy.needs_request(summary):
                await self._queue.put(_Listed(conversation_id, record, summary))
            else:
                self._report.not_probed += 1
                self.done += 1
            self._changed()
            return True
        return False

    async def _work(self) -> None:
        while (listed := await self._queue.get()) is not None:
            if self._failures >= MAX_CONSECUTIVE_FAILURES:
                self._report.incomplete[listed.id] = "not requested: too many failures before it"
                continue
            try:
                await self._conversation(listed)
                self._failures = 0
                self._outcomes["read"] += 1
            except APIError as error:
                self._failed(listed.id, error)
            self.done += 1
            self._changed()

    def _failed(self, conversation_id: str, error: APIError) -> None:
        self._report.incomplete[conversation_id] = str(error)
        refused = isinstance(error, AuthError)
        self._outcomes["refused" if refused else "failed"] += 1
        if isinstance(error, AuthError):
            self._refusal = self._refusal or error
            if error.status == HTTPStatus.FORBIDDEN and self._outcomes["read"]:
                # The key works for others, so the refusal concerns this conversation; the next ones may be closed, too.
                return
        self._failures += 1
        if self._failures == MAX_CONSECUTIVE_FAILURES:
            self._report.incomplete[LIST_KEY] = (
                f"stopped after {MAX_CONSECUTIVE_FAILURES} conversations in a row could not be read,"
                f" the last one because: {error}"
            )

    async def _conversation(self, listed: _Listed) -> None:
        try:
            body = await self._request(lambda: self._client.raw(endpoints.get_conversation(listed.id)))
        except NotFound:
            # Expired since it was listed, which is normal: conversations live for two days by default.
            self._report.gone.append(listed.id)
            await self._converter.conversation(listed.record, gone=True)
            return
        summary = summary_of(body)
        if summary.record_id not in {None, listed.id}:
            # Stored under its own id it would hide that this one was not read.
            self._report.incomplete[listed.id] = "the API answered with another conversation"
            return
        await self._converter.conversation(body)
        last, change = summary.last_event, LastChange(summary.changed, listed.summary.fingerprint)
        lists = self._policy.lists_to_read(listed.id, last)
        if lists is ListsToRead.NOTHING:
            self._report.unchanged += self._policy.last_known_event(listed.id) is not None
            self._converter.finish(listed.id, last, change)
            return
        try:
            reasons = []
            if lists is ListsToRead.ALL and self._options.members:
                reasons += await self._members(listed.id, last)
            if self._options.events:
                reasons += await self._events(listed.id, last)
        except NotFound:
            self._report.gone.append(listed.id)
            return
        except APIError:
            self._mark_unread(listed.id, last)
            raise
        if reasons:
            self._report.incomplete[listed.id] = "; ".join(reasons)
            self._mark_unread(listed.id, last)
            return
        self._converter.finish(listed.id, last, change, events_listed=self._options.events)

    def _mark_unread(self, conversation_id: str, last: int | None) -> None:
        """Record that a list was not read to its end, unless it had nothing new and was only read again."""
        if self._policy.lists_to_read(conversation_id, last, again=False) is not ListsToRead.NOTHING:
            self._states.mark_unread(conversation_id)

    async def _members(self, conversation_id: str, last: int | None) -> list[str]:
        """Read the members of a conversation; return the reasons why some may be missing."""
        reasons = []
        listing = endpoints.list_all_members(conversation_id, page_size=self._options.page_size)
        async for page in self._pages(listing, last):
            reasons += [page.warning] if page.warning else []
            await self._converter.list_page("members", page.body, conversation_id)
        return reasons

    async def _events(self, conversation_id: str, last: int | None) -> list[str]:
        """Read the new events of a conversation; return the reasons why some may be missing."""
        last_known, size = self._policy.last_known_event(conversation_id), self._options.page_size
        start = next_start = None if last_known is None else last_known + 1
        listed = False
        while True:
            pages = EventListEnd(size)
            listing = endpoints.list_all_events(conversation_id, start_id=next_start, page_size=size, order="asc")
            async for page in self._pages(listing, last):
                pages.add(page)
                await self._converter.event_page(conversation_id, page.body, last, start)
            listed |= pages.listed
            end = pages.check(last, next_start or 1)
            if end.continue_at is None:
                break
            next_start = end.continue_at
        reason = end.reason
        if end.gap is not None and (reason := await self._gap(conversation_id, end.gap)):
            self._converter.note_gap(conversation_id)
        if last and not listed and not last_known and self._policy.expects_events(conversation_id, last):
            # A conversation with events must list some, unless all of them are ephemeral.
            self._report.incomplete[conversation_id] = f"no events are listed, but its last one is {last}"
        return [*pages.warnings, *([reason] if reason else [])]

    async def _gap(self, conversation_id: str, gap: range) -> str | None:
        """Request the events that a list skips; return the reason why they may be missing."""
        listing = endpoints.list_all_events(
            conversation_id, start_id=gap.start, end_id=gap.stop - 1, page_size=self._options.page_size
        )
        reasons = [still_missing(gap, page) async for page in self._pages(listing, len(gap))]
        return next((reason for reason in reasons if reason), None)

    async def _users(self) -> None:
        users = UserReader(self._user, self._report.incomplete)
        listing = endpoints.list_all_users(page_size=self._options.page_size)
        guard, seen = ListGuard(listing.target), set[str | None]()
        try:
            async for page in self._pages(listing):
                self._warn("users", page)
                full = await users.in_full(page.body) if self._options.users_in_full else page.body
                await self._converter.list_page("users", full)
                names = [summary_of(user).record_id for user in records(page.body, "users")]
                new = [name for name in dict.fromkeys(names) if name not in seen]
                seen.update(new)
                guard.count(new=bool(new))
                if self._options.sessions:
                    for name in new:
                        await self._sessions(name)
        except APIError as error:
            self._report.incomplete["users"] = str(error)

    async def _user(self, user_id: str) -> bytes:
        return await self._request(lambda: self._client.raw(endpoints.get_user(user_id)))

    async def _sessions(self, user_id: str | None) -> None:
        if user_id is None:
            return
        if self._sessions_failed >= MAX_CONSECUTIVE_FAILURES:
            self._report.incomplete["sessions"] = (
                f"stopped after those of {MAX_CONSECUTIVE_FAILURES} users in a row could not be read"
            )
            return
        if not fits_path(user_id):
            self._report.incomplete[ascii(user_id)] = "its id cannot be part of a URL path"
            return
        listing = endpoints.list_all_user_sessions(user_id, page_size=self._options.page_size)
        try:
            async for page in self._pages(listing, 0):
                self._warn("sessions", page)
                await self._converter.list_page("sessions", page.body)
        except NotFound:
            # Sessions are absent for some applications, and not in the API's current reference (contract 9, no. 45).
            return
        except APIError as error:
            self._report.incomplete[listing.path] = str(error)
            self._sessions_failed += 1
            return
        self._sessions_failed = 0

    def _warn(self, name: str, page: RawPage) -> None:
        if page.warning:
            self._report.incomplete[name] = page.warning

    async def _pages(self, listing: Listing[Any], max_records: int | None = None) -> AsyncIterator[RawPage]:
        """The pages of a list with about this number of records at most; None where it is unknown."""
        guard = ListGuard(listing.target, None if max_records is None else max_records + MAX_EXTRA_PAGES)
        pages = self._client.raw_pages(listing)
        while (page := await self._request(lambda: anext(pages, None))) is not None:
            guard.count(new=True)
            yield page

    async def _request(self, request: Callable[[], Awaitable[T]]) -> T:
        return await self._pacer.in_slot(request)
