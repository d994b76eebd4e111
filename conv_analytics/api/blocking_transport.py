"""The blocking transport: httpcore connections behind the httpx interface, with a total time per request.

httpx's own transport limits each wait for bytes only, so a server that sends one header a minute, or interim responses
(1xx) for ever, would never time out. Here each read also ends with the total time of its request.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from conv_analytics.api.failures import TotalTimeout
from conv_analytics.api.proxy import Proxy

_EARLY_S = 0.005


class _Deadline:
    """The time by which a request must be complete."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s, self._until = limit_s, time.monotonic() + limit_s

    @contextmanager
    def wait(self, timeout: float | None) -> Iterator[float]:
        """The longest possible wait now [s]; raise `TotalTimeout` when no time is left, before or after it."""
        left = self._remaining()
        try:
            yield left if timeout is None else min(timeout, left)
        except httpcore.TimeoutException:
            self._remaining()
            raise

    def _remaining(self) -> float:
        left = self._until - time.monotonic()
        # A timeout may fire a little early.
        if left < _EARLY_S:
            raise TotalTimeout(self._limit_s)
        return left


_DEADLINE: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """Limit the total time of a request, from connecting to the last byte [s]; None for no limit."""
    before = _DEADLINE.set(None if limit_s is None else _Deadline(limit_s))
    try:
        yield
    finally:
        _DEADLINE.reset(before)


class BlockingTransport(httpx.BaseTransport):
    """Requests over an httpcore pool; raises the exceptions of httpcore."""

    def __init__(self, *, tls: ssl.SSLContext, proxy: Proxy | None = None, connections: int = 100) -> None:
        options: dict[str, Any] = {
            "ssl_context": tls,
            "max_connections": connections,
            "keepalive_expiry": 5.0,
            "network_backend": _Backend(),
        }
        self._pool: httpcore.ConnectionPool
        if proxy is None:
            self._pool = httpcore.ConnectionPool(**options)
            return
        auth = None if proxy.auth is None else (proxy.auth[0].encode(), proxy.auth[1].encode())
        if proxy.is_socks:
            self._pool = httpcore.SOCKSProxy(proxy.url, proxy_auth=auth, **options)
        else:
            # httpcore accepts TLS settings only for a proxy that is itself reached over TLS.
            over_tls = tls if proxy.url.startswith("https:") else None
            self._pool = httpcore.HTTPProxy(proxy.url, proxy_auth=auth, proxy_ssl_context=over_tls, **options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; return the response as soon as its headers have arrived."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = self._pool.handle_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response.stream), request=request)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore.NetworkBackend):
    """A network backend whose waits end with the total time of the request."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        with _wait(timeout) as longest:
            return _Stream(self._inner.connect_tcp(host, port, longest, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _wait(timeout) as longest:
            return self._inner.read(max_bytes, longest)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _wait(timeout) as longest:
            self._inner.write(buffer, longest)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _wait(timeout) as longest:
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, longest))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _wait(timeout: float | None) -> AbstractContextManager[float | None]:
    deadline = _DEADLINE.get()
    return nullcontext(timeout) if deadline is None else deadline.wait(timeout)
