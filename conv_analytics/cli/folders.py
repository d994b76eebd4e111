"""The folder that an argument names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from pathlib import Path


def folder(text: str, argument: str = "DEST") -> Path:
    """The path of a folder; it need not exist.

    Raises
    ------
    ConfigError
        If nothing is named, or something that is not on this machine.

    Examples
    --------
    >>> folder("exports").name
    'exports'
    """
    if not text.strip():
        raise ConfigError(f"{argument} is empty: name a folder.")
    if "://" in text:
        raise ConfigError(f"{argument} must be a folder of this machine, not {text!r}.")
    return expand_user(text)
