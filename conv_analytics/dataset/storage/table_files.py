"""The files in the folders of tables, whether or not a commit names them."""

from __future__ import annotations

from collections.abc import Iterator

from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.bucket import StoreError
from conv_analytics.errors import DatasetError
from conv_analytics.tables import TABLES


def parquet_files(layout: Layout) -> Iterator[str]:
    """The Parquet files in the folders of tables, relative to the dataset.

    Raises
    ------
    DatasetError
        If the bucket cannot be read.
    """
    backend = backend_of(layout)
    try:
        # One request for a bucket without tables, not one for each of them.
        there = TABLES if layout.bucket is None else set(layout.bucket.folders()).intersection(TABLES)
        for table in TABLES:
            if table in there:
                yield from (name for name in backend.files(table) if name.endswith(".parquet"))
    except StoreError as error:
        raise DatasetError(f"{layout.name} cannot be read: {error.reason}.") from error


__all__ = ["parquet_files"]
