"""How a client reaches its host: through which proxy, trusting which certificates, over which transport."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import httpx

from conv_analytics.api.blocking_transport import BlockingTransport
from conv_analytics.api.proxy import Proxy, proxy_for
from conv_analytics.api.tls import ssl_context
from conv_analytics.api.transport import BulkTransport


class Route(NamedTuple):
    """The way to a host, as the environment was when the client was made."""

    proxy: Proxy | None
    tls: ssl.SSLContext

    def blocking(self) -> httpx.BaseTransport:
        """Connections for the blocking client."""
        return BlockingTransport(tls=self.tls, proxy=self.proxy)

    def asynchronous(self) -> httpx.AsyncBaseTransport:
        """Connections for the client on an event loop."""
        if self.proxy is None or not self.proxy.is_socks:
            return BulkTransport(tls=self.tls, proxy=self.proxy)
        # aiohttp knows no SOCKS.
        return httpx.AsyncHTTPTransport(
            verify=self.tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=100),
            proxy=httpx.Proxy(self.proxy.url, auth=self.proxy.auth),
        )


def route_to(base_url: str) -> Route:
    """Read the environment for the way to a host; raise `ConfigError` for what is wrong in it."""
    proxy = proxy_for(base_url)
    # Loading certificates takes 30 ms, which plain http to this machine has no use for.
    tls = ssl_context() if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Route(proxy, tls)
