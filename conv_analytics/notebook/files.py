"""Writing pages and pictures: atomically, and readable only by their owner where people are shown."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

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
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        part = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            # A temporary file starts out private.
            umask = os.umask(0)
            os.umask(umask)
            part.chmod(0o666 & ~umask)
        part.replace(path)
    except OSError as error:
        raise DestinationError(path, error.strerror or str(error)) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return path


__all__ = ["write"]
