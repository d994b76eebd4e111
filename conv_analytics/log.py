"""The package's log: records of the logger ``conv_analytics`` of `logging`, without secrets.

Nothing is shown until a program configures logging; this package never does. Each record's message is an `Entry`, a
name with fields: as text it reads ``committed commit=3``, and a formatter can turn it into JSON.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from conv_analytics.errors import redact
from conv_analytics.markup import line

LOGGER = logging.getLogger("conv_analytics")
# Without a handler Python prints warnings on standard error.
LOGGER.addHandler(logging.NullHandler())


class Entry:
    """The message of a record: an event and its fields, without secrets.

    >>> str(Entry("gone", {"run": "1f", "conversations": ["CON-1"]}))
    "gone run=1f conversations=['CON-1']"
    >>> Entry("retry", {"path": "/v1/users?api_secret=abc"}).fields
    {'path': '/v1/users?api_secret=[secret]'}
    """

    __slots__ = ("event", "fields")

    def __init__(self, event: str, fields: Mapping[str, Any]) -> None:
        self.event = event
        self.fields: dict[str, Any] = {name: clean(value) for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return line(" ".join([self.event, *(f"{name}={value}" for name, value in self.fields.items())]))


def clean(value: Any) -> Any:
    """A value with the secrets removed from every text in it.

    >>> clean({"to": ["Bearer abcdefgh"], "n": 1})
    {'to': ['Bearer [secret]'], 'n': 1}
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): clean(item) for name, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, list | tuple) else value
