"""The two drivers of flows, blocking and async: they send, wait, and tell what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import httpx

from conv_analytics.api.auth import JWTAuth, OriginAuth
from conv_analytics.api.clock import SkewWatch
from conv_analytics.api.flow import Flow, Reply, Send, Sleep
from conv_analytics.api.notices import Listener, RequestSent, ResponseReceived
from conv_analytics.api.transport import WHOLE, BulkTransport, client_timeout, too_slow
from conv_analytics.errors import APIError, ResponseTooLarge, TransportError

T = TypeVar("T")

_BEFORE_SEND = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, kw_only=True)
class Wire:
    """What both drivers share: how a request is built, and how its end is reported."""

    base_url: str
    auth: httpx.Auth
    headers: Mapping[str, str]
    timeout: httpx.Timeout
    max_body_bytes: int
    notify: Listener
    skew: SkewWatch

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
        """The headers of a request but for its authentication."""
        return self.headers if send.body is None else {**self.headers, "content-type": "application/json"}

    def sent(self, send: Send) -> float:
        """Report that a request goes out, and give the time it does [s]."""
        self.notify(RequestSent(send.method, send.url))
        return time.perf_counter()

    def reply(
        self, send: Send, status: int, headers: Mapping[str, str], body: bytes | None, started_s: float
    ) -> Reply | ResponseTooLarge:
        """Report an answer that was read to its end, or to the limit."""
        if body is None:
            return ResponseTooLarge(self.max_body_bytes, method=send.method, url=send.url)
        elapsed_s = time.perf_counter() - started_s
        self.skew.answered(headers, elapsed_s)
        self.notify(ResponseReceived(send.method, send.url, status, len(body), elapsed_s))
        return Reply(status, headers, body)

    def wants(self, reply: Reply) -> bool:
        """Whether the authentication has to see an answer: our own schemes only look at refusals."""
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
        try:
            steps = self.wire.auth.sync_auth_flow(self.wire.request(send))
            request = next(steps)
            while True:
                reply = self._once(send, request)
                if not isinstance(reply, Reply) or not self.wire.wants(reply):
                    return reply
                try:
                    request = steps.send(_seen(reply, request))
                except StopIteration:
                    return reply
        except httpx.RequestError as error:
            return _lost(send, error)

    def _once(self, send: Send, request: httpx.Request) -> Reply | APIError:
        if self.gate is not None:
            self.gate()
        started_s = self.wire.sent(send)
        response = self.transport.handle_request(request)
        try:
            body = _read(response, self.wire)
            return self.wire.reply(send, response.status_code, response.headers, body, started_s)
        finally:
            response.close()


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
        try:
            if self._bulk is not None:
                return await self._send_bulk(send, *self._bulk)
            steps = self.wire.auth.async_auth_flow(self.wire.request(send))
            request = await anext(steps)
            while True:
                reply = await self._once(send, request)
                if not isinstance(reply, Reply) or not self.wire.wants(reply):
                    await steps.aclose()
                    return reply
                try:
                    request = await steps.asend(_seen(reply, request))
                except StopAsyncIteration:
                    return reply
        except httpx.RequestError as error:
            return _lost(send, error)

    async def _send_bulk(self, send: Send, transport: BulkTransport, token: JWTAuth) -> Reply | APIError:
        # The same as below without httpx's request and response objects: twice the requests per second.
        for last in (False, True):
            if self.gate is not None:
                await self.gate()
            header = token.header()
            headers = {**self.wire.headers_of(send), "authorization": header}
            started_s = self.wire.sent(send)
            status, received, body = await transport.exchange(
                send.method,
                self.wire.base_url + send.url,
                headers,
                send.body,
                self._timeout,
                self.wire.max_body_bytes,
            )
            reply = self.wire.reply(send, status, received, body, started_s)
            if (
                last
                or status != HTTPStatus.UNAUTHORIZED
                or body is None
                or not token.refused(header, body, received.get("date"))
            ):
                break
        return reply

    async def _once(self, send: Send, request: httpx.Request) -> Reply | APIError:
        if self.gate is not None:
            await self.gate()
        started_s = self.wire.sent(send)
        response = await self.transport.handle_async_request(request)
        try:
            body = await _aread(response, self.wire)
            return self.wire.reply(send, response.status_code, response.headers, body, started_s)
        finally:
            await response.stream.aclose()  # type: ignore[union-attr]  # an async transport gives an async stream


def _bulk(wire: Wire, transport: httpx.AsyncBaseTransport) -> tuple[BulkTransport, JWTAuth] | None:
    # Exactly these classes: a subclass may have changed the methods that this way goes around.
    if type(transport) is BulkTransport and type(wire.auth) is JWTAuth and wire.auth.covers(wire.base_url):
        return transport, wire.auth
    return None


def _read(response: httpx.Response, wire: Wire) -> bytes | None:
    body = _Body(wire)
    for chunk in response.iter_bytes():
        if not body.takes(chunk):
            return None
    return body.whole()


async def _aread(response: httpx.Response, wire: Wire) -> bytes | None:
    body = _Body(wire)
    async for chunk in response.aiter_bytes():
        if not body.takes(chunk):
            return None
    return body.whole()


class _Body:
    """A body that arrives piece by piece, within the limits of size and time."""

    def __init__(self, wire: Wire) -> None:
        self._limit, self._patience_s = wire.max_body_bytes, wire.timeout.read
        self._chunks: list[bytes] = []
        self._size = 0
        self._started_s = time.monotonic()

    def takes(self, chunk: bytes) -> bool:
        """Take a piece; False when the body is above its limit."""
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._patience_s is not None and time.monotonic() - self._started_s > WHOLE * self._patience_s:
            raise httpx.ReadTimeout(too_slow(self._patience_s))
        return self._size <= self._limit

    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self._chunks)


def _seen(reply: Reply, request: httpx.Request) -> httpx.Response:
    """The answer for the authentication to look at: already decompressed."""
    headers = [(name, value) for name, value in reply.headers.items() if name.lower() != "content-encoding"]
    return httpx.Response(reply.status, headers=headers, content=reply.body, request=request)


def _lost(send: Send, error: httpx.RequestError) -> TransportError:
    reason = f"{type(error).__name__} {error}".strip()
    return TransportError(reason, method=send.method, url=send.url, before_send=isinstance(error, _BEFORE_SEND))
