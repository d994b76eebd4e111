"""Errors of the HTTP libraries as errors of this package.

Their messages quote responses, headers, or the URL of a proxy with its password, which would then be kept in commits
and logs. So only the kind of failure and the system's error numbers are passed on.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator

import aiohttp
import httpcore
import httpx

from conv_analytics.api.content_coding import DamagedContent
from conv_analytics.api.proxy import Proxy
from conv_analytics.errors import CertificateError, ProxyError, TransportError

#: Exceptions that a transport may raise because of the network, the proxy or the server.
TRANSPORT_EXCEPTIONS = (httpx.RequestError, httpx.InvalidURL, httpcore.NetworkError, httpcore.TimeoutException,
           httpcore.ProtocolError, httpcore.ProxyError, httpcore.UnsupportedProtocol,
           aiohttp.ClientError, DamagedContent, OSError)  # fmt: skip

_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.UnsupportedProtocol,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_BY_PROXY = (aiohttp.ClientHttpProxyError, httpcore.ProxyError, httpx.ProxyError)
_CONNECT_TIMEOUTS = (aiohttp.ConnectionTimeoutError, httpcore.ConnectTimeout, httpx.ConnectTimeout)
_TIMEOUTS = (TimeoutError, httpx.TimeoutException, httpcore.TimeoutException)
#: The reason that is given for an error of, or caused by, one of these.
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (DamagedContent, httpx.DecodingError),
        "DecodingError: the body cannot be decompressed",
    ),
    ((ssl.SSLError,), "ConnectError: no TLS connection"),
    (
        (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError),
        "RemoteProtocolError: the connection was closed before the answer was complete",
    ),
    (
        (aiohttp.ClientResponseError, httpcore.ProtocolError, httpx.ProtocolError),
        "RemoteProtocolError: the answer is not HTTP, or was cut off",
    ),
)


class TotalTimeout(httpx.ReadTimeout):
    """A response that was not complete within the total time."""

    def __init__(self, limit_s: float) -> None:
        super().__init__("")
        self.limit_s = limit_s


def transport_error(
    error: Exception, *, method: str, url: str, host: str, proxy: Proxy | None, timeout_s: float | None
) -> TransportError:
    """The error for a request without a usable response.

    Parameters
    ----------
    error
        The exception of a transport.
    method, url, host
        The request.
    proxy
        The proxy of the request, if any.
    timeout_s
        Longest time to connect, and between two pieces. [s]
    """
    chain = tuple(_chain(error))
    for each in chain:
        # One of aiohttp's errors is an instance of this one without its attributes.
        if isinstance(each, ssl.SSLCertVerificationError) and not isinstance(each, aiohttp.ClientError):
            return CertificateError(each.verify_message, method=method, url=url)
    source = proxy.source if proxy else None
    for each in chain:
        if isinstance(each, _BY_PROXY):
            return ProxyError(_status(each), source or "The proxy", method=method, url=url)
    never_sent = isinstance(error, _NEVER_SENT)
    reason = _reason(chain, timeout_s, proxy.url if proxy else host)
    if proxy is not None and never_sent and not any(isinstance(each, ssl.SSLError) for each in chain):
        return ProxyError(None, proxy.source, reason, method=method, url=url)
    way = f" (through the proxy of {source})" if source else ""
    return TransportError(f"{reason}{way}", method=method, url=url, before_send=never_sent)


def _reason(chain: tuple[BaseException, ...], timeout_s: float | None, peer: str) -> str:
    error = chain[0]
    if isinstance(error, TotalTimeout):
        return f"ReadTimeout: the answer was not complete after {error.limit_s:g} s"
    if isinstance(error, _CONNECT_TIMEOUTS):
        return f"ConnectTimeout: no connection to {peer} within {timeout_s or 0:g} s"
    if isinstance(error, _TIMEOUTS):
        return f"ReadTimeout: nothing received for {timeout_s or 0:g} s"
    for kinds, reason in _REASONS:
        cause = next((each for each in chain if isinstance(each, kinds)), None)
        if cause is not None:
            return f"{reason}{_code(cause)}"
    if isinstance(error, _NEVER_SENT):
        return f"ConnectError: no connection to {peer}{_number(chain)}"
    return f"ReadError: the connection was lost{_number(chain)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        # aiohttp has the system's error in an attribute.
        wrapped = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None)
        cause = wrapped or cause.__cause__ or cause.__context__


def _number(chain: tuple[BaseException, ...]) -> str:
    """The system's name for the failure, from its number."""
    if any(isinstance(each, aiohttp.ClientConnectorDNSError | socket.gaierror) for each in chain):
        return " (the name is not known)"
    for each in chain:
        if isinstance(each, OSError) and each.errno is not None and each.errno in errno.errorcode:
            return f" ({os.strerror(each.errno)})"
    return ""


def _code(error: BaseException) -> str:
    """OpenSSL's name of a failure, such as ``WRONG_VERSION_NUMBER``."""
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
    return f" ({reason})" if isinstance(reason, str) and re.fullmatch(r"[A-Z0-9_]{1,60}", reason) else ""


def _status(error: BaseException) -> int | None:
    """The status with which a proxy refused."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return error.status
    status = re.match(r"[1-9][0-9]{2}(?![0-9])", str(error))
    return int(status[0]) if status else None
