"""Users in full: a list of users tells of each little more than the name, so each is asked for by its id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from conv_analytics.errors import APIError, NotFound
from conv_analytics.exporter.summaries import head_of
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables.pages import records

#: Maximum consecutive failures before no more users are asked for: the API is down, not the users.
FAILURES = 20


class Users:
    """Reads the users of pages one by one; who cannot be read stays as the list has it.

    Parameters
    ----------
    read
        Gives the answer to a GET of one user.
    incomplete
        Where to note, by path, what could not be read.
    """

    def __init__(self, read: Callable[[str], Awaitable[bytes]], incomplete: dict[str, str]) -> None:
        self._read, self._incomplete = read, incomplete
        self._failures = 0

    async def in_full(self, page: bytes) -> bytes:
        """A page of the list with each user as a GET gives it. As many are asked for at a time as the pace allows."""
        listed = list(map(bytes, records(page, "users")))
        found = await asyncio.gather(*map(self._user, listed), return_exceptions=True)
        users: list[bytes] = []
        for user in found:
            if isinstance(user, BaseException):
                raise user
            users.append(user)
        return b'{"_embedded": {"users": [' + b",".join(users) + b"]}}"

    async def _user(self, listed: bytes) -> bytes:
        """A user in full, or as listed where that cannot be had."""
        name = head_of(listed).name
        if name is None:
            return listed
        if not fits_path(name):
            self._incomplete[ascii(name)] = "its id cannot be asked for"
            return listed
        if self._failures >= FAILURES:
            self._incomplete["users"] = f"stopped after {FAILURES} users in a row could not be read"
            return listed
        return await self._asked(name) or listed

    async def _asked(self, name: str) -> bytes | None:
        try:
            user = await self._read(name)
        except NotFound:
            # Deleted since it was listed.
            return None
        except APIError as error:
            self._failures += 1
            self._incomplete[f"/v1/users/{name}"] = str(error)
            return None
        self._failures = 0
        if head_of(user).name != name:
            self._incomplete[f"/v1/users/{name}"] = "the API answered with another user"
            return None
        return user
