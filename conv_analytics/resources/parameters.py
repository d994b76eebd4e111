"""Filters of the lists, as keyword arguments (contract 1.2).

Every key is the API's own parameter name, so ``client.list_all_events(id, event_type="message",
order="desc")`` requests ``event_type=message&order=desc``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

from conv_analytics.resources.vocabulary import EventType, MemberState, Order, OrderBy


class ListMemberParameters(TypedDict, total=False):
    """Filters of a conversation's members, and what every list has in common (contract 1.2)."""

    page_size: int
    """Items in a page, 1 to 100; 10 when absent."""
    order: Order | Literal["asc", "desc", "ASC", "DESC"]
    """By creation; ascending when absent."""
    cursor: str
    """Where to continue, taken from a page's `next_cursor`."""


class ListSessionParameters(ListMemberParameters, total=False):
    """Filters of a user's sessions (contract 1.2)."""


class ListUserParameters(ListMemberParameters, total=False):
    """Filters of the users (contract 1.2)."""

    name: str
    """Exact name of the one user to find."""


class ListConversationsParameters(ListMemberParameters, total=False):
    """Filters of the conversations (contract 1.2)."""

    date_start: datetime | str
    """Only conversations created after this instant."""
    date_end: datetime | str
    """Only conversations created before this instant."""
    include_custom_data: bool
    """Whether to return the owner's data; works for a user's conversations."""
    by_user: str
    """Id of the user whose conversations to list: uses another path, and is not sent itself."""


class ListUserConversationsParameters(ListMemberParameters, total=False):
    """Filters of a user's conversations (contract 1.2)."""

    date_start: datetime | str
    """Only conversations created after this instant."""
    date_end: datetime | str
    """Only conversations created before this instant; one source only."""
    state: MemberState | str
    """Only conversations in which the user's membership has this state."""
    order_by: OrderBy | str
    """What to sort by; creation when absent."""
    include_custom_data: bool
    """Whether to return the owner's data."""


class ListEventParameters(ListMemberParameters, total=False):
    """Filters of a conversation's events (contract 1.2)."""

    start_id: int | str
    """First event id to return."""
    end_id: int | str
    """Last event id to return."""
    event_type: EventType | str
    """Only events of this type; `custom:*` is not supported."""
    exclude_deleted_events: bool
    """Whether to leave out events that were emptied."""
