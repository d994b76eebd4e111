"""JSON Web Tokens: signed with RS256, checked as the platform checks them (contract 3)."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conv_analytics.sandbox.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LIFE_S = 24 * 3600
#: A token may be issued this far in the future. That the platform refuses more is an assumption: it is the usual check,
#: and the advice to date tokens back a little (contract 3) makes sense only with it.
EARLY_S = 10
REMEMBERED = 1024


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """An application's keys as PEM text; the repr shows neither."""

    private: str
    public: str


@lru_cache(maxsize=1)
def key_pair() -> KeyPair:
    """Make a 2048 bit RSA key pair, once per process (it takes a noticeable part of a second)."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(secret.decode(), public.decode())


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a valid token speaks for; `sub` is a user's name, or None for an admin token."""

    sub: str | None
    expires: float


class Verifier:
    """Checks `Authorization` headers; a token's signature is checked once and remembered until it expires."""

    def __init__(self, public_key: str, application_id: str, now: Callable[[], float] = time.time) -> None:
        """Accept tokens of one application."""
        self._key, self._application_id, self._now = public_key, application_id, now
        self._callers: dict[str, Caller] = {}

    def check(self, authorization: str | None) -> Caller:
        """Return the caller, or raise the 401 of contract 4.3."""
        if not authorization:
            raise refusal(code="system:error:missing-token")
        caller = self._callers.get(authorization)
        if caller is None:
            caller = self._verify(authorization)
            if len(self._callers) >= REMEMBERED:
                self._callers.clear()
            self._callers[authorization] = caller
        if caller.expires <= self._now():
            raise refusal(code="system:error:expired-token")
        return caller

    def _verify(self, authorization: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise refusal(code="system:error:missing-token")
        checks = ("exp", "iat", "nbf", "aud", "sub", "jti")  # only the signature: the rest is checked below
        options: Any = {"require": ["exp", "iat"]} | {f"verify_{claim}": False for claim in checks}
        try:
            claims = jwt.decode(token.strip(), self._key, algorithms=["RS256"], options=options)
            issued, expires = float(claims["iat"]), float(claims["exp"])
            begins = float(claims.get("nbf", 0))
        except (jwt.PyJWTError, TypeError, ValueError):
            raise refusal(code="system:error:invalid-token") from None
        fits = (
            claims.get("application_id") == self._application_id
            and bool(claims.get("jti"))
            and expires - issued <= LONGEST_LIFE_S
            and begins <= self._now()
            and issued <= self._now() + EARLY_S
        )
        if not fits:
            raise refusal(code="system:error:invalid-token")
        sub = claims.get("sub")
        return Caller(sub if isinstance(sub, str) else None, expires)


def sign(
    private_key: str, application_id: str, /, *, life_s: int = 900, clock_offset_s: float = 0.0, **claims: object
) -> str:
    """Sign a token with this test application's key (for tests; the client under test signs its own)."""
    now = int(time.time() + clock_offset_s)
    whole = {"application_id": application_id, "iat": now - 5, "exp": now + life_s, "jti": str(uuid.uuid4())}
    present = {name: value for name, value in (whole | claims).items() if value is not None}
    return jwt.encode(present, private_key, algorithm="RS256")
