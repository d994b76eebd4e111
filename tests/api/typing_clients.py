"""Type-checked by `test_typing`, never run: what mypy sees on the two clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

from conv_analytics.api import AsyncConversations, Conversations, RawPage
from conv_analytics.resources import endpoints
from conv_analytics.resources.conversation import Conversation
from conv_analytics.resources.endpoint import Call, Listing
from conv_analytics.resources.event import Event
from conv_analytics.resources.page import EventPage


def blocking(client: Conversations) -> None:
    assert_type(client.get_conversation("CON-1"), Conversation)
    assert_type(client.get_event_page("CON-1", page_size=10), EventPage)
    assert_type(client.list_all_events("CON-1", start_id=3), Iterator[Event])
    assert_type(client.raw_page(endpoints.list_all_events("CON-1")), RawPage)
    client.delete_event("CON-1", 3)
    client.get_conversation()  # type: ignore[call-arg]
    client.get_event_page("CON-1", page=1)  # type: ignore[call-arg]
    client.get_event_page("CON-1", page_size="10")  # type: ignore[arg-type]


async def running(client: AsyncConversations) -> None:
    await assert_type(client.get_conversation("CON-1"), Coroutine[Any, Any, Conversation])
    assert_type(await client.get_event("CON-1", 3), Event)
    assert_type(client.list_all_events("CON-1"), AsyncIterator[Event])
    assert_type(await client.raw(endpoints.get_event("CON-1", 1)), bytes)
    await client.get_conversation(1)  # type: ignore[arg-type]


def values() -> None:
    assert_type(Conversations.get_conversation("CON-1"), Call[Conversation])
    assert_type(AsyncConversations.list_all_events("CON-1"), Listing[Event])
