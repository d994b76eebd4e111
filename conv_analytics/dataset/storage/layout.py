"""The layout of a dataset folder.

::

    exports/
      events/date=2026-11-21/000042-1a2b3c4d-0.parquet   finished, immutable files and nothing else
      _commits/000042.json                               what a run added
      _commits/000042-1a2b3c4d.parquet                   its watermarks, when it met many conversations
      _work/1a2b3c4d/                                    staged files of a run under way; swept by the next
      _work/journal                                      answers that are not committed yet; the next run begins there
      _quarantine/000042-1a2b3c4d.jsonl                  unreadable records, as received
      _cache/                                            the cache of questions; safe to delete between them
      _inbox/20261121T093000000000-1a2b3c4d.segment      live events that no run has folded in yet; not to be deleted

When the tables are in a bucket, they, ``_commits`` and ``_quarantine`` are below its path, and the rest is in a work
folder of this machine: see `conv_analytics.dataset.store.work_folder`.

A plain reader of a table's folder therefore never meets a half-written or foreign file.

Every path named in a file of the folder goes through `Layout.file`, which refuses paths that lead out of the folder;
and only what `Layout.runs` recognises as a run of ours is deleted in `_work`.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path, PurePosixPath

from conv_analytics import durable
from conv_analytics.dataset.store.address import is_url, parse
from conv_analytics.dataset.store.bucket import BucketStore
from conv_analytics.dataset.store.stored_object import StoredFile, StoredObject
from conv_analytics.dataset.store.work_folder import bucket_of
from conv_analytics.errors import ConfigError, CorruptFile, DatasetError, DestinationError
from conv_analytics.tables import TABLES

COMMITS, WORK, QUARANTINE, INBOX, CACHE = "_commits", "_work", "_quarantine", "_inbox", "_cache"
#: The files that runs and plans keep in the work folder.
LOCK, OWNER, JOURNAL, PLAN = "lock", "owner.json", "journal", "plan.json"
#: Marks that the store of a bucket was tested: see `backends.BucketBackend`.
TRIED = "tried"
_PROBE = ".writable"
_FILES = frozenset({LOCK, OWNER, JOURNAL, PLAN, f"{PLAN}.new", TRIED, _PROBE})
#: Names of commit records.
RECORD = re.compile(r"(\d{6,})\.json")
_RUN = re.compile(r"[0-9a-f]{8}")
#: Names of files in the staging folder of a run.
PREPARED, STAGED_QUARANTINE = "commit.json", "quarantine.jsonl"
_STAGED = frozenset({PREPARED, "commit.part", STAGED_QUARANTINE, COMMITS, *TABLES})
#: Names for file types other than plain files.
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Layout:
    """The paths of one dataset folder."""

    root: Path
    _inside: set[Path] = field(default_factory=set, repr=False, compare=False)
    """Folders known to be inside the dataset."""

    def __post_init__(self) -> None:
        # `Path` turns "s3://bucket" into "s3:/bucket", a valid name of a folder that nobody wants.
        if is_url(self.root):
            raise ConfigError(f"{parse(self.root)} is a bucket, and a folder is needed: see `open_dataset`.")

    @cached_property
    def bucket(self) -> BucketStore | None:
        """The bucket that holds the tables and the log; None when they are in the folder itself."""
        return bucket_of(self.root)

    @property
    def name(self) -> str:
        """The dataset as its user names it: its folder, or the URL of its bucket."""
        return str(self.root if self.bucket is None else self.bucket.address)

    @property
    def commits(self) -> Path:
        """The commit log."""
        return self.root / COMMITS

    @property
    def work(self) -> Path:
        """Staged files and the lock; safe to delete between runs."""
        return self.root / WORK

    @property
    def quarantine(self) -> Path:
        """Records that could not be read."""
        return self.root / QUARANTINE

    @property
    def inbox(self) -> Path:
        """Live events that are not in the tables yet."""
        return self.root / INBOX

    @property
    def cache(self) -> Path:
        """The cache of questions."""
        return self.root / CACHE

    @property
    def journal(self) -> Path:
        """The answers of a run under way."""
        return self.work / JOURNAL

    def commit(self, number: int) -> Path:
        """The record of one commit."""
        return self.commits / f"{number:06d}.json"

    def staging(self, run: str) -> Path:
        """Where a run keeps its files until they are finished."""
        return self.work / run

    def file(self, name: str) -> StoredFile:
        """A file that a commit names, to be read; it need not be there.

        Raises
        ------
        CorruptFile
            If the name leads out of the folder, by ``..``, as an absolute path or over a link, or if it is not a plain
            file: reading a pipe would wait, reading a device would never end.
        """
        if self.bucket is None:
            return self.local_file(name)
        return StoredObject(self.bucket, "/".join(self._parts(name)))

    def local_file(self, name: str) -> Path:
        """The path of a file in the folder; raises as `file` does."""
        path = self.root.joinpath(*self._parts(name))
        folder = path.parent
        if not self._is_inside(folder):
            raise CorruptFile(path, f"a link leads out of {self.root}")
        if (kind := other_kind(path)) is not None:
            raise CorruptFile(path, f"it is {kind}, not a file")
        return path

    def _parts(self, name: str) -> tuple[str, ...]:
        """The parts of a name that stays inside the dataset."""
        parts = PurePosixPath(name).parts
        if not parts or {"..", "/", "//"} & set(parts) or re.search(r"[\\:\0]", name) or name.endswith("/"):
            raise CorruptFile(repr(name), f"no file of {self.root} is called that")
        return parts

    def _is_inside(self, folder: Path) -> bool:
        """Whether a folder is inside the root, also after links are resolved."""
        if folder == self.root or folder in self._inside:
            return True
        plain = other_kind(folder, plain=stat.S_IFDIR) is None and self._is_inside(folder.parent)
        if not plain and not folder.resolve().is_relative_to(self.root.resolve()):
            return False
        self._inside.add(folder)
        return True

    def runs(self) -> list[Path]:
        """The staging folders of runs; anything else in the work folder is left out."""
        if self.work.is_symlink() or not self.work.is_dir():
            return []
        return sorted(path for path in self.work.iterdir() if _is_staging(path))

    def check(self) -> None:
        """Raise `DatasetError` if a folder that is ours alone is a link or a file."""
        for path in (self.commits, self.work, self.quarantine, self.inbox):
            kind = other_kind(path, plain=stat.S_IFDIR)
            if kind is not None:
                advice = "Put a folder in its place, or name another folder"
                raise DatasetError(f"{path} is {kind}, and has to be a folder of its own. {advice}.")

    def prepare(self) -> None:
        """Create the folders, or raise `DestinationError` with the reason why that fails."""
        if self.root.exists() and not self.root.is_dir():
            raise DestinationError(self.root, "it is a file; name a folder")
        self.check()
        try:
            self._refuse_foreign()
            self.commits.mkdir(parents=True, exist_ok=True)
            # Answers are stored there unmasked, so nobody else may read it.
            self.work.mkdir(mode=durable.PRIVATE_FOLDER, exist_ok=True)
            probe = self.work / _PROBE
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise DestinationError(self.root, error.strerror or str(error)) from error

    def _refuse_foreign(self) -> None:
        """Refuse a work folder that belongs to somebody else, before anything is written there."""
        if not self.work.exists():
            return
        entries = list(self.work.iterdir())
        for path in entries:
            if path.name in _FILES and (kind := other_kind(path)) is not None:
                reason = f"{WORK}/{path.name} is {kind}, not the file that runs keep there; delete it"
                raise DestinationError(self.root, reason)
        foreign = sorted(path.name for path in entries if path.name not in _FILES and not _is_staging(path))
        if foreign and not (self.work / LOCK).exists():
            reason = f"{WORK} holds what no run of ours left ({foreign[0]!r}); move it away, or name another folder"
            raise DestinationError(self.root, reason)


def other_kind(path: Path, *, plain: int = stat.S_IFREG) -> str | None:
    """The kind of file that exists instead of a plain file (or folder); None if it is one, or does not exist."""
    try:
        mode = stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None if mode == plain else _KINDS.get(mode, "a file" if mode == stat.S_IFREG else "something else")


def _is_staging(path: Path) -> bool:
    """Whether this is the staging folder of a run: somebody else's folder of that name is not swept."""
    if not _RUN.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return False
    entries = {entry.name for entry in path.iterdir()}
    return PREPARED in entries or entries <= _STAGED


def watermarks_name(commit: int, run: str) -> str:
    """Path of the file with the watermarks of a commit within the dataset."""
    return f"{COMMITS}/{commit:06d}-{run}.parquet"


def file_name(table: str, day: date, commit: int, run: str, part: int) -> str:
    """Path of a table's file within the dataset, with slashes on every system."""
    return f"{table}/date={day.isoformat()}/{commit:06d}-{run}-{part}.parquet"
