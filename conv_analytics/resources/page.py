"""Pages of lists (contract 2).

The items are in ``_embedded.<name>``; events may be ``_embedded`` itself, version 0.2 adds a level
``data``, and an empty page may be ``{}``. A page is iterable, and `next_cursor` is None at the end of the
list.

>>> page = EventPage.from_wire({"_embedded": [{"id": 1, "type": "member:joined"}], "_links": {"next": {}}})
>>> [event.type for event in page], page.next_cursor
([<EventType.MEMBER_JOINED: 'member:joined'>], None)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from conv_analytics.resources.conversation import Conversation
from conv_analytics.resources.event import Event
from conv_analytics.resources.links import APILinks, cursor_of
from conv_analytics.resources.member import Member
from conv_analytics.resources.record import Problem, Record, wire
from conv_analytics.resources.session import Session
from conv_analytics.resources.user import User
from conv_analytics.resources.voice_call import VoiceCall

Item = TypeVar("Item", bound=Record)


def embedded(payload: Mapping[str, Any], name: str) -> Sequence[Any]:
    """The raw items of a page, wherever they are (contract 2.2, 2.3)."""
    inner = payload.get("_embedded")
    for _ in range(2):
        if isinstance(inner, Mapping) and name not in inner and "data" in inner:
            inner = inner["data"]
    if isinstance(inner, Mapping):
        inner = inner.get(name)
    return inner if isinstance(inner, list | tuple) else ()


class Page(Record, Generic[Item]):
    """One page of a list (contract 2.1)."""

    name: ClassVar[str] = ""

    page_size: int | None = wire("Items asked for, or items in this page: not a sign of the end.")
    links: APILinks | None = wire("Links to this and the neighbouring pages.", key="_links", loose=True)

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read a page; an item without an id is reported, and left out if it holds nothing else either."""
        raw = []
        for i, item in enumerate(embedded(payload, cls.name)):
            usable = isinstance(item, Mapping) and any(value not in (None, {}) for value in item.values())
            if problems is not None and not (usable and item.get("id", item.get("uuid")) is not None):
                problems.append(Problem(f"_embedded.{cls.name}[{i}]", "no id" if usable else "an empty item"))
            if usable:
                raw.append(item)
        return super().from_wire({**payload, "_embedded": {cls.name: raw}}, problems, at)

    @property
    def items(self) -> tuple[Item, ...]:
        """The items of this page."""
        items: tuple[Item, ...] | None = getattr(self, self.name)
        return items or ()

    @property
    def next_cursor(self) -> str | None:
        """Cursor of the following page, or None at the end of the list (contract 2.5)."""
        return self.links.next_cursor if self.links else None

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class ConversationPage(Page[Conversation]):
    """A page of conversations, of the application or of one user (contract 2.2)."""

    name = "conversations"
    conversations: tuple[Conversation, ...] | None = wire("The conversations.", key="_embedded.conversations")


class MemberPage(Page[Member]):
    """A page of members (contract 2.2)."""

    name = "members"
    members: tuple[Member, ...] | None = wire("The members.", key="_embedded.members")


class EventPage(Page[Event]):
    """A page of events, in either of its two shapes (contract 2.3)."""

    name = "events"
    events: tuple[Event, ...] | None = wire("The events.", key="_embedded.events")


class SessionPage(Page[Session]):
    """A page of a user's sessions (contract 2.2)."""

    name = "sessions"
    sessions: tuple[Session, ...] | None = wire("The sessions.", key="_embedded.sessions")


class UserPage(Page[User]):
    """A page of users (contract 2.2)."""

    name = "users"
    users: tuple[User, ...] | None = wire("The users.", key="_embedded.users")


class CallPage(Page[VoiceCall]):
    """A page of the Voice API's calls: counted by offsets, not linked by cursors (live contract 7).

    >>> links = {"next": {"href": "/calls?page_size=2&record_index=4"}}
    >>> CallPage.from_wire({"count": 5, "record_index": 2, "_links": links}).next_cursor
    '4'
    """

    name = "calls"
    count: int | None = wire("Number of calls of the query.")
    record_index: int | None = wire("Number of calls before this page.")
    calls: tuple[VoiceCall, ...] | None = wire("The calls.", key="_embedded.calls")

    @property
    def next_cursor(self) -> str | None:
        """The `record_index` of the next page, or None at the end of the list."""
        following = self.links.next if self.links else None
        return cursor_of(following.href or "", "record_index") if following else None
