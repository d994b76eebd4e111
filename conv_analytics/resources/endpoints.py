"""Every endpoint as a function that gives a value: a `Call` or a `Listing`. Nothing is sent here.

The names are those of the Node SDK in snake_case, the keyword parameters are the API's query parameters, and
both clients (`conv_analytics.api`) have a method for each function. "Contract" names the section of the
reference the package is built on.

A wrong argument (an empty id, a `page_size` outside 1..100) raises `ConfigError` at once. Sending raises what
the answer demands: `AuthError`, `NotFound`, `RateLimited`, `ServerError`, `TransportError`; more is said
where an endpoint has errors of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from conv_analytics.errors import ConfigError
from conv_analytics.resources.conversation import Conversation
from conv_analytics.resources.endpoint import Call, Listing, at, body, query
from conv_analytics.resources.event import Event
from conv_analytics.resources.member import Member
from conv_analytics.resources.page import ConversationPage, EventPage, MemberPage, SessionPage, UserPage
from conv_analytics.resources.requests import (
    CreateConversationRequest,
    CreateEventRequest,
    CreateMemberRequest,
    UpdateMemberParameters,
)
from conv_analytics.resources.session import Session
from conv_analytics.resources.user import User

When = datetime | date | str

_CONVERSATIONS = "/v1/conversations"
_CONVERSATION = "/v1/conversations/{conversation_id}"
_MEMBERS = "/v1/conversations/{conversation_id}/members"
_MEMBER = "/v1/conversations/{conversation_id}/members/{member_id}"
_EVENTS = "/v1/conversations/{conversation_id}/events"
_EVENT = "/v1/conversations/{conversation_id}/events/{event_id}"
_USERS = "/v1/users"
_USER = "/v1/users/{user_id}"
_USER_CONVERSATIONS = "/v1/users/{user_id}/conversations"
_USER_SESSIONS = "/v1/users/{user_id}/sessions"

#: Fields that the platform sets: a conversation that was read can be sent back without them.
_READ_ONLY = frozenset({"id", "uuid", "timestamp", "sequence_number", "state", "status", "_links", "_embedded"})


def create_conversation(conversation: CreateConversationRequest | Mapping[str, Any]) -> Call[Conversation]:
    """Create a conversation.

    Parameters
    ----------
    conversation
        The request, as a record or as a mapping with the API's keys: ``name`` (up to 100 characters, unique
        in the application; invented when absent), ``display_name``, ``image_url``, ``properties``,
        ``numbers``, ``callback``.

    Returns
    -------
    The conversation as created, with its id.

    Raises
    ------
    Conflict
        The name is taken (``conversation:error:duplicate-name``).

    Notes
    -----
    Not repeated when the answer is lost: the conversation may exist. Contract 1.1 no. 2, 1.3.

    Examples
    --------
    >>> create_conversation({"name": "support-42"})
    Call(POST /v1/conversations)
    """
    return Call("POST", _CONVERSATIONS, Conversation.from_wire, json=body(conversation))


def get_conversation(conversation_id: str) -> Call[Conversation]:
    """Read one conversation.

    Parameters
    ----------
    conversation_id
        Its id, ``CON-...``.

    Returns
    -------
    The whole conversation. Its ``sequence_number`` is the id of its last event.

    Raises
    ------
    NotFound
        It does not exist, has expired (by default after two days), or belongs to another application.

    Notes
    -----
    Contract 1.1 no. 3, 4.2.

    Examples
    --------
    >>> get_conversation("CON-1")
    Call(GET /v1/conversations/CON-1)
    """
    return Call("GET", at(_CONVERSATION, conversation_id=conversation_id), Conversation.from_wire)


def update_conversation(
    conversation: Conversation | CreateConversationRequest | Mapping[str, Any],
    *,
    conversation_id: str | None = None,
) -> Call[Conversation]:
    """Replace a conversation's details.

    Parameters
    ----------
    conversation
        The new details. A conversation that was read can be changed and given as it is: what only the
        platform sets is left out.
    conversation_id
        The conversation to change; taken from `conversation` when absent.

    Returns
    -------
    The conversation as it is now.

    Raises
    ------
    ConfigError
        There is no id, neither in `conversation` nor given.
    Conflict
        The name is taken.
    InvalidRequest
        A field was refused, or the conversation is INACTIVE (only GET and DELETE are allowed then).

    Notes
    -----
    This is a PUT: what is left out is reset. Contract 1.1 no. 4, 1.3.

    Examples
    --------
    >>> call = update_conversation({"id": "CON-1", "display_name": "Support"})
    >>> call, call.json
    (Call(PUT /v1/conversations/CON-1), {'display_name': 'Support'})
    """
    content = body(conversation)
    identity = conversation_id or content.get("id") or content.get("uuid")
    if not identity:
        raise ConfigError("update_conversation needs an id: inside the conversation, or as conversation_id=.")
    changes = {key: value for key, value in content.items() if key not in _READ_ONLY}
    return Call("PUT", at(_CONVERSATION, conversation_id=identity), Conversation.from_wire, json=changes)


def delete_conversation(conversation_id: str) -> Call[None]:
    """Delete a conversation.

    Parameters
    ----------
    conversation_id
        Its id, ``CON-...``.

    Raises
    ------
    NotFound
        It is not there (any more).

    Notes
    -----
    Contract 1.1 no. 5.

    Examples
    --------
    >>> delete_conversation("CON-1")
    Call(DELETE /v1/conversations/CON-1)
    """
    return Call("DELETE", at(_CONVERSATION, conversation_id=conversation_id))


def get_conversation_page(
    *,
    by_user: str | None = None,
    date_start: When | None = None,
    date_end: When | None = None,
    page_size: int | None = None,
    order: str | None = None,
    cursor: str | None = None,
    state: str | None = None,
    order_by: str | None = None,
    include_custom_data: bool | None = None,
) -> Call[ConversationPage]:
    """Read one page of conversations.

    Parameters
    ----------
    by_user
        Only conversations of this user; this asks ``/v1/users/{id}/conversations`` and is never sent as a
        parameter.
    date_start, date_end
        Only conversations created after, before this instant; without a zone it is taken as UTC.
    page_size
        Conversations per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``, by creation.
    cursor
        Where to go on: the cursor of the page before.
    state
        With `by_user`: only where the user is ``INVITED``, ``JOINED`` or ``LEFT``.
    order_by
        With `by_user`: ``created`` or ``custom_sort_key``.
    include_custom_data
        With `by_user`: also give ``properties.custom_data``.

    Returns
    -------
    The page. Its conversations are short: id, name and times; `get_conversation` gives the rest.

    Raises
    ------
    InvalidRequest
        A date was refused, or the cursor is not known any more.

    Notes
    -----
    Contract 1.1 no. 1 and 15, 1.2, 2.

    Examples
    --------
    >>> get_conversation_page(date_start=datetime(2026, 11, 20), page_size=100)
    Call(GET /v1/conversations?date_start=2026-11-20T00%3A00%3A00Z&page_size=100)
    >>> get_conversation_page(by_user="USR-1", state="JOINED")
    Call(GET /v1/users/USR-1/conversations?state=JOINED)
    """
    path = _CONVERSATIONS if by_user is None else at(_USER_CONVERSATIONS, user_id=by_user)
    params = query(
        date_start=date_start,
        date_end=date_end,
        page_size=page_size,
        order=order,
        cursor=cursor,
        state=state,
        order_by=order_by,
        include_custom_data=include_custom_data,
    )
    return Call("GET", path, ConversationPage.from_wire, params, page=True)


def list_all_conversations(
    *,
    date_start: When | None = None,
    date_end: When | None = None,
    page_size: int | None = 100,
    order: str | None = None,
    cursor: str | None = None,
) -> Listing[Conversation]:
    """Go through all conversations of the application.

    Parameters
    ----------
    date_start, date_end, page_size, order, cursor
        As in `get_conversation_page`; `page_size` is the size of the pages behind the scenes.

    Returns
    -------
    The conversations, short: `get_conversation` gives the rest.

    Notes
    -----
    There is no total count, and one created meanwhile may or may not appear. Contract 1.1 no. 1, 2.

    Examples
    --------
    >>> list_all_conversations(date_end=date(2026, 11, 21))
    Listing(GET /v1/conversations?date_end=2026-11-21T00%3A00%3A00Z&page_size=100)
    """
    params = query(date_start=date_start, date_end=date_end, page_size=page_size, order=order, cursor=cursor)
    return Listing(_CONVERSATIONS, "conversations", Conversation.from_wire, params)


def list_all_user_conversations(
    user_id: str,
    *,
    date_start: When | None = None,
    date_end: When | None = None,
    page_size: int | None = 100,
    order: str | None = None,
    cursor: str | None = None,
    state: str | None = None,
    order_by: str | None = None,
    include_custom_data: bool | None = None,
) -> Listing[Conversation]:
    """Go through all conversations of a user.

    Parameters
    ----------
    user_id
        The user's id, ``USR-...``.
    date_start, date_end, page_size, order, cursor, state, order_by, include_custom_data
        As in `get_conversation_page`.

    Returns
    -------
    The conversations, with what the API tells about the user's membership.

    Raises
    ------
    NotFound
        There is no such user.

    Notes
    -----
    Contract 1.1 no. 15.

    Examples
    --------
    >>> list_all_user_conversations("USR-1", include_custom_data=True)
    Listing(GET /v1/users/USR-1/conversations?page_size=100&include_custom_data=true)
    """
    params = query(
        date_start=date_start,
        date_end=date_end,
        page_size=page_size,
        order=order,
        cursor=cursor,
        state=state,
        order_by=order_by,
        include_custom_data=include_custom_data,
    )
    path = at(_USER_CONVERSATIONS, user_id=user_id)
    return Listing(path, "conversations", Conversation.from_wire, params)


def create_member(conversation_id: str, member: CreateMemberRequest | Mapping[str, Any]) -> Call[Member]:
    """Add a member to a conversation, or invite one.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    member
        The request: ``state`` (``invited`` or ``joined``), ``user`` (``{"id": ...}`` or ``{"name": ...}``)
        and ``channel`` are required; ``media``, ``knocking_id``, ``member_id_inviting`` and ``from`` may
        follow.

    Returns
    -------
    The member as created, with its id.

    Raises
    ------
    InvalidRequest
        A field was refused, or the user is a member already.
    NotFound
        There is no such conversation or user.

    Notes
    -----
    Contract 1.1 no. 7, 1.4.

    Examples
    --------
    >>> create_member("CON-1", {"state": "joined", "user": {"name": "ada"}, "channel": {"type": "app"}})
    Call(POST /v1/conversations/CON-1/members)
    """
    path = at(_MEMBERS, conversation_id=conversation_id)
    return Call("POST", path, Member.from_wire, json=body(member))


def get_member(conversation_id: str, member_id: str) -> Call[Member]:
    """Read one member.

    Parameters
    ----------
    conversation_id, member_id
        The ids, ``CON-...`` and ``MEM-...``.

    Returns
    -------
    The whole member, with channel, media and times.

    Raises
    ------
    NotFound
        There is no such conversation or member.

    Notes
    -----
    Contract 1.1 no. 9.

    Examples
    --------
    >>> get_member("CON-1", "MEM-1")
    Call(GET /v1/conversations/CON-1/members/MEM-1)
    """
    return Call("GET", at(_MEMBER, conversation_id=conversation_id, member_id=member_id), Member.from_wire)


def get_me(conversation_id: str) -> Call[Member]:
    """Read the member that the token's user is in a conversation.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.

    Returns
    -------
    The member.

    Raises
    ------
    NotFound
        There is no such conversation, or the user is no member, or the token names no user: it needs
        ``auth=JWTAuth(..., subject="user name")``.

    Notes
    -----
    Contract 1.1 no. 8, 3.

    Examples
    --------
    >>> get_me("CON-1")
    Call(GET /v1/conversations/CON-1/members/me)
    """
    return Call("GET", at(_MEMBERS, conversation_id=conversation_id) + "/me", Member.from_wire)


def update_member(
    conversation_id: str, member_id: str, params: UpdateMemberParameters | Mapping[str, Any]
) -> Call[Member]:
    """Let a member join or leave.

    Parameters
    ----------
    conversation_id, member_id
        The ids, ``CON-...`` and ``MEM-...``.
    params
        ``state`` (``joined`` or ``left``), ``from`` (id of the member who makes the change), and with
        ``left`` a ``reason`` of ``code`` and ``text``.

    Returns
    -------
    The member as it is now.

    Raises
    ------
    InvalidRequest
        The member is in no state that allows the change.

    Notes
    -----
    Contract 1.1 no. 10, 1.4.

    Examples
    --------
    >>> update_member("CON-1", "MEM-1", {"state": "left"})
    Call(PATCH /v1/conversations/CON-1/members/MEM-1)
    """
    path = at(_MEMBER, conversation_id=conversation_id, member_id=member_id)
    return Call("PATCH", path, Member.from_wire, json=body(params))


def get_member_page(
    conversation_id: str, *, page_size: int | None = None, order: str | None = None, cursor: str | None = None
) -> Call[MemberPage]:
    """Read one page of a conversation's members.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    page_size
        Members per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``, by creation.
    cursor
        Where to go on: the cursor of the page before.

    Returns
    -------
    The page. Its members are short: id, state and user; `get_member` gives the rest.

    Notes
    -----
    Contract 1.1 no. 6, 2.

    Examples
    --------
    >>> get_member_page("CON-1", order="desc")
    Call(GET /v1/conversations/CON-1/members?order=desc)
    """
    params = query(page_size=page_size, order=order, cursor=cursor)
    path = at(_MEMBERS, conversation_id=conversation_id)
    return Call("GET", path, MemberPage.from_wire, params, page=True)


def list_all_members(
    conversation_id: str, *, page_size: int | None = 100, order: str | None = None, cursor: str | None = None
) -> Listing[Member]:
    """Go through all members of a conversation.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    page_size, order, cursor
        As in `get_member_page`; `page_size` is the size of the pages behind the scenes.

    Returns
    -------
    The members, short: `get_member` gives the rest.

    Notes
    -----
    Contract 1.1 no. 6, 2.

    Examples
    --------
    >>> list_all_members("CON-1")
    Listing(GET /v1/conversations/CON-1/members?page_size=100)
    """
    params = query(page_size=page_size, order=order, cursor=cursor)
    return Listing(at(_MEMBERS, conversation_id=conversation_id), "members", Member.from_wire, params)


def create_event(conversation_id: str, event: CreateEventRequest | Mapping[str, Any]) -> Call[Event]:
    """Put an event into a conversation.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    event
        The request: ``type``, ``from`` (a member's id) and ``body``.

    Returns
    -------
    The event as created, with its id.

    Notes
    -----
    Not repeated when the answer is lost: the event may exist. Contract 1.1 no. 12, 1.5.

    Examples
    --------
    >>> create_event("CON-1", {"type": "audio:mute:on", "from": "MEM-1", "body": {}})
    Call(POST /v1/conversations/CON-1/events)
    """
    return Call("POST", at(_EVENTS, conversation_id=conversation_id), Event.from_wire, json=body(event))


def get_event(conversation_id: str, event_id: str | int) -> Call[Event]:
    """Read one event.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    event_id
        The event's number in the conversation.

    Returns
    -------
    The event.

    Raises
    ------
    NotFound
        There is no such conversation or event.

    Notes
    -----
    Contract 1.1 no. 13, 7.1.

    Examples
    --------
    >>> get_event("CON-1", 17)
    Call(GET /v1/conversations/CON-1/events/17)
    """
    return Call("GET", at(_EVENT, conversation_id=conversation_id, event_id=str(event_id)), Event.from_wire)


def delete_event(conversation_id: str, event_id: str | int) -> Call[None]:
    """Delete an event. Its id stays taken, and an ``event:delete`` event follows.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    event_id
        The event's number in the conversation.

    Raises
    ------
    NotFound
        There is no such conversation or event.

    Notes
    -----
    Contract 1.1 no. 14, 7.5.

    Examples
    --------
    >>> delete_event("CON-1", 17)
    Call(DELETE /v1/conversations/CON-1/events/17)
    """
    return Call("DELETE", at(_EVENT, conversation_id=conversation_id, event_id=str(event_id)))


def get_event_page(
    conversation_id: str,
    *,
    start_id: str | int | None = None,
    end_id: str | int | None = None,
    event_type: str | None = None,
    page_size: int | None = None,
    order: str | None = None,
    cursor: str | None = None,
    exclude_deleted_events: bool | None = None,
) -> Call[EventPage]:
    """Read one page of a conversation's events.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    start_id, end_id
        First and last event id to give, both included.
    event_type
        Only events of this type; ``custom:*`` is not supported.
    page_size
        Events per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``.
    cursor
        Where to go on: the cursor of the page before.
    exclude_deleted_events
        Leave deleted events out.

    Returns
    -------
    The page, whichever of its two shapes the API sent.

    Notes
    -----
    Contract 1.1 no. 11, 1.2, 2.3.

    Examples
    --------
    >>> get_event_page("CON-1", start_id=14, exclude_deleted_events=True)
    Call(GET /v1/conversations/CON-1/events?start_id=14&exclude_deleted_events=true)
    """
    params = query(
        start_id=start_id,
        end_id=end_id,
        event_type=event_type,
        page_size=page_size,
        order=order,
        cursor=cursor,
        exclude_deleted_events=exclude_deleted_events,
    )
    return Call("GET", at(_EVENTS, conversation_id=conversation_id), EventPage.from_wire, params, page=True)


def list_all_events(
    conversation_id: str,
    *,
    start_id: str | int | None = None,
    end_id: str | int | None = None,
    event_type: str | None = None,
    page_size: int | None = 100,
    order: str | None = None,
    cursor: str | None = None,
    exclude_deleted_events: bool | None = None,
) -> Listing[Event]:
    """Go through all events of a conversation.

    Parameters
    ----------
    conversation_id
        The conversation's id, ``CON-...``.
    start_id, end_id, event_type, page_size, order, cursor, exclude_deleted_events
        As in `get_event_page`; `page_size` is the size of the pages behind the scenes.

    Returns
    -------
    The events.

    Notes
    -----
    To read only what is new, compare the conversation's ``sequence_number`` with the last id you have, and
    give that id plus one as `start_id`. Contract 1.1 no. 11, 2.7.

    Examples
    --------
    >>> list_all_events("CON-1", start_id=14)
    Listing(GET /v1/conversations/CON-1/events?start_id=14&page_size=100)
    """
    params = query(
        start_id=start_id,
        end_id=end_id,
        event_type=event_type,
        page_size=page_size,
        order=order,
        cursor=cursor,
        exclude_deleted_events=exclude_deleted_events,
    )
    return Listing(at(_EVENTS, conversation_id=conversation_id), "events", Event.from_wire, params)


def get_user_sessions_page(
    user_id: str, *, page_size: int | None = None, order: str | None = None, cursor: str | None = None
) -> Call[SessionPage]:
    """Read one page of a user's sessions.

    Parameters
    ----------
    user_id
        The user's id, ``USR-...``.
    page_size
        Sessions per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``, by creation.
    cursor
        Where to go on: the cursor of the page before.

    Returns
    -------
    The page.

    Raises
    ------
    NotFound
        There is no such user, or the platform does not serve sessions: its reference does not list them.

    Notes
    -----
    Contract 1.1 no. 16.

    Examples
    --------
    >>> get_user_sessions_page("USR-1", page_size=10)
    Call(GET /v1/users/USR-1/sessions?page_size=10)
    """
    params = query(page_size=page_size, order=order, cursor=cursor)
    return Call("GET", at(_USER_SESSIONS, user_id=user_id), SessionPage.from_wire, params, page=True)


def list_all_user_sessions(
    user_id: str, *, page_size: int | None = 100, order: str | None = None, cursor: str | None = None
) -> Listing[Session]:
    """Go through all sessions of a user.

    Parameters
    ----------
    user_id
        The user's id, ``USR-...``.
    page_size, order, cursor
        As in `get_user_sessions_page`; `page_size` is the size of the pages behind the scenes.

    Returns
    -------
    The sessions.

    Raises
    ------
    NotFound
        There is no such user, or the platform does not serve sessions: its reference does not list them.

    Notes
    -----
    Contract 1.1 no. 16.

    Examples
    --------
    >>> list_all_user_sessions("USR-1")
    Listing(GET /v1/users/USR-1/sessions?page_size=100)
    """
    params = query(page_size=page_size, order=order, cursor=cursor)
    return Listing(at(_USER_SESSIONS, user_id=user_id), "sessions", Session.from_wire, params)


def get_user(user_id: str) -> Call[User]:
    """Read one user.

    Parameters
    ----------
    user_id
        The user's id, ``USR-...``.

    Returns
    -------
    The user.

    Raises
    ------
    NotFound
        There is no such user.

    Notes
    -----
    Contract 1.1 no. 20, 6.5.

    Examples
    --------
    >>> get_user("USR-1")
    Call(GET /v1/users/USR-1)
    """
    return Call("GET", at(_USER, user_id=user_id), User.from_wire)


def get_user_page(
    *,
    name: str | None = None,
    page_size: int | None = None,
    order: str | None = None,
    cursor: str | None = None,
) -> Call[UserPage]:
    """Read one page of the application's users.

    Parameters
    ----------
    name
        Only the user of exactly this name.
    page_size
        Users per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``, by creation.
    cursor
        Where to go on: the cursor of the page before.

    Returns
    -------
    The page.

    Notes
    -----
    Contract 1.1 no. 20.

    Examples
    --------
    >>> get_user_page(name="ada@example.org")
    Call(GET /v1/users?name=ada%40example.org)
    """
    params = query(name=name, page_size=page_size, order=order, cursor=cursor)
    return Call("GET", _USERS, UserPage.from_wire, params, page=True)


def list_all_users(
    *,
    name: str | None = None,
    page_size: int | None = 100,
    order: str | None = None,
    cursor: str | None = None,
) -> Listing[User]:
    """Go through all users of the application.

    Parameters
    ----------
    name, page_size, order, cursor
        As in `get_user_page`; `page_size` is the size of the pages behind the scenes.

    Returns
    -------
    The users.

    Notes
    -----
    Contract 1.1 no. 20.

    Examples
    --------
    >>> list_all_users()
    Listing(GET /v1/users?page_size=100)
    """
    params = query(name=name, page_size=page_size, order=order, cursor=cursor)
    return Listing(_USERS, "users", User.from_wire, params)
