"""Everything that can go wrong, as one tree.

::

    ConvAnalyticsError
      ConfigError                usage or configuration is wrong; nothing was asked of the API (exit code 2)
      APIError                   a request failed: .method, .url
        TransportError           no answer: connection refused or reset, timeout
        StatusError              an answer that says no: .status, .problem, .retry_after
          AuthError              401, 403
          NotFound               404: does not exist, or no access
          InvalidRequest         400, 422
          Conflict               409
          RateLimited            429
          ServerError            5xx
        UnexpectedPayload        a success whose body is not what was asked for
        CursorLoop               a listing that leads back to a page already read
        ResponseTooLarge         a body above the limit
      DatasetError
        TableNotFound            .table, .available
        SchemaChanged            .table, .column
        CorruptFile              .path
        DestinationError         .destination
        DatasetLocked            .destination, .owner: another run writes there (exit code 75)
      ExportIncomplete           some tasks failed, everything that finished is committed: .report, .result

Each message says what happened, to which request or file, and what to do next. None holds a key or a token.
"""

# ruff: noqa: N818  the names say what happened; "Error" at the end of each would say nothing more

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

__all__ = [
    "APIError",
    "AuthError",
    "ConfigError",
    "Conflict",
    "ConvAnalyticsError",
    "CorruptFile",
    "CursorLoop",
    "DatasetError",
    "DatasetLocked",
    "DestinationError",
    "ExportIncomplete",
    "InvalidRequest",
    "NotFound",
    "PagingWarning",
    "ProblemDetails",
    "RateLimited",
    "ResponseTooLarge",
    "SchemaChanged",
    "ServerError",
    "StatusError",
    "TableNotFound",
    "TransportError",
    "UnexpectedPayload",
    "redact",
    "status_error",
]

#: An error text longer than this is cut (contract 4.3).
TEXT_LIMIT = 500

_SECRETS = (
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), "[token]"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
        "[key]",
    ),
    (re.compile(r"(?i)\b(api_secret|api_key|sig|access_token|token)=[^&\s\"']+"), r"\1=[secret]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [secret]"),
)


def redact(text: str) -> str:
    """Take tokens, keys and control characters out of a text that is about to be shown.

    >>> redact("bad token eyJhbGciOi.eyJpYXQ.c2ln in /v1?api_secret=abc")
    'bad token [token] in /v1?api_secret=[secret]'
    """
    for pattern, label in _SECRETS:
        text = pattern.sub(label, text)
    return "".join(character if character.isprintable() else " " for character in text)


class ConvAnalyticsError(Exception):
    """Base of every error this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with the message alone, and an error must survive the way back from
        # a worker process.
        return _rebuild, (type(self), self.args, self.__dict__)


class ConfigError(ConvAnalyticsError, ValueError):
    """Usage or configuration is wrong: a key, an option, an argument."""

    exit_code = 2


class APIError(ConvAnalyticsError):
    """A request failed.

    Attributes
    ----------
    method, url
        The request. The URL never holds a secret.
    """

    def __init__(self, message: str, *, method: str, url: str) -> None:
        super().__init__(message)
        self.method = method
        self.url = redact(url)


class TransportError(APIError):
    """No usable answer came, also after repeating.

    Attributes
    ----------
    before_send
        The connection was never made, so the server cannot have acted on the request.
    """

    def __init__(self, reason: str, *, method: str, url: str, before_send: bool = False) -> None:
        advice = "Check the network, the proxy and the host." if before_send else "Try again, or raise timeout=."
        super().__init__(f"{method} {redact(url)} got no answer: {_cut(reason)}. {advice}", method=method, url=url)
        self.before_send = before_send


class UnexpectedPayload(APIError):
    """A success (2xx) whose body is not what was asked for: HTML, empty, cut off, an error object."""

    def __init__(self, reason: str, *, method: str, url: str, status: int = 200) -> None:
        message = (
            f"{method} {redact(url)} answered {status} with {_cut(reason)}. "
            "Try again; if it stays so, look for a proxy between here and the API, or check base_url."
        )
        super().__init__(message, method=method, url=url)
        self.status = status


class CursorLoop(APIError):
    """A listing leads back to a page that was already read."""

    def __init__(self, *, method: str, url: str) -> None:
        message = f"{method} {redact(url)} leads back to a page already read. Start the listing again."
        super().__init__(message, method=method, url=url)


class ResponseTooLarge(APIError):
    """A body is above the limit of the client."""

    def __init__(self, limit: int, *, method: str, url: str) -> None:
        message = (
            f"{method} {redact(url)} sent over {limit:,} bytes. Use a smaller page_size or a larger max_body_bytes."
        )
        super().__init__(message, method=method, url=url)
        self.limit = limit


@dataclass(frozen=True)
class ProblemDetails:
    """What an error body says, in any of the shapes the platform and its gateways use (contract 4.3)."""

    title: str | None = None
    type: str | None = None
    code: str | None = None
    """The error code, else the fragment of ``type``."""
    detail: str | None = None
    """The text meant for people, whatever its key; cut to 500 characters."""
    instance: str | None = None
    """The platform's id of this failure, worth quoting to its support."""
    invalid_parameters: tuple[tuple[str, str], ...] = ()
    """Name and reason of each parameter that was refused."""

    @classmethod
    def read(cls, body: bytes) -> ProblemDetails:
        """Read an error body; never fails.

        >>> ProblemDetails.read(b'{"title": "Not found.", "code": "user:error:not-found"}').code
        'user:error:not-found'
        >>> ProblemDetails.read(b"<h1>502 Bad Gateway</h1>").detail
        '502 Bad Gateway'
        """
        text = body[: 1 << 16].decode("utf-8", "replace")
        try:
            payload = json.loads(text)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, Mapping):
            return cls(detail=_cut(re.sub(r"<[^>]*>", " ", text)) or None)
        return cls.of(payload)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> ProblemDetails:
        """Read a decoded error object."""
        kind = _first(payload, "type")
        fragment = kind.partition("#")[2] if kind else ""
        return cls(
            title=_first(payload, "title"),
            type=kind,
            code=_first(payload, "code", "error-code") or fragment or None,
            detail=_first(payload, "detail", "title", "message", "description", "error-code-label", "error", "errors"),
            instance=_first(payload, "instance", "rel"),
            invalid_parameters=tuple(_invalid(payload.get("invalid_parameters"))),
        )

    @staticmethod
    def looks_like(payload: Mapping[str, Any]) -> bool:
        """Whether an object that came with status 200 is an error after all.

        >>> ProblemDetails.looks_like({"title": "Internal Error.", "code": "system:error:internal-error"})
        True
        >>> ProblemDetails.looks_like({"id": 1, "type": "message", "body": {}})
        False
        """
        if any(key in payload for key in ("_embedded", "_links", "page_size", "id", "uuid")):
            return False
        named = any(
            isinstance(payload.get(key), str | int)
            for key in ("code", "type", "error-code", "status", "error", "instance")
        )
        told = any(
            payload.get(key)
            for key in ("detail", "title", "description", "error-code-label", "message", "error", "errors")
        )
        return named and told


class StatusError(APIError):
    """The API answered, and said no.

    Attributes
    ----------
    status
        HTTP status.
    problem
        What the body said.
    retry_after
        Seconds the API asked to wait, or None. [s]
    """

    def __init__(
        self,
        status: int,
        problem: ProblemDetails,
        *,
        method: str,
        url: str,
        retry_after: float | None = None,
        advice: str = "",
    ) -> None:
        said = f": {problem.detail.rstrip('.')}" if problem.detail else ""
        wrong = "; ".join(f"{name}: {reason}" for name, reason in problem.invalid_parameters)
        code = f" [{problem.code}]" if problem.code else ""
        message = f"{method} {redact(url)} answered {status}{said}{f' ({wrong})' if wrong else ''}{code}."
        super().__init__(f"{message} {advice}".rstrip(), method=method, url=url)
        self.status = status
        self.problem = problem
        self.retry_after = retry_after

    @property
    def code(self) -> str | None:
        """The platform's error code, such as ``conversation:error:not-found``."""
        return self.problem.code


class AuthError(StatusError):
    """The token was refused (401) or may not do this (403)."""


class NotFound(StatusError):
    """It does not exist, or this application has no access to it: the API does not tell which (404)."""


class InvalidRequest(StatusError):
    """The API did not accept the parameters or the body (400, 422)."""


class Conflict(StatusError):
    """The name is taken, or the state does not allow it (409)."""


class RateLimited(StatusError):
    """Too many requests (429)."""


class ServerError(StatusError):
    """The platform or a gateway failed (5xx)."""


class DatasetError(ConvAnalyticsError):
    """A dataset cannot be read or written."""


class TableNotFound(DatasetError):
    """There is no such table."""

    def __init__(self, table: str, available: Iterable[str] = (), where: str = "") -> None:
        self.table, self.available = table, tuple(available)
        names = ", ".join(self.available) or "none yet; run an export first"
        super().__init__(f"There is no table {table!r}{f' in {where}' if where else ''}. Available: {names}.")


class SchemaChanged(DatasetError):
    """A file does not have the columns its table declares."""

    def __init__(self, table: str, column: str, detail: str) -> None:
        self.table, self.column = table, column
        super().__init__(f"Column {column!r} of table {table!r} {detail}. Read it with the version that wrote it.")


class CorruptFile(DatasetError):
    """A file is damaged."""

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        super().__init__(f"{self.path} is damaged: {_cut(reason)}. Restore it from a copy, or export it again.")


class DestinationError(DatasetError):
    """The place to write to does not work."""

    def __init__(self, destination: object, reason: str) -> None:
        self.destination = redact(str(destination))
        super().__init__(f"Cannot write to {self.destination}: {_cut(reason)}. Nothing was committed.")


class DatasetLocked(DatasetError):
    """Another run writes to the dataset."""

    def __init__(self, destination: object, owner: str) -> None:
        self.destination, self.owner = str(destination), owner
        super().__init__(
            f"{self.destination} is being written by {owner}. Wait for it to end, or export to another folder."
        )


class ExportIncomplete(ConvAnalyticsError):
    """Some tasks of an export failed; what finished is committed, and the same call resumes the rest."""

    def __init__(
        self,
        report: Any,
        message: str = "The export is incomplete. Run the same call again to resume it.",
        *,
        result: Any = None,
    ) -> None:
        super().__init__(message)
        self.report, self.result = report, result


class PagingWarning(UserWarning):
    """A listing ended in a way that may mean records are missing."""


def status_error(method: str, url: str, status: int, body: bytes, retry_after: float | None = None) -> StatusError:
    """The error for an answer that is not a success.

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
        advice = "Redirects are not followed, so that the token stays with its host: check base_url."
    return kind(status, problem, method=method, url=url, retry_after=retry_after, advice=advice)


_KINDS: dict[int, type[StatusError]] = {
    400: InvalidRequest,
    401: AuthError,
    403: AuthError,
    404: NotFound,
    409: Conflict,
    422: InvalidRequest,
    429: RateLimited,
}

_BY_STATUS = {
    400: "Correct the request.",
    401: "Check that the private key belongs to this application id.",
    403: "This application may not do that: check its capabilities and the acl of the token.",
    404: "It does not exist, has expired, or belongs to another application.",
    409: "Choose another name, or read the current state first.",
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


def _rebuild(kind: type[ConvAnalyticsError], args: tuple[Any, ...], state: dict[str, Any]) -> ConvAnalyticsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _first(payload: Mapping[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = payload.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return _cut(str(value))
        if isinstance(value, list | dict) and value:
            return _cut(json.dumps(value, default=str))
    return None


def _invalid(value: object) -> Iterable[tuple[str, str]]:
    items = value.values() if isinstance(value, Mapping) else value
    for item in items if isinstance(items, Iterable) and not isinstance(items, str | bytes) else ():
        if isinstance(item, Mapping):
            yield _first(item, "name", "field") or "?", _first(item, "reason", "message") or "invalid"


def _cut(text: str) -> str:
    text = " ".join(redact(text).split())
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 3]}..."
