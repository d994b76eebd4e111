"""A client that keeps responses in the journal, and takes those of an interrupted run from there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from conv_analytics.api.page import RawPage
from conv_analytics.dataset.memory.journal import Journal, StoredAnswer
from conv_analytics.errors import NotFound, status_error
from conv_analytics.resources.endpoint import Call, Listing


class RawClient(Protocol):
    """The methods of a client that the exporter needs."""

    async def raw(self, call: Call[Any]) -> bytes:
        """The body of a response."""

    def raw_pages(self, listing: Listing[Any], cursor: str | None = None) -> AsyncIterator[RawPage]:
        """The pages of a listing, from the first one or from a cursor."""


class JournalledClient:
    """A client whose responses are kept in a journal until they are committed.

    A response is in the journal before it is returned, so a run that is killed at any instant loses at most the
    responses in transit: one per request in flight.
    """

    def __init__(self, client: RawClient, journal: Journal) -> None:
        self._client, self._journal = client, journal

    async def raw(self, call: Call[Any]) -> bytes:
        """The body of a response, as from `AsyncConversations.raw`."""
        kept = self._from_journal(call.target)
        if kept is not None:
            return kept.body
        try:
            body = await self._client.raw(call)
        except NotFound:
            self._journal.add(call.target, None)
            raise
        self._journal.add(call.target, body)
        return body

    async def raw_pages(self, listing: Listing[Any], cursor: str | None = None) -> AsyncIterator[RawPage]:
        """The pages of a listing, as from `AsyncConversations.raw_pages`."""
        while (kept := self._from_journal(key := listing.page(cursor))) is not None:
            yield RawPage(key, cursor, kept.body, msgspec.Raw(b""), kept.next_cursor, kept.page_size, kept.warning)
            cursor = kept.next_cursor
            if cursor is None:
                return
        try:
            async for page in self._client.raw_pages(listing, cursor):
                self._journal.add(page.url, page.body, page.next_cursor, page.page_size, page.warning)
                yield page
        except NotFound as error:
            self._journal.add(error.url, None)
            raise

    def _from_journal(self, key: str) -> StoredAnswer | None:
        try:
            return self._journal.take(key)
        except KeyError:
            raise status_error("GET", key, 404, b"") from None
