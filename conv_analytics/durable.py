"""Write files so that a power cut leaves either the old state or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from pathlib import Path

#: Modes of files and folders with unmasked answers: for the user of the run alone.
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700

#: Errors of file systems that have no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV})


#: Errors of file systems that do not sync folders (shared folders of virtual machines, some network shares).
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EISDIR})


def sync_file(path: Path) -> None:
    """Have the operating system put a file's bytes on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the operating system put a folder's names on the disk, where the file system can do so."""
    # Windows opens no folders; there, names are durable with the file.
    if os.name == "nt":
        return
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def private(path: str, flags: int) -> int:
    """An opener for `open` that makes files which only their user may read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "answers")
    ...     with open(path, "w", opener=private) as file:
    ...         oct(path.stat().st_mode & 0o777)
    '0o600'
    """
    return os.open(path, flags, PRIVATE)


def write_atomically(path: Path, text: str, *, part: Path | None = None, private: bool = False) -> None:
    """Write a text file so that a reader, also after a crash, sees the old one or the new one.

    Parameters
    ----------
    path
        The file.
    text
        Its content.
    part
        Temporary name in the same folder until the file is complete; a unique one by default.
    private
        Whether only the user of this process may read it.
    """
    mode = PRIVATE if private else 0o666
    part = part or path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with open(
            part, "w", encoding="utf-8", newline="\n", opener=lambda name, flags: os.open(name, flags, mode)
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        publish(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


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
        # If a process was killed while the file had both names, the final name is already taken by this file.
        if not source.samefile(target):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links (FAT, some network shares) only the writer's lock keeps a second writer out; the move
        # itself is still atomic.
        if target.exists():
            raise FileExistsError(target) from error
        source.replace(target)
    source.unlink(missing_ok=True)
    sync_folder(target.parent)


def sha256(path: Path) -> str:
    """Checksum of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
