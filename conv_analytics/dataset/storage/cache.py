"""The cache of questions about a folder, in `_cache/` beside its tables: rebuilt when missing, safe to delete.

An entry is a Parquet file and a note that says what it was made from: the files of all commits (their recorded SHA-256,
and their size and time of modification now), the version of this package, and the options of the question. An entry is
used only if all of that is unchanged and the checksum of its file is right. Two processes that make the same entry
write a file each; the last note counts. Where the folder cannot be written, nothing is cached.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import conv_analytics
from conv_analytics import durable
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout, other_kind
from conv_analytics.dataset.storage.views import literal

#: 1: the first.
FORMAT = 1
#: Entries of one state of the folder. No other is added while all of these are young.
ENTRIES = 8
#: How old an entry is at least when it is deleted: a question of another process may be reading it. [s]
YOUNG_S = 3600


class Entry(NamedTuple):
    """A file of the cache, and what its note says besides its sources."""

    path: Path
    about: Mapping[str, Any]
    commits: int
    """How many commits it was made of: the first ones of the folder."""


class FolderCache:
    """The cache of a folder at one commit.

    Parameters
    ----------
    layout
        The folder.
    commits
        Its commits.
    engine
        Versions of the libraries that entries depend on.
    files
        The files of each commit: entries are stale once one of them was modified.
    """

    def __init__(self, layout: Layout, commits: Sequence[Commit], engine: str, files: Sequence[Sequence[Path]]) -> None:
        self._folder = layout.cache
        self.engine = engine
        of = hashlib.sha256()
        self._after: list[str] = []
        """What the folder was after each of its commits."""
        for commit, paths in zip(commits, files, strict=True):
            of.update(f"{commit.number} {commit.run}\n".encode())
            for file, path in zip(commit.files, paths, strict=True):
                of.update(f"{file.path} {file.sha256} {_size_and_mtime(path)}\n".encode())
            self._after.append(of.hexdigest())
        self._of = self._made_of(len(self._after))
        self._verified: set[Path] = set()

    def _made_of(self, commits: int) -> dict[str, Any]:
        state = self._after[commits - 1] if 0 < commits <= len(self._after) else ""
        return {"after": commits, "state": state, "version": conv_analytics.__version__, "engine": self.engine}

    @staticmethod
    def scan(path: Path) -> str:
        """An entry as a DuckDB query reads it."""
        return scan(path)

    def entries(self, kind: str) -> Iterator[Entry]:
        """The intact entries of a kind that were made from exactly this state."""
        for path in self._notes():
            note = _read(path)
            if note is not None and note["of"] == self._of and note["kind"] == kind and self._is_whole(note):
                yield self._entry(note)

    def earlier(self, kind: str) -> Entry | None:
        """The latest entry of a kind that was made before the last commits; None if there is none.

        Only for data that a commit appends to and never changes.
        """
        notes = (note for note in map(_read, self._notes()) if note is not None and note["kind"] == kind)
        before = [note for note in notes if note["of"] == self._made_of(_commits_of(note)) != self._of]
        for note in sorted(before, key=_commits_of, reverse=True):
            if self._is_whole(note):
                return self._entry(note)
        return None

    def _entry(self, note: Mapping[str, Any]) -> Entry:
        return Entry(self._folder / note["file"], note["about"], _commits_of(note))

    def keep(
        self, kind: str, about: Mapping[str, Any], write: Callable[[Path], None], grown_from: Entry | None = None
    ) -> Path | None:
        """Add an entry that `write` writes into a given file, and return its path; None if the disk refuses.

        The entry `grown_from`, which `write` reads, is not deleted to make room. Other errors of `write` are raised.
        """
        import duckdb  # noqa: PLC0415  slow to import

        part = self._folder / f".{uuid.uuid4().hex}.part"
        try:
            if other_kind(self._folder, plain=stat.S_IFDIR) is not None or not self._make_room(grown_from):
                return None
            self._folder.mkdir(exist_ok=True)
            # Fails before the work is done where the folder cannot be written.
            part.touch()
            write(part)
            checksum = durable.sha256(part)
            file = self._folder / f"{kind}-{checksum[:16]}.parquet"
            note = {"format": FORMAT, "kind": kind, "of": self._of, "about": dict(about), "file": file.name,
                    "bytes": part.stat().st_size, "sha256": checksum}  # fmt: skip
            durable.sync_file(part)
            durable.publish(part, file)
            durable.write_atomically(file.with_suffix(".json"), json.dumps(note, indent=1, sort_keys=True))
        except (OSError, duckdb.IOException):
            # If a file of the folder cannot be read, the question reports it: it reads that file next.
            return None
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        self._verified.add(file)
        return file

    def has_room(self) -> bool:
        """Whether another entry could be added, as far as that is known before it is written."""
        if other_kind(self._folder, plain=stat.S_IFDIR) is not None:
            return False
        place = self._folder if self._folder.is_dir() else self._folder.parent
        young = sum(_age_s(path) <= YOUNG_S for path in self._current())
        return young < ENTRIES and os.access(place, os.W_OK)

    def _current(self) -> set[Path]:
        """The notes of this state."""
        return {path for path in self._notes() if (note := _read(path)) is not None and note["of"] == self._of}

    def _notes(self) -> list[Path]:
        if other_kind(self._folder, plain=stat.S_IFDIR) is not None:
            return []
        with suppress(OSError):
            return sorted(path for path in self._folder.glob("*.json") if path.is_file() and not path.is_symlink())
        return []

    def _is_whole(self, note: Mapping[str, Any]) -> bool:
        file = self._folder / note["file"]
        if file.parent != self._folder or other_kind(file) is not None:
            return False
        try:
            if file.stat().st_size != note["bytes"]:
                return False
            if file not in self._verified and durable.sha256(file) != note["sha256"]:
                return False
        except OSError:
            return False
        self._verified.add(file)
        return True

    def _make_room(self, grown_from: Entry | None) -> bool:
        """Delete stale entries and those without a note; return whether there is room for an entry."""
        current = self._current()
        named = {note["file"] for note in map(_read, current) if note is not None}
        if grown_from is not None:
            named |= {grown_from.path.name, grown_from.path.with_suffix(".json").name}
        old = [path for path in (self._folder.iterdir() if self._folder.is_dir() else ())
               if path not in current and path.name not in named and _age_s(path) > YOUNG_S]  # fmt: skip
        by_age = sorted(current, key=_age_s, reverse=True)
        for path in by_age[: max(0, len(by_age) - ENTRIES + 1)]:
            if _age_s(path) > YOUNG_S:
                old += [path, path.with_suffix(".parquet")]
                current.discard(path)
        for path in old:
            with suppress(OSError):
                path.unlink()
        return len(current) < ENTRIES


def _size_and_mtime(path: Path) -> str:
    """Size and time of modification of a file: an entry is stale if those of a source file changed."""
    try:
        status = path.lstat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def scan(path: Path) -> str:
    """An entry as a DuckDB query reads it."""
    name = literal(str(path)).replace("'", "''")
    return f"read_parquet('{name}')"


def _read(path: Path) -> dict[str, Any] | None:
    """A note; None if the file is not one."""
    try:
        note = json.loads(path.read_bytes())
        known = note["format"] == FORMAT and Path(note["file"]).name == note["file"]
        whole = known and isinstance(note["about"], dict) and {"kind", "of", "bytes", "sha256"} <= note.keys()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return note if whole else None


def _commits_of(note: Mapping[str, Any]) -> int:
    """The commits that an entry was made from; none for a note of an earlier version without them."""
    count = note["of"].get("after") if isinstance(note["of"], dict) else None
    return count if isinstance(count, int) else 0


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


__all__ = ["ENTRIES", "YOUNG_S", "Entry", "FolderCache", "scan"]
