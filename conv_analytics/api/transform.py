"""Re-casing of keys in nested JSON, as by the Node SDK's transformers; user data stays as it is.

The keys inside ``custom_data``, ``custom`` and ``headers`` belong to the user and are never re-cased
(contract 9, no. 32).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: Values of these keys, in any casing, are the user's own data.
USER_DATA = frozenset({"custom_data", "custom", "headers"})

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*|[0-9]+")


def snake_case_keys(value: Any, preserve: Iterable[str] = USER_DATA) -> Any:
    """Convert all keys to snake_case, at any depth.

    >>> snake_case_keys({"displayName": "A", "properties": {"customData": {"myKey": 1}}})
    {'display_name': 'A', 'properties': {'custom_data': {'myKey': 1}}}
    """
    return _recase(value, "_".join, frozenset(preserve))


def camel_case_keys(value: Any, preserve: Iterable[str] = USER_DATA) -> Any:
    """Convert all keys to camelCase, at any depth.

    >>> camel_case_keys({"page_size": 10, "_links": {"self": {}}, "headers": {"X_Id": 1}})
    {'pageSize': 10, '_links': {'self': {}}, 'headers': {'X_Id': 1}}
    """
    return _recase(
        value, lambda words: words[0] + "".join(word.capitalize() for word in words[1:]), frozenset(preserve)
    )


def kebab_case_keys(value: Any, preserve: Iterable[str] = USER_DATA) -> Any:
    """Convert all keys to kebab-case, at any depth.

    >>> kebab_case_keys([{"contentType": "audio/l16"}])
    [{'content-type': 'audio/l16'}]
    """
    return _recase(value, "-".join, frozenset(preserve))


def omit(keys: Iterable[str], value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without some of its keys.

    >>> omit(["id"], {"id": 1, "name": "A"})
    {'name': 'A'}
    """
    left_out = frozenset(keys)
    return {key: item for key, item in value.items() if key not in left_out}


def _recase(value: Any, join: Callable[[list[str]], str], preserve: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            _key(key, join): item
            if "_".join(_words(key)) in preserve or key in preserve
            else _recase(item, join, preserve)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_recase(item, join, preserve) for item in value]
    return value


def _key(key: object, join: Callable[[list[str]], str]) -> Any:
    words = _words(key)
    if not isinstance(key, str) or not words:
        return key
    # A leading underscore (``_links``, ``_embedded``) is part of the name.
    return key[: len(key) - len(key.lstrip("_"))] + join(words)


def _words(key: object) -> list[str]:
    return [word.lower() for word in _WORD.findall(key)] if isinstance(key, str) else []
