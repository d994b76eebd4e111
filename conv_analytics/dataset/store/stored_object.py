"""An object of a bucket as a file: readers request the parts that they need."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from conv_analytics import durable
from conv_analytics.dataset.store.bucket import TAIL, BucketStore, StoreError
from conv_analytics.errors import DatasetError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Size of the pieces in which whole files are read. [B]
_PIECE = 2**20


@dataclass(frozen=True)
class StoredObject:
    """A finished file of a dataset in a bucket."""

    store: BucketStore
    name: str
    """Relative to the dataset."""

    def __str__(self) -> str:
        return self.store.url(self.name)

    @property
    def size(self) -> int:
        """Its size [B]; raises `FileNotFoundError` if it is not there."""
        with _answered():
            return self.store.about(self.name)[0]

    def open(self) -> IO[bytes]:
        """Open it for reading from its beginning to its end."""
        return io.BufferedReader(self.random_access(), _PIECE)

    def random_access(self) -> ObjectReader:
        """Open it for reading parts of it."""
        return ObjectReader(self.store, self.name, self.size)

    def sha256(self) -> str:
        """The checksum of its content, in hex."""
        digest = hashlib.sha256()
        with _answered():
            for chunk in self.store.chunks(self.name):
                digest.update(chunk)
        return digest.hexdigest()


#: A finished file of a dataset, wherever it is.
StoredFile: TypeAlias = Path | StoredObject


class ObjectReader(io.RawIOBase):
    """Reads an object: each read requests just those bytes, except at the end, which is fetched once."""

    def __init__(self, store: BucketStore, name: str, size: int) -> None:
        super().__init__()
        self._store, self._name, self._size = store, name, size
        self._at = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true: it can be read from any position."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at

    def size(self) -> int:
        """The size of the object [B]."""
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(offset)
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes; fewer at the end."""
        left = max(0, self._size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        if not count:
            return b""
        tail_start = max(0, self._size - TAIL)
        with _answered():
            if self._at >= tail_start:
                begin = self._at - tail_start
                result = self._store.tail(self._name)[begin : begin + count]
            else:
                result = self._store.read_range(self._name, self._at, count)
        self._at += len(result)
        return result

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer; return how many bytes."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


@contextmanager
def _answered() -> Iterator[None]:
    """Distinguish a store that does not answer from a damaged file."""
    try:
        yield
    except StoreError as error:
        raise DatasetError(f"{error.strerror}. Check the network and the store, then try again.") from error


def parquet_source(file: StoredFile) -> Any:
    """A file in a form that `pyarrow.parquet.ParquetFile` accepts."""
    return file if isinstance(file, Path) else file.random_access()


def open_binary(file: StoredFile) -> IO[bytes]:
    """Open a file for reading from its beginning to its end."""
    return file.open("rb") if isinstance(file, Path) else file.open()


def size_of(file: StoredFile) -> int:
    """The size of a file [B]; raises `FileNotFoundError` if it is not there."""
    return file.stat().st_size if isinstance(file, Path) else file.size


def sha256_of(file: StoredFile) -> str:
    """The checksum of a file, in hex."""
    return durable.sha256(file) if isinstance(file, Path) else file.sha256()


__all__ = ["ObjectReader", "StoredFile", "StoredObject", "open_binary", "parquet_source", "sha256_of", "size_of"]
