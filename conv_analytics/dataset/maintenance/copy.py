"""Copy a dataset unchanged, from a folder or bucket to another one: the same files, the same commits.

Commit by commit, each as a run does it: its files are fetched, checked against their recorded SHA-256, put into their
places, and counted once the record is created. A repeated copy adds the new commits; an interrupted copy resumes at the
file that it had reached.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conv_analytics import durable
from conv_analytics.dataset.maintenance.check_files import quarantined
from conv_analytics.dataset.maintenance.file_rows import is_nested
from conv_analytics.dataset.maintenance.prune import delete_removed
from conv_analytics.dataset.snapshot import Snapshot
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.backlog import backlog
from conv_analytics.dataset.storage.batches import first_line
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.dataset.storage.quarantine import LINES
from conv_analytics.dataset.storage.staged_files import disk_errors
from conv_analytics.dataset.store.stored_object import StoredFile, open_binary
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import ConfigError, CorruptFile

#: Folder for fetched files, in the work folder of the target.
_FETCHED = "copy"
#: Files that are fetched at a time, and how much of one at a time. [B]
_AT_ONCE, _PIECE = 8, 2**20


@dataclass
class Copied:
    """The outcome of a copy."""

    commits: int = 0
    """Commits that the copy did not have before."""
    commits_before: int = 0
    """Commits that the copy had already."""
    files: int = 0
    bytes: int = 0
    """Size of these files. [B]"""
    waiting: int = 0
    """Live events that stay in the inbox of the source, because no run has folded them in yet."""
    commit: int = 0
    """Number of the last commit of the copy."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def copy(source: str | Path, target: str | Path, *, work: str | Path | None = None) -> Copied:
    """Copy a dataset; see `Dataset.copy_to`.

    Parameters
    ----------
    source
        The folder or bucket that `export` wrote. Commits that a run adds meanwhile are not copied.
    target
        A folder or bucket that is empty, or that has an earlier copy.
    work
        The local work folder of a target in a bucket.

    Raises
    ------
    ConfigError
        If the target holds something else.
    CorruptFile
        If a file of the source differs from its record.
    DatasetError
        If the source cannot be read or the target cannot be written; the target then holds the commits before.
    """
    begin = time.monotonic()
    dataset, layout = Snapshot.open(source), Layout(dataset_folder(target, work))
    if is_nested(Layout(dataset.path), layout):
        raise ConfigError(f"{layout.name} is inside {dataset.name}, or contains it. Name another place for the copy.")
    origin = Layout(dataset.path)
    layout.prepare()
    lock = WriterLock(layout)
    lock.acquire()
    try:
        with disk_errors(layout.root):
            backend_of(layout).require_create_once()
            log.recover(layout, log.removed_by(dataset.commits))
            there = _earlier(origin, layout)
            result = Copied(commits_before=len(there))
            for commit in dataset.commits:
                if commit.number not in there:
                    _copy_commit(origin, layout, commit, result)
            delete_removed(layout)
            shutil.rmtree(layout.work / _FETCHED, ignore_errors=True)
    finally:
        lock.release()
    result.waiting = backlog(origin, dataset.commits).receipts
    result.commit, result.seconds = dataset.commits[-1].number, time.monotonic() - begin
    return result


def _earlier(origin: Layout, target: Layout) -> frozenset[int]:
    """The numbers of the commits that a target has already; raise `ConfigError` if they are not the source's."""
    numbers = log.numbers(target)
    for number in numbers:
        record = origin.commit(number)
        if not record.exists() or record.read_bytes() != target.commit(number).read_bytes():
            raise ConfigError(
                f"{target.name} holds another export than {origin.name}: its commit {number} is not that of the source."
                " Name another place for the copy."
            )
    if not numbers and (other := next(iter(_foreign_files(target)), None)) is not None:
        raise ConfigError(f"{target.name} is not empty: {other} is there. Name another place for the copy.")
    return frozenset(numbers)


def _foreign_files(target: Layout) -> Iterator[str]:
    """Foreign files in a target without commits, except those that an interrupted copy may have left."""
    if target.bucket is not None:
        yield from (name for name in backend_of(target).files("") if not name.startswith("_"))
        return
    yield from (path.name for path in target.root.iterdir() if not path.name.startswith("_"))


def _copy_commit(origin: Layout, target: Layout, commit: Commit, result: Copied) -> None:
    fetched = Layout(target.work / _FETCHED)
    checksums: dict[str, str | None] = {file.path: file.sha256 for file in commit.published}
    if commit.quarantine is not None:
        checksums[commit.quarantine] = None
    with ThreadPoolExecutor(_AT_ONCE if origin.bucket is not None else 1) as pool:
        list(pool.map(lambda name: _fetch(origin, fetched, name, checksums[name]), checksums))
    staging = target.staging(commit.run)
    shutil.rmtree(staging, ignore_errors=True)
    quarantine = commit.quarantine
    if quarantine is not None:
        _check_quarantine(origin, fetched, quarantine, commit)
        # It is put there before the commit is promised, as in a run.
        backend_of(target).publish({quarantine: fetched.local_file(quarantine)})
        shutil.rmtree(fetched.quarantine, ignore_errors=True)
    fetched.root.mkdir(parents=True, exist_ok=True)
    fetched.root.rename(staging)
    text = origin.commit(commit.number).read_text(encoding="utf-8")
    log.finish(target, log.prepare(target, commit, text), commit)
    shutil.rmtree(staging, ignore_errors=True)
    result.commits += 1
    result.files += len(checksums)
    result.bytes += sum(file.bytes for file in commit.published)


def _check_quarantine(origin: Layout, fetched: Layout, name: str, commit: Commit) -> None:
    """Raise `CorruptFile` unless a quarantine file, which has no recorded checksum, has the records of its run."""
    try:
        count = sum(1 for _ in quarantined(fetched, name))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFile(origin.file(name), "its records cannot be read") from error
    expected = commit.report.get(LINES, commit.report.get("quarantined", count))
    if count != expected:
        raise CorruptFile(origin.file(name), f"it has {count:,} records, and {expected:,} were counted")


def _fetch(origin: Layout, fetched: Layout, name: str, checksum: str | None) -> None:
    """Fetch a file, unless it was fetched before; raise `CorruptFile` if its bytes differ from the recorded ones."""
    path, source = fetched.local_file(name), origin.file(name)
    if checksum is not None and path.exists() and durable.sha256(path) == checksum:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = _copy_bytes(source, path)
    if checksum is not None and digest != checksum:
        path.unlink()
        raise CorruptFile(source, "it has other bytes than were recorded (SHA-256)")
    durable.sync_file(path)


def _copy_bytes(source: StoredFile, path: Path) -> str:
    """Copy a file; return the checksum of what was read."""
    digest = hashlib.sha256()
    try:
        opened = open_binary(source)
    except FileNotFoundError as error:
        raise CorruptFile(source, "it is missing") from error
    except OSError as error:
        raise CorruptFile(source, first_line(error)) from error
    with opened, path.open("wb") as target:
        while piece := opened.read(_PIECE):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


__all__ = ["Copied", "copy"]
