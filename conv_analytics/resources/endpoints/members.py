"""Members of a conversation (contract 1.1, rows 6 to 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conv_analytics.resources.endpoint import Call, Listing, body, path_of, query
from conv_analytics.resources.member import Member
from conv_analytics.resources.page import MemberPage
from conv_analytics.resources.requests import CreateMemberRequest, UpdateMemberParameters

_MEMBERS = "/v1/conversations/{conversation_id}/members"
_MEMBER = "/v1/conversations/{conversation_id}/members/{member_id}"


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
    path = path_of(_MEMBERS, conversation_id=conversation_id)
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
    return Call("GET", path_of(_MEMBER, conversation_id=conversation_id, member_id=member_id), Member.from_wire)


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
        There is no such conversation, or the user is not a member, or the token names no user: it needs
        ``auth=JWTAuth(..., subject="user name")``.

    Notes
    -----
    Contract 1.1 no. 8, 3.

    Examples
    --------
    >>> get_me("CON-1")
    Call(GET /v1/conversations/CON-1/members/me)
    """
    return Call("GET", path_of(_MEMBERS, conversation_id=conversation_id) + "/me", Member.from_wire)


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
        The member's state does not allow the change.

    Notes
    -----
    Contract 1.1 no. 10, 1.4.

    Examples
    --------
    >>> update_member("CON-1", "MEM-1", {"state": "left"})
    Call(PATCH /v1/conversations/CON-1/members/MEM-1)
    """
    path = path_of(_MEMBER, conversation_id=conversation_id, member_id=member_id)
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
        Where to continue: the cursor of the previous page.

    Returns
    -------
    The page. Its members are short: id, state and user; `get_member` returns the rest.

    Notes
    -----
    Contract 1.1 no. 6, 2.

    Examples
    --------
    >>> get_member_page("CON-1", order="desc")
    Call(GET /v1/conversations/CON-1/members?order=desc)
    """
    params = query(page_size=page_size, order=order, cursor=cursor)
    path = path_of(_MEMBERS, conversation_id=conversation_id)
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
    The members, short: `get_member` returns the rest.

    Notes
    -----
    Contract 1.1 no. 6, 2.

    Examples
    --------
    >>> list_all_members("CON-1")
    Listing(GET /v1/conversations/CON-1/members?page_size=100)
    """
    params = query(page_size=page_size, order=order, cursor=cursor)
    return Listing(path_of(_MEMBERS, conversation_id=conversation_id), "members", Member.from_wire, params)
