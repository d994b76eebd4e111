"""The two drivers of flows, blocking and async: they send requests, wait, and report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import httpx

from conv_analytics.api.auth import JWTAuth, OriginAuth, TokenAuth
from conv_analytics.api.blocking_transport import time_limit
from conv_analytics.api.clock import SkewWatch
from conv_analytics.api.content_coding import Content, TooLong
from conv_analytics.api.failures import TRANSPORT_EXCEPTIONS, TotalTimeout, transport_error
from conv_analytics.api.flow import Flow, Reply, Send, Sleep
from conv_analytics.api.large_bodies import LARGE_BYTES, LargeBodies
from conv_analytics.api.notices import Listener, RequestSent, ResponseReceived
from conv_analytics.api.official_sdk import OfficialSDKAuth
from conv_analytics.api.proxy import Proxy
from conv_analytics.api.transport import BulkTransport, client_timeout
from conv_analytics.errors import APIError, ResponseTooLarge

T = TypeVar("T")

#: Total time of a request, as a multiple of the read timeout: a response that trickles in never reaches that timeout.
TOTAL_TIMEOUT_FACTOR = 10


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Base of both drivers: builds requests and reports responses."""

    base_url: str
    auth: httpx.Auth
    headers: Mapping[str, str]
    timeout: httpx.Timeout
    max_body_bytes: int
    notify: Listener
    skew: SkewWatch
    proxy: Proxy | None = None

    @property
    def limit_s(self) -> float | None:
        """Total time of a request [s]; None for no limit."""
        return None if self.timeout.read is None else TOTAL_TIMEOUT_FACTOR * self.timeout.read

    def request(self, send: Send) -> httpx.Request:
        """The request as httpx wants it, not yet authenticated."""
        return httpx.Request(
            send.method,
            self.base_url + send.url,
            headers=self.headers_of(send),
            content=send.body,
            extensions={"timeout": self.timeout.as_dict()},
        )

    def headers_of(self, send: Send) -> Mapping[str, str]:
        """The headers of a request, without authentication."""
        return self.headers if send.body is None else {**self.headers, "content-type": "application/json"}

    def sent(self, send: Send) -> float:
        """Report that a request is sent, and return the time [s]."""
        self.notify(RequestSent(send.method, send.url))
        return time.perf_counter()

    def reply(
        self, send: Send, status: int, headers: Mapping[str, str], body: bytes, started_s: float
    ) -> Reply | ResponseTooLarge:
        """Report a response that was read completely."""
        elapsed_s = time.perf_counter() - started_s
        self.skew.answered(headers, elapsed_s)
        self.notify(ResponseReceived(send.method, send.url, status, len(body), elapsed_s))
        return Reply(status, headers, body)

    def failed(self, send: Send, error: Exception) -> APIError:
        """The error for a request without a usable response."""
        if isinstance(error, TooLong):
            return ResponseTooLarge(self.max_body_bytes, method=send.method, url=send.url)
        return transport_error(
            error,
            method=send.method,
            url=send.url,
            host=self.base_url,
            proxy=self.proxy,
            timeout_s=self.timeout.read,
        )

    def needs_response(self, reply: Reply) -> bool:
        """Whether the authentication needs a response; our own schemes need refusals only."""
        return reply.status == HTTPStatus.UNAUTHORIZED or not isinstance(self.auth, OriginAuth)


class Driver:
    """Runs flows, blocking."""

    def __init__(self, wire: Wire, transport: httpx.BaseTransport, gate: Callable[[], None] | None = None) -> None:
        self.wire = wire
        self.transport = transport
        self.gate = gate

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end."""
        outcome: Reply | APIError | None = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = None
            if isinstance(step, Sleep):
                time.sleep(step.seconds)
            else:
                outcome = self._send(step)

    def _send(self, send: Send) -> Reply | APIError:
        steps = self.wire.auth.sync_auth_flow(self.wire.request(send))
        request = next(steps)
        while True:
            reply = self._send_once(send, request)
            if not isinstance(reply, Reply) or not self.wire.needs_response(reply):
                return reply
            try:
                request = steps.send(_httpx_response(reply, request))
            except StopIteration:
                return reply

    def _send_once(self, send: Send, request: httpx.Request) -> Reply | APIError:
        if self.gate is not None:
            self.gate()
        started_s = self.wire.sent(send)
        try:
            with time_limit(self.wire.limit_s):
                response = self.transport.handle_request(request)
                try:
                    body = _read(response, self.wire.max_body_bytes)
                finally:
                    response.close()
        except (*TRANSPORT_EXCEPTIONS, TooLong) as error:
            return self.wire.failed(send, error)
        return self.wire.reply(send, response.status_code, response.headers, body, started_s)


class AsyncDriver:
    """Runs flows on an event loop."""

    def __init__(
        self,
        wire: Wire,
        transport: httpx.AsyncBaseTransport,
        gate: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.wire = wire
        self.transport = transport
        self.gate = gate
        self.large = LargeBodies()
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._bulk = _bulk(wire, transport)
        self._timeout = client_timeout(wire.timeout.pool, wire.timeout.connect, wire.timeout.read)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end."""
        outcome: Reply | APIError | None = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = None
            if isinstance(step, Sleep):
                await self.sleep(step.seconds)
            else:
                outcome = await self._send(step)

    async def _send(self, send: Send) -> Reply | APIError:
        self.large.leave()
        if self._bulk is not None:
            return await self._send_bulk(send, *self._bulk)
        steps = self.wire.auth.async_auth_flow(self.wire.request(send))
        request = await anext(steps)
        while True:
            reply = await self._send_once(send, request)
            if not isinstance(reply, Reply) or not self.wire.needs_response(reply):
                await steps.aclose()
                return reply
            try:
                request = await steps.asend(_httpx_response(reply, request))
            except StopAsyncIteration:
                return reply

    async def _send_bulk(self, send: Send, transport: BulkTransport, token: TokenAuth) -> Reply | APIError:
        # Like `_send_once`, without httpx's request and response objects: twice the requests per second.
        header = ""

        async def exchange(large: Callable[[], Awaitable[None]]) -> tuple[int, Mapping[str, str], bytes]:
            # Signed only now: waiting for a place may take longer than the lifetime of a token.
            nonlocal header
            header = token.header()
            headers = {**self.wire.headers_of(send), "authorization": header}
            url = self.wire.base_url + send.url
            return await transport.exchange(
                send.method, url, headers, send.body, self._timeout, self.wire.max_body_bytes, large
            )

        reply = await self._answer(send, exchange)
        if isinstance(reply, APIError) or reply.status != HTTPStatus.UNAUTHORIZED:
            return reply
        if token.refused(header, reply.body, reply.headers.get("date")):
            return await self._answer(send, exchange)
        return reply

    async def _send_once(self, send: Send, request: httpx.Request) -> Reply | APIError:
        async def exchange(large: Callable[[], Awaitable[None]]) -> tuple[int, Mapping[str, str], bytes]:
            response = await self.transport.handle_async_request(request)
            try:
                body = await _aread(response, self.wire.max_body_bytes, large)
                return response.status_code, response.headers, body
            finally:
                await response.stream.aclose()  # type: ignore[union-attr]  # an async transport gives an async stream

        return await self._answer(send, exchange)

    async def _answer(
        self,
        send: Send,
        exchange: Callable[[Callable[[], Awaitable[None]]], Awaitable[tuple[int, Mapping[str, str], bytes]]],
    ) -> Reply | APIError:
        """Send a request once, within its total time, and report the response."""
        if self.gate is not None:
            await self.gate()
        started_s = self.wire.sent(send)
        limit_s = self.wire.limit_s
        try:
            async with asyncio.timeout(limit_s) as scope:
                status, headers, body = await exchange(lambda: self._enter(scope))
        except (*TRANSPORT_EXCEPTIONS, TooLong) as error:
            return self.wire.failed(send, TotalTimeout(limit_s) if limit_s is not None and scope.expired() else error)
        finally:
            if not self.large.keep:
                self.large.leave()
        return self.wire.reply(send, status, headers, body, started_s)

    async def _enter(self, scope: asyncio.Timeout) -> None:
        """Wait for a place for a large body; the wait does not count towards the total time."""
        when, now = scope.when(), asyncio.get_running_loop().time
        scope.reschedule(None)
        began = now()
        self.large.sleep = self.sleep
        await self.large.enter()
        scope.reschedule(None if when is None else when + now() - began)


#: A subclass may override the methods that bulk requests bypass.
_TOKENS = frozenset({JWTAuth, OfficialSDKAuth})


def _bulk(wire: Wire, transport: httpx.AsyncBaseTransport) -> tuple[BulkTransport, TokenAuth] | None:
    token = wire.auth
    if type(transport) is BulkTransport and isinstance(token, TokenAuth) and type(token) in _TOKENS:
        return (transport, token) if token.covers(wire.base_url) else None
    return None


def _read(response: httpx.Response, limit: int) -> bytes:
    if response.is_stream_consumed:
        # A custom transport may return responses that are already read.
        return _limited(response.content, limit)
    content = Content(response.headers.get("content-encoding"), limit)
    for chunk in response.iter_raw():
        content.feed(chunk)
    return content.whole()


async def _aread(response: httpx.Response, limit: int, large: Callable[[], Awaitable[None]]) -> bytes:
    if response.is_stream_consumed:
        return _limited(response.content, limit)
    content, large_reported = Content(response.headers.get("content-encoding"), limit), False
    async for chunk in response.aiter_raw():
        content.feed(chunk)
        if not large_reported and content.size > LARGE_BYTES:
            large_reported = True
            await large()
    return content.whole()


def _limited(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLong
    return body


def _httpx_response(reply: Reply, request: httpx.Request) -> httpx.Response:
    """The response for the authentication, already decompressed."""
    texts = [(name, value) for name, value in reply.headers.items() if name.lower() != "content-encoding"]
    # httpx would write them as ASCII; servers and proxies send other bytes, too.
    headers = httpx.Headers(texts, encoding="utf-8")
    return httpx.Response(reply.status, headers=headers, content=reply.body, request=request)
