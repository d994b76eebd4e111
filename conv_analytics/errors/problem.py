"""Error bodies of the platform and its gateways."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conv_analytics.errors.redaction import shorten, strip_tags


@dataclass(frozen=True)
class ProblemDetails:
    """The contents of an error body, in any of the forms that the platform and its gateways use (contract 4.3)."""

    title: str | None = None
    type: str | None = None
    code: str | None = None
    """The error code, else the fragment of ``type``."""
    detail: str | None = None
    """The text for people, under whichever key; cut to 500 characters."""
    instance: str | None = None
    """The platform's id of this failure, worth quoting to its support."""
    invalid_parameters: tuple[tuple[str, str], ...] = ()
    """Name and reason of each parameter that was refused."""

    @classmethod
    def read(cls, body: bytes) -> ProblemDetails:
        """Read an error body; never raises.

        >>> ProblemDetails.read(b'{"title": "Not found.", "code": "user:error:not-found"}').code
        'user:error:not-found'
        >>> ProblemDetails.read(b"<h1>502 Bad Gateway</h1>").detail
        '502 Bad Gateway'
        """
        text = body[: 1 << 16].decode("utf-8", "replace")
        try:
            payload = json.loads(text)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, Mapping):
            return cls(detail=shorten(strip_tags(text)) or None)
        return cls.of(payload)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> ProblemDetails:
        """Read a decoded error object."""
        kind = _first(payload, "type")
        fragment = kind.partition("#")[2] if kind else ""
        return cls(
            title=_first(payload, "title"),
            type=kind,
            code=_first(payload, "code", "error-code") or fragment or None,
            detail=_first(payload, "detail", "title", "message", "description", "error-code-label", "error", "errors"),
            instance=_first(payload, "instance", "rel"),
            invalid_parameters=tuple(_invalid(payload.get("invalid_parameters"))),
        )

    @staticmethod
    def looks_like(payload: Mapping[str, Any]) -> bool:
        """Whether an object that arrived with status 200 is in fact an error.

        >>> ProblemDetails.looks_like({"title": "Internal Error.", "code": "system:error:internal-error"})
        True
        >>> ProblemDetails.looks_like({"id": 1, "type": "message", "body": {}})
        False
        """
        if any(key in payload for key in ("_embedded", "_links", "page_size", "id", "uuid")):
            return False
        named = any(
            isinstance(payload.get(key), str | int)
            for key in ("code", "type", "error-code", "status", "error", "instance")
        )
        described = any(
            payload.get(key)
            for key in ("detail", "title", "description", "error-code-label", "message", "error", "errors")
        )
        return named and described


def _first(payload: Mapping[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = payload.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return shorten(str(value))
        if isinstance(value, list | dict) and value:
            return shorten(json.dumps(value, default=str))
    return None


def _invalid(value: object) -> Iterable[tuple[str, str]]:
    items = value.values() if isinstance(value, Mapping) else value
    for item in items if isinstance(items, Iterable) and not isinstance(items, str | bytes) else ():
        if isinstance(item, Mapping):
            yield _first(item, "name", "field") or "?", _first(item, "reason", "message") or "invalid"
