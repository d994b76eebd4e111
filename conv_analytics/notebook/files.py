"""Write pages and pictures: whole or not at all, and for their user alone where people are shown."""

from __future__ import annotations

from pathlib import Path

from conv_analytics.durable import write_atomically
from conv_analytics.errors import DestinationError


def write(path: Path, text: str, *, private: bool) -> Path:
    """Write a file: a reader sees the old one or the new one, never half of one.

    Parameters
    ----------
    path
        The file; its folder has to be there.
    text
        What it holds.
    private
        Whether only the user who runs this may read it (0600), as befits what is not masked. Otherwise the file has the
        mode of any new file.

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
