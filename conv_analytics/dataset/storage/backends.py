"""Storage backends for the finished files and the log of a dataset: its folder, or the bucket of its work folder."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from conv_analytics import durable
from conv_analytics.dataset.storage.layout import COMMITS, RECORD, TRIED, Layout
from conv_analytics.dataset.store.probe import require_create_once
from conv_analytics.errors import DatasetError

if TYPE_CHECKING:
    from conv_analytics.dataset.store.bucket import BucketStore

#: File that says which state of the records the work folder of a bucket has copies of.
_COPIED = ".copied.json"
#: Requests at a time, and the size of a file up to which others are uploaded in parallel. [B]
_AT_ONCE, _SMALL = 8, 8 * 2**20


class Backend(Protocol):
    """A storage backend for finished files and the commit log."""

    def require_create_once(self) -> None:
        """Raise `DestinationError` if two writers could take the same number."""

    def publish(self, files: Mapping[str, Path]) -> None:
        """Put finished files under their names; existing ones stay, so that a call can be repeated."""

    def create_record(self, prepared: Path, name: str) -> None:
        """Create a record of the log; raise `FileExistsError` if its name is taken."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    def files(self, folder: str) -> list[str]:
        """The names of the files below a folder, relative to the dataset, in order."""

    def refresh(self) -> None:
        """Bring the folder's records of the log up to date."""


class FolderBackend:
    """A local folder."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def require_create_once(self) -> None:
        """Do nothing: the lock keeps other writers out, and links are created once."""

    def publish(self, files: Mapping[str, Path]) -> None:
        """Move the files to their places."""
        targets = {name: self._layout.local_file(name) for name in files}
        for name, staged in files.items():
            if staged.exists():
                durable.publish(staged, targets[name])
        with ThreadPoolExecutor() as pool:
            list(pool.map(durable.sync_folder, {target.parent for target in targets.values()}))

    def create_record(self, prepared: Path, name: str) -> None:
        """Link the record to its name."""
        durable.create(prepared, self._layout.local_file(name))

    def delete(self, name: str) -> None:
        """Delete a file."""
        self._layout.local_file(name).unlink(missing_ok=True)

    def files(self, folder: str) -> list[str]:
        """The files below a folder."""
        root = self._layout.root
        return sorted(path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file())

    def refresh(self) -> None:
        """Do nothing: they are in the folder already."""


class BucketBackend:
    """A bucket; the folder has copies of its commit records."""

    def __init__(self, layout: Layout, store: BucketStore) -> None:
        self._layout, self._store = layout, store
        self._copied = layout.commits / _COPIED

    def require_create_once(self) -> None:
        """Test the store, once per work folder."""
        tried = self._layout.work / TRIED
        if not tried.exists():
            require_create_once(self._store)
            tried.touch()

    def publish(self, files: Mapping[str, Path]) -> None:
        """Upload the files: small ones side by side, others one after the other."""
        small = {name: path for name, path in files.items() if path.exists() and path.stat().st_size <= _SMALL}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._upload, small, small.values()))
        for name in files.keys() - small.keys():
            if files[name].exists():
                self._upload(name, files[name])

    def create_record(self, prepared: Path, name: str) -> None:
        """Create the record; the next reader of the log fetches a copy."""
        self._store.create(name, prepared.read_bytes())
        prepared.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._store.delete(name)

    def files(self, folder: str) -> list[str]:
        """The objects below a folder."""
        return [each.name for each in self._store.list(folder)]

    def refresh(self) -> None:
        """Fetch the records that the folder lacks, and drop those that the bucket no longer has.

        Raises
        ------
        DatasetError
            If the bucket cannot be read, or the work folder cannot be read or written.
        """
        # First: a record that another process copies while the list is under way is in the folder and not in the list.
        with self._blaming_the_folder("read"):
            local = self._local_records()
        try:
            listed = {each.name: each for each in self._store.list(COMMITS) if _is_record(each.name)}
        except OSError as error:
            raise self._cannot_read(error) from error
        copied = self._read_copied()
        lacking = [
            name for name, each in listed.items() if copied.get(name) != each.tag or local.get(name) != each.size
        ]
        gone = [name for name in local if name not in listed]
        if not lacking and not gone:
            return
        with self._blaming_the_folder("written"):
            self._layout.commits.mkdir(exist_ok=True)
            for name in gone:
                (self._layout.root / name).unlink(missing_ok=True)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._copy, lacking))
        with self._blaming_the_folder("written"):
            durable.write_atomically(self._copied, json.dumps({name: each.tag for name, each in listed.items()}))

    def _upload(self, name: str, path: Path) -> None:
        self._store.create(name, path.read_bytes())

    def _copy(self, name: str) -> None:
        try:
            record = self._store.read(name)
        except OSError as error:
            raise self._cannot_read(error) from error
        part = self._layout.root / f"{name}.{uuid.uuid4().hex}.part"
        with self._blaming_the_folder("written"):
            try:
                part.write_bytes(record)
                part.replace(self._layout.root / name)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def _cannot_read(self, error: OSError) -> DatasetError:
        return DatasetError(f"{self._layout.name} cannot be read: {error.strerror or error}.")

    @contextmanager
    def _blaming_the_folder(self, verb: str) -> Iterator[None]:
        """Say that the work folder is at fault, not the bucket."""
        try:
            yield
        except OSError as error:
            message = f"The work folder {self._layout.root} cannot be {verb}: {error.strerror or error}."
            raise DatasetError(f"{message} Name another one (--work, work=).") from error

    def _local_records(self) -> dict[str, int]:
        """The local copies, with their sizes."""
        found: dict[str, int] = {}
        with suppress(FileNotFoundError):
            for path in self._layout.commits.iterdir():
                # Another process may drop it meanwhile.
                with suppress(FileNotFoundError):
                    if _is_record(path.name):
                        found[f"{COMMITS}/{path.name}"] = path.stat().st_size
        return found

    def _read_copied(self) -> dict[str, str]:
        try:
            values = json.loads(self._copied.read_bytes())
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}


def backend_of(layout: Layout) -> Backend:
    """The storage backend of a dataset."""
    return FolderBackend(layout) if layout.bucket is None else BucketBackend(layout, layout.bucket)


def _is_record(name: str) -> bool:
    return RECORD.fullmatch(name.rsplit("/", 1)[-1]) is not None


__all__ = ["Backend", "backend_of"]
