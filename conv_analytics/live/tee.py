"""Passes requests on, byte for byte, to the previous webhook server (live contract 3.6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from conv_analytics.api.tls import ssl_context
from conv_analytics.errors import ConfigError
from conv_analytics.live.counts import Counts

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

#: Longest time for the other server: the most that an application can grant an event webhook (live contract 2). [s]
TIMEOUT_S = 10.0
#: Longer answers are not passed on. [B]
LARGEST_ANSWER = 10 << 20

#: Headers of one connection and not of the message (RFC 9110, 7.6.1), and those that the client library sets itself.
_OF_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_NOT_SENT = _OF_CONNECTION | {b"host", b"content-length", b"expect"}
#: Headers that the client library would add.
_SKIPPED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

Headers = list[tuple[bytes, bytes]]


class Forwarded(NamedTuple):
    """A request to pass on."""

    method: str
    path: str
    """The rest of the path after that of the webhook, percent-encoded as received."""
    query: str
    headers: Headers
    body: bytes


class Reply(NamedTuple):
    """The answer of the other server, or 502 or 504 without a body if there was none."""

    status: int
    headers: Headers
    body: bytes


class Tee:
    """Forwards requests to one server over connections that stay open.

    Parameters
    ----------
    url
        The previous URL of the webhook.
    counts
        Counters to update.
    timeout_s
        Longest time for an answer. [s]

    Raises
    ------
    ConfigError
        If it is not an HTTP URL, or has a user or a fragment.
    """

    def __init__(self, url: str, counts: Counts, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"tee= is {url!r}; it must be a URL such as https://app.example.com/webhooks/event.")
        if parts.username is not None or parts.fragment:
            raise ConfigError("The URL of tee= has a user or a fragment, which no webhook has. Leave it out.")
        self.host = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._base, self._query = parts._replace(query="").geturl(), parts.query
        self._has_path = bool(parts.path)
        self._tls = ssl_context() if parts.scheme == "https" else True
        self._counts, self._timeout_s = counts, timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, request: Forwarded) -> Reply:
        """Send a request, and return the answer; never raises for a server that fails."""
        import aiohttp  # noqa: PLC0415 - not needed by a listener without one

        if self._session is None:
            self._session = self._opened()
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    reply = await self._send(self._session, request, seen := _Seen())
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    if not seen.reused:
                        raise
                    # The server had closed a connection that was kept open: it did not see the request.
                    reply = await self._send(self._session, request, _Seen())
        except TimeoutError:
            self._counts.tee["timeout"] += 1
            return Reply(504, [], b"")
        except (aiohttp.ClientError, OSError, ValueError):
            self._counts.tee["failed"] += 1
            return Reply(502, [], b"")
        self._counts.tee["answered"] += 1
        return reply

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 - as above

        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, ttl_dns_cache=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=_SKIPPED,
            trace_configs=[trace],
        )

    async def _send(self, session: aiohttp.ClientSession, request: Forwarded, seen: _Seen) -> Reply:
        from multidict import CIMultiDict  # noqa: PLC0415 - comes with aiohttp

        url = self._url(request)
        headers = CIMultiDict(
            (name.decode("ascii"), _text(value)) for name, value in _end_to_end(request.headers, _NOT_SENT)
        )
        body = request.body if request.body or request.method != "GET" else None
        async with session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False, trace_request_ctx=seen
        ) as response:
            content = await response.content.read(LARGEST_ANSWER + 1)
            while not response.content.at_eof() and len(content) <= LARGEST_ANSWER:
                content += await response.content.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                raise ValueError("the answer is too long to pass on")
            lowered = [(name.lower(), value) for name, value in response.raw_headers]
            return Reply(response.status, _end_to_end(lowered, _OF_CONNECTION), content)

    def _url(self, request: Forwarded) -> URL:
        """Where a request goes: its path comes from the network, and must never decide on the server."""
        from yarl import URL  # noqa: PLC0415 - comes with aiohttp

        if request.path and not self._has_path and not request.path.startswith("/"):
            # It would be part of the host, or make the host a user's name.
            raise ValueError("the path does not start with a slash")
        query = "&".join(filter(None, (self._query, request.query)))
        url = URL(f"{self._base}{request.path}{'?' if query else ''}{query}", encoded=True)
        if url.raw_authority != URL(self._base, encoded=True).raw_authority:
            raise ValueError("the path changes the server")
        return url


class _Seen:
    """Whether a request used a connection that was already open."""

    def __init__(self) -> None:
        self.reused = False


async def _note_reuse(_session: object, context: Any, _params: object) -> None:
    context.trace_request_ctx.reused = True


def _end_to_end(headers: Headers, dropped: frozenset[bytes]) -> Headers:
    """Headers without hop-by-hop ones."""
    named = {part.strip().lower() for name, value in headers if name == b"connection" for part in value.split(b",")}
    return [(name, value) for name, value in headers if name not in dropped and name not in named]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
