"""Signatures of webhooks, right ones and every kind of wrong one (live contract 4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import parse_qsl

import jwt

from conv_analytics.sandbox.webhooks.messages import compact

if TYPE_CHECKING:
    from collections.abc import Mapping

Signing = Literal[
    "signed", "skewed", "compact_hash", "nested_hash", "unsigned", "empty", "wrong_secret", "unknown_key", "no_hash",
    "changed_body", "other_application", "stale", "from_the_future", "no_algorithm", "public_key", "other_issuer",
    "expired",
]  # fmt: skip
#: How a request can be signed; the first four are right.
SIGNINGS: tuple[Signing, ...] = get_args(Signing)
RIGHT: frozenset[Signing] = frozenset({"signed", "skewed", "compact_hash", "nested_hash"})
#: How far the clock of a right signature may be ahead of the receiver's. [s]
SKEW_S = 45
STALE_S = 3600
#: Late enough that a token has expired, and not stale for that. [s]
LATE_S = 240


@dataclass(frozen=True, slots=True)
class Signer:
    """An account that signs for an application; its repr shows no secret."""

    api_key: str
    application_id: str
    secret: str = field(repr=False)
    private_key: str = field(repr=False)
    """Of the application: a receiver must not accept anything signed with it."""

    def headers(self, body: bytes, query: str, now: float, how: Signing = "signed") -> Mapping[str, str]:
        """Return the Authorization header of a request at an instant [s]; none when it is unsigned."""
        if how == "unsigned":
            return {}
        if how == "empty":
            return {"Authorization": "Bearer "}
        claims = self._claims(body, query, now, how)
        if how == "public_key":
            return {"Authorization": f"Bearer {jwt.encode(claims, self.private_key, algorithm='RS256')}"}
        if how == "no_algorithm":
            return {"Authorization": f"Bearer {jwt.encode(claims, '', algorithm='none')}"}
        secret = f"not-{self.secret}" if how == "wrong_secret" else self.secret
        return {"Authorization": f"Bearer {_hs256(claims, secret)}"}

    def _claims(self, body: bytes, query: str, now: float, how: Signing) -> dict[str, object]:
        late = {"skewed": SKEW_S, "from_the_future": STALE_S, "stale": -STALE_S, "expired": -LATE_S}.get(how, 0)
        claims: dict[str, object] = {
            "iat": int(now) + late,
            "jti": str(uuid.uuid4()),
            "iss": "Vonage" if how != "other_issuer" else "Elsewhere",
            "payload_hash": payload_hash(body, query, how),
            "api_key": self.api_key if how != "unknown_key" else "ffffffff",
            "application_id": self.application_id if how != "other_application" else str(uuid.uuid4()),
        }
        if how == "no_hash":
            del claims["payload_hash"]
        if how == "expired":
            claims["exp"] = int(now) - LATE_S // 2
        return claims


def _hs256(claims: dict[str, object], secret: str) -> str:
    """Sign claims with HS256, in a third of the time that the library takes."""
    signed = _HEADER + b"." + _base64(compact(claims))
    return (signed + b"." + _base64(hmac.digest(secret.encode(), signed, "sha256"))).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


_HEADER = _base64(compact({"alg": "HS256", "typ": "JWT"}))


def payload_hash(body: bytes, query: str = "", how: Signing = "signed") -> str:
    """Return the hash of a payload: the body's bytes; of a GET request, its parameters as one compact object.

    `compact_hash` takes the JSON of a body without its white space, `nested_hash` reads JSON within parameters.
    """
    if how == "changed_body":
        body += b" "
    elif not body and query:
        pairs: dict[str, object] = dict(parse_qsl(query, keep_blank_values=True))
        if how == "nested_hash":
            pairs = {name: _nested(str(text)) for name, text in pairs.items()}
        body = compact(pairs)
    elif how == "compact_hash":
        with suppress(ValueError):
            body = compact(json.loads(body))
    return hashlib.sha256(body).hexdigest()


def _nested(text: str) -> object:
    try:
        return json.loads(text) if text[:1] in {"{", "["} else text
    except ValueError:
        return text


__all__ = ["RIGHT", "SIGNINGS", "Signer", "Signing", "payload_hash"]
