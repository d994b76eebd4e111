"""The rows of a dataset file with the columns declared today, and whether one dataset is inside another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from conv_analytics.dataset.storage.batches import read_batches
from conv_analytics.dataset.storage.commit import File
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.parquet import damage, open_file
from conv_analytics.errors import CorruptFile, SchemaChanged
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Table
from conv_analytics.tables.kinds import as_declared

#: Rows read at a time.
_BATCH_ROWS = 2**14


class FileRows:
    """The rows of one file, in batches; may be iterated several times."""

    def __init__(self, layout: Layout, file: File, columns: Sequence[str]) -> None:
        self.path, self.file, self._columns = layout.file(file.path), file, columns
        self._layout = layout

    def __iter__(self) -> Iterator[pa.Table]:
        with open_file(self._layout, self.file).parquet as opened:
            present = opened.schema_arrow.names
        for batch in read_batches(self.path, [name for name in self._columns if name in present], _BATCH_ROWS):
            yield as_declared(pa.Table.from_batches([batch]), TABLES[self.file.table].schema, self._columns)

    def check(self, table: Table) -> None:
        """Raise unless the file is as it was recorded, and has the columns that its table has today."""
        with open_file(self._layout, self.file).parquet as opened:
            columns = opened.schema_arrow.names
        if fault := damage(self._layout, self.file):
            raise CorruptFile(self.path, fault)
        if more := [name for name in columns if name not in table.schema.names]:
            raise SchemaChanged(table.name, more[0], f"is not in {self.file.path} as it is declared")


def is_nested(source: Layout, target: Layout) -> bool:
    """Whether the target of a copy is inside a dataset, or contains it."""
    if source.bucket is not None and target.bucket is not None:
        one, other = f"{source.name}/", f"{target.name}/"
        return one.startswith(other) or other.startswith(one)
    here, there = source.root.resolve(), target.root.resolve()
    return here == there or here in there.parents or there in here.parents


__all__ = ["FileRows", "is_nested"]
