"""Read Parquet files a batch at a time, so that a file of any size takes little memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.store.stored_object import StoredFile, parquet_source
from conv_analytics.errors import CorruptFile


def read_batches(path: StoredFile, columns: Collection[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, in batches of at most this number of rows, in the given order.

    Raises
    ------
    CorruptFile
        If they cannot be read.
    """
    try:
        with pq.ParquetFile(parquet_source(path)) as file:
            for batch in file.iter_batches(rows, columns=list(columns)):
                yield batch.select(list(columns))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CorruptFile(path, first_line(error)) from error


def first_line(error: BaseException) -> str:
    r"""The message of an error, cut to its first line.

    >>> first_line(ValueError("first\nsecond")), first_line(KeyError())
    ('first', 'KeyError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]
