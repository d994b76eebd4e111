"""A client whose answers are masked before anybody sees them: the one place where the mask and the API meet."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NoReturn

import msgspec

from conv_analytics.api.page import RawPage
from conv_analytics.errors import APIError, StatusError, UnexpectedPayload, status_error
from conv_analytics.export.source import Asked
from conv_analytics.privacy import Mask
from conv_analytics.privacy.shapes import WORD
from conv_analytics.resources.endpoint import Call, Listing

#: What an answer says that was not asked for, or why the API said no, may name people; it is left out.
_LEFT_OUT = "something else than was asked for (left out, as the export is masked)"


class Masked:
    """Passes requests on, and answers through a mask; what errors quote of an answer is left out."""

    def __init__(self, source: Asked, mask: Mask) -> None:
        self._source, self._mask = source, mask

    async def raw(self, call: Call[Any]) -> bytes:
        """The body of an answer, masked."""
        try:
            body = await self._source.raw(call)
        except APIError as error:
            _tell(error)
        return self._mask.page(body)

    async def raw_pages(self, listing: Listing[Any], cursor: str | None = None) -> AsyncIterator[RawPage]:
        """The pages of a list, masked; their links are followed as they came."""
        pages = self._source.raw_pages(listing, cursor)
        try:
            async for page in pages:
                yield replace(page, body=self._mask.page(page.body), embedded=msgspec.Raw(b""))
        except APIError as error:
            _tell(error)


def _tell(error: APIError) -> NoReturn:
    """Raise the same error without what the API wrote in free words."""
    if isinstance(error, StatusError):
        code = error.problem.code
        said = {"code": code} if code and WORD.fullmatch(code) else {}
        body = json.dumps(said).encode()
        raise status_error(error.method, error.url, error.status, body, error.retry_after) from None
    if isinstance(error, UnexpectedPayload):
        raise UnexpectedPayload(_LEFT_OUT, method=error.method, url=error.url, status=error.status) from None
    raise error
