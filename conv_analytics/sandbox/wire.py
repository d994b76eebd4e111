"""A request and a reply as plain values: what the application sees of HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

Json = dict[str, Any]
JSON = "application/json"
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` is percent-decoded; `query` holds the last value of each key."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    authorization: str | None = None
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, authorization: str | None = None, body: bytes = b"") -> Request:
        """Read a request target such as `/v1/conversations?order=asc` (form decoding, as servers do)."""
        path, _, query = target.partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        return cls(method, unquote(path) if "%" in path else path, pairs, authorization, body)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def as_object(value: object) -> Json:
    """Take a value as an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def ok(value: object, status: int = 200) -> Reply:
    """Answer with a JSON value."""
    return Reply(status, encode(value))


NO_CONTENT = Reply(204)
