"""The files of a dataset as questions open them: each is checked when it is first opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.storage.batches import first_line
from conv_analytics.dataset.storage.commit import File
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.parquet import damage, open_file
from conv_analytics.dataset.storage.views import DatasetFile
from conv_analytics.dataset.store.stored_object import StoredFile, StoredObject, parquet_source
from conv_analytics.errors import CorruptFile

T = TypeVar("T")

#: Files of a bucket read at a time.
_AT_ONCE = 8


class CheckedFiles:
    """The files of a dataset, opened for reading.

    Parameters
    ----------
    layout
        The dataset.
    name
        The dataset as its user names it.
    """

    def __init__(self, layout: Layout, name: str) -> None:
        self._layout, self._name = layout, name
        self._checked: dict[File, DatasetFile] = {}

    def checked(self, file: File) -> DatasetFile:
        """A file in the form that a view takes. It is checked only once, because a dataset serves many queries.

        Raises
        ------
        CorruptFile, SchemaChanged
            If it is missing, cut off or another one.
        """
        if file not in self._checked:
            self.open(file).close()
        return self._checked[file]

    def open(self, file: File) -> pq.ParquetFile:
        """A file opened for reading; it is checked once, and its length each time."""
        checked = self._checked.get(file)
        if checked is not None and _is_still(checked.path, file):
            return pq.ParquetFile(parquet_source(checked.path))
        opened = open_file(self._layout, file)
        self._checked[file] = DatasetFile(opened.path, opened.lacking)
        return opened.parquet

    @contextmanager
    def readable(self, file: File) -> Iterator[pq.ParquetFile]:
        """A file opened for reading; raises `CorruptFile` if opening or reading fails."""
        try:
            with self.open(file) as opened:
                yield opened
        except (OSError, pa.ArrowException) as error:
            raise CorruptFile(self.display_path(file), self.damage(file) or first_line(error)) from error

    def display_path(self, file: File) -> str:
        """The user's name for a file."""
        return str(Path(self._name, file.path)) if self._layout.bucket is None else f"{self._name}/{file.path}"

    def side_by_side(self, call: Callable[[File], T], files: Sequence[File]) -> Iterator[T]:
        """The result of a call for each file, in order; several at a time for a bucket, where each call waits."""
        if self._layout.bucket is None:
            yield from map(call, files)
            return
        with ThreadPoolExecutor(_AT_ONCE, "conv_analytics bucket") as pool:
            yield from pool.map(call, files)

    def damage(self, file: File) -> str | None:
        """See `parquet.damage`."""
        return damage(self._layout, file)


def _is_still(path: StoredFile, file: File) -> bool:
    """Whether a checked file is unchanged; in a bucket it is assumed to be."""
    return isinstance(path, StoredObject) or (path.is_file() and path.stat().st_size == file.bytes)


__all__ = ["CheckedFiles"]
