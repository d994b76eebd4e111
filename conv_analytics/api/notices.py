"""The notices of a client: frozen values, passed to its ``on_event`` callable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request is sent; each retry is reported again."""

    method: str
    url: str
    """Path and query, without host and without secrets."""


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response was read to its end."""

    method: str
    url: str
    status: int
    size_bytes: int
    """Length of the decompressed body. [B]"""
    elapsed_s: float
    """From sending to the end of the body. [s]"""


@dataclass(frozen=True, slots=True)
class Retried:
    """A request failed and will be repeated."""

    method: str
    url: str
    reason: str
    """Name of the error, with its status where it has one: ``RateLimited 429``."""
    wait_s: float
    """Time until it is sent again. [s]"""
    status: int | None = None
    from_retry_after: bool = False
    """Whether ``wait_s`` is what the API asked for in ``Retry-After``."""


@dataclass(frozen=True, slots=True)
class ClockSkewed:
    """The local clock is wrong; reported once per client. Tokens are signed by the API's clock."""

    offset_s: float
    """The API's clock minus this machine's. [s]"""


Notice = RequestSent | ResponseReceived | Retried | ClockSkewed
Listener = Callable[[Notice], None]


def silent(_notice: Notice) -> None:
    """Ignore a notice."""
