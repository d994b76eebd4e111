"""Vonage's own library for Python (package ``vonage``, version 4) as the signer of tokens.

Its objects are recognised by their public attributes; their package is not imported, and sends no request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jwt

from conv_analytics.api.auth import DEFAULT_ORIGIN, TTL_S, TokenAuth, lifetime
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import HiddenText
from conv_analytics.settings import Settings, find_values, host_of

#: The default host of their library.
_THEIR_DEFAULT_HOST = "api.nexmo.com"


class SignsTokens(Protocol):
    """Their ``Auth``."""

    @property
    def application_id(self) -> Any:
        """UUID of the application; None where there is only an API key."""

    def generate_application_jwt(self, claims: Any = None) -> Any:
        """A token with these claims, as text or bytes."""


class HasAuth(Protocol):
    """Their ``HttpClient``."""

    @property
    def auth(self) -> Any:
        """Their ``Auth``."""


class HasHttpClient(Protocol):
    """Their ``Vonage``, and each of its parts, such as ``vonage.voice``."""

    @property
    def http_client(self) -> Any:
        """Their ``HttpClient``."""


OfficialClient = SignsTokens | HasAuth | HasHttpClient


class Signer(NamedTuple):
    """The signing function, its application, and the host chosen in the library."""

    auth: SignsTokens
    application_id: str
    host: str | None
    """None where it is their default."""


def signer_of(client: Any) -> Signer:
    """The signer of tokens in an object of the library: ``Vonage`` or a part of it, ``HttpClient``, ``Auth``.

    Raises
    ------
    ConfigError
        If it is none of these, or one without an application.
    """
    http_client = getattr(client, "http_client", client)
    auth = getattr(http_client, "auth", http_client)
    if not callable(getattr(auth, "generate_application_jwt", None)) or not hasattr(auth, "application_id"):
        raise ConfigError(
            f"application_id= is an object of the class {type(client).__name__}: give the application's UUID, or a"
            " client of the package vonage 4 (Vonage, HttpClient or Auth)."
        )
    if not auth.application_id:
        raise ConfigError(
            "The client of the package vonage has no application, only an API key, and the Conversation API"
            " accepts only an application's token: make it with Auth(application_id=..., private_key=...)."
        )
    host = getattr(http_client, "api_host", None)
    return Signer(auth, str(auth.application_id), host if host and host != _THEIR_DEFAULT_HOST else None)


class OfficialSDKAuth(TokenAuth):
    """Sign requests with tokens of Vonage's own library.

    The library sets claims and lifetime: a token is renewed according to its actual ``exp``. The usual 15 minutes by
    the API's clock are requested.

    Parameters
    ----------
    signer
        Its ``Auth``, or any object with the same two public names.
    clock
        This machine's clock, Unix time. [s]
    origin
        The only scheme, host and port to which the token is sent.
    """

    def __init__(
        self, signer: SignsTokens, clock: Callable[[], float] = time.time, origin: str = DEFAULT_ORIGIN
    ) -> None:
        super().__init__(clock, origin)
        self._signer = signer

    def _mint(self, now: float) -> tuple[str, float]:
        # It returns a sentence instead of raising, so that no frame of the traceback has the values that the library
        # quotes.
        minted = self._signed_token(now)
        if isinstance(minted, str):
            raise ConfigError(minted)
        return minted

    def _signed_token(self, now: float) -> tuple[str, float] | str:
        try:
            made = self._signer.generate_application_jwt(lifetime(now, TTL_S))
        except Exception as error:  # noqa: BLE001  their errors, and those of what they call
            return (
                f"The package vonage could not sign a token ({type(error).__name__}): check the private key that its"
                " client was made with."
            )
        try:
            token = HiddenText(made.decode() if isinstance(made, bytes) else made)
            claims = jwt.decode(token, options={"verify_signature": False})
            # The platform lets a token without an expiry live for 15 minutes.
            return token, float(claims.get("exp") or float(claims.get("iat") or now) + TTL_S)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            return "The package vonage returned something other than a token: is its client of version 4?"


def of_official_client(client: object, base_url: str | None, *, alone: bool) -> tuple[Settings, OfficialSDKAuth]:
    """The settings and the authentication of a client of Vonage's own library."""
    signer = signer_of(client)
    if not alone:
        raise ConfigError("The client of the package vonage signs the tokens: leave private_key= and auth= out.")
    url, source = host_of(find_values(base_url=base_url or signer.host))
    auth = OfficialSDKAuth(signer.auth, origin=url)
    # A key that cannot sign is found here, and not by the first request.
    auth.header()
    theirs = "the package vonage"
    sources = {"base_url": theirs if signer.host and not base_url else source, "application_id": theirs}
    return Settings(url, None, sources, minted_for=signer.application_id), auth


__all__ = ["OfficialClient", "OfficialSDKAuth", "Signer", "of_official_client", "signer_of"]
