"""The aiohttp transport, behind the httpx interface, tuned for bulk reading.

Differences from `httpx_aiohttp.AiohttpTransport`: a lost connection is never repeated in secret (aiohttp does
so for GETs, and no counter would see it), the URL goes out byte for byte as it was built (aiohttp would
re-quote cursors), a connection lost after sending is not reported as a failure to connect (a POST would be
repeated), and what can be prepared once is.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping

import aiohttp
import httpx
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream
from multidict import CIMultiDict
from yarl import URL

#: A body that comes in drops keeps every pause short; it may take so many times the longest pause as a whole.
WHOLE = 10

_BEFORE_SEND = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ConnectionTimeoutError,
)


class BulkTransport(AiohttpTransport):
    """Requests over one aiohttp session per event loop."""

    def __init__(self, *, connections: int = 100, proxy_url: str | None = None, verify: bool = True) -> None:
        # aiohttp looks the environment up again for each request, in a thread: that costs half of all
        # requests per second.
        super().__init__(verify=verify, limits=httpx.Limits(max_connections=connections, keepalive_expiry=30.0))
        self._proxy_url = proxy_url
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; give the answer as soon as its headers are there."""
        wanted = request.extensions.get("timeout", {})
        response = await self._open(
            request.method,
            str(request.url),
            CIMultiDict(request.headers.multi_items()),
            request.content,
            client_timeout(wanted.get("pool"), wanted.get("connect"), wanted.get("read")),
            auto_decompress=False,
        )
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=BulkStream(response), request=request
        )

    async def exchange(  # noqa: PLR0917  called once, with all of them
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        patience: ClientTimeout,
        limit: int,
    ) -> tuple[int, Mapping[str, str], bytes | None]:
        """Send one request; give the status, the headers, and the whole body unless it is above `limit`.

        The body is decompressed. This is the way without httpx objects in between, which take longer to make
        than a local answer takes to come.
        """
        response = await self._open(method, url, headers, content, patience, auto_decompress=True)
        stream = BulkStream(response)
        try:
            patience_s = patience.sock_read
            async with asyncio.timeout(None if patience_s is None else WHOLE * patience_s):
                return response.status, response.headers, await stream.read_within(limit)
        except TimeoutError as error:
            raise httpx.ReadTimeout(too_slow(patience_s or 0.0)) from error
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
        # aiohttp has no public switch for this; its own test client sets the same attribute.
        session._retry_connection = False  # noqa: SLF001  see above
        self.client, self._loop = session, loop
        return session

    async def _open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        patience: ClientTimeout,
        *,
        auto_decompress: bool,
    ) -> ClientResponse:
        try:
            return await self._session().request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=content or None,
                allow_redirects=False,
                timeout=patience,
                proxy=self._proxy_url,
                auto_decompress=auto_decompress,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise translated(error) from error


def too_slow(patience_s: float) -> str:
    """What is said of a body that does not end."""
    return f"the answer was not whole after {WHOLE * patience_s:g} s"


@functools.cache
def client_timeout(pool: float | None, connect: float | None, read: float | None) -> ClientTimeout:
    """Give timeouts as aiohttp wants them: for a free connection, to connect, between two pieces [s]."""
    return ClientTimeout(total=None, connect=pool, sock_connect=connect, sock_read=read)


class BulkStream(AiohttpResponseStream):
    """The body of an answer."""

    async def read_within(self, limit: int) -> bytes | None:
        """The whole body as it came over the wire, or None when it is longer than `limit`."""
        response = self._aiohttp_response
        chunks, size = [], 0
        try:
            while chunk := await response.content.readany():
                size += len(chunk)
                if size > limit:
                    return None
                chunks.append(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise translated(error) from error
        return b"".join(chunks)

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        if self._aiohttp_response.content.at_eof():
            self._aiohttp_response.release()
        else:
            self._aiohttp_response.close()


def translated(error: Exception) -> httpx.TransportError:
    """The httpx error for an aiohttp one."""
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx.ConnectTimeout(text)
    if isinstance(error, _BEFORE_SEND):
        return httpx.ConnectError(text)
    if isinstance(error, aiohttp.InvalidURL):
        return httpx.UnsupportedProtocol(text)
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(text)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | aiohttp.ClientResponseError):
        return httpx.RemoteProtocolError(text)
    return httpx.ReadError(text)
