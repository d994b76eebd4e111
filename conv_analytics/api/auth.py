"""Authentication as `httpx.Auth`: each scheme works for both blocking and async clients.

A scheme belongs to one origin (scheme, host, port), and leaves requests to any other origin unchanged, whatever link or
redirect led there.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import httpx
import jwt

from conv_analytics.api.clock import ServerClock, clock_offset
from conv_analytics.errors import ConfigError, ProblemDetails
from conv_analytics.errors.redaction import HiddenText, safe_repr
from conv_analytics.private_key import Secret, private_key_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DEFAULT_ORIGIN = "https://api.nexmo.com"

EXPIRED = frozenset({"system:error:expired-token", "jwt-expired"})

#: A token is renewed this long before it expires, so that it cannot expire in transit.
RENEW_BEFORE_S = 60.0
#: A token claims to be this old, so that a platform with a slow clock accepts it.
BACKDATED_S = 5.0
#: A refusal with a Date this far from the clock that signed the token may be caused by that clock.
MAX_SKEW_S = 5.0
#: Default lifetime of a token. [s]
TTL_S = 900
#: The platform refuses tokens that live longer.
MAX_TTL_S = 86_400


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, for comparison."""
    return url.scheme, url.host, url.port


class OriginAuth(httpx.Auth, ABC):
    """Base of the schemes: attaches a secret to requests of one origin only."""

    def __init__(self, origin: str = DEFAULT_ORIGIN) -> None:
        self._origin = origin_of(httpx.URL(origin))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request, with the secret if it goes to the origin."""
        if origin_of(request.url) == self._origin:
            yield from self._attach(request)
        else:
            yield request

    def covers(self, url: str) -> bool:
        """Whether a URL has the origin of the secret."""
        return origin_of(httpx.URL(url)) == self._origin

    @abstractmethod
    def _attach(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with the secret."""

    @safe_repr
    def __repr__(self) -> str:
        scheme, host, port = self._origin
        return f"{type(self).__name__}({scheme}://{host}{f':{port}' if port else ''}, secret hidden)"


class TokenAuth(OriginAuth):
    """Base of the schemes that send a token of limited lifetime, and renew it before it expires.

    A token is used until a minute before it expires, because signing takes longer than many requests. It is signed by
    the API's clock as soon as a response has shown it, so this machine's clock may be wrong. When a token is refused
    because it has expired, or with a Date that differs from the token's time, the request is sent once more with a new
    token.
    """

    # Only the body of a refusal says whether the token had expired.
    requires_response_body = True

    def __init__(self, clock: Callable[[], float] = time.time, origin: str = DEFAULT_ORIGIN) -> None:
        super().__init__(origin)
        self.clock = ServerClock(clock)
        self._header = ""
        self._signed_by_s = 0.0
        self._renew_at = 0.0

    def header(self) -> str:
        """The current Authorization header, with a new token if the last one expires soon."""
        now = self.clock.now()
        if now >= self._renew_at:
            self._signed_by_s = self.clock.offset_s
            token, expires = self._mint(now)
            self._header = HiddenText(f"Bearer {token}")
            # A token with a lifetime below the usual reserve is used for half of it.
            self._renew_at = expires - min(RENEW_BEFORE_S, max(expires - now, 0.0) / 2)
        return self._header

    def refused(self, header: str, body: bytes, date: str | None) -> bool:
        """Whether to send a refused request again with a new `header`, because its token had a wrong time."""
        # When many requests in flight are refused together, only the first needs a new token.
        if header != self._header:
            return True
        server_offset = clock_offset(date, self.clock.now() - self.clock.offset_s, 0.0)
        skewed = server_offset is not None and abs(server_offset - self._signed_by_s) >= MAX_SKEW_S
        if ProblemDetails.read(body).code not in EXPIRED and not skewed:
            return False
        self.clock.corrected(date)
        self._renew_at = 0.0
        return True

    def _attach(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        header = request.headers["authorization"] = self.header()
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED and self.refused(
            header, response.content, response.headers.get("date")
        ):
            request.headers["authorization"] = self.header()
            yield request

    @abstractmethod
    def _mint(self, now: float) -> tuple[str, float]:
        """A new token, and when it expires, from the time at the API; both Unix times [s]."""


class JWTAuth(TokenAuth):
    """Sign requests with a token of a Vonage application (contract 3).

    Parameters
    ----------
    application_id
        UUID of the application; the token gives access to its data only.
    key
        The application's RSA private key, or its PEM text.
    ttl
        Lifetime of a token, 120..86400. [s]
    subject
        User name, for the calls that act as a user (``get_me``); None for an admin token.
    acl
        Paths that the token may be used for; None for all.
    clock
        This machine's clock, Unix time. [s]
    origin
        The only scheme, host and port to which the token is sent.
    """

    def __init__(  # noqa: PLR0917  the order is that of Vonage's other libraries
        self,
        application_id: str,
        key: RSAPrivateKey | str,
        ttl: int = TTL_S,
        subject: str | None = None,
        acl: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        origin: str = DEFAULT_ORIGIN,
    ) -> None:
        # A traceback that shows the locals of this frame must not show the key's text.
        secret = Secret(key) if isinstance(key, str) else key
        del key
        super().__init__(clock, origin)
        if not 2 * RENEW_BEFORE_S <= ttl <= MAX_TTL_S:
            raise ConfigError(f"The ttl of a token must be from 120 to 86400 seconds, not {ttl}.")
        self.application_id = application_id
        self.ttl = ttl
        self.subject = subject
        self.acl = acl
        self._key = private_key_of(secret, "key=") if isinstance(secret, Secret) else secret

    def _mint(self, now: float) -> tuple[str, float]:
        claims: dict[str, Any] = {
            "application_id": self.application_id,
            **lifetime(now, self.ttl),
            "jti": str(uuid.uuid4()),
        }
        if self.subject is not None:
            claims["sub"] = self.subject
        if self.acl is not None:
            claims["acl"] = dict(self.acl)
        return HiddenText(jwt.encode(claims, self._key, algorithm="RS256")), now + self.ttl


def lifetime(now: float, ttl: float) -> dict[str, int]:
    """The time claims of a token that is signed now and has this lifetime [s].

    >>> lifetime(1_795_000_000.0, 900)
    {'iat': 1794999995, 'exp': 1795000900}
    """
    return {"iat": int(now - BACKDATED_S), "exp": int(now + ttl)}


class BasicAuth(OriginAuth):
    """Send API key and secret as HTTP Basic; other Vonage APIs accept it, the Conversation API does not."""

    def __init__(self, api_key: str, api_secret: str, origin: str = DEFAULT_ORIGIN) -> None:
        self._header = HiddenText(f"Basic {base64.b64encode(f'{api_key}:{api_secret}'.encode()).decode()}")
        del api_key, api_secret
        super().__init__(origin)

    def _attach(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = self._header
        yield request


class QueryKeySecretAuth(OriginAuth):
    """Send API key and secret as query parameters ``api_key`` and ``api_secret``."""

    def __init__(self, api_key: str, api_secret: str, origin: str = DEFAULT_ORIGIN) -> None:
        self._pair = {"api_key": HiddenText(api_key), "api_secret": HiddenText(api_secret)}
        del api_key, api_secret
        super().__init__(origin)

    def _attach(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.url = request.url.copy_merge_params(self._pair)
        yield request


class BodyKeySecretAuth(OriginAuth):
    """Send API key and secret inside the request body, JSON or form."""

    requires_request_body = True

    def __init__(self, api_key: str, api_secret: str, origin: str = DEFAULT_ORIGIN) -> None:
        self._pair = {"api_key": HiddenText(api_key), "api_secret": HiddenText(api_secret)}
        del api_key, api_secret
        super().__init__(origin)

    def _attach(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in {"content-length", "transfer-encoding"}
        }
        yield httpx.Request(
            request.method,
            request.url,
            headers=headers,
            content=self._with_pair(request.content, request.headers.get("content-type", "")),
            extensions=request.extensions,
        )

    def _with_pair(self, content: bytes, content_type: str) -> bytes:
        if content_type.startswith("application/x-www-form-urlencoded"):
            return urlencode([*parse_qsl(content.decode(), keep_blank_values=True), *self._pair.items()]).encode()
        payload = json.loads(content) if content else {}
        if not isinstance(payload, dict):
            raise ConfigError("Key and secret can only be put into a body that is a JSON object or a form.")
        return json.dumps({**payload, **self._pair}).encode()
