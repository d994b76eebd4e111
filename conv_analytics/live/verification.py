"""Whether a webhook comes from Vonage, belongs to our application, and is unchanged (live contract 4).

Everything here works on the bytes as received, before anything parses them, and has no side effects.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from conv_analytics.live.secrets import Secrets
from conv_analytics.resources.query_values import query_objects, query_texts, query_values

#: How old a token may be, and how far ahead of this machine's clock the sender's may be. [s]
OLDEST_S, AHEAD_S = 300.0, 60.0
#: Longer tokens are not examined. Vonage's have 400 characters. [characters]
_LONGEST = 8192
#: Larger numbers are not instants. [s]
_LAST_S = 1e12
_BEARER = re.compile(r"\s*bearer(?:\s+(\S+))?\s*", re.IGNORECASE)


class Verdict(StrEnum):
    """Verdict on the signature of a webhook."""

    OK = "ok"
    UNSIGNED = "unsigned"
    """There is no token."""
    UNCHECKED = "unchecked"
    """There is a token, and no secret to check it with."""
    BAD_ALGORITHM = "bad_algorithm"
    """It is not HS256: such as none, or RS256 with a public key."""
    UNKNOWN_KEY = "unknown_key"
    """It is of an account without a known secret."""
    BAD_SIGNATURE = "bad_signature"
    """It was not signed with the secret, or is not a token."""
    WRONG_ISSUER = "wrong_issuer"
    WRONG_APPLICATION = "wrong_application"
    STALE = "stale"
    """It is too old, or from the future; or one of the two clocks is wrong."""
    HASH_MISMATCH = "hash_mismatch"
    """The body is not the one that was signed."""
    HASH_MISSING = "hash_missing"
    """The token is valid, but does not cover the body."""


class Policy(StrEnum):
    """How to treat webhooks without a valid signature."""

    REQUIRE = "require"
    """They are refused."""
    RECORD = "record"
    """They are stored with a mark; forged ones are refused all the same."""


class Verification(NamedTuple):
    """A verdict, and the claims of the token if it can be trusted."""

    verdict: Verdict
    application_id: str | None = None
    hash_of: str | None = None
    """Which form of the body has the hash of the token: ``raw``, ``compact``, ``query``, ``query_objects`` or
    ``query_values``."""


class Request(NamedTuple):
    """The signed parts of a request."""

    authorization: str | None
    method: str
    query: str
    body: bytes


#: Status of a refusal, by verdict; other verdicts are accepted. 503 asks the sender to send it again, signed.
_REFUSALS: Mapping[Verdict, int] = {
    Verdict.BAD_ALGORITHM: 401,
    Verdict.UNKNOWN_KEY: 401,
    Verdict.BAD_SIGNATURE: 401,
    Verdict.WRONG_ISSUER: 401,
    Verdict.WRONG_APPLICATION: 401,
}
_STRICT: Mapping[Verdict, int] = {
    Verdict.UNSIGNED: 503,
    Verdict.UNCHECKED: 503,
    Verdict.STALE: 401,
    Verdict.HASH_MISMATCH: 401,
}


def refusal(verdict: Verdict, policy: Policy) -> int | None:
    """The status with which a webhook is refused; None if it is accepted.

    >>> refusal(Verdict.UNSIGNED, Policy.REQUIRE), refusal(Verdict.UNSIGNED, Policy.RECORD)
    (503, None)
    """
    strict = _STRICT.get(verdict) if policy is Policy.REQUIRE else None
    return _REFUSALS.get(verdict, strict)


def verify(
    request: Request,
    secrets: Secrets,
    now: float,
    application_ids: Collection[str] = (),
) -> Verification:
    """Verify a webhook.

    Parameters
    ----------
    request
        The request as received.
    secrets
        Secrets of the accounts that may have sent it.
    now
        Seconds since 1970. [s]
    application_ids
        The accepted applications; any if empty.

    Returns
    -------
    Verification
        The first problem, in the order of the contract.
    """
    token = _token(request.authorization)
    if not token:
        return Verification(Verdict.UNSIGNED)
    if not secrets:
        return Verification(Verdict.UNCHECKED)
    claims = _claims(token, secrets)
    if isinstance(claims, Verdict):
        return Verification(claims)
    return _of_claims(claims, request, now, application_ids)


def _claims(token: str, secrets: Secrets) -> Mapping[str, Any] | Verdict:
    """The claims of a correctly signed token, or what is wrong with it."""
    parts = _parts(token)
    if parts is None:
        return Verdict.BAD_SIGNATURE
    header, claims, signed, signature = parts
    if header.get("alg") != "HS256" or "crit" in header:
        return Verdict.BAD_ALGORITHM
    known = secrets.of(str(claims.get("api_key")))
    if not known:
        return Verdict.UNKNOWN_KEY
    good = any(hmac.compare_digest(hmac.digest(secret, signed, "sha256"), signature) for secret in known)
    return claims if good else Verdict.BAD_SIGNATURE


def _of_claims(
    claims: Mapping[str, Any], request: Request, now: float, application_ids: Collection[str]
) -> Verification:
    """The verdict on a correctly signed token."""
    if claims.get("iss") != "Vonage":
        return Verification(Verdict.WRONG_ISSUER)
    application = claims.get("application_id")
    if not isinstance(application, str):
        application = None
    if application_ids and (application or "").lower() not in {each.lower() for each in application_ids}:
        return Verification(Verdict.WRONG_APPLICATION)
    if _is_stale(claims, now):
        return Verification(Verdict.STALE, application)
    expected = claims.get("payload_hash")
    if expected is None:
        return Verification(Verdict.HASH_MISSING, application)
    wanted = str(expected).strip().lower().encode("utf-8", "surrogatepass")
    for name, payload in _payloads(request):
        if hmac.compare_digest(hashlib.sha256(payload).hexdigest().encode(), wanted):
            return Verification(Verdict.OK, application, name)
    return Verification(Verdict.HASH_MISMATCH, application)


def _token(authorization: str | None) -> str | None:
    """The token of a header; None without one, or for another scheme."""
    match = _BEARER.fullmatch(authorization or "")
    return match[1] if match else None


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any], bytes, bytes] | None:
    """Header, claims, signed part and signature; None if the text is not a token."""
    if len(token) > _LONGEST:
        return None
    try:
        signed, _, last = token.encode("ascii").rpartition(b".")
        first, _, second = signed.partition(b".")
        header, claims = json.loads(_decoded(first)), json.loads(_decoded(second))
        signature = _decoded(last)
    except (ValueError, RecursionError):
        return None
    return (header, claims, signed, signature) if isinstance(header, dict) and isinstance(claims, dict) else None


def _decoded(part: bytes) -> bytes:
    """Base64 for URLs, without padding, and nothing else (RFC 7515)."""
    if b"+" in part or b"/" in part or b"=" in part:
        raise binascii.Error
    return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _is_stale(claims: Mapping[str, Any], now: float) -> bool:
    """Whether the token is too old, or from the future; a token without its time counts as stale."""
    issued, expires, begins = (_seconds(claims.get(name)) for name in ("iat", "exp", "nbf"))
    if issued is None or not -AHEAD_S <= now - issued <= OLDEST_S:
        return True
    expired = "exp" in claims and (expires is None or now - expires > AHEAD_S)
    early = "nbf" in claims and (begins is None or begins - now > AHEAD_S)
    return expired or early


def _seconds(value: Any) -> float | None:
    # JSON's NaN compares with nothing, so such a token is stale, too.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < _LAST_S else None


def _payloads(request: Request) -> Iterator[tuple[str, bytes]]:
    """The possible hashed payloads, likeliest first; three descriptions of the API differ."""
    if request.method == "GET":
        yield "query", _compact(query_texts(request.query))
        # Whether nested JSON is decoded before it is hashed, and which, is not documented (live contract 11).
        yield "query_objects", _compact(query_objects(request.query))
        yield "query_values", _compact(query_values(request.query))
        return
    yield "raw", request.body
    try:
        yield "compact", _compact(json.loads(request.body))
    except (ValueError, RecursionError):
        # It is not JSON, so there is no other form.
        return


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
