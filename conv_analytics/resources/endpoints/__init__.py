"""Every endpoint as a function that returns a value: a `Call` or a `Listing`. Nothing is sent here.

The names are those of the Node SDK in snake_case, the keyword parameters are the API's query parameters, and
both clients (`conv_analytics.api`) have a method for each function. "Contract" names the section of the
reference the package is built on.

A wrong argument (an empty id, a `page_size` outside 1..100) raises `ConfigError` at once. Sending raises what
the answer demands: `AuthError`, `NotFound`, `RateLimited`, `ServerError`, `TransportError`; endpoints with further
errors document them.
"""

from __future__ import annotations

from conv_analytics.resources.endpoints.calls import get_call, get_call_page, list_all_calls
from conv_analytics.resources.endpoints.conversations import (
    create_conversation,
    delete_conversation,
    get_conversation,
    get_conversation_page,
    list_all_conversations,
    list_all_user_conversations,
    update_conversation,
)
from conv_analytics.resources.endpoints.events import (
    create_event,
    delete_event,
    get_event,
    get_event_page,
    list_all_events,
)
from conv_analytics.resources.endpoints.members import (
    create_member,
    get_me,
    get_member,
    get_member_page,
    list_all_members,
    update_member,
)
from conv_analytics.resources.endpoints.users import (
    get_user,
    get_user_page,
    get_user_sessions_page,
    list_all_user_sessions,
    list_all_users,
)

__all__ = [
    "create_conversation",
    "create_event",
    "create_member",
    "delete_conversation",
    "delete_event",
    "get_call",
    "get_call_page",
    "get_conversation",
    "get_conversation_page",
    "get_event",
    "get_event_page",
    "get_me",
    "get_member",
    "get_member_page",
    "get_user",
    "get_user_page",
    "get_user_sessions_page",
    "list_all_calls",
    "list_all_conversations",
    "list_all_events",
    "list_all_members",
    "list_all_user_conversations",
    "list_all_user_sessions",
    "list_all_users",
    "update_conversation",
    "update_member",
]
