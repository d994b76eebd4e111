"""The classes of the error tree, which the package's docstring draws."""

# ruff: noqa: N818  the names say what happened; a suffix "Error" would add nothing

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conv_analytics.errors.problem import ProblemDetails
from conv_analytics.errors.redaction import redact, shorten


class ConvAnalyticsError(Exception):
    """Base of every error this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with the message alone; an error has to survive being pickled by a worker
        # process.
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
    """No usable answer arrived, even after retries.

    Attributes
    ----------
    before_send
        The connection was never made, so the server cannot have acted on the request.
    """

    def __init__(
        self, reason: str, *, method: str, url: str, before_send: bool = False, advice: str | None = None
    ) -> None:
        if advice is None:
            advice = "Check the network, the proxy and the host." if before_send else "Try again, or raise timeout=."
        super().__init__(f"{method} {redact(url)} got no answer: {shorten(reason)}. {advice}", method=method, url=url)
        self.before_send = before_send


class ProxyError(TransportError):
    """A proxy did not pass a request on: it could not be reached, or it refused.

    Attributes
    ----------
    status
        Status of the refusal, such as 407; None when the proxy was not reached or did not answer in HTTP.
    """

    def __init__(self, status: int | None, source: str, reason: str = "", *, method: str, url: str) -> None:
        if status:
            reason = f"the proxy of {source} answered {status}"
        else:
            reason = f"{reason or 'the answer is not HTTP'}, at the proxy of {source}"
        advice = _OF_PROXIES.get(status, f"Check {source}, or name the host in NO_PROXY if it needs no proxy.")
        super().__init__(
            reason,
            method=method,
            url=url,
            before_send=True,
            advice=advice.format(source=source),
        )
        self.status = status


class CertificateError(TransportError):
    """The certificate of the host, or of a proxy that puts its own in its place, is not trusted."""

    def __init__(self, reason: str, *, method: str, url: str) -> None:
        super().__init__(
            f"its certificate is not trusted ({reason})",
            method=method,
            url=url,
            before_send=True,
            advice="If a proxy of your company signs certificates, name its CA file in SSL_CERT_FILE;"
            " else check base_url and this machine's clock.",
        )


_OF_PROXIES: dict[int | None, str] = {
    407: "Give user and password in {source}, as USER:PASSWORD@HOST:PORT, special characters percent-encoded.",
    403: "The proxy forbids this host: ask who runs it, or name the host in NO_PROXY if it needs no proxy.",
}


class UnexpectedPayload(APIError):
    """A success (2xx) whose body is not what was requested: HTML, empty, cut off, an error object."""

    def __init__(self, reason: str, *, method: str, url: str, status: int = 200) -> None:
        message = (
            f"{method} {redact(url)} answered {status} with {shorten(reason)}. "
            "Try again; if it persists, look for a proxy between here and the API, or check base_url."
        )
        super().__init__(message, method=method, url=url)
        self.status = status


class CursorLoop(APIError):
    """An endless listing: it leads back to a page that was already read, or goes on without new records."""

    def __init__(self, reason: str = "leads back to a page already read", *, method: str, url: str) -> None:
        message = f"{method} {redact(url)} {reason}. Start the listing again."
        super().__init__(message, method=method, url=url)


class ResponseTooLarge(APIError):
    """A body is above the limit of the client."""

    def __init__(self, limit: int, *, method: str, url: str) -> None:
        message = (
            f"{method} {redact(url)} sent over {limit:,} bytes. Use a smaller page_size or a larger max_body_bytes."
        )
        super().__init__(message, method=method, url=url)
        self.limit = limit


class StatusError(APIError):
    """The API answered with an error status.

    Attributes
    ----------
    status
        HTTP status.
    problem
        Error details from the body.
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
    """It does not exist, or this application has no access to it: the API does not say which (404, 410)."""


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


class ColumnNotFound(DatasetError):
    """A table, or the frame that a function takes, lacks a column."""

    def __init__(
        self, table: str, column: str, available: Iterable[str] = (), *, elsewhere: Iterable[str] = ()
    ) -> None:
        self.table, self.column, self.available = table, column, tuple(available)
        self.elsewhere = tuple(elsewhere)
        names = ", ".join(self.available) or "none"
        others = f" Of an export, {', '.join(self.elsewhere)} have it." if self.elsewhere else ""
        super().__init__(f"Column {column!r} is needed, but table {table!r} does not have it. It has: {names}.{others}")


class SchemaChanged(DatasetError):
    """A file does not have the columns its table declares."""

    def __init__(self, table: str, column: str, detail: str) -> None:
        self.table, self.column = table, column
        super().__init__(f"Column {column!r} of table {table!r} {detail}. Read it with the version that wrote it.")


class CorruptFile(DatasetError):
    """A file is damaged."""

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        super().__init__(
            f"{self.path} is damaged: {shorten(reason)}. Restore it from a copy, or export it again."
            " `conv-analytics verify` checks the whole folder."
        )


class DestinationError(DatasetError):
    """The destination cannot be written to."""

    def __init__(self, destination: object, reason: str) -> None:
        self.destination = redact(str(destination))
        super().__init__(f"Cannot write to {self.destination}: {shorten(reason)}. Nothing was committed.")


class DatasetLocked(DatasetError):
    """Another run is writing to the dataset."""

    def __init__(self, destination: object, owner: str) -> None:
        self.destination, self.owner = str(destination), owner
        super().__init__(
            f"{self.destination} is being written by {owner}. Wait for it to end, or export to another folder."
        )


class PublishIncomplete(DatasetError):
    """A Delta table could not be read or written; what is published stays, and the same call publishes the rest."""

    def __init__(self, table: object, reason: str) -> None:
        self.table = redact(str(table))
        super().__init__(
            f"The Delta table {self.table} could not be read or written: {shorten(reason)}. What is published stays;"
            " run the same call again to publish the rest."
        )


class MemoryExhausted(ConvAnalyticsError, MemoryError):
    """A query needs more memory than DuckDB may use."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The answer needs more memory than DuckDB may use ({shorten(reason)}). Ask for fewer columns"
            " (columns=[...]) or for groups, or give it more: connection = dataset.duckdb(), then"
            " connection.execute(\"set memory_limit = '8GB'\"), and query the connection."
        )


class ExportIncomplete(ConvAnalyticsError):
    """Some tasks of an export failed; finished work is committed, and the same call resumes the rest."""

    def __init__(
        self,
        report: Any,
        message: str = "The export is incomplete. Run the same call again to resume it.",
        *,
        result: Any = None,
    ) -> None:
        super().__init__(message)
        self.report, self.result = report, result


class ExportStopped(ExportIncomplete):
    """An export was stopped; everything read so far is kept, and the same call continues from there."""

    def __init__(
        self,
        report: Any,
        message: str = "The export was stopped. Run the same call again: it continues where this one stopped.",
        *,
        result: Any = None,
    ) -> None:
        super().__init__(report, message, result=result)


class PagingWarning(UserWarning):
    """A listing ended in a way that may mean records are missing."""


def _rebuild(kind: type[ConvAnalyticsError], args: tuple[Any, ...], state: dict[str, Any]) -> ConvAnalyticsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
