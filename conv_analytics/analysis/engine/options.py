"""Checks of options that most questions share: keys to group by, choices, instants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from conv_analytics.analysis.engine.answers import reserved
from conv_analytics.errors import ConfigError


def keys_of(by: str | Sequence[str], question: str) -> list[str]:
    """The keys to group by as a list: one name is one key.

    Raises
    ------
    ConfigError
        If a key is named twice, or has the name of another column of the question's answer, or one for internal use.
    """
    names = [by] if isinstance(by, str) else list(by)
    if len(set(names)) < len(names):
        raise ConfigError(f"by={names} names a key twice.")
    for name in names:
        internal = name.startswith("_") or name.endswith("_at_us")
        if internal or name in reserved(question):
            why = "is reserved for internal use" if internal else f"is a column of {question}() itself"
            rename = {name: "own_" + name.lstrip("_")}
            raise ConfigError(
                f"by={names}: {name!r} {why}. Rename it first, for example: legs(data).rename(columns={rename})."
            )
    return names


def one_of(option: str, value: object, choices: Collection[str]) -> None:
    """Refuse a value that is not one of the choices."""
    if value not in choices:
        raise ConfigError(f"{option}={value!r} is not one of {', '.join(choices)}.")


def in_utc(option: str, at: datetime) -> datetime:
    """An instant in UTC; anything else is refused, also one without a time zone."""
    if not isinstance(at, datetime):
        raise ConfigError(
            f"{option} is a {type(at).__name__}, not an instant. Give one with its time zone, for example "
            "datetime(2026, 11, 23, tzinfo=UTC)."
        )
    if at.tzinfo is None:
        raise ConfigError(f"{option} has no time zone. Give one, for example datetime(2026, 11, 23, tzinfo=UTC).")
    return at.astimezone(UTC)


__all__ = ["in_utc", "keys_of", "one_of"]
