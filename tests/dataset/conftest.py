"""A dataset of several runs, tables and days, written once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, all_null, rows


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[pa.Table]]]:
    """Three runs: full rows over several days, nothing but keys, and words that no file had before."""
    root = tmp_path_factory.mktemp("runs") / "exports"
    written: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    for number in range(3):
        writer = DatasetWriter(root, DAY + timedelta(days=number), TABLES)
        for name, table in TABLES.items():
            made = all_null(table, 2) if number == 1 else rows(table, 8, start=10 * number)
            writer.write(name, made)
            written[name].append(made)
        writer.commit([Watermark("CON-1", number)], {"status": "complete"})
    return root, written


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of one run that found nothing."""
    root = tmp_path_factory.mktemp("empty") / "exports"
    DatasetWriter(root, DAY, TABLES).commit({}, {})
    return root
