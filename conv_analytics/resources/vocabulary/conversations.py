"""Words for conversations, members and listings (contract 1.2, 1.3, 5.1)."""

from __future__ import annotations

from enum import StrEnum


class ConversationState(StrEnum):
    """Whether a conversation can be used (contract 5.1)."""

    ACTIVE = "ACTIVE"
    """In use."""
    INACTIVE = "INACTIVE"
    """Can only be read and deleted."""
    DELETED = "DELETED"
    """Removed."""


class MemberState(StrEnum):
    """Where a membership stands (contract 5.1); requests write it in lower case."""

    INVITED = "INVITED"
    """Asked to join."""
    JOINED = "JOINED"
    """Takes part."""
    LEFT = "LEFT"
    """Took part, or declined."""
    UNKNOWN = "UNKNOWN"
    """The platform itself does not know."""


class Order(StrEnum):
    """Direction of a listing, by creation (contract 1.2)."""

    ASC = "asc"
    """Oldest first, the API's default."""
    DESC = "desc"
    """Newest first."""


class OrderBy(StrEnum):
    """What a user's conversations are sorted by (contract 1.2)."""

    CREATED = "created"
    CUSTOM_SORT_KEY = "custom_sort_key"


class CallbackMethod(StrEnum):
    """How a conversation's callback is called (contract 1.3)."""

    POST = "POST"
    GET = "GET"
