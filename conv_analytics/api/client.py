"""The clients: `Conversations` blocks, `AsyncConversations` runs on an event loop; otherwise they are the same."""

from __future__ import annotations

import asyncio
import platform
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

import httpx

from conv_analytics import markup
from conv_analytics.api.auth import JWTAuth, TokenAuth
from conv_analytics.api.clock import ServerClock, SkewWatch
from conv_analytics.api.driver import AsyncDriver, Driver, Wire
from conv_analytics.api.flow import Paginator, Rules, Send, encode, fetch, fetch_json, fetch_page, fetch_raw
from conv_analytics.api.notices import Listener, silent
from conv_analytics.api.official_sdk import OfficialClient, of_official_client
from conv_analytics.api.operation import operation
from conv_analytics.api.page import RawPage
from conv_analytics.api.retry import Retry
from conv_analytics.api.route import Route, route_to
from conv_analytics.defaults import RETRIES, TIMEOUT_S
from conv_analytics.errors import ConfigError, PagingWarning
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.private_key import Secret
from conv_analytics.resources import endpoints
from conv_analytics.resources.endpoint import Call, Listing, query, target
from conv_analytics.settings import Settings, base_url_of

T = TypeVar("T")
Transport = TypeVar("Transport")
Gate = TypeVar("Gate")

USER_AGENT = f"conv-analytics python/{platform.python_version()}"

#: A page of 100 events has about 100 kB; a body far larger is not a page.
MAX_BODY_BYTES = 64 << 20


class _Client(ABC, Generic[Transport, Gate]):
    """The methods of both clients: each endpoint of `conv_analytics.resources.endpoints`, declared once."""

    returns_call: ClassVar[str]
    returns_items: ClassVar[str]

    create_conversation = operation(endpoints.create_conversation)
    get_conversation = operation(endpoints.get_conversation)
    update_conversation = operation(endpoints.update_conversation)
    delete_conversation = operation(endpoints.delete_conversation)
    get_conversation_page = operation(endpoints.get_conversation_page)
    list_all_conversations = operation(endpoints.list_all_conversations)
    list_all_user_conversations = operation(endpoints.list_all_user_conversations)
    create_member = operation(endpoints.create_member)
    get_member = operation(endpoints.get_member)
    get_me = operation(endpoints.get_me)
    update_member = operation(endpoints.update_member)
    get_member_page = operation(endpoints.get_member_page)
    list_all_members = operation(endpoints.list_all_members)
    create_event = operation(endpoints.create_event)
    get_event = operation(endpoints.get_event)
    delete_event = operation(endpoints.delete_event)
    get_event_page = operation(endpoints.get_event_page)
    list_all_events = operation(endpoints.list_all_events)
    get_user_sessions_page = operation(endpoints.get_user_sessions_page)
    list_all_user_sessions = operation(endpoints.list_all_user_sessions)
    get_user = operation(endpoints.get_user)
    get_user_page = operation(endpoints.get_user_page)
    list_all_users = operation(endpoints.list_all_users)
    get_call = operation(endpoints.get_call)
    get_call_page = operation(endpoints.get_call_page)
    list_all_calls = operation(endpoints.list_all_calls)

    def __init__(
        self,
        application_id: str | OfficialClient | None = None,
        private_key: str | Path | None = None,
        *,
        base_url: str | None = None,
        timeout: float = TIMEOUT_S,
        retries: int | Retry = RETRIES,
        auth: httpx.Auth | None = None,
        user_agent: str | None = None,
        transport: Transport | None = None,
        gate: Gate | None = None,
        on_event: Listener | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        settings: Settings | None = None,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Parameters
        ----------
        application_id, private_key
            The application, and its RSA private key as a path, as PEM text or as base64 of it. By default they come
            from the environment (see `conv_analytics.settings`), else from the Vonage CLI's configuration. Or, instead
            of both, a client of Vonage's own library (package ``vonage`` 4), which then signs: `Conversations(vonage)`.
        base_url
            Host of the API, or a region (``us``, ``eu``, ``ap``). Default: that of Vonage's own client where it is not
            the usual one, else ``VONAGE_API_HOST``, else ``https://api.nexmo.com``.
        timeout
            Longest time to connect, and between two pieces of a response. [s]
        retries
            How often a failed request is repeated, or a whole `Retry` policy.
        auth
            Another authentication; then application and key are not needed.
        user_agent
            A prefix for this package's own.
        transport
            A transport to send the requests, instead of the default one.
        gate
            Called (by the async client: awaited) before each request and each retry, for example by a rate limit.
        on_event
            Called with a frozen value for each request, response and retry, and once when the local clock is wrong.
        max_body_bytes
            Maximum size of a body, decompressed. [B]
        settings
            Resolved settings; then application, key and base URL are ignored.
        """
        # A traceback that shows the locals of this frame must not show the key's text.
        key = None if private_key is None else Secret(str(private_key))
        del private_key
        identity = None if application_id is None else str(application_id)
        if settings is None and application_id is not None and not isinstance(application_id, str | UUID):
            settings, auth = of_official_client(application_id, base_url, alone=key is None and auth is None)
        settings = settings or Settings.resolve(identity, key, base_url=base_url, need_credentials=auth is None)
        self._settings = settings
        self._notify: Listener = on_event or silent
        retry = retries if isinstance(retries, Retry) else Retry(repeats=retries)
        auth = auth or _token(settings)
        clock = auth.clock if isinstance(auth, TokenAuth) else ServerClock()
        self._rules = Rules(retry, self._notify, clock)
        route = None if transport is not None else route_to(settings.base_url)
        self._wire = Wire(
            base_url=settings.base_url,
            auth=auth,
            headers={
                "accept": "application/json",
                "accept-encoding": "gzip, deflate",
                "user-agent": f"{user_agent} {USER_AGENT}" if user_agent else USER_AGENT,
            },
            timeout=httpx.Timeout(timeout, pool=None),
            max_body_bytes=max_body_bytes,
            notify=self._notify,
            skew=SkewWatch(clock, self._notify),
            proxy=route.proxy if route else None,
        )
        self._connect(transport, gate, route)

    @abstractmethod
    def _connect(self, transport: Transport | None, gate: Gate | None, route: Route | None) -> None:
        """Make the driver, with either a transport or a route."""

    @property
    def config(self) -> Mapping[str, str]:
        """The client's configuration with the source of each value; the key as a fingerprint."""
        return {
            **self._settings.describe(),
            "auth": type(self._wire.auth).__name__,
            "timeout_s": str(self._wire.timeout.read),
            "retries": str(self._rules.retry.repeats),
            "user_agent": self._wire.headers["user-agent"],
        }

    @property
    def base_url(self) -> str:
        """Scheme, host and port of the API."""
        return self._settings.base_url

    def at_host(self, base_url: str) -> Self:
        """A client of the same application on another host of the API, such as that of another region.

        >>> client = AsyncConversations("an-application", auth=httpx.BasicAuth("a", "b"))
        >>> client.at_host("https://api-us-3.vonage.com").base_url
        'https://api-us-3.vonage.com'
        """
        settings = replace(self._settings, base_url=base_url_of(base_url))
        return type(self)(
            settings=settings,
            # Our own tokens are for one host; the other host needs another token.
            auth=None if settings.credentials is not None else self._wire.auth,
            timeout=self._wire.timeout.read or TIMEOUT_S,
            retries=self._rules.retry,
            max_body_bytes=self._wire.max_body_bytes,
        )

    @property
    def application_id(self) -> str | None:
        """Id of the application that the API answers for; None where only `auth` knows it."""
        return self._settings.application_id

    def bulk(
        self,
        *,
        gate: Callable[[], Awaitable[None]],
        on_event: Listener,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AsyncConversations:
        """An async client with the same settings and credentials, for a bulk run on its own loop.

        `sleep` is awaited before retries, with the seconds to wait.
        """
        client = AsyncConversations(
            settings=self._settings,
            auth=self._wire.auth,
            timeout=self._wire.timeout.read or TIMEOUT_S,
            retries=self._rules.retry,
            gate=gate,
            on_event=on_event,
            max_body_bytes=self._wire.max_body_bytes,
        )
        client.run_in_bulk(sleep)
        return client

    @safe_repr
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.application_id}, {self._settings.base_url})"

    def _repr_html_(self) -> str:
        return markup.block(type(self).__name__, self._settings.base_url, markup.facts(self.config))


class Conversations(_Client[httpx.BaseTransport, Callable[[], None]]):
    """The Conversation API, blocking.

    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=1) as sandbox:
    ...     with Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url) as client:
    ...         [conversation.name for conversation in client.list_all_conversations()]
    ['intake-00000']
    """

    returns_call = "{}"
    returns_items = "Iterator[{}]"

    def _connect(
        self, transport: httpx.BaseTransport | None, gate: Callable[[], None] | None, route: Route | None
    ) -> None:
        transport = route.blocking() if route is not None else transport
        assert transport is not None
        self._driver = Driver(self._wire, transport, gate)

    def fetch(self, call: Call[T]) -> T:
        """Carry out a call, any of `conv_analytics.resources.endpoints` or your own."""
        return self._driver.run(fetch(call, self._rules))

    def items(self, listing: Listing[T]) -> Iterator[T]:
        """Iterate over a listing, page after page, each item once."""
        paginator = Paginator(listing, self._rules)
        while not paginator.done:
            page = self._driver.run(paginator.next_page())
            yield from paginator.new_items(page)
            _warn(page)

    def raw(self, call: Call[Any]) -> bytes:
        """The body of a response, verbatim; always a JSON object."""
        return self._driver.run(fetch_raw(call, self._rules))

    def raw_page(self, listing: Listing[Any], cursor: str | None = None) -> RawPage:
        """One page of a listing with its items left as text."""
        return self._driver.run(fetch_page(listing, cursor, self._rules))

    def raw_pages(self, listing: Listing[Any], cursor: str | None = None) -> Iterator[RawPage]:
        """The pages of a listing, from the first or from a cursor.

        The caller checks `RawPage.warning`. When the API has forgotten a cursor, the pages begin again.
        """
        paginator = Paginator(listing, self._rules, cursor)
        while not paginator.done:
            yield self._driver.run(paginator.next_page())

    def request(
        self, method: str, path: str, *, params: Mapping[str, object] | None = None, json: object = None
    ) -> Any:
        """Send any request to the API's host; the decoded JSON, or None for an empty answer.

        For requests without a method of their own: ``client.request("PUT", "/v1/conversations/CON-1/record",
        json={"action": "start"})``.
        """
        return self._driver.run(fetch_json(_any(method, path, params, json), self._rules))

    def close(self) -> None:
        """Close all connections."""
        self._driver.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncConversations(_Client[httpx.AsyncBaseTransport, Callable[[], Awaitable[None]]]):
    """The Conversation API on an event loop; in a notebook with ``await``.

    >>> import asyncio
    >>> from conv_analytics.sandbox import Sandbox
    >>> async def first_event() -> str:
    ...     with Sandbox(conversations=1) as sandbox:
    ...         key = sandbox.private_key
    ...         async with AsyncConversations(sandbox.application_id, key, base_url=sandbox.base_url) as client:
    ...             page = await client.get_conversation_page()
    ...             return (await client.get_event(page.conversations[0].id, 1)).type
    >>> asyncio.run(first_event())
    <EventType.MEMBER_JOINED: 'member:joined'>
    """

    returns_call = "Awaitable[{}]"
    returns_items = "AsyncIterator[{}]"

    def _connect(
        self,
        transport: httpx.AsyncBaseTransport | None,
        gate: Callable[[], Awaitable[None]] | None,
        route: Route | None,
    ) -> None:
        transport = route.asynchronous() if route is not None else transport
        assert transport is not None
        self._driver = AsyncDriver(self._wire, transport, gate)

    def run_in_bulk(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Set the function awaited before retries, and let tasks keep large bodies until their next request."""
        self._driver.sleep = sleep
        self._driver.large.keep = True

    async def fetch(self, call: Call[T]) -> T:
        """Carry out a call, any of `conv_analytics.resources.endpoints` or your own."""
        return await self._driver.run(fetch(call, self._rules))

    async def items(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Iterate over a listing, page after page, each item once."""
        paginator = Paginator(listing, self._rules)
        while not paginator.done:
            page = await self._driver.run(paginator.next_page())
            for item in paginator.new_items(page):
                yield item
            _warn(page)

    async def raw(self, call: Call[Any]) -> bytes:
        """The body of a response, verbatim; always a JSON object."""
        return await self._driver.run(fetch_raw(call, self._rules))

    async def raw_page(self, listing: Listing[Any], cursor: str | None = None) -> RawPage:
        """One page of a listing with its items left as text."""
        return await self._driver.run(fetch_page(listing, cursor, self._rules))

    async def raw_pages(self, listing: Listing[Any], cursor: str | None = None) -> AsyncIterator[RawPage]:
        """The pages of a listing, from the first or from a cursor.

        The caller checks `RawPage.warning`. When the API has forgotten a cursor, the pages begin again.
        """
        paginator = Paginator(listing, self._rules, cursor)
        while not paginator.done:
            yield await self._driver.run(paginator.next_page())

    async def request(
        self, method: str, path: str, *, params: Mapping[str, object] | None = None, json: object = None
    ) -> Any:
        """Send any request to the API's host; the decoded JSON, or None for an empty answer."""
        return await self._driver.run(fetch_json(_any(method, path, params, json), self._rules))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._driver.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _token(settings: Settings) -> JWTAuth:
    credentials = settings.credentials
    if credentials is None:
        raise ConfigError("There is neither an application with its key nor another way of authentication (auth=).")
    return JWTAuth(credentials.application_id, credentials.key, origin=settings.base_url)


def _any(method: str, path: str, params: Mapping[str, object] | None, json: object) -> Send:
    if not path.startswith("/") or path.startswith("//") or "\\" in path:
        raise ConfigError(f"A request goes to the API's own host: give a path as in /v1/users, not {path[:80]!r}.")
    return Send(method.upper(), target(path, query(**params or {})), encode(json))


def _warn(page: RawPage) -> None:
    if page.warning:
        warnings.warn(page.warning, PagingWarning, stacklevel=3)
