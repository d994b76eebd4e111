"""Retrying and paging without the network: generators that yield steps and are sent the outcomes.

A flow yields `Send` and is sent a `Reply` or an error; it yields `Sleep` and is sent nothing; it returns the result. So
retrying and paging are written once for blocking and async code, and a test can step through them::

    >>> from conv_analytics.resources.endpoints import get_conversation
    >>> flow = fetch(get_conversation("CON-1"), Rules())
    >>> next(flow)
    Send(method='GET', url='/v1/conversations/CON-1', body=None)
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, TypeVar, cast

from conv_analytics.api.clock import ServerClock
from conv_analytics.api.list_guard import ListGuard
from conv_analytics.api.notices import Listener, Retried, silent
from conv_analytics.api.offset_pages import OffsetGuard, at_offset
from conv_analytics.api.page import RawPage, Unusable, check_document, read_any, read_document, read_page
from conv_analytics.api.retry import Retry, retry_after
from conv_analytics.errors import (
    APIError,
    CursorLoop,
    InvalidRequest,
    StatusError,
    UnexpectedPayload,
    status_error,
)
from conv_analytics.resources.cells import identity, natural_number
from conv_analytics.resources.endpoint import Call, Listing, query

T = TypeVar("T")

#: Longer waits are split: timers do not take a Retry-After of a thousand years.
MAX_SLEEP_S = 86_400.0

#: Hardly any server has pages shorter than its default size (contract 1.2). A shorter page is checked for being cut
#: only until the server has linked a page of a list of that kind.
MIN_PAGE_SIZE = 10

INVALID_CURSOR = "paginator-builder:error:invalid-cursor"


class Send(NamedTuple):
    """Send a request to the API's host."""

    method: str
    url: str
    """Path and query."""
    body: bytes | None = None


class Sleep(NamedTuple):
    """Wait."""

    seconds: float


class Reply(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    """A mapping that ignores the case of names."""
    body: bytes

    def __repr__(self) -> str:
        # A body may contain a token, and tracebacks show locals.
        return f"Reply({self.status}, {len(self.body)} bytes)"


Flow = Generator[Send | Sleep, Reply | APIError | None, T]


@dataclass(frozen=True)
class Rules:
    """The rules for every request of a client."""

    retry: Retry = field(default_factory=Retry)
    notify: Listener = silent
    clock: ServerClock = field(default_factory=ServerClock)
    linked: set[str] = field(default_factory=set)
    """The kinds of lists for which the server has linked a next page."""


def exchange(send: Send, accept: Callable[[Reply], T], rules: Rules) -> Flow[T]:
    """Send a request until its response is accepted or the policy gives up."""
    attempts = rules.retry.start()
    while True:
        outcome = yield send
        try:
            return _accepted(send, outcome, accept, rules)
        except APIError as error:
            wait_s = attempts.wait_after(error)
            if wait_s is None:
                raise
            rules.notify(_retried(send, error, wait_s))
        while wait_s > 0:
            yield Sleep(min(wait_s, MAX_SLEEP_S))
            wait_s -= MAX_SLEEP_S


def fetch(call: Call[T], rules: Rules) -> Flow[T]:
    """Carry out a call and read its response."""

    def accept(reply: Reply) -> T:
        if call.read is None:
            # The endpoints without a reader answer 204, and their type says that they return None.
            return cast("T", None)
        return call.read(read_document(_body(reply), empty=call.page))

    return exchange(_send_call(call), accept, rules)


def fetch_raw(call: Call[Any], rules: Rules) -> Flow[bytes]:
    """Carry out a call; return its body verbatim, once it is known to be a JSON object and not an error."""
    return exchange(_send_call(call), lambda reply: check_document(_body(reply)), rules)


def fetch_json(send: Send, rules: Rules) -> Flow[Any]:
    """Send any request; return the decoded JSON, or None for an empty answer."""
    return exchange(send, lambda reply: read_any(reply.body) if reply.body.strip() else None, rules)


def fetch_page(listing: Listing[Any], cursor: str | None, rules: Rules) -> Flow[RawPage]:
    """Read one page of a listing."""
    send = Send("GET", listing.page(cursor or None))

    def accept(reply: Reply) -> RawPage:
        page = read_page(_body(reply), send.url, cursor, listing.key, position=listing.position)
        return at_offset(page, listing.key) if listing.by_offset else page

    return exchange(send, accept, rules)


@dataclass
class Paginator(Generic[T]):
    """Pages through a listing; each `next_page` is a flow that reads one page.

    When the API no longer knows a cursor, the listing restarts once (contract 2.4), events after the last one seen.
    Items seen before are left out, so nothing comes twice. A listing without an end raises `CursorLoop`.

    A full first page without a link to a next one may be the whole list, or the server may have cut it:
    `RawPage.page_size` may be the number of records (contract 2.1) or missing. A second request, for half as many
    records, shows whether the server links pages at all. If that page is as long as the first, the list in reverse
    order shows whether there is more. Lists of events are not checked: the conversation's last event shows their end.
    """

    listing: Listing[T]
    rules: Rules
    cursor: str | None = None
    done: bool = False
    _seen: set[object] = field(default_factory=set)
    _visited: set[str] = field(default_factory=set)
    _restarted: bool = False
    _last_id: int | None = None
    _read: set[int] = field(default_factory=set)
    _guard: ListGuard = field(init=False)
    _offsets: OffsetGuard | None = field(init=False)

    def __post_init__(self) -> None:
        self._guard = ListGuard(self.listing.target)
        self._offsets = OffsetGuard(self.listing.target, self.listing.key) if self.listing.by_offset else None

    def next_page(self) -> Flow[RawPage]:
        """Read the next page."""
        if self.cursor is not None:
            if self.cursor in self._visited:
                raise CursorLoop(method="GET", url=self.listing.target)
            self._visited.add(self.cursor)
        try:
            page = yield from fetch_page(self.listing, self.cursor, self.rules)
        except InvalidRequest as error:
            if not self._restart(error):
                raise
            page = yield from fetch_page(self.listing, None, self.rules)
        if self._offsets is not None:
            page = self._offsets.checked(page)
        self.cursor = page.next_cursor
        self.done = page.next_cursor is None
        if not self.done:
            checksum = zlib.crc32(page.embedded)
            self._guard.count(new=checksum not in self._read)
            self._read.add(checksum)
        if not self.done:
            self.rules.linked.add(self.listing.key)
        elif self._may_be_cut(page) and (yield from self._is_cut(page)):
            what = f"{page.url} has {_count(page, self.listing.key)} records, a full page, and no link to a next page"
            page = replace(page, warning=f"{what}: the listing stops here and may be incomplete.")
        return page

    def new_items(self, page: RawPage) -> list[T]:
        """The items of a page that are new."""
        items = []
        try:
            payloads = page.items(self.listing.key)
        except Unusable as error:
            raise UnexpectedPayload(str(error), method="GET", url=page.url) from None
        for payload in payloads:
            name = identity(payload.get("id")) or identity(payload.get("uuid"))
            if name is not None:
                if name in self._seen:
                    continue
                self._seen.add(name)
                self._note_event(name)
            items.append(self.listing.read(payload))
        return items

    def _note_event(self, name: str) -> None:
        if self.listing.key == "events":
            self._last_id = max(self._last_id or 0, natural_number(name) or 0) or None

    def _may_be_cut(self, page: RawPage) -> bool:
        page_size = natural_number(dict(self.listing.params).get("page_size"))
        if self.listing.key == "events" or self._offsets or page.cursor is not None or page_size is None:
            return False
        count = _count(page, self.listing.key)
        if count < max(1, min(page_size, page.page_size or 1)):
            return False
        return count >= MIN_PAGE_SIZE or self.listing.key not in self.rules.linked

    def _is_cut(self, page: RawPage) -> Flow[bool]:
        names = _names(page, self.listing.key)
        if len(names) > 1:
            half = yield from self._first_page(query(page_size=len(names) // 2))
            if half.next_cursor is not None or half.warning is not None:
                self.rules.linked.add(self.listing.key)
                return False
            if len(_names(half, self.listing.key)) < len(names):
                return True
        ascending = dict(self.listing.params).get("order", "asc").lower() == "asc"
        other = _names((yield from self._first_page(query(order="desc" if ascending else "asc"))), self.listing.key)
        if set(other) != set(names):
            return True
        # A server that ignores both parameters may or may not have more records.
        return len(names) >= MIN_PAGE_SIZE and other == names

    def _first_page(self, changed: tuple[tuple[str, str], ...]) -> Flow[RawPage]:
        params = dict(self.listing.params) | dict(changed)
        return (yield from fetch_page(replace(self.listing, params=tuple(params.items())), None, self.rules))

    def _restart(self, error: InvalidRequest) -> bool:
        if error.code != INVALID_CURSOR or self.cursor is None or self._restarted:
            return False
        self._restarted = True
        self._visited.clear()
        params = dict(self.listing.params)
        params.pop("cursor", None)
        if self._last_id is not None and params.get("order", "asc").lower() == "asc":
            params["start_id"] = str(self._last_id + 1)
        self.listing = Listing(self.listing.path, self.listing.key, self.listing.read, tuple(params.items()))
        return True


def _names(page: RawPage, key: str) -> list[str]:
    """The ids of the records of a page; empty records (contract 9, no. 4) have none."""
    named = (identity(item.get("id")) or identity(item.get("uuid")) for item in _items(page, key))
    return [name for name in named if name is not None]


def _count(page: RawPage, key: str) -> int:
    """The number of records on a page, including empty ones."""
    return len(_items(page, key))


def _items(page: RawPage, key: str) -> list[Mapping[str, Any]]:
    try:
        return page.items(key)
    except Unusable:
        return []


def encode(json_body: object) -> bytes | None:
    """A request body as bytes."""
    return (
        None
        if json_body is None
        else json.dumps(json_body, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    )


def _accepted(send: Send, outcome: Reply | APIError | None, accept: Callable[[Reply], T], rules: Rules) -> T:
    if not isinstance(outcome, Reply):
        raise outcome or RuntimeError("a flow was sent nothing in answer to Send")
    if not HTTPStatus.OK <= outcome.status < HTTPStatus.MULTIPLE_CHOICES:
        wait = retry_after(outcome.headers.get("retry-after"), rules.clock.utc())
        raise status_error(send.method, send.url, outcome.status, outcome.body, wait, rules.clock.offset_s)
    try:
        return accept(outcome)
    except Unusable as error:
        raise UnexpectedPayload(str(error), method=send.method, url=send.url, status=outcome.status) from None


def _retried(send: Send, error: APIError, wait_s: float) -> Retried:
    status = error.status if isinstance(error, StatusError) else None
    from_retry_after = isinstance(error, StatusError) and (error.retry_after or 0) > 0
    reason = type(error).__name__ + (f" {status}" if status else "")
    return Retried(send.method, send.url, reason, wait_s, status, from_retry_after)


def _send_call(call: Call[Any]) -> Send:
    return Send(call.method, call.target, encode(call.json))


def _body(reply: Reply) -> bytes:
    if not reply.body.strip():
        raise Unusable("an empty body")
    return reply.body
