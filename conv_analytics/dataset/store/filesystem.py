"""The filesystem through which DuckDB reads a bucket: only the columns that a query needs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from fsspec import AbstractFileSystem

from conv_analytics.dataset.store.address import Address
from conv_analytics.dataset.store.bucket import BucketStore
from conv_analytics.dataset.store.stored_object import ObjectReader

#: A character that a pattern takes literally: see `storage.views.literal`.
_LITERAL = re.compile(r"\[([*?\[])\]")


class BucketFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The buckets of one kind of store, for reading.

    Parameters
    ----------
    scheme
        ``s3`` or ``az``.
    """

    cachable = False

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self._buckets: dict[str, BucketStore] = {}

    def glob(self, path: str, **_options: Any) -> list[str]:
        """The one file that a quoted path names."""
        return [_LITERAL.sub(r"\1", path)]

    def open(self, path: str, mode: str = "rb", **_options: Any) -> ObjectReader:
        """Open a file for reading."""
        if mode != "rb":
            raise PermissionError(f"{path} is read only")
        store, name = self._place(path)
        return ObjectReader(store, name, self.size(path))

    def size(self, path: str) -> int:
        """The size of a file [B]."""
        return self._size_and_time(path)[0]

    def modified(self, path: str) -> datetime:
        """When a file was written."""
        return self._size_and_time(path)[1]

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Metadata of a file."""
        return {"name": path, "size": self.size(path), "type": "file"}

    def exists(self, path: str, **_options: Any) -> bool:
        """Whether there is such a file."""
        try:
            self._size_and_time(path)
        except FileNotFoundError:
            return False
        return True

    def isfile(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.exists(path)

    def _size_and_time(self, path: str) -> tuple[int, datetime]:
        store, name = self._place(path)
        return store.about(name)

    def _place(self, path: str) -> tuple[BucketStore, str]:
        scheme, _, rest = path.partition("://")
        bucket, _, name = rest.partition("/")
        if bucket not in self._buckets:
            self._buckets[bucket] = BucketStore(Address(scheme, bucket, ""))
        return self._buckets[bucket], name


def register(connection: Any, scheme: str) -> None:
    """Let a DuckDB connection read the buckets of a kind of store."""
    if scheme not in connection.list_filesystems():
        connection.register_filesystem(BucketFileSystem(scheme))


__all__ = ["BucketFileSystem", "register"]
