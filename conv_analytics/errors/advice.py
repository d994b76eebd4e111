"""Turns an error response into the exception that says what to do."""

from __future__ import annotations

from http import HTTPStatus

from conv_analytics.errors.problem import ProblemDetails
from conv_analytics.errors.skew import clock_remark, duration
from conv_analytics.errors.tree import (
    AuthError,
    Conflict,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
)


def status_error(  # noqa: PLR0917  the parts of an answer, in their order
    method: str, url: str, status: int, body: bytes, retry_after: float | None = None, clock_offset_s: float = 0.0
) -> StatusError:
    """The exception for an error response; mentions a wrong clock where that may be the reason.

    >>> error = status_error("GET", "/v1/users/USR-1", 404, b'{"code": "user:error:not-found"}')
    >>> print(error)  # doctest: +ELLIPSIS
    GET /v1/users/USR-1 answered 404 [user:error:not-found]. It does not exist, has expired, or belongs to...
    """
    problem = ProblemDetails.read(body)
    kind = _KINDS.get(status, ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else StatusError)
    advice = _ADVICE.get(problem.code or "") or _BY_STATUS.get(
        status, "Try again later." if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
    )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        advice = "Redirects are not followed, so that the token stays with its host: check base_url=."
    if status == HTTPStatus.UNAUTHORIZED and problem.code in _OF_TIME and (remark := clock_remark(clock_offset_s)):
        advice = f"{advice} A token with a wrong time is refused, and {remark}."
    if retry_after is not None and retry_after > 0:
        # Shown if nobody waited that long.
        advice = f"{advice} It asks to wait {duration(retry_after)}."
    return kind(status, problem, method=method, url=url, retry_after=retry_after, advice=advice)


_KINDS: dict[int, type[StatusError]] = {
    400: InvalidRequest,
    401: AuthError,
    403: AuthError,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    422: InvalidRequest,
    429: RateLimited,
}

#: Refusals that a wrong clock can explain; one without a code may have any reason.
_OF_TIME = frozenset({None, "system:error:expired-token", "jwt-expired", "system:error:invalid-token", "unauthorized"})

_BY_STATUS = {
    400: "Correct the request.",
    401: "Check that the private key belongs to this application id.",
    403: "This application may not do that: check its capabilities and the acl of the token.",
    404: "It does not exist, has expired, or belongs to another application.",
    409: "Choose another name, or read the current state first.",
    410: "It was there and has expired.",
    422: "Correct the request.",
    429: "Send fewer requests per second.",
}

_ADVICE = {
    "system:error:expired-token": "Check this machine's clock: a new token was refused as expired.",
    "jwt-expired": "Check this machine's clock: a new token was refused as expired.",
    "system:error:invalid-token": "Check that key and application id belong together, and the clock.",
    "system:error:missing-token": "The token got lost: look for a proxy that drops Authorization.",
    "jwt-revoked": "The application's key pair was replaced: download the new private key.",
    "account-suspended": "The account is suspended: ask the account's owner.",
    "application-suspended": "The application is suspended: ask the account's owner.",
    "paginator-builder:error:invalid-cursor": "The cursor is no longer valid: start the listing again"
    " (events: with start_id = last id + 1).",
    "conversation:error:not-allowed": "An INACTIVE conversation only allows GET and DELETE.",
    "conversation:error:duplicate-name": "Names of conversations are unique: choose another.",
    "user:error:duplicate-name": "Names of users are unique: choose another.",
    "conversation:error:maximum-number-of-members": "A conversation holds 100 members: remove one.",
    "conversation:error:member-already-joined": "The user is a member already: use update_member.",
    "conversation:error:invalid-member-state": "The member's state forbids it: read it with get_member.",
    "http:error:not-found": "The API has no such path: check base_url, and that an id is not empty.",
}
