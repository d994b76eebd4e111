"""Who sent a request: the address behind trusted proxies, and whether it is allowed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from conv_analytics.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AllowedSenders:
    """The networks that may send events.

    Parameters
    ----------
    networks
        Such as ``216.147.0.0/18``; every sender is allowed when there are none.
    proxies
        How many proxies of yours stand in front: each adds an address to ``X-Forwarded-For``, and the sender's is that
        many places from its end. With 0, the header is ignored.

    Raises
    ------
    ConfigError
        If a text is not a network.

    Examples
    --------
    >>> senders = AllowedSenders(["216.147.0.0/18"], proxies=1)
    >>> senders.allow("127.0.0.1", "10.0.0.9, 216.147.3.4"), senders.allow("216.147.3.4", None)
    (True, False)
    """

    def __init__(self, networks: Iterable[str] = (), proxies: int = 0) -> None:
        self._networks = [_network(text) for text in networks]
        self._proxies = proxies

    def allow(self, client: str | None, forwarded: str | None) -> bool:
        """Whether a request is allowed, by the peer of its connection and its ``X-Forwarded-For``."""
        if not self._networks:
            return True
        address = _address(self._sender(client, forwarded))
        return address is not None and any(address in network for network in self._networks)

    def _sender(self, client: str | None, forwarded: str | None) -> str | None:
        if not self._proxies:
            return client
        hops = [hop.strip() for hop in (forwarded or "").split(",")]
        return hops[-self._proxies] if len(hops) >= self._proxies else None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a network that senders could be allowed from: write an address such as 216.147.0.0/18."
        ) from None


def _address(text: str | None) -> Address | None:
    """Parse an address, also with a port, as some proxies write it; IPv4 in IPv6 becomes IPv4."""
    text = (text or "").strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
