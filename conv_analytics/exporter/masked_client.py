"""A client that masks every response: the only place where the mask meets the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import replace
from typing import Any, NoReturn

import msgspec

from conv_analytics.api.page import RawPage
from conv_analytics.errors import APIError, StatusError, UnexpectedPayload, status_error
from conv_analytics.exporter.journalled_client import RawClient
from conv_analytics.privacy import Mask
from conv_analytics.privacy.safe_patterns import WORD
from conv_analytics.resources.endpoint import Call, Listing

#: Unexpected responses and the API's own error messages may name people, and are left out.
_LEFT_OUT = "something other than what was requested (left out, as the export is masked)"


class MaskedClient:
    """Passes requests on and masks the responses; errors do not quote them."""

    def __init__(self, source: RawClient, mask: Mask) -> None:
        self._source, self._mask = source, mask

    async def raw(self, call: Call[Any]) -> bytes:
        """The body of a response, masked."""
        path = self._path(call.path)
        try:
            body = await self._source.raw(call if path == call.path else replace(call, path=path))
        except APIError as error:
            _raise_masked(error, error.url if path == call.path else call.target)
        return self._mask.page(body)

    async def raw_pages(self, listing: Listing[Any], cursor: str | None = None) -> AsyncIterator[RawPage]:
        """The pages of a list, masked; their links are followed as the API sent them."""
        path = self._path(listing.path)
        same = path == listing.path
        pages = self._source.raw_pages(listing if same else replace(listing, path=path), cursor)
        try:
            async for page in pages:
                url = page.url if same else listing.page(page.cursor)
                yield replace(page, url=url, body=self._mask.page(page.body), embedded=msgspec.Raw(b""))
        except APIError as error:
            _raise_masked(error, error.url if same else listing.target)

    def _path(self, path: str) -> str:
        """The path with the API's own ids: the exporter has masked ids only."""
        return self._mask.unmasked_path(path)


def _raise_masked(error: APIError, url: str) -> NoReturn:
    """Raise the same error without the API's free text, and with the masked id in its path."""
    if isinstance(error, StatusError):
        code = error.problem.code
        problem = {"code": code} if code and WORD.fullmatch(code) else {}
        body = json.dumps(problem).encode()
        raise status_error(error.method, url, error.status, body, error.retry_after) from None
    if isinstance(error, UnexpectedPayload):
        raise UnexpectedPayload(_LEFT_OUT, method=error.method, url=url, status=error.status) from None
    if url == error.url:
        raise error
    masked = copy(error)
    masked.args, masked.url = (str(error).replace(error.url, url),), url
    raise masked from None
