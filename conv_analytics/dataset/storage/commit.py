"""The commit log: one numbered JSON record per run, written last, never changed.

A dataset is the sum of its commits: a file that no commit names is not part of it. A commit is created under the next
free number in one step that fails if the number is taken, so no two runs can take the same number.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from conv_analytics import durable
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.layout import COMMITS, PREPARED, RECORD, STAGED_QUARANTINE, Layout, other_kind
from conv_analytics.dataset.storage.report_schema import CARRIED, Count, Instant, check_report
from conv_analytics.dataset.storage.table_files import parquet_files
from conv_analytics.dataset.storage.watermarks import Unfinished, Watermark, read_watermarks, watermarks_from
from conv_analytics.dataset.store.stored_object import size_of
from conv_analytics.errors import CorruptFile, DatasetError
from conv_analytics.log import LOGGER, Entry

#: 2: with `Commit.settled`; 3: with `Commit.conversations`; 4: with `Commit.unfinished`, and with money of eighteen
#: decimals in the files; 5: with the source of events; 6: with `Commit.removed`. Older ones are read as before.
FORMAT = 6
#: A folder with a run every second would reach this number after 30,000 years.
_LARGEST = 10**12


@dataclass(frozen=True)
class File:
    """One Parquet file of a commit."""

    path: str
    """Relative to the dataset, with slashes."""
    table: str
    rows: Count
    bytes: Count
    sha256: str


@dataclass(frozen=True)
class Commit:
    """The additions of one run to the dataset."""

    number: Count
    run: str
    committed_at: Instant
    """UTC, ISO 8601."""
    files: tuple[File, ...]
    report: Mapping[str, Any]
    """The report of the run: window, rows, requests, and everything gone, incomplete or unreadable."""
    quarantine: str | None = None
    """The quarantine file of the run, relative to the dataset."""
    watermarks: Mapping[str, Count] = field(default_factory=dict)
    """The highest event id stored, for each conversation that this run read further."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """For each conversation that this run read to its end: see `storage.watermarks.Watermark.settled`."""
    unfinished: Mapping[str, Unfinished] = field(default_factory=dict)
    """For each conversation of which something is or was missing: see `storage.watermarks.Watermark.unfinished`."""
    conversations: File | None = None
    """When there are many conversations, the file that holds these three instead: see `storage.watermarks`."""
    removed: tuple[str, ...] = ()
    """Files of earlier commits, relative to the dataset, that are no longer part of it: see `maintenance.prune`."""
    format: int = field(default=FORMAT)

    def read_watermarks(self, root: Path) -> Iterator[Watermark]:
        """How far the run has read each conversation; raise `CorruptFile` if that cannot be read."""
        yield from watermarks_from(self.watermarks, self.settled, self.unfinished)
        if self.conversations is not None:
            yield from read_watermarks(Layout(root).file(self.conversations.path))

    def without(self, removed: Collection[str]) -> Commit:
        """The commit without files that a later one has removed."""
        if not removed:
            return self
        files = tuple(file for file in self.files if file.path not in removed)
        return replace(self, files=files, quarantine=None if self.quarantine in removed else self.quarantine)

    @property
    def published(self) -> tuple[File, ...]:
        """All files that must be in place before the commit is entered."""
        return self.files if self.conversations is None else (*self.files, self.conversations)

    @property
    def rows(self) -> dict[str, int]:
        """Rows added per table."""
        result: dict[str, int] = {}
        for file in self.files:
            result[file.table] = result.get(file.table, 0) + file.rows
        return result

    def to_json(self) -> str:
        """The text of the record, with sorted keys, so that equal commits are equal bytes."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> Commit:
        """Read a commit; raise `CorruptFile` if it is not one."""
        if (kind := other_kind(path)) is not None:
            raise CorruptFile(path, f"it is {kind}, not a file")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict) or not isinstance(values["format"], int):
                raise CorruptFile(path, "not a commit record (it has no format)")
            if values["format"] > FORMAT:
                raise CorruptFile(
                    path, f"written by a newer version (format {values['format']}); upgrade conv_analytics"
                )
            # Half a surrogate pair can be read, but not written.
            json.dumps(values, ensure_ascii=False).encode()
            return cls._of(values)
        except msgspec.ValidationError as error:
            raise CorruptFile(path, f"not a commit record ({error})") from error
        except (OSError, ValueError, KeyError, RecursionError) as error:
            raise CorruptFile(path, f"not a commit record ({type(error).__name__})") from error

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Commit:
        """A commit from JSON values, each checked for its type."""
        if unknown := values.keys() - cls.__dataclass_fields__.keys():
            raise msgspec.ValidationError(f"unknown key {min(unknown)!r}")
        commit = msgspec.convert(values, cls)
        check_report(commit.report)
        for carried in commit.report.get(CARRIED) or ():
            cls._of({**carried, "files": []})
        return commit


def commits(layout: Layout, *, before: int | None = None) -> Iterator[Commit]:
    """All commits of a dataset, or those before a number, oldest first, without the files that a later one removed.

    Raises
    ------
    CorruptFile
        If one of them cannot be read, or is missing.
    DatasetError
        If there is none at all, and the folders of tables hold files: see `require_records`.
    """
    result: list[Commit] = []
    present = numbers(layout)
    if not present:
        require_records(layout)
    for number in present:
        if before is None or number < before:
            commit = Commit.read(layout.commit(number))
            if commit.number != number:
                raise CorruptFile(layout.commit(number), f"it says that it is commit {commit.number}")
            result.append(commit)
    for first, last in gaps((commit.number for commit in result), result):
        what = f"commit {first} is missing" if first == last else f"commits {first} to {last} are missing"
        raise CorruptFile(layout.commit(first), f"{what}, and with it what was added then")
    removed = removed_by(result)
    yield from (commit.without(removed) for commit in result)


def gaps(present: Iterable[int], history: Iterable[Commit]) -> Iterator[tuple[int, int]]:
    """The first and the last number of each gap between commits.

    Parameters
    ----------
    present
        The numbers of the records that are there.
    history
        Those that can be read: one of a compacted dataset carries earlier commits.
    """
    known = {0, *present}
    for commit in history:
        known.update(carried["number"] for carried in commit.report.get(CARRIED) or ())
    for before, after in itertools.pairwise(sorted(known)):
        if after - before > 1:
            yield before + 1, after - 1


def removed_by(history: Iterable[Commit]) -> frozenset[str]:
    """The files that some commits have removed."""
    return frozenset(name for commit in history for name in commit.removed)


def numbers(layout: Layout) -> list[int]:
    """The numbers of all commits, in order."""
    layout.check()
    backend_of(layout).refresh()
    if not layout.commits.is_dir():
        return []
    names = [path.name for path in layout.commits.iterdir()]
    numbered = {name: match[1] for name in names if (match := RECORD.fullmatch(name))}
    for name, digits in numbered.items():
        if len(digits) > len(str(_LARGEST)) or layout.commit(int(digits)).name != name:
            raise CorruptFile(layout.commits / name, "no commit has such a number")
    return sorted(map(int, numbered.values()))


def require_records(layout: Layout) -> None:
    """Raise `DatasetError` if the folders of tables hold Parquet files, and the log has no record at all.

    What these files hold, how it is masked and how far it was read is only in the records: without them, a folder would
    pass for a new one. The files of a first run that is being committed, or that `recover` finishes, are no such case.
    """
    if numbers(layout):
        return
    # In this order: the files of a run that commits meanwhile belong to a promise at the second look, or to a commit
    # at the third.
    files = list(parquet_files(layout))
    if not files:
        return
    finishing = tuple(f"-{staging.name}-" for staging in layout.runs() if promised(staging))
    lost = [name for name in files if not any(run in name for run in finishing)]
    if lost and not numbers(layout):
        raise DatasetError(
            f"{layout.name} holds Parquet files of tables ({len(lost):,}, such as {lost[0]}), but no commit record in"
            f" {COMMITS} says what they hold, how they are masked and how far they were read. If the records were"
            f" deleted or not copied, restore {COMMITS} from a copy. If they are left from a first run that never"
            " ended, delete them. Otherwise export to a new folder."
        )


def next_number(layout: Layout) -> int:
    """The number of the next commit."""
    return max(numbers(layout), default=0) + 1


def prepare(layout: Layout, commit: Commit, text: str | None = None) -> Path:
    """Write a commit to the run's staging folder: the promise that its files are complete.

    `text` is that of the record, where another version may have written it.
    """
    path = layout.staging(commit.run) / PREPARED
    # A half-written promise would block every later run.
    durable.write_atomically(path, commit.to_json() if text is None else text, part=path.with_suffix(".part"))
    durable.sync_folder(path.parent)
    return path


def promised(staging: Path) -> Path | None:
    """The prepared commit of a staging folder, if its run got that far."""
    path = staging / PREPARED
    return path if path.exists() or path.is_symlink() else None


class OvertakenError(Exception):
    """Another run took the number of a commit, because no lock kept it out."""


def recover(layout: Layout, removed: Collection[str] = ()) -> None:
    """Finish or remove what killed runs left in the work folder.

    When another run took the number of a promised commit, because the file system's lock was ineffective or the log
    comes from an older copy of the folder, the promise is dropped with its files: its data is requested again, and
    nothing is stored twice. It is dropped, too, when one of its files is neither staged nor in place, as in a copy of
    the folder that was made while the run committed: a commit without its files would count as read what is not there,
    while the API, the journal and the inbox still have it.

    `removed` are files that a later commit of the same log removes: a copy does not fetch them.

    Raises
    ------
    DatasetError
        If the folder has lost its commit records: see `require_records`.
    """
    # First: without any record, a promise would be dropped that a restored log can still take.
    require_records(layout)
    for staging in layout.runs():
        if prepared := promised(staging):
            commit = _promise(prepared).without(removed)
            if _entered(layout, commit):
                pass
            elif commit.number == next_number(layout):
                if missing := _missing(layout, commit):
                    drop(layout, commit, missing=len(missing))
                else:
                    finish(layout, prepared, commit)
            elif layout.bucket is None or layout.commit(commit.number).exists():
                drop(layout, commit)
            else:
                # Records have disappeared: its files may still be needed.
                LOGGER.warning(Entry("left", {"run": commit.run, "commit": commit.number}))
        shutil.rmtree(staging, ignore_errors=True)


def drop(layout: Layout, commit: Commit, *, missing: int = 0) -> None:
    """Remove the files of a prepared commit that is abandoned; `missing` is how many of them are not there."""
    named = {file.path for each in commits(layout) for file in each.published}
    own, backend = _sizes(commit), backend_of(layout)
    for name in own:
        if name not in named and f"-{commit.run}" in name:
            with suppress(CorruptFile, NotADirectoryError):
                backend.delete(name)
                if layout.bucket is None:
                    _remove_empty_folders(layout.local_file(name))
    fields = {"run": commit.run, "commit": commit.number, "files": len(own)}
    if missing:
        fields |= {"missing": missing, "reason": "files of the run are missing, so what it read is read again"}
    LOGGER.warning(Entry("dropped", fields))


def _remove_empty_folders(path: Path) -> None:
    """Remove the folders of the day and the table of a deleted file if nothing else is there, as before its run."""
    if path.parent.name.startswith("date="):
        with suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()


def _sizes(commit: Commit) -> dict[str, int | None]:
    """The files of a commit with their sizes; no size is recorded of its quarantine."""
    sizes: dict[str, int | None] = {file.path: file.bytes for file in commit.published}
    return sizes if commit.quarantine is None else {**sizes, commit.quarantine: None}


def _staged(layout: Layout, commit: Commit) -> dict[str, Path]:
    """Where each file of a prepared commit is staged, or was before it was put into its place."""
    staging = Layout(layout.staging(commit.run))
    files = {file.path: staging.local_file(file.path) for file in commit.published}
    return files if commit.quarantine is None else {**files, commit.quarantine: staging.root / STAGED_QUARANTINE}


def _missing(layout: Layout, commit: Commit) -> list[str]:
    """The files of a prepared commit that are neither staged nor in place, or are not of the recorded size."""
    staged, missing = _staged(layout, commit), []
    for name, size in _sizes(commit).items():
        try:
            # In a bucket, staged files stay until the record is created, so it is hardly ever asked.
            found = size_of(staged[name] if staged[name].exists() else layout.file(name))
        except (FileNotFoundError, NotADirectoryError):
            missing.append(name)
        else:
            if size not in {None, found}:
                missing.append(name)
    return missing


def _promise(prepared: Path) -> Commit:
    commit = Commit.read(prepared)
    if commit.run != prepared.parent.name:
        raise CorruptFile(prepared, f"it is the promise of another run ({commit.run!r})")
    return commit


def _entered(layout: Layout, commit: Commit) -> bool:
    """Whether a prepared commit is already in the log: its run died, or its folder was copied, just after that."""
    path = layout.commit(commit.number)
    return path.exists() and Commit.read(path).run == commit.run


def finish(layout: Layout, prepared: Path, commit: Commit) -> None:
    """Move the files of a prepared commit to their places and enter it in the log.

    May be repeated after a crash at any point: files that are in place stay there.

    Raises
    ------
    CorruptFile
        If a file is missing: no commit is entered without its files.
    OvertakenError
        If another run has taken the number.
    """
    if missing := _missing(layout, commit):
        raise CorruptFile(prepared, f"{len(missing)} of its files are missing or cut off, like {missing[0]}")
    backend = backend_of(layout)
    backend.publish(_staged(layout, commit))
    try:
        backend.create_record(prepared, f"{COMMITS}/{layout.commit(commit.number).name}")
    except FileExistsError as error:
        raise OvertakenError(commit.number) from error
