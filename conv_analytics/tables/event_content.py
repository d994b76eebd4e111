"""Compares two versions of an event: a list of the API and a webhook spell it differently.

Keys are compared regardless of spelling (``bytes_in`` and ``byteIn``), numbers regardless of form (``16`` and
``"16"``), and null or empty values not at all (live contract 5.3 and 5.4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

#: The columns of ``events`` that say what happened.
CONTENT = (
    "type",
    "at",
    "from_member_id",
    "from_user_id",
    "from_user_name",
    "from_user_display_name",
    "body",
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?")
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def content_digests(events: pa.Table | pa.RecordBatch) -> list[int]:
    """For each row of ``events``, a digest of its content, valid within this process.

    >>> row = {"type": "sip:hangup", "body": '{"reason":{"sip_code":"486"},"bandwidth":{"byte_in":16,"x":null}}'}
    >>> webhook = row | {"body": '{"bandwidth": {"bytes_in": 16.0}, "reason": {"sip_code": 486}}'}
    >>> columns = {name: [each.get(name) for each in (row, webhook, {"type": "sip:hangup"})] for name in CONTENT}
    >>> one, two, other = content_digests(pa.table(columns | {"at": pa.nulls(3, pa.timestamp("us", "UTC"))}))
    >>> one == two, one == other
    (True, False)
    """
    instants = events["at"].cast(pa.int64()).to_pylist()
    columns = [instants if name == "at" else events[name].to_pylist() for name in CONTENT]
    return [_digest(row) for row in zip(*columns, strict=True)]


def _digest(row: Sequence[Any]) -> int:
    *envelope, body = row
    return hash((tuple(value or None for value in envelope), frozenset(_leaves(_decoded(body)))))


def _decoded(body: str | None) -> Any:
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return body


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value with its path, independent of the order and spelling of keys."""
    waiting = [(path, value)]
    while waiting:
        at, each = waiting.pop()
        if isinstance(each, dict):
            waiting += [((*at, _key(name)), inner) for name, inner in each.items()]
        elif isinstance(each, list):
            waiting += [((*at, place), inner) for place, inner in enumerate(each)]
        elif each not in _EMPTY:
            yield at, _scalar(each)


@lru_cache(4096)
def _key(name: str) -> str:
    words = _WORD.findall(name)
    return "".join(word.lower().removesuffix("s") for word in words) or name


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if _NUMBER.fullmatch(text):
        try:
            return Decimal(text).normalize()
        except InvalidOperation:
            return text
    return text
