"""The Voice API's call list (live contract 7): the same host and token, under another path."""

from __future__ import annotations

from conv_analytics.resources.endpoint import Call, Listing, path_of, query
from conv_analytics.resources.endpoints.conversations import When
from conv_analytics.resources.page import CallPage
from conv_analytics.resources.voice_call import VoiceCall

#: Without a trailing slash, unlike in the reference.
_CALLS = "/v1/calls"
_CALL = "/v1/calls/{call_id}"

#: The query parameter that says where a page of calls begins.
RECORD_INDEX = "record_index"


def get_call(call_id: str) -> Call[VoiceCall]:
    """Read one call of the Voice API.

    Parameters
    ----------
    call_id
        Its ``uuid``, which is the id of a leg.

    Returns
    -------
    The call.

    Raises
    ------
    NotFound
        It is unknown or too old, or belongs to another application or region: ask the region's own host.

    Notes
    -----
    Live contract 7.

    Examples
    --------
    >>> get_call("4b7e1c90-2d3f-4a58-9c61-70e8d2f5a3b6")
    Call(GET /v1/calls/4b7e1c90-2d3f-4a58-9c61-70e8d2f5a3b6)
    """
    return Call("GET", path_of(_CALL, call_id=call_id), VoiceCall.from_wire)


def get_call_page(
    *,
    status: str | None = None,
    date_start: When | None = None,
    date_end: When | None = None,
    conversation_uuid: str | None = None,
    page_size: int | None = None,
    record_index: int | None = None,
    order: str | None = None,
) -> Call[CallPage]:
    """Read one page of the application's calls.

    Parameters
    ----------
    status
        Only calls with this status, such as ``completed``.
    date_start, date_end
        Only calls from this instant on, and before that one. Older calls than the list keeps, two days by default,
        are in the Reports API alone.
    conversation_uuid
        Only the legs of this conversation.
    page_size
        Calls per page, 1..100. The API's default is 10.
    record_index
        How many calls to pass over.
    order
        ``asc`` (the API's default) or ``desc``.

    Returns
    -------
    The page; its `next_cursor` is the `record_index` of the next one.

    Notes
    -----
    Live contract 7.

    Examples
    --------
    >>> get_call_page(page_size=2, record_index=4)
    Call(GET /v1/calls?page_size=2&record_index=4)
    """
    params = query(
        status=status,
        date_start=date_start,
        date_end=date_end,
        conversation_uuid=conversation_uuid,
        order=order,
        page_size=page_size,
        record_index=record_index,
    )
    return Call("GET", _CALLS, CallPage.from_wire, params, page=True)


def list_all_calls(
    *,
    status: str | None = None,
    date_start: When | None = None,
    date_end: When | None = None,
    conversation_uuid: str | None = None,
    page_size: int | None = 100,
    order: str | None = None,
) -> Listing[VoiceCall]:
    """Go through all calls that the Voice API lists, each leg once.

    Calls that start meanwhile move the list: ask for a window that has ended, in ascending order.

    Parameters
    ----------
    status, date_start, date_end, conversation_uuid, order
        As in `get_call_page`.
    page_size
        Size of the pages behind the scenes.

    Returns
    -------
    The calls.

    Notes
    -----
    Live contract 7.

    Examples
    --------
    >>> list_all_calls(conversation_uuid="CON-1")
    Listing(GET /v1/calls?conversation_uuid=CON-1&page_size=100)
    """
    params = query(
        status=status,
        date_start=date_start,
        date_end=date_end,
        conversation_uuid=conversation_uuid,
        order=order,
        page_size=page_size,
    )
    return Listing(_CALLS, "calls", VoiceCall.from_wire, params, position=RECORD_INDEX)
