"""Writes pages and pictures atomically, readable only by their owner if people are shown."""

from __future__ import annotations

from pathlib import Path

from conv_analytics.durable import write_atomically
from conv_analytics.errors import DestinationError


def write(path: Path, text: str, *, private: bool) -> Path:
    """Write a file atomically: a reader sees the old one or the new one, never half of one.

    Parameters
    ----------
    path
        The file; its folder has to exist.
    text
        Its content.
    private
        Whether only its owner may read it (0600), for a file that is not masked. Otherwise it has the mode of any new
        file.

    Raises
    ------
    DestinationError
        If it cannot be written.
    """
    try:
        write_atomically(path, text, private=private)
    except OSError as error:
        raise DestinationError(path, error.strerror or str(error)) from error
    return path


__all__ = ["write"]
