"""Users and their sessions (contract 1.1, rows 16 and 20)."""

from __future__ import annotations

from conv_analytics.resources.endpoint import Call, Listing, path_of, query
from conv_analytics.resources.page import SessionPage, UserPage
from conv_analytics.resources.session import Session
from conv_analytics.resources.user import User

_USERS = "/v1/users"
_USER = "/v1/users/{user_id}"
_USER_SESSIONS = "/v1/users/{user_id}/sessions"


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
        Where to continue: the cursor of the previous page.

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
    return Call("GET", path_of(_USER_SESSIONS, user_id=user_id), SessionPage.from_wire, params, page=True)


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
    return Listing(path_of(_USER_SESSIONS, user_id=user_id), "sessions", Session.from_wire, params)


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
    return Call("GET", path_of(_USER, user_id=user_id), User.from_wire)


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
        Where to continue: the cursor of the previous page.

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
