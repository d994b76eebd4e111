"""Conversations (contract 1.1, rows 1 to 5 and 15)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from conv_analytics.errors import ConfigError
from conv_analytics.resources.conversation import Conversation
from conv_analytics.resources.endpoint import Call, Listing, body, path_of, query
from conv_analytics.resources.page import ConversationPage
from conv_analytics.resources.requests import CreateConversationRequest

#: An instant; a plain date is its midnight, UTC.
When = datetime | date | str

_CONVERSATIONS = "/v1/conversations"
_CONVERSATION = "/v1/conversations/{conversation_id}"
_USER_CONVERSATIONS = "/v1/users/{user_id}/conversations"

#: Fields that the platform sets: a conversation that was read can be sent back without them.
_READ_ONLY = frozenset(
    {"id", "uuid", "timestamp", "sequence_number", "state", "status", "_links", "_embedded", "media_state", "api_key"}
)


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
    return Call("GET", path_of(_CONVERSATION, conversation_id=conversation_id), Conversation.from_wire)


def update_conversation(
    conversation: Conversation | CreateConversationRequest | Mapping[str, Any],
    *,
    conversation_id: str | None = None,
) -> Call[Conversation]:
    """Replace a conversation's details.

    Parameters
    ----------
    conversation
        The new details. A conversation that was read can be changed and passed as it is: what only the
        platform sets is left out.
    conversation_id
        The conversation to change; taken from `conversation` when absent.

    Returns
    -------
    The conversation as it is now.

    Raises
    ------
    ConfigError
        There is no id, neither in `conversation` nor as an argument.
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
    return Call("PUT", path_of(_CONVERSATION, conversation_id=identity), Conversation.from_wire, json=changes)


def delete_conversation(conversation_id: str) -> Call[None]:
    """Delete a conversation.

    Parameters
    ----------
    conversation_id
        Its id, ``CON-...``.

    Raises
    ------
    NotFound
        It does not exist (any more).

    Notes
    -----
    Contract 1.1 no. 5.

    Examples
    --------
    >>> delete_conversation("CON-1")
    Call(DELETE /v1/conversations/CON-1)
    """
    return Call("DELETE", path_of(_CONVERSATION, conversation_id=conversation_id))


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
        Only conversations of this user; this requests ``/v1/users/{id}/conversations`` and is never sent as a
        parameter.
    date_start, date_end
        Only conversations created after, before this instant; without a zone it is taken as UTC.
    page_size
        Conversations per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``, by creation.
    cursor
        Where to continue: the cursor of the previous page.
    state
        With `by_user`: only where the user is ``INVITED``, ``JOINED`` or ``LEFT``.
    order_by
        With `by_user`: ``created`` or ``custom_sort_key``.
    include_custom_data
        With `by_user`: also return ``properties.custom_data``.

    Returns
    -------
    The page. Its conversations are short: id, name and times; `get_conversation` returns the rest.

    Raises
    ------
    InvalidRequest
        A date was refused, or the cursor is no longer known.

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
    path = _CONVERSATIONS if by_user is None else path_of(_USER_CONVERSATIONS, user_id=by_user)
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
    The conversations, short: `get_conversation` returns the rest.

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
    The conversations, with the user's membership as the API shows it.

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
    path = path_of(_USER_CONVERSATIONS, user_id=user_id)
    return Listing(path, "conversations", Conversation.from_wire, params)
