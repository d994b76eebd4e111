"""Users in full: a list has little more than their names, so each user is requested by id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from conv_analytics.errors import APIError, NotFound
from conv_analytics.exporter.options import MAX_CONSECUTIVE_FAILURES
from conv_analytics.exporter.summaries import summary_of
from conv_analytics.resources.endpoint import fits_path
from conv_analytics.tables.pages import records


class UserReader:
    """Reads the users of a page one by one; a user who cannot be read stays as listed.

    Parameters
    ----------
    read
        Returns the response to a GET of one user.
    incomplete
        Where to record, by path, what could not be read.
    """

    def __init__(self, read: Callable[[str], Awaitable[bytes]], incomplete: dict[str, str]) -> None:
        self._read, self._incomplete = read, incomplete
        self._failures = 0

    async def in_full(self, page: bytes) -> bytes:
        """A page of the list with each user as a GET returns it; the pacer bounds the requests in flight."""
        listed = list(map(bytes, records(page, "users")))
        results = await asyncio.gather(*map(self._user, listed), return_exceptions=True)
        users: list[bytes] = []
        for user in results:
            if isinstance(user, BaseException):
                raise user
            users.append(user)
        return b'{"_embedded": {"users": [' + b",".join(users) + b"]}}"

    async def _user(self, listed: bytes) -> bytes:
        """A user in full, or as listed where the request fails."""
        name = summary_of(listed).record_id
        if name is None:
            return listed
        if not fits_path(name):
            self._incomplete[ascii(name)] = "its id cannot be part of a URL path"
            return listed
        if self._failures >= MAX_CONSECUTIVE_FAILURES:
            self._incomplete["users"] = f"stopped after {MAX_CONSECUTIVE_FAILURES} users in a row could not be read"
            return listed
        return await self._request(name) or listed

    async def _request(self, name: str) -> bytes | None:
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
        if summary_of(user).record_id != name:
            self._incomplete[f"/v1/users/{name}"] = "the API answered with another user"
            return None
        return user
