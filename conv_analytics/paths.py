"""Paths with ``~``."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from conv_analytics.errors import ConfigError


def expand_user(path: str | PathLike[str]) -> Path:
    """A path with ``~`` expanded to the home folder.

    Raises
    ------
    ConfigError
        If there is no home folder, as in a container with any user id.

    Examples
    --------
    >>> expand_user("exports").name
    'exports'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{fspath(path)} starts with the home folder (~), but there is none: give the full path."
        ) from None
