"""Events of a conversation (contract 1.1, rows 11 to 14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conv_analytics.resources.endpoint import Call, Listing, body, path_of, query
from conv_analytics.resources.event import Event
from conv_analytics.resources.page import EventPage
from conv_analytics.resources.requests import CreateEventRequest

_EVENTS = "/v1/conversations/{conversation_id}/events"
_EVENT = "/v1/conversations/{conversation_id}/events/{event_id}"


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
    return Call("POST", path_of(_EVENTS, conversation_id=conversation_id), Event.from_wire, json=body(event))


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
    return Call("GET", path_of(_EVENT, conversation_id=conversation_id, event_id=str(event_id)), Event.from_wire)


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
    return Call("DELETE", path_of(_EVENT, conversation_id=conversation_id, event_id=str(event_id)))


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
        First and last event id to return, both included.
    event_type
        Only events of this type; ``custom:*`` is not supported.
    page_size
        Events per page, 1..100. The API's default is 10.
    order
        ``asc`` (the API's default) or ``desc``.
    cursor
        Where to continue: the cursor of the previous page.
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
    return Call("GET", path_of(_EVENTS, conversation_id=conversation_id), EventPage.from_wire, params, page=True)


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
    To read only what is new, compare the conversation's ``sequence_number`` with the last id you have, and pass that id
    plus one as `start_id`. Contract 1.1 no. 11, 2.7.

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
    return Listing(path_of(_EVENTS, conversation_id=conversation_id), "events", Event.from_wire, params)
