"""Query parameters: read strictly, refused as the API refuses them (contract 1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from conv_analytics.sandbox.problems import not_valid, refusal
from conv_analytics.sandbox.tally import (
    AUDIO_EVENTS,
    CALL_EVENTS,
    CALL_RECORDS,
    HANGUPS,
    MEMBER_EVENTS,
    MESSAGE_STATUSES,
)
from conv_analytics.sandbox.world.clock import to_ms

if TYPE_CHECKING:
    from conv_analytics.sandbox.cursors import Cursors
    from conv_analytics.sandbox.wire import Request

LARGEST_PAGE, DEFAULT_PAGE = 100, 10
MOST_TYPES = 5
#: Digits of the largest 64-bit number.
LONGEST_NUMBER = 19
FILTER_TYPES = (
    AUDIO_EVENTS | CALL_EVENTS | CALL_RECORDS | HANGUPS | MEMBER_EVENTS | MESSAGE_STATUSES
    | {"message", "conversation:updated", "event:delete", "leg:status:update"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """The parameters of every list: page size, order, and the position a cursor stands for."""

    page_size: int
    descending: bool
    after: int | None


class Query:
    """A request's query, read value by value; faults are collected and refused together."""

    def __init__(self, request: Request) -> None:
        """Start without faults."""
        self._request, self._query = request, request.query
        self._invalid: dict[str, str] = {}

    def window(self, cursors: Cursors) -> Window:
        """Read page_size, order and cursor; an empty cursor means the first page."""
        size = self.integer("page_size", 1, LARGEST_PAGE)
        order = self._query.get("order")
        if order is not None and order not in {"asc", "desc", "ASC", "DESC"}:
            self._invalid["order"] = '"order" must be one of [asc, desc, ASC, DESC]'
        self.check()
        descending = order is not None and order.lower() == "desc"
        text = self._query.get("cursor")
        if not text:
            return Window(size or DEFAULT_PAGE, descending, None)
        position = cursors.read(self._request.path, text)
        if position is None or (order is not None and descending != position.descending):
            code = "paginator-builder:error:invalid-cursor"
            raise refusal(code=code, about=self._request.path)
        return Window(size or position.page_size, position.descending, position.after)

    def integer(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        """Read an integer within bounds; None when the parameter is missing."""
        text = self._query.get(name)
        if text is None:
            return None
        try:
            value = int(text) if len(text) <= LONGEST_NUMBER else None
        except ValueError:
            value = None
        if value is None:
            self._invalid[name] = f'"{name}" must be a number'
            return None
        if low is not None and value < low:
            self._invalid[name] = f'"{name}" must be larger than or equal to {low}'
        elif high is not None and value > high:
            self._invalid[name] = f'"{name}" must be less than or equal to {high}'
        return value

    def instant(self, name: str) -> int | None:
        """Read a date [ms]; a date without a zone counts as UTC."""
        text = self._query.get(name)
        if text is None:
            return None
        try:
            return to_ms(datetime.fromisoformat(text.strip()))
        except (ValueError, OverflowError):
            self._invalid[name] = f'"{name}" must be a valid ISO 8601 date'
            return None

    def flag(self, name: str) -> bool:
        """Read `true` or `false`; false when missing."""
        text = self._query.get(name, "false")
        if text not in {"true", "false"}:
            self._invalid[name] = f'"{name}" must be a boolean'
        return text == "true"

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Read a value out of a list; None when missing."""
        text = self._query.get(name)
        if text is not None and text not in allowed:
            self._invalid[name] = f'"{name}" must be one of [{", ".join(allowed)}]'
        return text

    def event_types(self) -> frozenset[str] | None:
        """Read event_type: one value or up to five, separated by commas; custom types are not supported."""
        text = self._query.get("event_type")
        if text is None:
            return None
        kinds = frozenset(text.split(","))
        if len(kinds) > MOST_TYPES:
            self._invalid["event_type"] = f'"event_type" must contain at most {MOST_TYPES} items'
        elif not kinds <= FILTER_TYPES:
            self._invalid["event_type"] = '"event_type" is not a known event type'
        return kinds

    def check(self) -> None:
        """Refuse the request when anything was wrong."""
        if self._invalid:
            raise not_valid(self._invalid, self._request.path)
