"""Write files so that a power cut leaves either the old state or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

#: Modes of what holds answers as they come: for the user of the run alone.
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700

#: What file systems answer that have no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV})


def sync_file(path: Path) -> None:
    """Have the operating system put a file's bytes on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the operating system put a folder's names on the disk."""
    # Windows opens no folders; there, names are durable with the file.
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a new file and sync it."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def private(path: str, flags: int) -> int:
    """Open a file for `open`: what it makes, only its user may read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "answers")
    ...     with open(path, "w", opener=private) as file:
    ...         oct(path.stat().st_mode & 0o777)
    '0o600'
    """
    return os.open(path, flags, PRIVATE)


def publish(source: Path, target: Path) -> None:
    """Move a finished file to its final name, which must be on the same file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def create(source: Path, target: Path) -> None:
    """Give a finished file its final name unless that name is taken; raise `FileExistsError` if it is.

    May be repeated after a crash at any point.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        # Killed when it had both names, it has taken the final one itself.
        if not source.samefile(target):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links (FAT, some network shares) the writer's lock is what keeps a second one away; the move
        # is still whole or not at all.
        if target.exists():
            raise FileExistsError(target) from error
        source.replace(target)
    source.unlink(missing_ok=True)
    sync_folder(target.parent)


def sha256(path: Path) -> str:
    """Checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
