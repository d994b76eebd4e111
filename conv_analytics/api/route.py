"""How a client reaches its host: proxy, trusted certificates and transport."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import httpx

from conv_analytics.api.blocking_transport import BlockingTransport
from conv_analytics.api.proxy import Proxy, proxy_for
from conv_analytics.api.tls import ssl_context
from conv_analytics.api.transport import BulkTransport


class Route(NamedTuple):
    """The route to a host, from the environment when the client was made."""

    proxy: Proxy | None
    tls: ssl.SSLContext

    def blocking(self) -> httpx.BaseTransport:
        """Connections for the blocking client."""
        return BlockingTransport(tls=self.tls, proxy=self.proxy)

    def asynchronous(self) -> httpx.AsyncBaseTransport:
        """Connections for the async client."""
        if self.proxy is None or not self.proxy.is_socks:
            return BulkTransport(tls=self.tls, proxy=self.proxy)
        # aiohttp does not support SOCKS.
        return httpx.AsyncHTTPTransport(
            verify=self.tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=100),
            proxy=httpx.Proxy(self.proxy.url, auth=self.proxy.auth),
        )


def route_to(base_url: str) -> Route:
    """The route to a host according to the environment; raise `ConfigError` for a wrong setting."""
    proxy = proxy_for(base_url)
    # Loading certificates takes 30 ms, and plain http to this machine does not need them.
    tls = ssl_context() if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Route(proxy, tls)
