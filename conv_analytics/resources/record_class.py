"""The signature of a record's class, computed on first access, and reprs of its values without secrets."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, TypeVar

_P = TypeVar("_P")
_R = TypeVar("_R")


def cached(function: Callable[[_P], _R]) -> Callable[[_P], _R]:
    """The function, computed once for each argument."""
    # mypy does not see that a class is hashable when its instances define equality.
    return typing.cast("Callable[[_P], _R]", functools.cache(function))


class Signature:
    """The signature of a record's class, computed on first access."""

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        hints = typing.get_type_hints(owner)
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
            for name, default in defaults_of(owner).items()
        ]
        return inspect.Signature(parameters, return_annotation=None)


@cached
def defaults_of(record: type[Any]) -> dict[str, Any]:
    """The default of each field in order; for ``extra`` its factory."""
    defaults = {field.name: field.default for field in dataclasses.fields(record)}
    return defaults | {"extra": dict}


#: Keys whose values are secret anywhere, even in a body that is kept verbatim.
_SECRET_KEYS = frozenset({"password", "api_key", "sdp"})


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if key in _SECRET_KEYS else _without_secrets(item) for key, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def value_repr(value: object) -> str:
    """The repr of a value without the secrets in it."""
    try:
        return repr(_without_secrets(value))
    except (RecursionError, ValueError):
        # User data may be nested as deep as its sender liked, or hold an integer too long to be written.
        return "..."


__all__ = ["Signature", "cached", "defaults_of", "value_repr"]
