"""The aiohttp transport, behind the httpx interface, tuned for bulk reading.

Unlike `httpx_aiohttp.AiohttpTransport`, it never repeats a request silently after a lost connection (aiohttp does so
for GETs, uncounted), sends the URL unchanged (aiohttp would quote cursors again), uses only the proxy and certificates
that it is given, and prepares once what it can. It raises the exceptions of aiohttp, which
`conv_analytics.api.failures` translates.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import aiohttp
import httpx
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from conv_analytics.api.content_coding import Content
from conv_analytics.api.large_bodies import LARGE_BYTES
from conv_analytics.api.proxy import Proxy
from conv_analytics.errors.redaction import HiddenText


class BulkTransport(AiohttpTransport):
    """Requests over one aiohttp session per event loop."""

    def __init__(self, *, tls: ssl.SSLContext, proxy: Proxy | None = None, connections: int = 100) -> None:
        super().__init__(
            verify=tls, trust_env=False, limits=httpx.Limits(max_connections=connections, keepalive_expiry=30.0)
        )
        self._proxy_url = None if proxy is None else proxy.url
        self._proxy_headers = None if proxy is None or proxy.auth is None else _authorization(*proxy.auth)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; return the response as soon as its headers have arrived."""
        timeouts = request.extensions.get("timeout", {})
        response = await self._open(
            request.method,
            str(request.url),
            CIMultiDict(request.headers.multi_items()),
            request.content,
            client_timeout(timeouts.get("pool"), timeouts.get("connect"), timeouts.get("read")),
        )
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=BulkStream(response), request=request
        )

    async def exchange(  # noqa: PLR0917  called in one place, with all of them
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        timeouts: ClientTimeout,
        limit: int,
        large: Callable[[], Awaitable[None]],
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request; return the status, the headers, and the whole body, decompressed.

        `large` is awaited once, when the body turns out to be large. A body above `limit` raises `TooLong`. No httpx
        objects are made, which would take longer than a local response.
        """
        response = await self._open(method, url, headers, content, timeouts)
        stream = BulkStream(response)
        try:
            return response.status, joined_headers(response.headers), await stream.read_within(limit, large)
        finally:
            await stream.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        if isinstance(self.client, ClientSession):
            await self.client.close()

    def _session(self) -> ClientSession:
        loop = asyncio.get_running_loop()
        if isinstance(self.client, ClientSession) and self._loop is loop and not self.client.closed:
            return self.client
        connector = aiohttp.TCPConnector(
            limit=self.limits.max_connections or 0, ssl=self.ssl_context, keepalive_timeout=30.0
        )
        session = ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # aiohttp has no public option for this; its own test client sets the same attribute.
        session._retry_connection = False  # noqa: SLF001  see above
        self.client, self._loop = session, loop
        return session

    async def _open(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeouts: ClientTimeout
    ) -> ClientResponse:
        return await self._session().request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=content or None,
            allow_redirects=False,
            timeout=timeouts,
            proxy=self._proxy_url,
            proxy_headers=self._proxy_headers,
        )


def joined_headers(headers: MultiMapping[str]) -> Mapping[str, str]:
    """The headers with one value each: those of a repeated one are joined, as httpx does it.

    >>> joined_headers(CIMultiDict([("Retry-After", "7"), ("retry-after", "30"), ("Date", "now")])).get("retry-after")
    '7, 30'
    """
    names = {name.lower() for name in headers}
    if len(names) == len(headers):
        return headers
    return CIMultiDict([(name, ", ".join(headers.getall(name))) for name in names])


@functools.cache
def client_timeout(pool: float | None, connect: float | None, read: float | None) -> ClientTimeout:
    """Timeouts for aiohttp: for a free connection, to connect, between two pieces [s]."""
    return ClientTimeout(total=None, connect=pool, sock_connect=connect, sock_read=read)


class BulkStream(AiohttpResponseStream):
    """The body of a response."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces as received."""
        while chunk := await self._aiohttp_response.content.readany():
            yield chunk

    async def read_within(self, limit: int, large: Callable[[], Awaitable[None]]) -> bytes:
        """The whole body, decompressed; `large` is awaited when it turns out to be large."""
        response, large_reported = self._aiohttp_response, False
        content = Content(joined_headers(response.headers).get("content-encoding"), limit)
        while chunk := await response.content.readany():
            content.feed(chunk)
            if not large_reported and content.size > LARGE_BYTES:
                large_reported = True
                await large()
        return content.whole()

    async def aclose(self) -> None:
        """Release the connection, or close it when the body was not read to its end."""
        if self._aiohttp_response.content.at_eof():
            self._aiohttp_response.release()
        else:
            self._aiohttp_response.close()


def _authorization(user: str, password: str) -> Mapping[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Proxy-Authorization": HiddenText(f"Basic {pair}")}
