"""An API call as a value: what to send and how to read the answer. Nothing here touches a network.

>>> from conv_analytics.resources.endpoints import get_event_page
>>> get_event_page("CON-1", start_id=14, page_size=100)
Call(GET /v1/conversations/CON-1/events?start_id=14&page_size=100)
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Any, Generic, TypeGuard, TypeVar
from urllib.parse import quote

from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.resources.record import Record

T = TypeVar("T")

#: Items that a page holds at most (contract 1.2).
LARGEST_PAGE = 100

_SURROGATE = re.compile("[\ud800-\udfff]")

#: Query parameters in the order they are sent, already as text.
Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class Call(Generic[T]):
    """One request whose answer is a document, a page or nothing.

    Attributes
    ----------
    method, path, params
        The request; the path holds no host and is percent-encoded.
    read
        Turns the decoded JSON object into the result; None for an endpoint that answers nothing (204).
    json
        The request body, or None.
    page
        Whether the answer is a page of a list, which may be an empty object.
    """

    method: str
    path: str
    read: Callable[[Mapping[str, Any]], T] | None = None
    params: Params = ()
    json: Mapping[str, Any] | None = None
    page: bool = False

    @property
    def target(self) -> str:
        """Path and query as they are sent."""
        return target(self.path, self.params)

    @safe_repr
    def __repr__(self) -> str:
        return f"Call({self.method} {self.target})"


@dataclass(frozen=True, repr=False)
class Listing(Generic[T]):
    """A collection that is read page by page.

    Attributes
    ----------
    path, params
        The request for the first page; the filters are repeated for each further page.
    key
        Name of the array inside ``_embedded``.
    read
        Turns one decoded item into the result.
    position
        The query parameter that says where a page begins: ``cursor``, or the name of an offset.
    """

    path: str
    key: str
    read: Callable[[Mapping[str, Any]], T]
    params: Params = ()
    position: str = "cursor"

    @property
    def by_offset(self) -> bool:
        """Whether pages are numbered by their items instead of having cursors."""
        return self.position != "cursor"

    @property
    def target(self) -> str:
        """Path and query of the first page."""
        return target(self.path, self.params)

    def page(self, cursor: str | None) -> str:
        """Path and query of the page at a cursor; the filters are repeated with it."""
        if cursor is None:
            return self.target
        others = (pair for pair in self.params if pair[0] != self.position)
        return target(self.path, (*others, (self.position, cursor)))

    @safe_repr
    def __repr__(self) -> str:
        return f"Listing(GET {self.target})"


def target(path: str, params: Params) -> str:
    """Path and query, each value percent-encoded exactly once.

    >>> target("/v1/conversations", (("cursor", "a+b/c=="),))
    '/v1/conversations?cursor=a%2Bb%2Fc%3D%3D'
    """
    if not params:
        return path
    return path + "?" + "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in params)


#: Names and most values are the same in every request.
_encoded = lru_cache(1024)(partial(quote, safe=""))


def path_of(template: str, **ids: str) -> str:
    """Put ids into a path.

    >>> path_of("/v1/users/{user_id}/sessions", user_id="USR/1 ?")
    '/v1/users/USR%2F1%20%3F/sessions'
    """
    for name, value in ids.items():
        if not fits_path(value):
            raise ConfigError(f"{name} must be the id of a record, not {value!r}.")
    return template.format_map({name: quote(value, safe="") for name, value in ids.items()})


def fits_path(value: object) -> TypeGuard[str]:
    r"""Whether an id can stand in a path; some ids in lists cannot.

    An empty one would ask for the collection, dots would climb up the path, and half a surrogate pair has no bytes.

    >>> [fits_path(value) for value in ("CON-1", "CON/1 ?", " ", "..", "\ud800", 7)]
    [True, True, False, False, False, False]
    """
    return isinstance(value, str) and value.strip() not in {"", ".", ".."} and not _SURROGATE.search(value)


def query(**values: object) -> Params:
    """The query parameters, as the API writes them; None is left out.

    Instants are sent as ``YYYY-MM-DDTHH:MM:SSZ`` in UTC (contract 2.6); one without a zone is taken as UTC, a
    plain date as its midnight. A fraction of a second is cut off, except at an upper bound (``date_end``),
    where it is rounded up, so that a window never loses a record.

    >>> query(date_end=datetime(2026, 11, 21, 9, 30, 0, 1), exclude_deleted_events=True, order=None)
    (('date_end', '2026-11-21T09:30:01Z'), ('exclude_deleted_events', 'true'))
    """
    return tuple((name, _text(name, value)) for name, value in values.items() if value is not None)


def body(value: Record | Mapping[str, Any]) -> Mapping[str, Any]:
    """A request body, from a record or from a mapping with the API's own keys."""
    if isinstance(value, Record):
        return value.to_wire()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    raise ConfigError(f"A request body is a record or a mapping, not {type(value).__name__}.")


def _text(name: str, value: object) -> str:
    if name == "page_size":
        return _page_size(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _instant(value, up=name == "date_end")
    if isinstance(value, date):
        return _instant(datetime.combine(value, time(), UTC), up=False)
    if isinstance(value, enum.Enum):
        return str(value.value)
    return str(value)


def _page_size(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_PAGE:
        return str(value)
    raise ConfigError(f"page_size must be a whole number from 1 to 100, not {value!r}.")


def _instant(value: datetime, *, up: bool) -> str:
    instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if up and instant.microsecond:
        instant += timedelta(seconds=1)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_wire()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return _instant(value, up=False)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
